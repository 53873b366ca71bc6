import Postgres

/// Rows of which only those that are newer change what is there: which ones do not.
extension StageMerge {
    enum Unchanged {
        case count(Int)
        /// Their places in the group.
        case places([Int])

        var count: Int {
            switch self {
            case .count(let count): count
            case .places(let places): places.count
            }
        }
    }

    /// Brings the rows of a stage that was filled into the table.
    func bringInNewer(
        _ group: RowGroup, isNumbered: Bool, over connection: RowConnection
    ) throws(Refusal) -> Unchanged {
        if let index = index(group) { try connection.run(index) }
        let (changes, again) = newerChanges(group, from: Origin(name: stage.name))
        let unchanged: Unchanged
        if isNumbered {
            let answer = try connection.query(unchangedRows(by: changes))
            unchanged = .places((0..<answer.rowCount).compactMap { answer.int($0, 0).map { Int($0) } })
        } else {
            let changed =
                changes.count == 1
                ? try connection.run(changes[0]) : Int(try connection.query(changedRows(by: changes)).int(0, 0) ?? 0)
            unchanged = .count(max(0, group.rows.count - changed))
        }
        if let again { try connection.run(again) }
        return unchanged
    }

    private func with(_ changes: [String], returning columns: String) -> String {
        "WITH "
            + changes.enumerated().map { "c\($0.offset) AS (\($0.element) RETURNING \(columns))" }
            .joined(separator: ", ")
    }

    /// How many rows the statements touch.
    private func changedRows(by changes: [String]) -> String {
        "\(with(changes, returning: "1")) SELECT "
            + changes.indices.map { "(SELECT count(*) FROM c\($0))" }.joined(separator: " + ")
    }

    /// The numbers of those whose keys they do not touch.
    private func unchangedRows(by changes: [String]) -> String {
        let keys = (0..<target.keyCount).map { "t.\(target.quoted($0))" }.joined(separator: ", ")
        return "\(with(changes, returning: keys)) SELECT s.\(Self.number) FROM \(stage.name) AS s WHERE "
            + changes.indices.map { "NOT EXISTS (SELECT FROM c\($0) AS c WHERE \(target.hasSameKey("c", "s")))" }
            .joined(separator: " AND ")
    }
}
