import Postgres

extension Target {
    /// The same rows, to land in another table: one that has the columns and the key, and does nothing by itself. No default,
    /// identity, trigger or other table has a say there, so what a row leaves out is NULL.
    package func landing(in name: TableName) -> Target {
        var target = self
        target.table.name = name
        target.table.kind = .table
        target.table.hasInsertTriggers = false
        target.table.hasDeferredConstraints = false
        target.table.mayMakeTemporary = true
        target.foreignKeys = []
        target.wait = ParentWait()
        for index in target.columns.indices {
            target.columns[index].defaultExpression = nil
            target.columns[index].defaultField = nil
            target.columns[index].isIdentity = false
            target.columns[index].isAlwaysIdentity = false
        }
        return target
    }

    /// Whether a row that leaves a column out has there what the table itself says: a default, or the next value of a sequence.
    package func isFilledByTable(_ column: Int) -> Bool {
        let column = columns[column]
        return column.omissionBit != nil
            && (column.defaultExpression != nil || column.defaultField != nil || column.isIdentity)
    }

    /// The columns that say which message a row is of, and which of its elements; nil where they do not say all of it.
    package var places: [Int]? {
        let key = HistoryKey(route)
        let found = key.columns.compactMap { name in columns.firstIndex { $0.name == name } }
        return key.missing.isEmpty && found.count == key.columns.count ? found : nil
    }

    /// The key's columns as an index on another table has them: each compared as the table's own index does.
    package var indexedKey: String {
        zip(keyColumns, keyComparisons).map { column, comparison in
            quoteIdentifier(column.name) + (comparison.collation.map { " COLLATE \($0)" } ?? "")
        }.joined(separator: ", ")
    }

    /// Whether rows of two tables, or aliases, have the same key, as SQL: as the key's index compares.
    package func sameKey(_ left: String, _ right: String) -> String { hasSameKey(left, right) }
}
