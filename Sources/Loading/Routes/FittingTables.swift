import Postgres

/// The routes compiled while they are at work: of the tables that patterns take, one that does not fit is left out, and keeps no other
/// from being loaded.
package struct FittingTables {
    /// A table that is none of the route's for as long as it stays as it is.
    package struct Unfit: Hashable {
        /// The route's position in the configuration.
        package var route: Int
        package var table: TableName
        /// What is wrong with it, the first of it.
        package var problem: String
        package var mend: Mend
    }

    package private(set) var targets: [Target]
    package private(set) var unfit: [Unfit] = []

    /// - Parameter loaded: tables that have been loaded: what is wrong with one of these is a mistake, whoever takes it.
    /// - Throws: `LoadingError` with all mistakes, or `PostgresError`.
    package init(_ options: LoadingOptions, loaded: Set<TableName> = [], on connection: Connection) throws {
        var names = try RoutedNames.find(options.routes, on: connection)
        var versions = try Catalog.versions(of: names.tables, on: connection)
        let tables = try Catalog.tables(Array(Set(names.tables)), on: connection)
        var problems: [SetupProblem]
        (targets, problems) = CompiledRoutes.compile(options, names, tables, versions, nil)
        if !problems.isEmpty {
            unfit = Self.unfit(options, names, tables, loaded: loaded)
            let left = Set(unfit.map { RoutedNames.Entry(route: $0.route, table: $0.table) })
            let kept = names.entries.indices.filter { $0 < options.routes.count || !left.contains(names.entries[$0]) }
            versions = kept.map { versions[$0] }
            names.entries = kept.map { names.entries[$0] }
            // What stands for all tables of a route is one that can.
            for place in options.routes.indices where left.contains(names.entries[place]) {
                guard
                    let other = names.entries.indices.dropFirst(options.routes.count).first(where: {
                        names.entries[$0].route == place
                    })
                else { continue }
                names.entries[place] = names.entries[other]
                versions[place] = versions[other]
            }
            (targets, problems) = CompiledRoutes.compile(options, names, tables, versions, nil)
        }
        try Target.findParents(&targets, options, on: connection)
        guard problems.isEmpty else { throw LoadingError(problems: problems) }
    }

    private static func unfit(
        _ options: LoadingOptions, _ names: RoutedNames, _ tables: [TableName: Table], loaded: Set<TableName>
    ) -> [Unfit] {
        names.entries.dropFirst(options.routes.count).compactMap { entry in
            let route = options.routes[entry.route]
            // One that a list names, or that has gone meanwhile, is looked for as ever.
            guard let table = tables[entry.table], !loaded.contains(entry.table),
                route.tables?.exact.contains(entry.table.name) != true,
                let problem = CompiledRoutes.problems(route, table).first
            else { return nil }
            return Unfit(route: entry.route, table: entry.table, problem: problem.problem, mend: problem.mend)
        }
    }
}

extension FittingTables.Unfit {
    var note: RouteNote {
        RouteNote("unfit_table", "\(table) is taken by the route's names, and does not fit it: \(problem)", mend: mend)
    }
}
