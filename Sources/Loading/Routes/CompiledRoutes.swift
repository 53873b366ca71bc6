import Postgres

/// Routes and their tables together: what a loader works by, compiled anew whenever a table has changed.
package enum CompiledRoutes {
    /// The routes compiled against their tables as they are now.
    ///
    /// - Throws: `LoadingError` with all mistakes, or `PostgresError`.
    package static func targets(_ options: LoadingOptions, on connection: Connection) throws -> [Target] {
        let versions = try Catalog.versions(of: options.routes.map(\.table), on: connection)
        let tables = try Catalog.tables(Array(Set(options.routes.map(\.table))), on: connection)
        var (targets, problems) = compile(options, tables, versions, nil)
        try Target.findParents(&targets, options, on: connection)
        guard problems.isEmpty else { throw LoadingError(problems: problems) }
        return targets
    }

    package static func compile(
        _ options: LoadingOptions, _ tables: [TableName: Table], _ versions: [Catalog.Version], _ role: String?
    ) -> ([Target], [SetupProblem]) {
        var targets: [Target] = []
        var problems: [SetupProblem] = []
        for (index, route) in options.routes.enumerated() {
            guard let table = tables[route.table] else {
                problems.append(
                    SetupProblem(
                        .missingTable, at: route.label, "there is no table \(route.table)",
                        mend: .routing(.makeTable(topic: route.firstTopic, route.table))))
                continue
            }
            switch table.kind {
            case .table, .partitioned: break
            case .foreign where route.mode == .insert: break
            default:
                problems.append(
                    SetupProblem(
                        .wrongRelation, at: route.label,
                        "\(route.table) is no table that mode \(route.mode.rawValue) can load",
                        mend: .routing(.otherRelation)))
                continue
            }
            switch Target.compile(route, index: index, table: table, role: role) {
            case .success(var target):
                target.version = versions[index]
                targets.append(target.reading(with: options.schemas))
            case .failure(let found): problems += found.problems
            }
        }
        return (targets, problems)
    }
}

extension Route {
    /// One that it names, where it names any.
    fileprivate var firstTopic: String? { if case .name(let name)? = topics.first { name } else { nil } }
}
