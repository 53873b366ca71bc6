import Postgres

/// Routes and their tables together: what a loader works by, compiled anew whenever a table has changed.
package enum CompiledRoutes {
    /// The routes compiled against their tables as they are now.
    ///
    /// - Throws: `LoadingError` with all mistakes, or `PostgresError`.
    package static func targets(_ options: LoadingOptions, on connection: Connection) throws -> [Target] {
        let names = try RoutedNames.find(options.routes, on: connection)
        let versions = try Catalog.versions(of: names.tables, on: connection)
        let tables = try Catalog.tables(Array(Set(names.tables)), on: connection)
        var (targets, problems) = compile(options, names, tables, versions, nil)
        try Target.findParents(&targets, options, on: connection)
        guard problems.isEmpty else { throw LoadingError(problems: problems) }
        return targets
    }

    package static func compile(
        _ options: LoadingOptions, _ names: RoutedNames, _ tables: [TableName: Table], _ versions: [Catalog.Version],
        _ role: String?
    ) -> ([Target], [SetupProblem]) {
        var targets: [Target] = []
        var problems: [SetupProblem] = []
        for (index, entry) in names.entries.enumerated() {
            let route = options.routes[entry.route]
            // A route that chooses is told of its tables, each once.
            let isOfAll = route.template != nil && index < options.routes.count
            if names.without.contains(entry.route) {
                let list = route.tables?.names.joined(separator: ", ") ?? ""
                problems.append(
                    SetupProblem(
                        .missingTable, at: route.label, "there is no table among \(list) for \(route.table)",
                        mend: .routing(.makeTable(topic: nil, entry.table))))
                continue
            }
            guard let table = tables[entry.table] else {
                guard !isOfAll else { continue }
                problems.append(
                    SetupProblem(
                        .missingTable, at: route.label, "there is no table \(entry.table)",
                        mend: .routing(.makeTable(topic: route.firstTopic, entry.table))))
                continue
            }
            switch table.kind {
            case .table, .partitioned: break
            case .foreign where route.mode == .insert: break
            default:
                guard !isOfAll else { continue }
                problems.append(
                    SetupProblem(
                        .wrongRelation, at: route.label,
                        "\(entry.table) is no table that mode \(route.mode.rawValue) can load",
                        mend: .routing(.otherRelation)))
                continue
            }
            switch Target.compile(route, index: index, table: table, role: role) {
            case .success(var target):
                target.version = versions[index]
                if index >= options.routes.count { target.routePlace = entry.route }
                targets.append(target.reading(with: options.schemas))
            case .failure(let found): if !isOfAll { problems += found.problems }
            }
        }
        return (targets, problems)
    }
}

extension Route {
    /// One that it names, where it names any.
    fileprivate var firstTopic: String? { if case .name(let name)? = topics.first { name } else { nil } }
}
