import Postgres

/// What the statements of all ways into a table have in common. All of it works behind a pooler in transaction mode: nothing
/// outlives the transaction.
extension Target {
    func quoted(_ column: Int) -> String { quoteIdentifier(columns[column].name) }

    func quoted(_ columns: [Int]) -> String { columns.map { quoted($0) }.joined(separator: ", ") }

    var keyNames: String { quoted(Array(0..<keyCount)) }

    /// Behind `FROM STDIN`.
    var copyOptions: String { format == .binary ? " WITH (FORMAT binary)" : "" }

    /// Behind `ON CONFLICT`: the key; without one any unique index.
    var arbiter: String { keyCount == 0 ? "" : " (\(keyNames))" }

    /// As the key's index compares, whatever the column says.
    func hasSameKey(_ left: String, _ right: String) -> String {
        zip(keyColumns, keyComparisons).map { column, comparison in
            let name = quoteIdentifier(column.name)
            let collation = comparison.collation.map { " COLLATE \($0)" } ?? ""
            return "\(left).\(name)\(collation) \(comparison.equality ?? "=") \(right).\(name)"
        }.joined(separator: " AND ")
    }
}

extension PostgresType {
    var withoutDomain: PostgresType {
        var type = self
        while case .domain(let base) = type.shape { type = base }
        return type
    }
}
