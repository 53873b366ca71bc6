import Postgres

/// Rows that go in one after the other without a round trip for each: COPY into a stage, and one block of PL/pgSQL that carries
/// each row into the table behind a savepoint of its own and notes what the server says of those that it refuses.
///
/// Rows behind one another that have given no trouble go in together, the more the longer that lasts: it saves statements, and
/// savepoints, of which the server remembers 64 a session without looking them up.
struct RowByRow {
    private let target: Target
    private let stage: ScratchTable

    /// So many rows at most at a time: the statement that takes them has to end within its timeout.
    static let most = 512
    /// So many at most behind one savepoint.
    private static let mostTogether = 64
    /// Each set of columns is planned twice and compiled once, for each part again: of many sets each row costs more than to look
    /// for those that are refused.
    private static let mostWays = 32
    /// So many rows at least are copied together, however many of them cannot be read.
    private static let fewestCopied = 16

    private static let number = quoteIdentifier("loader row")
    /// What the block leaves behind, a setting of the transaction: it takes no table, and goes with its savepoint.
    private static let answer = "loader.refused"

    init(_ target: Target) {
        self.target = target
        stage = ScratchTable("rows", of: target)
    }

    /// A row that the server refuses by itself.
    struct Refused {
        /// In `RowSelection.rows`.
        var row: Int
        var error: PostgresError
        /// Sent by itself it would have been refused by COPY, as its dead letter says then.
        var isOfCopy: Bool
    }

    /// Makes the stage where it is not there yet.
    func make(on connection: Connection) throws(PostgresError) { try stage.make(create, on: connection) }

    private var create: String { StageMerge.create(stage, target, more: [(Self.number, "int4")]) }

    /// - Parameters:
    ///   - part: ascending places in `selection.rows`.
    ///   - nulled: counts values that became NULL, because their columns cannot hold them.
    /// - Returns: the refused rows in their order; the others are in. Nil where it does not pay, with nothing in.
    /// - Throws: why it cannot be done like this, or what is no row's fault by its code. Nothing is to be kept of it then.
    func load(
        _ selection: RowSelection, _ part: [Int], _ keys: KeyTable, over connection: RowConnection,
        nulled: inout Int
    ) throws(Refusal) -> [Refused]? {
        let plan = Plan(selection, part)
        guard plan.ways.count <= Self.mostWays else { return nil }
        if !plan.deletions.isEmpty {
            try keys.fill(
                plan.deletions.map(\.row), selection.batch.sections, numbers: plan.deletions.map(\.number),
                over: connection)
        }
        let unreadable = try fill(plan, selection, part, over: connection, nulled: &nulled)
        let statements = plan.ways.map { statement($0, keys) }
        try connection.run(block(plan, statements, keys))
        let answer = try connection.query(Self.question)
        let refused = (0..<answer.rowCount).compactMap { row -> Refused? in
            guard let number = answer.int(row, 0), part.indices.contains(Int(number) - 1) else { return nil }
            let place = Int(number) - 1
            let error = error(answer, row, statements)
            // COPY has constraints on other tables checked once its rows are all in, and names none of them then.
            let isOfCopy =
                target.mode == .insert && plan.ways[plan.wayOfRow[place]] != .row([])
                && answer.string(row, 11) == "false" && error.sqlState != .foreignKeyViolation
            return Refused(row: part[place], error: error, isOfCopy: isOfCopy)
        }
        return unreadable.isEmpty ? refused : (refused + unreadable).sorted { $0.row < $1.row }
    }

    // MARK: Into the stage

    /// Brings the rows into the stage, but those that it cannot read: what stands before such a row goes in without it.
    ///
    /// - Returns: those.
    private func fill(
        _ plan: Plan, _ selection: RowSelection, _ part: [Int], over connection: RowConnection, nulled: inout Int
    ) throws(Refusal) -> [Refused] {
        var unreadable: [Refused] = []
        guard let first = part.first, let last = part.last, !plan.rows.isEmpty else { return unreadable }
        try connection.clear(stage, create)
        var (start, most) = (0, plan.rows.count)
        try connection.run("SAVEPOINT loader_copy")
        while start < plan.rows.count {
            let end = min(start + most, plan.rows.count)
            if let refusal = try copy(plan, start..<end, selection, over: connection) {
                try connection.run("ROLLBACK TO SAVEPOINT loader_copy")
                // What is not said of a value may be another row's.
                guard let line = refusal.error.copyLine, (1...end - start).contains(line),
                    target.unfitColumn(refusal.error) != nil
                else { throw refusal }
                if selection.setNull(refusal, first..<last + 1) {
                    nulled += 1
                } else {
                    let stumbled = start + line - 1
                    if let refusal = try copy(plan, start..<stumbled, selection, over: connection) { throw refusal }
                    let place = Int(plan.rows[stumbled].number) - 1
                    unreadable.append(Refused(row: part[place], error: refusal.error, isOfCopy: true))
                    start = stumbled + 1
                    most = max(Self.fewestCopied, most / 2)
                }
            } else {
                start = end
                most *= 2
            }
            try connection.run("RELEASE SAVEPOINT loader_copy; SAVEPOINT loader_copy")
        }
        try connection.run("RELEASE SAVEPOINT loader_copy")
        return unreadable
    }

    /// - Returns: why the server takes none of these, where a row may be the reason.
    private func copy(
        _ plan: Plan, _ places: Range<Int>, _ selection: RowSelection, over connection: RowConnection
    ) throws(Refusal) -> Refusal? {
        guard !places.isEmpty else { return nil }
        let source = RowSource(target, selection.batch.sections, selection.omissions)
        var group = plan.group
        group.rows = plan.rows[places].map(\.row)
        let numbers = plan.rows[places].map(\.number)
        do throws(Refusal) {
            try connection.copy(copy(group), naming: group.rows, takesAll: true) {
                (stream: borrowing CopyInStream) throws(PostgresError) in
                try source.send(group, numbers: numbers, to: stream)
            }
            return nil
        } catch {
            guard connection.isOpen, Suspicion(error.error) == .row else { throw error }
            return error
        }
    }

    // MARK: What is to be done

    /// By which statement a row goes in.
    private enum Way: Hashable {
        case deletion
        /// With the columns that a row gives.
        case row([Int])

        /// Whether several rows can go in by it together.
        var takesSeveral: Bool { self != .row([]) }
    }

    /// What is done with each row, from 1 in the order of arrival.
    private struct Plan {
        var ways: [Way] = []
        /// For each row the position of its way.
        var wayOfRow: [Int] = []
        /// For each row the last one that can go in together with it.
        var ends: [Int] = []
        var deletions: [(row: RowReference, number: Int32)] = []
        var rows: [(row: RowReference, number: Int32)] = []
        /// All rows that are no deletions, with the columns that any of them gives.
        var group: RowGroup

        init(_ selection: RowSelection, _ part: [Int]) {
            let (target, sections) = (selection.target, selection.batch.sections)
            var known: [Way: Int] = [:]
            var knownSets: [Int32: Int] = [:]
            func position(_ way: Way) -> Int {
                if let position = known[way] { return position }
                known[way] = ways.count
                ways.append(way)
                return ways.count - 1
            }
            group = RowGroup(rows: [], columns: [])
            for (place, index) in part.enumerated() {
                let (row, number) = (selection.rows[index], Int32(truncatingIfNeeded: place + 1))
                let section = sections[Int(row.section)]
                guard section.kind == .rows else {
                    deletions.append((row, number))
                    wayOfRow.append(position(.deletion))
                    continue
                }
                rows.append((row, number))
                let set = section.rows[Int(row.row)].omission
                let way = knownSets[set] ?? position(.row(target.given(set, section.omissions)))
                knownSets[set] = way
                wayOfRow.append(way)
            }
            let sets = ways.compactMap { if case .row(let columns) = $0 { Set(columns) } else { nil } }
            let all = sets.reduce(into: Set<Int>()) { $0.formUnion($1) }
            group.columns = all.sorted()
            group.mixed = all.filter { column in !sets.allSatisfy { $0.contains(column) } }
            // Constant defaults are sent along, but to rows that an upsert may find there.
            if target.mode != .upsert {
                group.filled = all.filter {
                    target.columns[$0].omissionBit != nil && target.columns[$0].defaultField != nil
                }
                group.mixed.subtract(group.filled)
            }
            ends = Array(1...max(1, part.count))
            for place in wayOfRow.indices.reversed().dropFirst()
            where wayOfRow[place] == wayOfRow[place + 1] && ways[wayOfRow[place]].takesSeveral {
                ends[place] = ends[place + 1]
            }
        }
    }

    // MARK: Statements

    private func copy(_ group: RowGroup) -> String {
        let columns = group.columns.isEmpty ? Self.number : "\(target.quoted(group.columns)), \(Self.number)"
        return "COPY \(stage.name) (\(columns)) FROM STDIN\(target.copyOptions)"
    }

    private func statement(_ way: Way, _ keys: KeyTable) -> String {
        let isTaken = "s.ctid = ANY (loader_block.taken)"
        switch way {
        case .deletion: return "\(keys.deleteKeys) AND \(isTaken)"
        case .row([]):
            let onConflict = target.mode == .insert ? "" : " ON CONFLICT\(target.arbiter) DO NOTHING"
            return "INSERT INTO \(target.name.quoted) DEFAULT VALUES\(onConflict)"
        case .row(let columns):
            return StageMerge(target).merge(RowGroup(rows: [], columns: columns), from: stage, where: isTaken)
        }
    }

    /// First the statements without a row, so that what refuses them all is not taken for a row's fault. Then the rows:
    /// those of a part that is refused once more by themselves.
    private func block(_ plan: Plan, _ statements: [String], _ keys: KeyTable) -> String {
        func list(_ numbers: [Int]) -> String { "'{\(numbers.map { "\($0)" }.joined(separator: ","))}'" }
        let without = zip(plan.ways, statements).filter { $0.0.takesSeveral }.map { $0.1 + ";" }
        let ways = statements.enumerated().map { "WHEN \($0.offset) THEN \($0.element);" }
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
              in_schema text; in_table text; in_column text; of_type text; of_constraint text; is_late boolean;
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

    private static let noting = """
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE,
          message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
          context = PG_EXCEPTION_CONTEXT, in_schema = SCHEMA_NAME, in_table = TABLE_NAME, in_column = COLUMN_NAME,
          of_type = PG_DATATYPE_NAME, of_constraint = CONSTRAINT_NAME;
        refused := array_append(refused, json_build_array(
          from_row, state, message, detail, hint, context, in_schema, in_table, in_column, of_type, of_constraint,
          is_late));
        """

    private static let question =
        "SELECT " + (0..<12).map { "nullif(r.e->>\($0), '')" }.joined(separator: ", ")
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

    // MARK: What the server says

    private func error(_ answer: QueryResult, _ row: Int, _ statements: [String]) -> PostgresError {
        let words = (2..<11).map { answer.string(row, $0) }
        let context = words[3].flatMap { Self.context($0, without: statements + ["SET CONSTRAINTS ALL IMMEDIATE"]) }
        return PostgresError(
            .server, sqlState: answer.string(row, 1).map(SQLState.init(rawValue:)), message: words[0] ?? "",
            detail: words[1], hint: words[2], context: context, schema: words[4], table: words[5], column: words[6],
            dataType: words[7], constraint: words[8],
            isRaisedByFunction: context.map(Self.isOfRaise) ?? false, cameWithRows: true)
    }

    /// Whether PL/pgSQL was at a RAISE. It does not say which of the server's functions has reported an error; but where it was
    /// stands first, and the statement's name is not translated. What is quoted there are names of the user's.
    static func isOfRaise(_ context: String) -> Bool {
        var isQuoted = false
        let place = context.prefix { character in
            if character == "\"" { isQuoted.toggle() }
            return isQuoted || character != "\n"
        }
        let words = place.split(separator: "\"", omittingEmptySubsequences: false)
        return words.enumerated().contains { $0.offset.isMultiple(of: 2) && $0.element.contains("RAISE") }
    }

    /// What is left of where the server was, once the block itself is taken away: its statement, and its own line below.
    static func context(_ context: String, without statements: [String]) -> String? {
        var rest = context.utf8[...]
        rest = rest.prefix(upTo: rest.lastIndex(of: UInt8(ascii: "\n")) ?? rest.startIndex)
        // Quoted as the server's language has it.
        for closing in 0...4 {
            let said = rest.dropLast(closing)
            let own = statements.first {
                said.count >= $0.utf8.count && said.suffix($0.utf8.count).elementsEqual($0.utf8)
            }
            guard let own else { continue }
            rest = said.dropLast(own.utf8.count)
            rest = rest.prefix(upTo: rest.lastIndex(of: UInt8(ascii: "\n")) ?? rest.startIndex)
            break
        }
        return rest.isEmpty ? nil : String(Substring(rest))
    }
}

extension Target {
    /// The columns that a row gives, and those whose constant default is sent in its place.
    fileprivate func given(_ set: Int32, _ omissions: Omissions) -> [Int] {
        let given = columns.indices.filter { index in
            columns[index].omissionBit.map { !omissions.contains(set, $0) } ?? true
        }
        guard mode != .upsert, !given.isEmpty else { return given }
        return columns.indices.filter { given.contains($0) || columns[$0].defaultField != nil }
    }
}
