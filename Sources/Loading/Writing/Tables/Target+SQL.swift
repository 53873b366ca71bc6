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

    /// Whether one row is newer than another that is there: by the first of the columns in which they differ, where NULL is older than
    /// anything. What says nothing at all changes only what says nothing either.
    func isNewer(_ left: String, than right: String) -> String {
        let names = versions.map { quoted($0) }
        guard names.count > 1 else {
            return names.map { "(\(right).\($0) IS NULL OR \(left).\($0) > \(right).\($0))" }.joined()
        }
        var condition = ""
        for name in names.reversed() {
            let (one, other) = ("\(left).\(name)", "\(right).\(name)")
            let isGreater = "\(other) IS NULL AND \(one) IS NOT NULL OR \(one) > \(other)"
            condition =
                condition.isEmpty
                ? isGreater
                : "\(isGreater) OR (\(one) = \(other) OR \(one) IS NULL AND \(other) IS NULL) AND (\(condition))"
        }
        let isSilent = names.map { "\(left).\($0) IS NULL AND \(right).\($0) IS NULL" }.joined(separator: " AND ")
        return "(\(condition) OR \(isSilent))"
    }

    /// As the key's index compares, whatever the column says.
    ///
    /// - Parameter count: how many of the key's columns; nil: all.
    func hasSameKey(_ left: String, _ right: String, first count: Int? = nil) -> String {
        zip(keyColumns.prefix(count ?? keyCount), keyComparisons).map { column, comparison in
            let name = quoteIdentifier(column.name)
            let collation = comparison.collation.map { " COLLATE \($0)" } ?? ""
            return "\(left).\(name)\(collation) \(comparison.equality ?? "=") \(right).\(name)"
        }.joined(separator: " AND ")
    }
}

extension PostgresType {
    package var withoutDomain: PostgresType {
        var type = self
        while case .domain(let base) = type.shape { type = base }
        return type
    }
}
