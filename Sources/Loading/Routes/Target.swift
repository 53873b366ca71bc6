import Postgres
import Records

/// A route compiled against its table's catalog: what is copied, in which order and format, and what a key does.
package struct Target: Sendable {
    package struct Column: Sendable {
        package var name: String
        package var source: ColumnSource
        var encoder: ColumnEncoder
        package var type: PostgresType
        package var isRequired: Bool
        package var isNotNull: Bool
        /// Nil where the route takes values as they come.
        package var mending: ColumnMending?
        /// The default or constant as the type's input function reads it; nil where there is none.
        package var fixedInput: String?
        /// `json` or `jsonb`, where a whole key or value goes in as the JSON text it is.
        var isJSON: Bool
        /// The bit of this column in a row's set of those left out, for one that has a default and may be left to it.
        package var omissionBit: Int?
        /// The default as SQL; nil for an identity, whose next value only the server can take.
        var defaultExpression: String?
        /// The default as a field of COPY in the target's format, where it is the same for each row.
        var defaultField: [UInt8]?
        /// GENERATED ALWAYS AS IDENTITY: what is given is inserted, but nobody may update it.
        var isAlwaysIdentity = false

        var refusesNull: Bool { isRequired || isNotNull }
    }

    package enum Format: Sendable { case binary, text }

    package var route: Route
    package var table: Table
    /// The position of the route in the configuration.
    package var index: Int
    package var format: Format
    /// In the order of the COPY: the key's columns first, so that a row's key is a prefix of its bytes.
    package var columns: [Column]
    /// How many of `columns` are the key; 0 in mode `insert`, and in mode `ignore` without a key.
    package var keyCount: Int
    package var onTombstone: Route.OnTombstone
    /// How it is told that two rows have the same key, for each of its columns.
    var keyForms: [KeyForm] = []
    /// How the key's index compares, for each of its columns.
    var keyComparisons: [Table.Comparison] = []
    /// What the columns of the table were when the route was compiled; see `Catalog.versions`.
    var version = Catalog.Version()
    /// What its rows refer to.
    var foreignKeys: [ForeignKey] = []
    /// Which of its refused rows are dead letters only once nothing has come that they refer to.
    var wait = ParentWait()

    package var mode: Route.Mode { route.mode }
    package var name: TableName { table.name }
    /// Whether a message without any of the routed fields is a dead letter.
    var wantsField: Bool { route.onNoFields == .deadLetter && columns.contains { $0.source.isField } }
    package var keyColumns: ArraySlice<Column> { columns[..<keyCount] }
    /// Columns that a message may leave to their default.
    var omissible: [Int] { columns.indices.filter { columns[$0].omissionBit != nil } }
    /// Whether a row may leave out something that only the server can fill in.
    var leavesToServer: Bool { columns.contains { $0.omissionBit != nil && $0.defaultField == nil } }
    /// Whether keys are equal exactly when their encoded bytes are.
    var isKeyBytewise: Bool { keyForms.allSatisfy { $0 == .bytes } }
    /// Whether only the server can tell which rows share a key, as with `citext`.
    var asksForSameKeys: Bool { keyForms.contains(.server) }
    /// Whether messages that are loaded once more leave no more rows than before. Without a key, mode `ignore` rests on
    /// any unique index, and one with a column that the server fills anew each time tells nothing.
    package var isReplaySafe: Bool {
        switch mode {
        case .upsert: true
        case .insert: false
        case .ignore:
            keyCount > 0
                || table.uniqueIndexes.contains { index in
                    index.isArbiter && index.columns.allSatisfy { name in columns.contains { $0.name == name } }
                }
        }
    }
}

extension Target {
    /// Compiles a route, or says everything that is wrong with it.
    ///
    /// - Parameter role: the one that loads, for the GRANTs that are proposed.
    package static func compile(
        _ route: Route, index: Int, table: Table, role: String? = nil
    ) -> Result<Target, SetupProblems> {
        let route = route.namingColumns(asIn: table)
        var problems: [SetupProblem] = []
        var rights = MissingRights()
        let place = route.label
        func problem(_ code: SetupProblem.Code, _ text: String, mend: String) {
            problems.append(SetupProblem(code, at: place, text, mend: mend))
        }

        let key = resolveKey(route, table: table, problem: problem)
        var wanted = route.columns(of: table, key: key)
        // The key's columns lead, in the key's order; the others keep theirs.
        wanted = key.compactMap { name in wanted.first { $0.name == name } } + wanted.filter { !key.contains($0.name) }

        var accepted: [(Route.Column, Table.Column)] = []
        var seen: Set<String> = []
        for column in wanted {
            guard let found = table.column(named: column.name) else {
                let meant = table.columns.map(\.name).filter { column.isNamed($0) }
                let near = nearest(to: column.name, in: table.columns.map(\.name))
                problem(
                    .missingColumn, "\(table.name) has no column \(quoteIdentifier(column.name))",
                    mend: meant.count > 1
                        ? "end the variable's name as the table writes the column: \(meant.joined(separator: ", "))"
                        : near.map { "did you mean \($0)?" } ?? "add the column or take it out of `columns`")
                continue
            }
            guard seen.insert(column.name).inserted else {
                problem(.badOption, "column \(quoteIdentifier(column.name)) is routed twice", mend: "keep one of them")
                continue
            }
            if found.isGenerated {
                problem(
                    .unwritableColumn,
                    "\(table.name).\(column.name) is generated by the server and cannot be written",
                    mend: "take it out of `columns`")
                continue
            }
            if !found.mayInsert { rights.insert.append(column.name) }
            if route.mode == .upsert, !found.mayUpdate, !key.contains(column.name), found.identity != .always {
                rights.update.append(column.name)
            }
            if let zone = column.timeZone ?? route.timeZone, !EncodingOptions.isKnownTimeZone(zone) {
                problem(
                    .badOption, "zone \"\(zone)\" of \(column.name) is not known here",
                    mend: "name an IANA zone such as Europe/Berlin, or an offset such as +02:00")
            }
            accepted.append((column, found))
        }
        for name in key where !wanted.contains(where: { $0.name == name }) {
            if table.column(named: name)?.isGenerated == true {
                problem(
                    .unwritableColumn,
                    "\(table.name).\(name) is generated by the server, and no message can name a row by it",
                    mend: "name another key: `key: [column]`, with a unique index on it")
                continue
            }
            problem(
                .missingColumn, "key column \(quoteIdentifier(name)) is not among `columns`",
                mend: "say where it comes from: `\(name): some_field`, or take `rest: none` out")
        }
        for column in table.columns
        where column.isNotNull && column.defaultExpression == nil && column.identity == .none && !column.isGenerated
            && !seen.contains(column.name) && !wanted.contains(where: { $0.name == column.name })
        {
            problem(
                .unroutedColumn, "\(table.name).\(column.name) is NOT NULL without a default, and no field fills it",
                mend: "add it to `columns`, take `rest: none` out, give it a default, or drop the NOT NULL")
        }
        if accepted.isEmpty, problems.isEmpty {
            problem(.missingColumn, "\(table.name) has no column that can be loaded", mend: "add columns to the table")
        }
        for (text, mend) in ColumnOptionCheck(route, accepted, of: table.name, key: key).problems {
            problem(.badOption, text, mend: mend)
        }
        rights.select = route.mode != .insert && !table.maySelect
        let onTombstone = route.onTombstone ?? (route.mode == .upsert ? .delete : .deadLetter)
        if onTombstone == .delete {
            if route.mode != .upsert {
                problem(
                    .badOption, "on_tombstone: delete needs mode upsert",
                    mend: "set mode: upsert, or on_tombstone: skip")
            } else {
                rights.delete = !table.mayDelete
            }
        }
        if !rights.isEmpty { problems.append(rights.problem(at: place, table: table, mode: route.mode, role: role)) }

        let options = accepted.map { column, _ in
            EncodingOptions(
                epochUnit: column.epochUnit, timeZone: column.timeZone ?? route.timeZone,
                onNul: column.onNul ?? route.onNul, decoding: column.decoding,
                isRaw: route.source(of: column).isRaw)
        }
        let binary = zip(accepted, options).map { pair, options in BinaryEncoder(pair.1.type, options: options) }
        let format: Format = binary.allSatisfy { $0 != nil } ? .binary : .text
        var bits = 0
        var columns: [Column] = []
        for (position, (column, found)) in accepted.enumerated() {
            let encoder: ColumnEncoder =
                if format == .binary, let encoder = binary[position] {
                    .binary(encoder)
                } else {
                    .text(TextEncoder(found.type, options: options[position]))
                }
            var mended: (mending: ColumnMending, input: String?)?
            do throws(EncodingFailure) {
                mended = try mending(column, found.type, options[position], format)
            } catch {
                problems.append(.unfit(column, found.type, error, table: table.name, at: place))
            }
            var bit: Int?
            // What the route fills is never left to the table's default.
            if found.defaultExpression != nil || found.identity != .none, !column.isRequired,
                !key.contains(column.name), column.fallback == nil, column.constant == nil
            {
                bit = bits
                bits += 1
            }
            columns.append(
                Column(
                    name: column.name, source: route.source(of: column), encoder: encoder, type: found.type,
                    isRequired: column.isRequired,
                    // Nulls are no key: each would be a row of its own for the server, all of them one row for a batch.
                    isNotNull: found.isNotNull || key.contains(column.name), mending: mended?.mending,
                    fixedInput: mended?.input, isJSON: found.type.isJSON, omissionBit: bit,
                    defaultExpression: found.defaultExpression,
                    defaultField: bit.flatMap { _ in found.constantDefault?.field(isBinary: format == .binary) },
                    isAlwaysIdentity: found.identity == .always))
        }
        guard problems.isEmpty else { return .failure(SetupProblems(problems)) }
        let comparisons = key.map { table.comparison(of: $0, key: key) }
        return .success(
            Target(
                route: route, table: table, index: index, format: format, columns: columns, keyCount: key.count,
                onTombstone: onTombstone,
                keyForms: zip(columns, comparisons).map { column, comparison in
                    comparison.equality == nil
                        ? KeyForm(
                            column.type, isBinary: format == .binary,
                            isCollationDeterministic: comparison.isDeterministic)
                        : .server
                }, keyComparisons: comparisons))
    }

    /// The columns whose equality makes two messages the same row; empty where the mode needs none.
    private static func resolveKey(
        _ route: Route, table: Table, problem: (SetupProblem.Code, String, String) -> Void
    ) -> [String] {
        guard route.mode != .insert else { return [] }
        guard let key = route.key ?? table.primaryKey else {
            if route.mode == .ignore { return [] }
            problem(
                .missingKey, "mode upsert needs a key, and \(table.name) has no primary key",
                "name the key: `key: [column]`, with a unique index on it")
            return []
        }
        let arbiter = table.uniqueIndexes.contains { $0.isArbiter && Set($0.columns) == Set(key) }
        if !arbiter {
            let columns = key.map(quoteIdentifier).joined(separator: ", ")
            let near = table.uniqueIndexes.first { !$0.isArbiter && Set($0.columns) == Set(key) }
            problem(
                .missingIndex,
                "no unique index on \(table.name) (\(key.joined(separator: ", ")))"
                    + (near.map {
                        "; \($0.name) is partial, on an expression, deferrable or not valid, so it tells no row from another"
                    } ?? ""),
                "CREATE UNIQUE INDEX ON \(table.name.quoted) (\(columns));")
        }
        return key
    }
}

/// Everything that is wrong with a route.
package struct SetupProblems: Error {
    var problems: [SetupProblem]

    init(_ problems: [SetupProblem]) { self.problems = problems }
}

extension Table {
    /// How the index that makes a key unique compares one of its columns. Of several, the one that takes more for equal.
    fileprivate func comparison(of column: String, key: [String]) -> Comparison {
        let candidates = uniqueIndexes.filter { $0.isArbiter && Set($0.columns) == Set(key) }.compactMap { index in
            zip(index.columns, index.comparisons).first { $0.0 == column }?.1
        }
        return candidates.first { !$0.isDeterministic || $0.equality != nil } ?? candidates.first ?? Comparison()
    }
}
