import Postgres

/// The keys of rows by themselves, in a table of the transaction: what the server is asked about them, and what is deleted by
/// them.
struct KeyTable {
    private let target: Target
    private let table: ScratchTable

    private static let ordinal = quoteIdentifier("loader ordinal")
    /// Whether a deletion says nothing of what is newer, and is carried out whatever is there.
    private static let always = quoteIdentifier("loader always")

    init(_ target: Target) {
        self.target = target
        table = ScratchTable("keys", of: target)
    }

    /// Makes the table where it is not there yet.
    func make(on connection: Connection) throws(PostgresError) { try table.make(create, on: connection) }

    /// Asks which of the rows' keys the target's table has.
    ///
    /// - Returns: for each row whether its key was found.
    func found(
        _ rows: [RowReference], _ sections: [Batch.Section], over connection: RowConnection
    ) throws(Refusal) -> [Bool] {
        try fill(rows, sections, over: connection)
        var found = [Bool](repeating: false, count: rows.count)
        let known = try connection.query(foundKeys)
        for row in 0..<known.rowCount {
            if let position = known.int(row, 0), found.indices.contains(Int(position)) { found[Int(position)] = true }
        }
        return found
    }

    /// Asks which of the rows have the same key, of types that the server alone can compare.
    ///
    /// - Returns: the positions of those that do, together.
    func same(
        _ rows: [RowReference], _ sections: [Batch.Section], over connection: RowConnection
    ) throws(Refusal) -> [[Int]] {
        try fill(rows, sections, over: connection)
        let answer = try connection.query(sameKeys)
        return Self.classes((0..<answer.rowCount).map { answer.string($0, 0) ?? "" }, count: rows.count)
    }

    /// Puts the rows' keys into another table, beside those that are there.
    func keep(
        _ rows: [RowReference], _ sections: [Batch.Section], in other: String, over connection: RowConnection
    ) throws(Refusal) {
        try fill(rows, sections, over: connection)
        try connection.run("INSERT INTO \(other) (\(target.keyNames)) SELECT \(target.keyNames) FROM \(table.name)")
    }

    /// Asks for what the target's table has in a column beside each row's key.
    ///
    /// - Parameter column: of integers, as SQL names it.
    /// - Returns: for each row the integer; nil where its key is not there.
    func numbers(
        _ column: String, of rows: [RowReference], _ sections: [Batch.Section], over connection: RowConnection
    ) throws(Refusal) -> [Int64?] {
        try fill(rows, sections, over: connection)
        var numbers = [Int64?](repeating: nil, count: rows.count)
        let known = try connection.query(
            "SELECT s.\(Self.ordinal), t.\(column) FROM \(table.name) AS s JOIN \(target.name.quoted) AS t "
                + "ON \(target.hasSameKey("t", "s"))")
        for row in 0..<known.rowCount {
            if let position = known.int(row, 0), numbers.indices.contains(Int(position)) {
                numbers[Int(position)] = known.int(row, 1)
            }
        }
        return numbers
    }

    /// Deletes what the target's table has of these keys.
    ///
    /// - Returns: the places of those whose row is there and not older.
    @discardableResult
    func delete(
        _ rows: [RowReference], _ sections: [Batch.Section], over connection: RowConnection
    ) throws(Refusal) -> [Int] {
        try fill(rows, sections, ofDeletions: true, over: connection)
        let deleted = try connection.run(deleteKeys)
        guard target.versionCount > 0, deleted < rows.count else { return [] }
        let answer = try connection.query("\(foundKeys) AND s.\(Self.always) = 0")
        return (0..<answer.rowCount).compactMap { answer.int($0, 0).map { Int($0) } }
    }

    /// Fills the table with the rows' keys.
    ///
    /// - Parameters:
    ///   - numbers: what stands beside each; nil for its position.
    ///   - ofDeletions: with what says which message is newer, where they have it.
    func fill(
        _ rows: [RowReference], _ sections: [Batch.Section], numbers: [Int32]? = nil, ofDeletions: Bool = false,
        over connection: RowConnection
    ) throws(Refusal) {
        let withVersions = ofDeletions && target.versionCount > 0
        let fields = withVersions ? target.deletionCount + 2 : target.keyCount + 1
        try connection.clear(table, create)
        try connection.copy(copy(withVersions: withVersions), naming: rows, takesAll: true) {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try stream.send(rows: rows.count, fields: fields, target.format) { position, scratch in
                let reference = rows[position]
                let section = sections[Int(reference.section)]
                scratch.append(section.key(of: Int(reference.row), target.format))
                if withVersions {
                    let versions = section.versions(of: Int(reference.row), target)
                    if let versions {
                        if target.format == .text { scratch.append(byte: UInt8(ascii: "\t")) }
                        scratch.append(versions)
                    } else {
                        for _ in target.versions { scratch.append(field: nil, isFirst: false, target.format) }
                    }
                    scratch.append(integer: Int32(versions == nil ? 1 : 0), target.format)
                }
                scratch.append(integer: numbers?[position] ?? Int32(truncatingIfNeeded: position), target.format)
            }
        }
    }

    private func copy(withVersions: Bool) -> String {
        var columns = ""
        if target.versionCount > 0 {
            let keys =
                withVersions ? "\(target.quoted(Array(0..<target.deletionCount))), \(Self.always)" : target.keyNames
            columns = " (\(keys), \(Self.ordinal))"
        }
        return "COPY \(table.name)\(columns) FROM STDIN\(target.copyOptions)"
    }

    /// Puts together what the server found to be the same.
    ///
    /// - Parameter answers: positions as `3 17`, which may have some in common.
    static func classes(_ answers: [String], count: Int) -> [[Int]] {
        var first = Array(0..<count)
        func root(_ position: Int) -> Int {
            var position = position
            while first[position] != position { position = first[position] }
            return position
        }
        var members: Set<Int> = []
        for answer in answers {
            let positions = answer.split(separator: " ").compactMap { Int($0) }.filter { first.indices.contains($0) }
            guard let least = positions.map(root).min() else { continue }
            for position in positions {
                first[root(position)] = least
                members.insert(position)
            }
        }
        return Dictionary(grouping: members, by: root).values.filter { $0.count > 1 }
    }

    // MARK: Statements

    /// Where each row stands, as `place`, with its `number`.
    var places: String { "SELECT k.ctid AS place, k.\(Self.ordinal) AS number FROM \(table.name) AS k" }

    private var create: String {
        "CREATE TEMP TABLE \(table.newName) ON COMMIT DROP AS SELECT \(target.quoted(Array(0..<target.deletionCount))), "
            + (target.versionCount > 0 ? "0::int4 AS \(Self.always), " : "") + "0::int4 AS \(Self.ordinal) "
            + "FROM \(target.name.quoted) WITH NO DATA"
    }

    /// The places of the keys that the table has. A subquery, because it goes by the index whatever the planner thinks of
    /// a table without statistics; LIMIT, because a table that inherits may have a key twice.
    private var foundKeys: String {
        "SELECT s.\(Self.ordinal) FROM \(table.name) AS s "
            + "WHERE (SELECT true FROM \(target.name.quoted) AS t WHERE \(target.hasSameKey("t", "s")) LIMIT 1)"
    }

    /// What is found of a row of the target's table, if the table holds its key.
    func holding(_ row: String) -> String {
        "SELECT FROM \(table.name) AS k WHERE \(target.hasSameKey(row, "k"))"
    }

    /// The places of keys that are the same, as `3 17`, a row for those of one key.
    var sameKeys: String {
        if target.keyComparisons.contains(where: { $0.equality != nil }) {
            return "SELECT concat_ws(' ', a.\(Self.ordinal), b.\(Self.ordinal)) FROM \(table.name) AS a, "
                + "\(table.name) AS b WHERE \(target.hasSameKey("a", "b")) AND a.\(Self.ordinal) < b.\(Self.ordinal)"
        }
        let key = zip(target.keyColumns, target.keyComparisons).map { column, comparison in
            quoteIdentifier(column.name) + (comparison.collation.map { " COLLATE \($0)" } ?? "")
        }.joined(separator: ", ")
        return "SELECT string_agg(\(Self.ordinal)::text, ' ') FROM \(table.name) GROUP BY \(key) HAVING count(*) > 1"
    }

    var deleteKeys: String {
        "DELETE FROM \(target.name.quoted) AS t USING \(table.name) AS s WHERE \(target.hasSameKey("t", "s"))"
            + (target.versionCount > 0 ? " AND (s.\(Self.always) = 1 OR \(target.isNewer("s", than: "t")))" : "")
    }
}
