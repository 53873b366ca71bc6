/// INSERT, UPDATE and DELETE.
extension Planner {
    // MARK: Insert

    mutating func insert(_ insert: SQLInsert) throws -> StatementPlan {
        try withCommons(insert.with) { planner, commons in
            let (place, table) = try planner.table(insert.table)
            planner.writes.insert(place)
            let columns =
                try insert.columns.map { try planner.places($0, table) } ?? Array(table.definition.columns.indices)
            let query = try insert.query.map { try planner.query($0, in: nil) }
            let conflict = try insert.conflict.map { try planner.conflict($0, insert, table) }
            let scope = Scope(in: nil)
            scope.relations = [planner.relation(insert.alias ?? insert.table.name, table, 0)]
            let (names, returning) = try planner.items(insert.returning, scope)
            return StatementPlan(columns: names, changes: true, returns: !returning.isEmpty) { execution in
                execution.commonPlans.merge(commons.map { ($0.place, $0) }) { first, _ in first }
                let table = execution.tables[place]
                let frame = Frame(execution, in: nil, sources: 2)
                var answer = StatementPlan.Answer()
                for given in try query?.run(execution, nil) ?? [[]] {
                    let row = try execution.row(of: table, query == nil ? [] : columns, given)
                    let written = try execution.write(row, into: table, conflict, frame)
                    guard let written else { continue }
                    answer.count += 1
                    if returning.isEmpty { continue }
                    (frame.rows[0], frame.versions[0]) = (written.values, written)
                    answer.rows.append(try returning.map { try $0(frame) })
                }
                for common in commons where common.changes { _ = try common.run(execution) }
                return answer
            }
        }
    }

    private mutating func conflict(
        _ conflict: SQLConflict, _ insert: SQLInsert, _ table: SimulatedTable
    ) throws -> ConflictPlan {
        var plan = ConflictPlan(arbiter: .any)
        if let columns = conflict.columns {
            let wanted = Set(columns.map { $0.hasPrefix("coalesce ") ? String($0.dropFirst(9)) : $0 })
            let index = table.indexes.firstIndex { index in
                Set(index.columns.map { table.definition.columns[$0].name }) == wanted
            }
            guard let index else {
                throw SQLFailure(
                    "42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification")
            }
            plan.arbiter = .index(index)
        }
        guard let assignments = conflict.assignments else { return plan }
        let scope = Scope(in: nil)
        scope.relations = [
            relation(insert.alias ?? insert.table.name, table, 0), relation("excluded", table, 1),
        ]
        plan.assignments = try self.assignments(assignments, table, scope)
        plan.condition = try conflict.condition.map { try bind($0, scope) }
        return plan
    }

    // MARK: Update and delete

    mutating func update(_ update: SQLUpdate) throws -> StatementPlan {
        try withCommons(update.with) { planner, commons in
            let target = try planner.table(update.table)
            planner.writes.insert(target.place)
            let scope = Scope(in: nil)
            scope.relations = [planner.relation(update.alias ?? update.table.name, target.table, 0)]
            let loops = try planner.loops(update.sources, update.condition, scope, target: target)
            let assignments = try planner.assignments(update.assignments, target.table, scope)
            let (names, returning) = try planner.items(update.returning, scope)
            let keys = target.table.keyColumns
            return StatementPlan(columns: names, changes: true, returns: !returning.isEmpty) { execution in
                execution.commonPlans.merge(commons.map { ($0.place, $0) }) { first, _ in first }
                let table = execution.tables[target.place]
                var answer = StatementPlan.Answer()
                try execution.forEachRow(loops, sources: scope.relations.count, ofOld: true) { frame, version in
                    var values = version.values
                    for assignment in assignments {
                        let assigned = try assignment.value(frame)
                        try execution.assign(assigned, assignment.columns, table, &values)
                    }
                    try execution.require(values, table)
                    let changesKey = keys.contains { values[$0] != version.values[$0] }
                    guard let latest = try execution.lockable(version, changesKey ? .update : .noKeyUpdate),
                        latest === version
                    else { return nil }
                    return try execution.update(version, to: values, in: table)
                } then: { frame in
                    answer.count += 1
                    if !returning.isEmpty { answer.rows.append(try returning.map { try $0(frame) }) }
                }
                for common in commons where common.changes { _ = try common.run(execution) }
                return answer
            }
        }
    }

    mutating func delete(_ delete: SQLDelete) throws -> StatementPlan {
        try withCommons(delete.with) { planner, commons in
            let target = try planner.table(delete.table)
            planner.writes.insert(target.place)
            let scope = Scope(in: nil)
            scope.relations = [planner.relation(delete.alias ?? delete.table.name, target.table, 0)]
            let loops = try planner.loops(delete.sources, delete.condition, scope, target: target)
            let (names, returning) = try planner.items(delete.returning, scope)
            return StatementPlan(columns: names, changes: true, returns: !returning.isEmpty) { execution in
                execution.commonPlans.merge(commons.map { ($0.place, $0) }) { first, _ in first }
                let table = execution.tables[target.place]
                var answer = StatementPlan.Answer()
                try execution.forEachRow(loops, sources: scope.relations.count, ofOld: false) { _, version in
                    try execution.delete(version, from: table)
                    return version
                } then: { frame in
                    answer.count += 1
                    if !returning.isEmpty { answer.rows.append(try returning.map { try $0(frame) }) }
                }
                for common in commons where common.changes { _ = try common.run(execution) }
                return answer
            }
        }
    }

    // MARK: Columns

    func relation(_ name: String, _ table: SimulatedTable, _ slot: Int) -> Scope.Relation {
        Scope.Relation(name: name, columns: table.definition.columns.map(\.name), slot: slot)
    }

    func places(_ columns: [String], _ table: SimulatedTable) throws -> [Int] {
        try columns.map { name in
            guard let place = table.place(name) else {
                throw SQLFailure(
                    "42703", "column \"\(name)\" of relation \"\(table.definition.name)\" does not exist")
            }
            return place
        }
    }

    private mutating func assignments(
        _ assignments: [SQLAssignment], _ table: SimulatedTable, _ scope: Scope
    ) throws -> [BoundAssignment] {
        var bound: [BoundAssignment] = []
        for assignment in assignments {
            bound.append(
                BoundAssignment(
                    columns: try places(assignment.columns, table), value: try bind(assignment.value, scope)))
        }
        return bound
    }
}

struct BoundAssignment {
    var columns: [Int]
    var value: Evaluator
}

struct ConflictPlan {
    var arbiter: Execution.Arbiter
    /// Nil: DO NOTHING.
    var assignments: [BoundAssignment]?
    var condition: Evaluator?
}
