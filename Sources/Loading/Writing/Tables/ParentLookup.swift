import Postgres

/// Asks the server which rows refer to nothing, all at once: to try them one by one takes some statements for each.
///
/// The answer is that of the constraint's own check, at this moment: the same columns and operators, and a null refers to
/// nothing that must be there. So it is asked only where rows go in as they are sent.
struct ParentLookup {
    let connection: Connection
    let target: Target
    private let table: ScratchTable
    /// The foreign keys that can be looked at: the route gives their columns, and the role may read where they lead.
    private let keys: [(key: ForeignKey, columns: [Int])]
    /// The columns that are sent.
    private let columns: [Int]

    private static let ordinal = quoteIdentifier("loader ordinal")

    /// Nil where nothing can be looked at.
    init?(_ target: Target, on connection: Connection) {
        // What is there already stays in mode `ignore`, and nobody checks what the message refers to.
        guard target.table.mayMakeTemporary, target.mode != .ignore,
            target.foreignKeys.allSatisfy(\.isCheckedAsSent)
        else { return nil }
        keys = target.foreignKeys.filter(\.maySelectParent).compactMap { key in
            let columns = key.pairs.compactMap { pair in target.columns.firstIndex { $0.name == pair.column } }
            return columns.count == key.pairs.count ? (key, columns) : nil
        }
        guard !keys.isEmpty else { return nil }
        columns = Set(keys.flatMap(\.columns)).sorted()
        self.connection = connection
        self.target = target
        table = ScratchTable("parents", of: target)
    }

    /// Finds the rows that refer to nothing.
    ///
    /// - Parameter rows: of the target, none of them a deletion.
    /// - Returns: their positions among `rows`, each with the foreign key that nothing is there for.
    func orphans(
        among rows: [RowReference], _ sections: [Batch.Section]
    ) throws(PostgresError) -> [Int: ForeignKey] {
        guard !rows.isEmpty else { return [:] }
        try table.clear(create, on: connection)
        _ = try connection.copyIn("COPY \(table.name) FROM STDIN\(target.copyOptions)") {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try send(rows, sections, to: stream)
        }
        var orphans: [Int: ForeignKey] = [:]
        for (key, columns) in keys {
            let found = try connection.query(question(key, columns))
            for row in 0..<found.rowCount {
                if let position = found.int(row, 0) { orphans[Int(position)] = key }
            }
        }
        return orphans
    }

    private var create: String {
        let list = columns.map { column in
            "\(quoteIdentifier(target.columns[column].name)) \(target.columns[column].type.withoutDomain.formatted)"
        }
        return
            "CREATE TEMP TABLE \(table.newName) (\(list.joined(separator: ", ")), \(Self.ordinal) int4) ON COMMIT DROP"
    }

    /// The positions of those whose columns are all there and find nothing. Its own row may be what a row refers to.
    private func question(_ key: ForeignKey, _ columns: [Int]) -> String {
        let names = columns.map { "s.\(quoteIdentifier(target.columns[$0].name))" }
        let isGiven = names.map { "\($0) IS NOT NULL" }.joined(separator: " AND ")
        func matches(_ table: String) -> String {
            zip(key.pairs, names).map { pair, name in
                "\(table).\(quoteIdentifier(pair.parent)) \(pair.equality) \(name)"
            }.joined(separator: " AND ")
        }
        return "SELECT s.\(Self.ordinal) FROM \(table.name) AS s WHERE \(isGiven) "
            + "AND NOT EXISTS (SELECT FROM \(key.parent.quoted) AS p WHERE \(matches("p")))"
    }

    private func send(
        _ rows: [RowReference], _ sections: [Batch.Section], to stream: borrowing CopyInStream
    ) throws(PostgresError) {
        let format = target.format
        try stream.send(rows: rows.count, fields: columns.count + 1, format) { position, scratch in
            let section = sections[Int(rows[position].section)]
            let row = section.rows[Int(rows[position].row)]
            var fields = RowFields(row, of: section, format)
            var sent = 0
            for (column, description) in target.columns.enumerated() where sent < columns.count {
                let isLeftOut = description.omissionBit.map { section.omissions.contains(row.omission, $0) } ?? false
                let field = isLeftOut ? nil : fields.next()
                guard columns[sent] == column else { continue }
                scratch.append(field: field, isFirst: sent == 0, format)
                sent += 1
            }
            scratch.append(integer: Int32(truncatingIfNeeded: position), format)
        }
    }
}
