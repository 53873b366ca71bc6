import Postgres

/// The tables of all routes: first one for each route, in their order, and behind them those of routes that choose.
package struct RoutedNames {
    package struct Entry: Sendable, Hashable {
        /// The route's position in the configuration.
        package var route: Int
        package var table: TableName
    }

    package var entries: [Entry]
    /// Routes whose list takes no table that there is.
    var without: Set<Int> = []

    package var tables: [TableName] { entries.map(\.table) }

    /// Looks for the tables that routes may choose.
    package static func find(_ routes: [Route], on connection: Connection) throws(PostgresError) -> RoutedNames {
        var names = RoutedNames(entries: [])
        var chosen: [Entry] = []
        for (place, route) in routes.enumerated() {
            guard let template = route.template, let list = route.tables else {
                names.entries.append(Entry(route: place, table: route.table))
                continue
            }
            var tables = list.exact
            if list.hasPatterns { tables += try matching(list, template.schema, on: connection) }
            // What is named and is a pattern's as well is one table.
            var seen: Set<String> = []
            tables = tables.filter { seen.insert($0).inserted }
            let found = tables.map { Entry(route: place, table: TableName(schema: template.schema, name: $0)) }
            if found.isEmpty { names.without.insert(place) }
            // It stands for all of them where they need not be told apart.
            names.entries.append(found.first ?? Entry(route: place, table: route.table))
            chosen += found
        }
        names.entries += chosen
        return names
    }

    /// The tables of a schema that a list's patterns take; partitions are loaded through what they are part of.
    package static func matching(
        _ list: TableList, _ schema: String?, on connection: Connection
    ) throws(PostgresError) -> [String] {
        let found = try connection.query(
            """
            SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
              AND CASE WHEN $1 = '' THEN n.nspname NOT IN ('pg_catalog', 'information_schema')
                                         AND pg_catalog.pg_table_is_visible(c.oid)
                       ELSE n.nspname = $1 END
            ORDER BY 1
            """, [.text(schema ?? "")])
        return (0..<found.rowCount).compactMap { found.string($0, 0) }.filter { list.takes($0) }
    }
}
