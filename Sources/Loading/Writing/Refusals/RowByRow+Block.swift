import Postgres

/// What the server does with rows that stand in the stage.
extension RowByRow {
    func statements(_ way: Way, _ keys: KeyTable) -> [String] {
        guard let columns = way.columns else { return ["\(keys.deleteKeys) AND \(Self.isTaken)"] }
        if way == .row([]) {
            let onConflict = target.mode == .insert ? "" : " ON CONFLICT\(target.arbiter) DO NOTHING"
            return ["INSERT INTO \(target.name.quoted) DEFAULT VALUES\(onConflict)"]
        }
        var group = RowGroup(rows: [], columns: columns)
        if case .change = way { group.needsRows = true }
        let origin = StageMerge.Origin(name: stage.name, columns: self.columns, condition: Self.isTaken)
        return StageMerge(target).merges(group, from: origin)
    }

    private static let isTaken = "s.ctid = ANY (loader_block.taken)"

    /// What a way does, behind its statements.
    private func finding(_ way: Way) -> String {
        guard case .change = way else { return "" }
        return
            " IF EXISTS (SELECT FROM \(stage.name) AS s WHERE \(Self.isTaken) AND NOT EXISTS (\(StageMerge(target).rowOfKey))) "
            + "THEN RAISE EXCEPTION USING ERRCODE = '\(SQLState.rowIsMissing.rawValue)'; END IF;"
    }

    /// First the statements without a row, so that what refuses them all is not taken for a row's fault. Then the rows:
    /// those of a part that is refused once more by themselves.
    func block(_ plan: Plan, _ statements: [[String]], _ keys: KeyTable) -> String {
        func list(_ numbers: [Int]) -> String { "'{\(numbers.map { "\($0)" }.joined(separator: ","))}'" }
        let all = zip(plan.ways, statements).map { way, own in
            own.isEmpty ? "NULL;" + finding(way) : own.map { $0 + ";" }.joined(separator: " ") + finding(way)
        }
        let without = zip(plan.ways, all).filter { $0.0.takesSeveral }.map(\.1)
        let ways = all.enumerated().map { "WHEN \($0.offset) THEN \($0.element)" }
        var places: [String] = []
        if !plan.rows.isEmpty {
            places.append("SELECT r.ctid AS place, r.\(Self.number) AS number FROM \(stage.name) AS r")
        }
        if !plan.deletions.isEmpty { places.append(keys.places) }
        let text = """
            #variable_conflict use_column
            <<loader_block>>
            DECLARE
              places tid[]; taken tid[] := '{}';
              ways int[] := \(list(plan.wayOfRow)); ends int[] := \(list(plan.ends));
              from_row int := 1; to_row int; alone_to int := 0; calm int := 0;
              refused json[] := '{}'; state text;
              message text; detail text; hint text; context text;
              in_schema text; in_table text; in_column text; of_type text; of_constraint text; is_late boolean; unfit int;
            BEGIN
              \(refusalOfRules)
              BEGIN
                \(without.joined(separator: "\n    "))
                RAISE EXCEPTION USING ERRCODE = 'LOADR';
              EXCEPTION WHEN SQLSTATE 'LOADR' THEN NULL;
              END;
              SELECT array_agg(a.place ORDER BY g.number) INTO places FROM generate_series(1, \(plan.wayOfRow.count)) AS g (number)
                LEFT JOIN (\(places.joined(separator: " UNION ALL "))) AS a ON a.number = g.number;
              WHILE from_row <= \(plan.wayOfRow.count) LOOP
                to_row := CASE WHEN from_row <= alone_to THEN from_row
                  ELSE least(ends[from_row], from_row + greatest(1, least(calm / 4, \(Self.mostTogether))) - 1) END;
                taken := places[from_row:to_row];
                is_late := false;
                BEGIN
                  CASE ways[from_row]
                  \(ways.joined(separator: "\n      "))
                  END CASE;
                  \(target.table.hasDeferredConstraints ? Self.forcing : "")
                  calm := calm + to_row - from_row + 1;
                  from_row := to_row + 1;
                EXCEPTION WHEN OTHERS THEN
                  IF NOT \(Suspicion.isRow("SQLSTATE")) THEN RAISE; END IF;
                  IF to_row > from_row THEN
                    alone_to := to_row;
                  ELSE
                    \(Self.diagnostics)
                    \(unfitting(plan))
                    \(Self.noting)
                    calm := 0;
                    from_row := from_row + 1;
                  END IF;
                END;
              END LOOP;
              PERFORM set_config('\(Self.answer)', array_to_json(refused)::text, true);
            END
            """
        return "DO \(Self.quoted(text))"
    }

    /// Deferred constraints and triggers have their say about each row.
    private static let forcing = "is_late := true; SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;"

    private static let diagnostics = """
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE,
          message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
          context = PG_EXCEPTION_CONTEXT, in_schema = SCHEMA_NAME, in_table = TABLE_NAME, in_column = COLUMN_NAME,
          of_type = PG_DATATYPE_NAME, of_constraint = CONSTRAINT_NAME;
        """

    private static let noting = """
        refused := array_append(refused, json_build_array(
          from_row, state, message, detail, hint, context, in_schema, in_table, in_column, of_type, of_constraint,
          is_late, unfit));
        """

    /// Tries a refused row's values by themselves, in the order of COPY: the first that cannot become what its column is, is
    /// what COPY would have named.
    private func unfitting(_ plan: Plan) -> String {
        let tries = plan.ways.enumerated().compactMap { way -> String? in
            guard let columns = way.element.columns else { return nil }
            let values = columns.compactMap { column in
                self.columns.value(column, of: target).map { value in
                    "unfit := \(column); PERFORM \(value) FROM \(stage.name) AS s WHERE s.ctid = ANY (loader_block.taken);"
                }
            }
            return values.isEmpty ? nil : "WHEN \(way.offset) THEN \(values.joined(separator: " "))"
        }
        guard !tries.isEmpty else { return "" }
        return """
            BEGIN
              CASE ways[from_row]
              \(tries.joined(separator: "\n  "))
              ELSE NULL;
              END CASE;
              unfit := NULL;
            EXCEPTION WHEN OTHERS THEN
              IF NOT \(Suspicion.isRow("SQLSTATE")) THEN RAISE; END IF;
              \(Self.diagnostics)
            END;
            """
    }

    static let question =
        "SELECT " + (0..<13).map { "nullif(r.e->>\($0), '')" }.joined(separator: ", ")
        + " FROM jsonb_array_elements(current_setting('\(answer)')::jsonb) AS r(e)"

    /// COPY passes by the rules of a table, INSERT does not.
    private var refusalOfRules: String {
        guard target.mode == .insert else { return "" }
        let name = target.name.quoted.replacing("'", with: "''")
        return """
            IF EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
                       WHERE c.oid = '\(name)'::pg_catalog.regclass AND r.ev_type = '3' AND c.relkind <> 'v')
            THEN RAISE EXCEPTION USING ERRCODE = 'feature_not_supported'; END IF;
            """
    }

    /// Within dollars, whatever is in it.
    private static func quoted(_ text: String) -> String {
        var tag = "$loader$"
        while text.contains(tag) { tag = "$loader_" + tag.dropFirst() }
        return tag + text + tag
    }
}
