struct QueryPlan {
    var columns: [String]
    var run: (Execution, Frame?) throws -> [[SQLValue]]
}

extension Planner {
    mutating func query(_ query: SQLQuery, in outer: Scope?) throws -> QueryPlan {
        try withCommons(query.with) { planner, commons in
            let plan = try planner.union(query, in: outer)
            guard !commons.isEmpty else { return plan }
            return QueryPlan(columns: plan.columns) { execution, frame in
                execution.commonPlans.merge(commons.map { ($0.place, $0) }) { first, _ in first }
                let rows = try plan.run(execution, frame)
                for common in commons where common.changes { _ = try common.run(execution) }
                return rows
            }
        }
    }

    private mutating func union(_ query: SQLQuery, in outer: Scope?) throws -> QueryPlan {
        guard query.selects.count > 1 else { return try select(query.selects[0], query, in: outer) }
        guard query.order.isEmpty, query.limit == nil, query.lock == nil else {
            throw SQLFailure.unknown("a UNION with an order, a limit or a lock")
        }
        var plans: [QueryPlan] = []
        for one in query.selects { plans.append(try select(one, SQLQuery(), in: outer)) }
        return QueryPlan(columns: plans[0].columns) { [plans] execution, frame in
            try plans.flatMap { try $0.run(execution, frame) }
        }
    }

    /// - Parameter query: for its order, limit and lock.
    private mutating func select(_ select: SQLSelect, _ query: SQLQuery, in outer: Scope?) throws -> QueryPlan {
        let scope = Scope(in: outer)
        let loops = try loops(select.sources, select.condition, scope)
        let collected = Scope.Collected()
        scope.collected = collected
        let (names, values) = try items(select.items, scope)
        let having = try select.having.map { try bind($0, scope) }
        let sort = try sorting(
            query.order.map { order in
                var order = order
                order.by = Self.item(order.by, select.items)
                return order
            }, scope)
        scope.collected = nil
        var groups: [Evaluator] = []
        for group in select.groups { groups.append(try bind(Self.item(group, select.items), scope)) }
        let isGrouped = !collected.aggregates.isEmpty || !groups.isEmpty
        let limit = try query.limit.map { try bind($0, scope) }
        let grouping = groups
        let sources = max(1, scope.relations.count)
        let lock = try query.lock.map { lock in (lock, try self.lockedSlot(lock, scope)) }
        let isPlain = !isGrouped && collected.windows.isEmpty && sort.isEmpty && lock == nil
        return QueryPlan(columns: names) { execution, outer in
            let frame = Frame(execution, in: outer, sources: sources)
            let most = try limit?(frame).asInt.map { Int($0) } ?? .max
            var rows: [[SQLValue]] = []
            if isPlain {
                guard most > 0 else { return [] }
                try loops.run(frame) { frame in
                    rows.append(try values.map { try $0(frame) })
                    return rows.count < most || select.isDistinct
                }
            } else {
                var frames: [Frame] = []
                try loops.run(frame) { frame in
                    frames.append(frame.kept)
                    return true
                }
                if isGrouped {
                    frames = try Self.grouped(
                        frames, by: grouping, collected, Frame(execution, in: outer, sources: sources))
                    if let having { frames = try frames.filter { try having($0).isTrue } }
                }
                let windows = try collected.windows.map { try $0(frames) }
                for (index, frame) in frames.enumerated() { frame.windows = windows.map { $0[index] } }
                if !sort.isEmpty { frames = try Self.sorted(frames, by: sort) }
                if let lock { frames = try execution.lock(frames, lock.1, loops, lock.0, most) }
                rows = try frames.prefix(most).map { frame in try values.map { try $0(frame) } }
            }
            if select.isDistinct {
                var seen: Set<[SQLValue]> = []
                rows = rows.filter { seen.insert($0).inserted }
            }
            return rows.count > most ? Array(rows.prefix(most)) : rows
        }
    }

    private func lockedSlot(_ lock: SQLRowLock, _ scope: Scope) throws -> Int {
        let relation = scope.relations.first { lock.of == nil || $0.name == lock.of }
        guard let relation, lock.of != nil || scope.relations.count == 1 else {
            throw SQLFailure.unknown("FOR UPDATE of several sources")
        }
        return relation.slot
    }

    /// What an ORDER BY or GROUP BY means by a number or the name of an item.
    private static func item(
        _ expression: SQLExpression, _ items: [(value: SQLExpression, alias: String?)]
    ) -> SQLExpression {
        switch expression {
        case .value(.int(let number)) where items.indices.contains(Int(number) - 1): items[Int(number) - 1].value
        case .column(nil, let name): items.first { $0.alias == name }?.value ?? expression
        default: expression
        }
    }

    mutating func items(
        _ items: [(value: SQLExpression, alias: String?)], _ scope: Scope
    ) throws -> (names: [String], values: [Evaluator]) {
        var (names, values): ([String], [Evaluator]) = ([], [])
        for item in items {
            guard case .all(let qualifier) = item.value else {
                names.append(item.alias ?? Self.name(item.value))
                values.append(try bind(item.value, scope))
                continue
            }
            for relation in scope.relations where qualifier == nil || relation.name == qualifier {
                let slot = relation.slot
                for (column, name) in relation.columns.enumerated() {
                    names.append(name)
                    values.append { $0.rows[slot].isEmpty ? .null : $0.rows[slot][column] }
                }
            }
        }
        return (names, values)
    }

    private static func name(_ expression: SQLExpression) -> String {
        switch expression {
        case .column(_, let name): name
        case .call(let call): call.name
        case .cast(let operand, let type): { $0 == "?column?" ? type.catalogName : $0 }(name(operand))
        case .cases: "case"
        case .value(.bool): "bool"
        case .exists: "exists"
        default: "?column?"
        }
    }

    private static func grouped(
        _ frames: [Frame], by groups: [Evaluator], _ collected: Scope.Collected, _ empty: Frame
    ) throws -> [Frame] {
        var places: [[SQLValue]: Int] = [:]
        var members: [[Frame]] = groups.isEmpty ? [[]] : []
        if groups.isEmpty { places[[]] = 0 }
        for frame in frames {
            let key = try groups.map { try $0(frame) }
            let place = places[key] ?? members.count
            if place == members.count { members.append([]) }
            places[key] = place
            members[place].append(frame)
        }
        return try members.map { members in
            let frame = members.first ?? empty
            frame.aggregates = try collected.aggregates.map { try $0.compute(members) }
            return frame
        }
    }
}

extension Execution {
    /// The rows of a common table expression.
    func common(_ place: Int) throws -> [[SQLValue]] {
        if let known = commons[place] { return known }
        guard let plan = commonPlans[place] else { throw SQLFailure.unknown("a common table expression in its own") }
        return try plan.run(self)
    }

    /// Locks rows, in their order, and leaves out those that are gone or, where it says so, somebody else's.
    func lock(
        _ frames: [Frame], _ slot: Int, _ loops: SourceLoops, _ lock: SQLRowLock, _ most: Int
    ) throws -> [Frame] {
        var locked: [Frame] = []
        for frame in frames where locked.count < most {
            guard let version = frame.versions[slot] else { continue }
            let outcome = try step {
                do {
                    guard let latest = try lockable(version, lock.mode) else { return .row(nil) }
                    return .row(latest)
                } catch let blocked as Blocked {
                    guard lock.skipsLocked else { throw blocked }
                    return .row(nil)
                }
            }
            guard case .row(let latest?) = outcome else { continue }
            if latest !== version {
                (frame.rows[slot], frame.versions[slot]) = (latest.values, latest)
                guard try loops.areMet(frame) else { continue }
            }
            try step {
                latest.locks.append((transaction.current, lock.mode))
                return .nothing
            }
            locked.append(frame)
        }
        return locked
    }
}
