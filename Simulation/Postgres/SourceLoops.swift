/// The sources of a statement as loops within one another, each with the conditions that can be told there.
struct SourceLoops {
    struct Step {
        enum Kind {
            /// Its place among the statement's tables.
            case table(Int)
            case rows((Frame) throws -> [[SQLValue]])
        }

        var slot: Int
        var kind: Kind
        var isLeft = false
        /// Of a left join: what makes a row match.
        var match: [Evaluator] = []
        var filters: [Evaluator] = []
        /// The index of a table's that leads to the rows, and its key.
        var probe: (index: Int, key: [Evaluator])?
    }

    var steps: [Step] = []

    /// - Parameter emit: false ends it.
    func run(_ frame: Frame, _ emit: (Frame) throws -> Bool) throws { _ = try run(frame, 0, emit) }

    private func run(_ frame: Frame, _ depth: Int, _ emit: (Frame) throws -> Bool) throws -> Bool {
        guard depth < steps.count else { return try emit(frame) }
        let step = steps[depth]
        var hasMatched = false
        func pass() throws -> Bool {
            for condition in step.match where try !condition(frame).isTrue { return true }
            hasMatched = true
            for condition in step.filters where try !condition(frame).isTrue { return true }
            return try run(frame, depth + 1, emit)
        }
        switch step.kind {
        case .rows(let make):
            frame.versions[step.slot] = nil
            for row in try make(frame) {
                frame.rows[step.slot] = row
                guard try pass() else { return false }
            }
        case .table(let place):
            let snapshot = frame.execution.snapshot
            for version in try versions(step, frame.execution.tables[place], frame) where snapshot.sees(version) {
                frame.rows[step.slot] = version.values
                frame.versions[step.slot] = version
                guard try pass() else { return false }
            }
        }
        guard step.isLeft, !hasMatched else { return true }
        frame.rows[step.slot] = []
        frame.versions[step.slot] = nil
        for condition in step.filters where try !condition(frame).isTrue { return true }
        return try run(frame, depth + 1, emit)
    }

    private func versions(_ step: Step, _ table: SimulatedTable, _ frame: Frame) throws -> [RowVersion] {
        guard let probe = step.probe else { return table.rows }
        let key = try probe.key.map { try $0(frame) }
        if key.contains(where: \.isNull) { return [] }
        return table.indexes[probe.index].entries[key] ?? []
    }

    /// Whether all conditions are still met: of a row that somebody else has changed meanwhile.
    func areMet(_ frame: Frame) throws -> Bool {
        for step in steps {
            for condition in step.match + step.filters where try !condition(frame).isTrue { return false }
        }
        return true
    }
}

extension Planner {
    /// - Parameters:
    ///   - scope: gets the sources' names.
    ///   - target: the table that a statement changes, whose rows are looked for last.
    mutating func loops(
        _ sources: [SQLSource], _ condition: SQLExpression?, _ scope: Scope,
        target: (place: Int, table: SimulatedTable)? = nil
    ) throws -> SourceLoops {
        var loops = SourceLoops()
        var conjuncts = condition.map(Self.conjuncts) ?? []
        var tables: [Int: SimulatedTable] = [:]
        var matches: [Int: [SQLExpression]] = [:]
        for source in sources {
            try add(source, isLeft: false, on: nil, &loops, &conjuncts, &matches, &tables, scope)
        }
        if let target {
            tables[0] = target.table
            loops.steps.append(SourceLoops.Step(slot: 0, kind: .table(target.place)))
        }
        var known: Set<Int> = []
        var left = conjuncts
        for index in loops.steps.indices {
            let slot = loops.steps[index].slot
            let before = known
            known.insert(slot)
            let isLast = index == loops.steps.count - 1
            let here = left.filter { isLast || Self.slots($0, scope)?.isSubset(of: known) ?? false }
            if !isLast { left.removeAll { Self.slots($0, scope)?.isSubset(of: known) ?? false } }
            for condition in matches[index] ?? [] { loops.steps[index].match.append(try bind(condition, scope)) }
            for condition in here { loops.steps[index].filters.append(try bind(condition, scope)) }
            if let table = tables[slot] {
                loops.steps[index].probe = try probe(
                    table, slot, here + (matches[index] ?? []), before, scope)
            }
        }
        if loops.steps.isEmpty, let condition {
            // A query of nothing still has its condition.
            loops.steps.append(
                SourceLoops.Step(slot: 0, kind: .rows { _ in [[]] }, filters: [try bind(condition, scope)]))
        }
        return loops
    }

    private mutating func add(
        _ source: SQLSource, isLeft: Bool, on: SQLExpression?, _ loops: inout SourceLoops,
        _ conjuncts: inout [SQLExpression], _ matches: inout [Int: [SQLExpression]],
        _ tables: inout [Int: SimulatedTable], _ scope: Scope
    ) throws {
        if case .join(let left, let right, let joinsLeft, let condition) = source {
            try add(left, isLeft: isLeft, on: on, &loops, &conjuncts, &matches, &tables, scope)
            return try add(right, isLeft: joinsLeft, on: condition, &loops, &conjuncts, &matches, &tables, scope)
        }
        let slot = (scope.relations.map(\.slot).max() ?? -1) + 1
        var step = SourceLoops.Step(slot: slot, kind: .rows { _ in [] }, isLeft: isLeft)
        var relation = Scope.Relation(name: "", columns: [], slot: slot)
        switch source {
        case .table(let name, let alias):
            relation.name = alias ?? name.name
            if name.schema == nil, let common = common(name.name) {
                relation.columns = common.columns
                let place = common.place
                step.kind = .rows { frame in try frame.execution.common(place) }
            } else {
                let (place, table) = try table(name)
                relation.columns = table.definition.columns.map(\.name)
                step.kind = .table(place)
                tables[slot] = table
            }
        case .query(let query, let alias, let columns):
            let plan = try self.query(query, in: scope.outer)
            (relation.name, relation.columns) = (alias, columns.isEmpty ? plan.columns : columns)
            step.kind = .rows { try plan.run($0.execution, $0.outer) }
        case .function(let call, let alias, let columns, let hasOrdinality):
            relation.name = alias ?? call.name
            relation.columns = columns.isEmpty ? [alias ?? call.name] : columns
            if columns.isEmpty, call.arguments.count > 1 {
                relation.columns = call.arguments.indices.map { $0 == 0 ? "unnest" : "unnest_\($0)" }
            }
            step.kind = .rows(try rows(of: call, hasOrdinality, scope))
        case .join: break
        }
        if let on {
            if isLeft { matches[loops.steps.count] = Self.conjuncts(on) } else { conjuncts += Self.conjuncts(on) }
        }
        scope.relations.append(relation)
        loops.steps.append(step)
    }

    private mutating func rows(
        of call: SQLCall, _ hasOrdinality: Bool, _ scope: Scope
    ) throws -> (Frame) throws -> [[SQLValue]] {
        var arguments: [Evaluator] = []
        for argument in call.arguments { arguments.append(try bind(argument, scope)) }
        let bound = arguments
        switch call.name {
        case "unnest":
            return { frame in
                let lists = try bound.map { argument -> [SQLValue] in
                    guard case .array(let items) = try argument(frame) else { return [] }
                    return items
                }
                return (0..<(lists.map(\.count).max() ?? 0)).map { index in
                    lists.map { index < $0.count ? $0[index] : .null } + (hasOrdinality ? [.int(Int64(index + 1))] : [])
                }
            }
        default: throw SQLFailure.unknown("rows of the function \(call.name)")
        }
    }

    // MARK: Conditions

    private static func conjuncts(_ condition: SQLExpression) -> [SQLExpression] {
        if case .binary("and", let left, let right) = condition { return conjuncts(left) + conjuncts(right) }
        return [condition]
    }

    /// An equality between each column of a unique index and what is known before.
    private mutating func probe(
        _ table: SimulatedTable, _ slot: Int, _ conditions: [SQLExpression], _ known: Set<Int>, _ scope: Scope
    ) throws -> (index: Int, key: [Evaluator])? {
        var equal: [Int: SQLExpression] = [:]
        for condition in conditions {
            guard case .binary("=", let left, let right) = condition else { continue }
            for (one, other) in [(left, right), (right, left)] {
                guard case .column(let qualifier, let name) = one, let found = scope.find(qualifier, name),
                    found.depth == 0, found.slot == slot, let column = found.column,
                    Self.slots(other, scope)?.isSubset(of: known) ?? false
                else { continue }
                equal[column] = other
            }
        }
        for (number, index) in table.indexes.enumerated()
        where index.coalesced == nil && index.columns.allSatisfy({ equal[$0] != nil }) {
            var key: [Evaluator] = []
            for column in index.columns {
                let value = try bind(equal[column] ?? .value(.null), scope)
                let type = table.definition.columns[column].type
                key.append { try type.cast(value($0)) }
            }
            return (number, key)
        }
        return nil
    }

    /// The sources of this scope that an expression looks at; nil where it holds a query, which may look at any.
    static func slots(_ expression: SQLExpression, _ scope: Scope) -> Set<Int>? {
        func all(_ expressions: [SQLExpression]) -> Set<Int>? {
            var slots: Set<Int> = []
            for one in expressions {
                guard let own = self.slots(one, scope) else { return nil }
                slots.formUnion(own)
            }
            return slots
        }
        switch expression {
        case .value, .parameter: return []
        case .column("loader_block", _): return []
        case .column(let qualifier, let name):
            guard let found = scope.find(qualifier, name) else { return [] }
            return found.depth == 0 ? [found.slot] : []
        case .all, .inQuery, .exists, .scalar, .arrayOf: return nil
        case .not(let one), .isNull(let one), .cast(let one, _): return slots(one, scope)
        case .binary(_, let one, let other), .isDistinct(let one, let other), .element(let one, let other),
            .any(let one, let other):
            return all([one, other])
        case .call(let call): return all(call.arguments)
        case .cases(let subject, let branches, let otherwise):
            return all([subject, otherwise].compactMap(\.self) + branches.flatMap { [$0.when, $0.then] })
        case .inList(let one, let items): return all([one] + items)
        case .array(let items), .row(let items): return all(items)
        }
    }
}
