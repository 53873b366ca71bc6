import Postgres

/// For which rows of a target it is waited, because what they refer to may still come.
struct ParentWait: Sendable {
    /// How long, from the first time that the row was refused; zero: not at all.
    var patience = Duration.zero
    /// The foreign keys that somebody's route will see satisfied; nil: all, whoever satisfies them.
    var keys: Set<ForeignKey.Name>? = []

    /// Whether what the server has refused a row for may be over by itself.
    ///
    /// A row that refers to nothing, and a row that is still referred to and so cannot be deleted, are the same to the
    /// server: both name the foreign key.
    func includes(_ error: PostgresError) -> Bool {
        guard error.sqlState == .foreignKeyViolation, patience > .zero else { return false }
        guard let keys else { return true }
        // What a function raises may name what it likes.
        guard !error.isRaisedByFunction, let table = error.table, let constraint = error.constraint else {
            return false
        }
        return keys.contains(
            ForeignKey.Name(table: TableName(schema: error.schema, name: table), constraint: constraint))
    }
}

extension Target {
    /// Finds out for which rows it is waited.
    ///
    /// Without a table of dead letters for none, for the letters that wait are there; nor without the right to take them out.
    ///
    /// - Returns: whether only that right is missing.
    @discardableResult
    package static func findParents(
        _ targets: inout [Target], _ options: LoadingOptions, on connection: Connection
    ) throws(PostgresError) -> Bool {
        guard !targets.isEmpty else { return false }
        let tables = Array(Set(targets.map(\.table.oid)))
        let keys = try Catalog.foreignKeys(of: tables, on: connection)
        for index in targets.indices { targets[index].foreignKeys = keys[targets[index].table.oid] ?? [] }
        guard let letters = options.deadLetters.table else { return false }
        let among = try Catalog.foreignKeys(among: tables, on: connection)
        let mayDelete = try mayDelete(from: letters, on: connection)
        var wouldWait = false
        for index in targets.indices {
            let own = targets[index].route.waitForParent
            let wait = ParentWait(
                patience: own ?? options.deadLetters.waitForParent, keys: own == nil ? among : nil)
            guard wait.patience > .zero, own != nil || !among.isEmpty else { continue }
            wouldWait = true
            if mayDelete == true { targets[index].wait = wait }
        }
        return wouldWait && mayDelete == false
    }

    /// - Returns: nil where there is no such table.
    private static func mayDelete(
        from table: TableName, on connection: Connection
    ) throws(PostgresError) -> Bool? {
        // Not by its name as a regclass: that fails where the schema may not be used.
        guard let schema = table.schema else {
            return try connection.query(
                "SELECT has_table_privilege(to_regclass(quote_ident($1))::oid, 'DELETE')", [.text(table.name)]
            ).bool(0, 0)
        }
        let found = try connection.query(
            """
            SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'DELETE')
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2
            """, [.text(schema), .text(table.name)])
        return found.rowCount == 0 ? nil : found.bool(0, 0)
    }
}
