/// Makes of a statement what can be run, as often as the tables are of the same shape.
struct Planner {
    let session: Session
    var tables: [(name: SQLName, shape: Int)] = []
    /// Those that it changes.
    var writes: Set<Int> = []
    private(set) var commonCount = 0
    private var constantCount = 0
    /// Common table expressions in sight, the innermost last.
    private var commons: [(name: String, place: Int, columns: [String])] = []

    init(_ session: Session) { self.session = session }

    // MARK: Names

    mutating func table(_ name: SQLName) throws -> (place: Int, table: SimulatedTable) {
        let table = try session.table(name)
        tables.append((name, table.shape))
        return (tables.count - 1, table)
    }

    mutating func withCommons<Result>(
        _ new: [SQLCommon], _ body: (inout Planner, [CommonPlan]) throws -> Result
    ) throws -> Result {
        let before = commons.count
        var plans: [CommonPlan] = []
        for common in new {
            let plan = try plan(common)
            plans.append(plan)
            commons.append((common.name, plan.place, plan.columns))
        }
        let result = try body(&self, plans)
        commons.removeSubrange(before...)
        return result
    }

    private mutating func plan(_ common: SQLCommon) throws -> CommonPlan {
        let place = commonCount
        commonCount += 1
        let plan: StatementPlan = try statement(common.body)
        return CommonPlan(
            place: place, columns: common.columns.isEmpty ? plan.columns : common.columns, changes: plan.changes,
            run: { execution in
                if let known = execution.commons[place] { return known }
                let rows = try plan.run(execution).rows
                execution.commons[place] = rows
                return rows
            })
    }

    func common(_ name: String) -> (place: Int, columns: [String])? {
        commons.last { $0.name == name }.map { ($0.place, $0.columns) }
    }

    mutating func newConstant() -> Int {
        constantCount += 1
        return constantCount - 1
    }
}

struct CommonPlan {
    var place: Int
    var columns: [String]
    /// Whether it changes rows, and so runs even if nobody reads it.
    var changes: Bool
    var run: (Execution) throws -> [[SQLValue]]
}

/// A statement that can be run.
struct StatementPlan {
    struct Answer {
        var rows: [[SQLValue]] = []
        /// Rows touched.
        var count = 0
    }

    var columns: [String] = []
    var changes = false
    /// Whether it answers with rows.
    var returns = true
    var run: (Execution) throws -> Answer
}

extension Planner {
    mutating func statement(_ statement: SQLStatement) throws -> StatementPlan {
        switch statement {
        case .query(let query):
            let plan = try self.query(query, in: nil)
            return StatementPlan(columns: plan.columns) { execution in
                let rows = try plan.run(execution, nil)
                return .init(rows: rows, count: rows.count)
            }
        case .insert(let insert): return try self.insert(insert)
        case .update(let update): return try self.update(update)
        case .delete(let delete): return try self.delete(delete)
        default: throw SQLFailure.unknown("\(statement) where rows are asked for or changed")
        }
    }

    // MARK: Expressions

    mutating func bind(_ expression: SQLExpression, _ scope: Scope) throws -> Evaluator {
        switch expression {
        case .value(let value): return { _ in value }
        case .parameter(let number):
            return { frame in
                guard frame.execution.parameters.indices.contains(number) else {
                    throw SQLFailure.unknown("the parameter $\(number + 1), which was not sent")
                }
                return frame.execution.parameters[number]
            }
        case .column("loader_block", "taken"): return { .array($0.execution.taken) }
        case .column(let qualifier, let name): return try column(qualifier, name, scope)
        case .not(let operand):
            let value = try bind(operand, scope)
            return { frame in
                if case .bool(let met) = try value(frame) { .bool(!met) } else { .null }
            }
        case .binary(let sign, let left, let right): return try binary(sign, left, right, scope)
        case .isNull(let operand):
            let value = try bind(operand, scope)
            return { .bool(try value($0).isNull) }
        case .isDistinct(let left, let right):
            let (one, other) = (try bind(left, scope), try bind(right, scope))
            return { frame in
                let (one, other) = (try one(frame), try other(frame))
                if one.isNull || other.isNull { return .bool(one.isNull != other.isNull) }
                return .bool(try SQLValue.compare(one, other) != 0)
            }
        case .call(let call): return try self.call(call, scope)
        case .cast(let operand, let type):
            let value = try bind(operand, scope)
            return { try type.cast(value($0)) }
        case .cases(let subject, let branches, let otherwise): return try cases(subject, branches, otherwise, scope)
        case .array(let items), .row(let items):
            var values: [Evaluator] = []
            for item in items { values.append(try bind(item, scope)) }
            let isArray = if case .array = expression { true } else { false }
            return { frame in
                let items = try values.map { try $0(frame) }
                return isArray ? .array(items) : .record(items)
            }
        case .element(let array, let index):
            let (array, index) = (try bind(array, scope), try bind(index, scope))
            return { frame in
                guard case .array(let items) = try array(frame), let place = try index(frame).asInt,
                    items.indices.contains(Int(place) - 1)
                else { return .null }
                return items[Int(place) - 1]
            }
        default: return try bindSet(expression, scope)
        }
    }

    private func column(_ qualifier: String?, _ name: String, _ scope: Scope) throws -> Evaluator {
        guard let found = scope.find(qualifier, name) else {
            throw SQLFailure("42703", "column \"\(qualifier.map { $0 + "." } ?? "")\(name)\" does not exist")
        }
        let slot = found.slot
        guard let column = found.column else {
            return { frame in
                let frame = Self.frame(frame, found.depth)
                return frame.versions[slot].map { .place($0.number) } ?? .null
            }
        }
        if found.depth == 0 {
            return { $0.rows[slot].isEmpty ? .null : $0.rows[slot][column] }
        }
        return { frame in
            let rows = Self.frame(frame, found.depth).rows
            return rows[slot].isEmpty ? .null : rows[slot][column]
        }
    }

    private static func frame(_ frame: Frame, _ depth: Int) -> Frame {
        var frame = frame
        for _ in 0..<depth { frame = frame.outer ?? frame }
        return frame
    }

    private mutating func binary(
        _ sign: String, _ left: SQLExpression, _ right: SQLExpression, _ scope: Scope
    ) throws -> Evaluator {
        let (one, other) = (try bind(left, scope), try bind(right, scope))
        switch sign {
        case "and":
            return { frame in
                let first = try one(frame)
                if case .bool(false) = first { return first }
                let second = try other(frame)
                if case .bool(false) = second { return second }
                return first.isNull || second.isNull ? .null : .bool(true)
            }
        case "or":
            return { frame in
                let first = try one(frame)
                if first.isTrue { return first }
                let second = try other(frame)
                if second.isTrue { return second }
                return first.isNull || second.isNull ? .null : .bool(false)
            }
        default: return { try SQLFunctions.binary(sign, one($0), other($0)) }
        }
    }

    private mutating func cases(
        _ subject: SQLExpression?, _ branches: [(when: SQLExpression, then: SQLExpression)],
        _ otherwise: SQLExpression?, _ scope: Scope
    ) throws -> Evaluator {
        let subject = try subject.map { try bind($0, scope) }
        var bound: [(when: Evaluator, then: Evaluator)] = []
        for branch in branches { bound.append((try bind(branch.when, scope), try bind(branch.then, scope))) }
        let otherwise = try otherwise.map { try bind($0, scope) }
        return { [bound] frame in
            let value = try subject?(frame)
            for branch in bound {
                let test = try branch.when(frame)
                let isMet = try value.map { try SQLValue.compare($0, test) == 0 } ?? test.isTrue
                if isMet { return try branch.then(frame) }
            }
            return try otherwise?(frame) ?? .null
        }
    }
}
