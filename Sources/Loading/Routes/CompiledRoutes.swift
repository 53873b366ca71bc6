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
            if let problem = wrongRelation(route, table) {
                if !isOfAll { problems.append(problem) }
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

    private static func wrongRelation(_ route: Route, _ table: Table) -> SetupProblem? {
        switch table.kind {
        case .table, .partitioned: return nil
        case .foreign where route.mode == .insert: return nil
        default:
            return SetupProblem(
                .wrongRelation, at: route.label,
                "\(table.name) is no table that mode \(route.mode.rawValue) can load", mend: .routing(.otherRelation))
        }
    }

    /// Everything that keeps a route from loading a table that is there.
    static func problems(_ route: Route, _ table: Table) -> [SetupProblem] {
        if let problem = wrongRelation(route, table) { return [problem] }
        guard case .failure(let found) = Target.compile(route, index: 0, table: table) else { return [] }
        return found.problems
    }
}

extension Route {
    /// One that it names, where it names any.
    fileprivate var firstTopic: String? { if case .name(let name)? = topics.first { name } else { nil } }
}
