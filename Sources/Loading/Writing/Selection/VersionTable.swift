import Postgres

/// Asks the server in which order rows are by their versions, of types that it alone can compare.
struct VersionTable {
    private let target: Target
    private let table: ScratchTable

    private static let ordinal = quoteIdentifier("loader ordinal")

    init(_ target: Target) {
        self.target = target
        table = ScratchTable("versions", of: target)
    }

    /// Makes the table where it is not there yet.
    func make(on connection: Connection) throws(PostgresError) { try table.make(create, on: connection) }

    /// - Returns: for each row its rank; see `VersionedChanges.Event`.
    func ranks(
        _ rows: [RowReference], _ sections: [Batch.Section], over connection: RowConnection
    ) throws(Refusal) -> [Int] {
        let asked = rows.indices.filter { place in
            sections[Int(rows[place].section)].versions(of: Int(rows[place].row), target) != nil
        }
        try connection.clear(table, create)
        let copy = "COPY \(table.name) FROM STDIN\(target.copyOptions)"
        try connection.copy(copy, naming: asked.map { rows[$0] }, takesAll: true) {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try stream.send(rows: asked.count, fields: target.versionCount + 1, target.format) { position, scratch in
                let row = rows[asked[position]]
                if let versions = sections[Int(row.section)].versions(of: Int(row.row), target) {
                    scratch.append(versions)
                }
                scratch.append(integer: Int32(truncatingIfNeeded: asked[position]), target.format)
            }
        }
        var ranks = [Int](repeating: .max, count: rows.count)
        let answer = try connection.query(ranking)
        for row in 0..<answer.rowCount {
            guard let place = answer.int(row, 0), let rank = answer.int(row, 1), ranks.indices.contains(Int(place))
            else { continue }
            ranks[Int(place)] = Int(rank)
        }
        return ranks
    }

    private var names: String { target.quoted(Array(target.versions)) }

    private var create: String {
        "CREATE TEMP TABLE \(table.newName) ON COMMIT DROP AS SELECT \(names), 0::int4 AS \(Self.ordinal) "
            + "FROM \(target.name.quoted) WITH NO DATA"
    }

    var ranking: String {
        let order = target.versions.map { "\(target.quoted($0)) NULLS FIRST" }.joined(separator: ", ")
        let isSilent = target.versions.map { "\(target.quoted($0)) IS NULL" }.joined(separator: " AND ")
        return "SELECT \(Self.ordinal), CASE WHEN \(isSilent) THEN 0 ELSE dense_rank() OVER (ORDER BY \(order)) END "
            + "FROM \(table.name)"
    }
}
