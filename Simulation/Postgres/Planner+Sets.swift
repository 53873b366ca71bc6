/// Expressions that look at several rows or values, and calls.
extension Planner {
    mutating func bindSet(_ expression: SQLExpression, _ scope: Scope) throws -> Evaluator {
        switch expression {
        case .inList(let operand, let items):
            let value = try bind(operand, scope)
            var bound: [Evaluator] = []
            for item in items { bound.append(try bind(item, scope)) }
            return { [bound] frame in
                let value = try value(frame)
                return try Self.isAmong(value, bound.map { try $0(frame) })
            }
        case .any(let operand, let elements):
            let (value, elements) = (try bind(operand, scope), try bind(elements, scope))
            return { frame in
                switch try elements(frame) {
                case .array(let items): return try Self.isAmong(value(frame), items)
                case .null: return .null
                case let other: throw SQLFailure.unknown("ANY of \(other)")
                }
            }
        case .inQuery(let operand, let query):
            let value = try bind(operand, scope)
            let plan = try self.query(query, in: scope)
            let constant = newConstant()
            let dependsOnRow = Self.mentions(query, scope)
            return { frame in
                let value = try value(frame)
                if !dependsOnRow {
                    let known = try frame.execution.constants[constant] ?? Self.values(plan.run(frame.execution, frame))
                    frame.execution.constants[constant] = known
                    if value.isNull { return known.isEmpty ? .bool(false) : .null }
                    if known.contains(value) { return .bool(true) }
                    return known.contains(.null) ? .null : .bool(false)
                }
                return try Self.isAmong(value, Array(Self.values(plan.run(frame.execution, frame))))
            }
        case .exists(var query):
            query.limit = .value(.int(1))
            let plan = try self.query(query, in: scope)
            return { .bool(try !plan.run($0.execution, $0).isEmpty) }
        case .scalar(let query):
            let plan = try self.query(query, in: scope)
            // With several columns it is a row.
            return { frame in
                let rows = try plan.run(frame.execution, frame)
                guard rows.count < 2 else {
                    throw SQLFailure("21000", "more than one row returned by a subquery used as an expression")
                }
                guard let row = rows.first else { return .null }
                return row.count == 1 ? row[0] : .record(row)
            }
        case .arrayOf(let query):
            let plan = try self.query(query, in: scope)
            return { .array(try plan.run($0.execution, $0).map { $0.first ?? .null }) }
        default: throw SQLFailure.unknown("\(expression)")
        }
    }

    private static func values(_ rows: [[SQLValue]]) -> Set<SQLValue> {
        Set(rows.map { $0.count == 1 ? $0[0] : .record($0) })
    }

    static func isAmong(_ value: SQLValue, _ items: [SQLValue]) throws -> SQLValue {
        if value.isNull { return items.isEmpty ? .bool(false) : .null }
        var hasNull = false
        for item in items {
            guard let order = try SQLValue.compare(value, item) else {
                hasNull = true
                continue
            }
            if order == 0 { return .bool(true) }
        }
        return hasNull ? .null : .bool(false)
    }

    /// Whether a query may hang on a row of the scope around it: whether it names one of that scope's relations.
    private static func mentions(_ query: SQLQuery, _ scope: Scope) -> Bool {
        let text = "\(query)"
        var around: Scope? = scope
        while let one = around {
            if one.relations.contains(where: { text.contains("Optional(\"\($0.name)\")") }) { return true }
            around = one.outer
        }
        return false
    }

    // MARK: Calls

    mutating func call(_ call: SQLCall, _ scope: Scope) throws -> Evaluator {
        if call.window != nil { return try window(call, scope) }
        if Self.aggregates.contains(call.name) { return try aggregate(call, scope) }
        var arguments: [Evaluator] = []
        for argument in call.arguments { arguments.append(try bind(argument, scope)) }
        let bound = arguments
        switch call.name {
        case "coalesce":
            return { frame in
                for argument in bound {
                    let value = try argument(frame)
                    if !value.isNull { return value }
                }
                return .null
            }
        case "now": return { .time($0.execution.transaction.began) }
        case "clock_timestamp": return { .time($0.execution.database.time) }
        case "set_config":
            return { frame in
                guard let name = try bound[0](frame).text, let value = try bound[1](frame).text else {
                    throw SQLFailure("22004", "set_config with a null")
                }
                let isLocal = try bound[2](frame).isTrue
                try frame.execution.step {
                    try frame.execution.session.set(name, value, isLocal: isLocal)
                    return .nothing
                }
                return .text(value)
            }
        case "current_setting":
            return { frame in
                let name = try bound[0](frame).text ?? ""
                guard let value = frame.execution.session.settings[name] else {
                    throw SQLFailure("42704", "unrecognized configuration parameter \"\(name)\"")
                }
                return .text(value)
            }
        case "pg_backend_pid": return { .int(Int64($0.execution.session.pid)) }
        case "pg_is_in_recovery": return { .bool($0.execution.database.isStandby) }
        case "current_database": return { _ in .text("sim") }
        case "current_schema": return { _ in .text("public") }
        case let name where name.hasSuffix("send"):
            guard case .cast(_, let type)? = call.arguments.first else { throw SQLFailure.unknown("\(call)") }
            return { frame in
                let value = try bound[0](frame)
                return value.isNull ? .null : .bytes(try type.sent(value))
            }
        default:
            let name = call.name
            return { frame in try SQLFunctions.call(name, bound.map { try $0(frame) }) }
        }
    }

    static let aggregates: Set<String> = [
        "count", "max", "min", "sum", "string_agg", "array_agg", "json_agg",
    ]

    private mutating func aggregate(_ call: SQLCall, _ scope: Scope) throws -> Evaluator {
        guard let collected = scope.collected else { throw SQLFailure.unknown("the aggregate \(call.name) here") }
        // What an aggregate looks at are the rows themselves.
        scope.collected = nil
        defer { scope.collected = collected }
        var arguments: [Evaluator] = []
        for argument in call.arguments { arguments.append(try bind(argument, scope)) }
        let filter = try call.filter.map { try bind($0, scope) }
        let sort = try sorting(call.order, scope)
        let bound = arguments
        let place = collected.aggregates.count
        collected.aggregates.append(
            (
                call,
                { frames in
                    var frames = try filter.map { filter in try frames.filter { try filter($0).isTrue } } ?? frames
                    if !sort.isEmpty { frames = try Self.sorted(frames, by: sort) }
                    return try Self.compute(call, frames, bound)
                }
            ))
        return { $0.aggregates[place] }
    }

    private static func compute(_ call: SQLCall, _ frames: [Frame], _ arguments: [Evaluator]) throws -> SQLValue {
        if call.name == "count", call.isOfAll { return .int(Int64(frames.count)) }
        var values = try frames.map { try arguments[0]($0) }
        if call.isDistinct {
            var seen: Set<SQLValue> = []
            values = values.filter { seen.insert($0).inserted }
        }
        switch call.name {
        case "array_agg": return values.isEmpty ? .null : .array(values)
        case "json_agg":
            return values.isEmpty ? .null : .text("[" + SQLFunctions.json(values).dropFirst().dropLast() + "]")
        default: break
        }
        let given = values.filter { !$0.isNull }
        switch call.name {
        case "count": return .int(Int64(given.count))
        case "sum": return given.isEmpty ? .null : .int(given.reduce(0) { $0 + ($1.asInt ?? 0) })
        case "max", "min":
            var best = SQLValue.null
            for value in given {
                let order = try SQLValue.compare(value, best)
                if order == nil || (call.name == "max" ? order ?? 0 > 0 : order ?? 0 < 0) { best = value }
            }
            return best
        case "string_agg":
            let separator = try frames.first.map { try arguments[1]($0).text ?? "" } ?? ""
            return given.isEmpty ? .null : .text(given.compactMap(\.text).joined(separator: separator))
        default: throw SQLFailure.unknown("the aggregate \(call.name)")
        }
    }

    // MARK: Windows

    private mutating func window(_ call: SQLCall, _ scope: Scope) throws -> Evaluator {
        guard let collected = scope.collected, let window = call.window else {
            throw SQLFailure.unknown("the window of \(call.name) here")
        }
        var arguments: [Evaluator] = []
        for argument in call.arguments { arguments.append(try bind(argument, scope)) }
        var partition: [Evaluator] = []
        for expression in window.partition { partition.append(try bind(expression, scope)) }
        let sort = try sorting(window.order, scope)
        let (bound, parts, place) = (arguments, partition, collected.windows.count)
        collected.windows.append { frames in
            var values = Array(repeating: SQLValue.null, count: frames.count)
            var groups: [[SQLValue]: Int] = [:]
            var members: [[Int]] = []
            for (index, frame) in frames.enumerated() {
                let key = try parts.map { try $0(frame) }
                let group = groups[key] ?? members.count
                if group == members.count { members.append([]) }
                groups[key] = group
                members[group].append(index)
            }
            for group in members {
                let ordered = try Self.order(group, frames, by: sort)
                try Self.fill(&values, call.name, ordered, frames, bound, sort)
            }
            return values
        }
        return { $0.windows[place] }
    }

    private static func fill(
        _ values: inout [SQLValue], _ name: String, _ ordered: [Int], _ frames: [Frame], _ arguments: [Evaluator],
        _ sort: [SortKey]
    ) throws {
        var (rank, sum, least): (Int64, Int64, SQLValue) = (0, 0, .null)
        for (position, index) in ordered.enumerated() {
            switch name {
            case "lead":
                values[index] =
                    position + 1 < ordered.count ? try arguments[0](frames[ordered[position + 1]]) : .null
            case "dense_rank":
                let isSame =
                    try position > 0 && compare(frames[ordered[position - 1]], frames[index], by: sort) == 0
                if !isSame { rank += 1 }
                values[index] = .int(rank)
            case "sum":
                // Rows of the same order count together; here no two are.
                sum += try arguments[0](frames[index]).asInt ?? 0
                values[index] = .int(sum)
            case "min":
                let value = try arguments[0](frames[index])
                if try least.isNull || SQLValue.compare(value, least) ?? 0 < 0 { least = value }
                values[index] = least
            default: throw SQLFailure.unknown("the window function \(name)")
            }
        }
    }

    private static func order(_ group: [Int], _ frames: [Frame], by sort: [SortKey]) throws -> [Int] {
        var failure: (any Error)?
        let ordered = group.sorted { left, right in
            do {
                let order = try compare(frames[left], frames[right], by: sort)
                return order < 0 || order == 0 && left < right
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        return ordered
    }
}

/// What rows are ordered by.
struct SortKey {
    var value: Evaluator
    var isDescending: Bool
    var nullsFirst: Bool
}

extension Planner {
    mutating func sorting(_ order: [SQLOrder], _ scope: Scope) throws -> [SortKey] {
        var keys: [SortKey] = []
        for one in order {
            keys.append(
                SortKey(
                    value: try bind(one.by, scope), isDescending: one.isDescending,
                    nullsFirst: one.nullsFirst ?? one.isDescending))
        }
        return keys
    }

    static func compare(_ left: Frame, _ right: Frame, by sort: [SortKey]) throws -> Int {
        for key in sort {
            let (one, other) = (try key.value(left), try key.value(right))
            if one.isNull || other.isNull {
                if one.isNull, other.isNull { continue }
                return one.isNull == key.nullsFirst ? -1 : 1
            }
            let order = try SQLValue.compare(one, other) ?? 0
            if order != 0 { return key.isDescending ? -order : order }
        }
        return 0
    }

    static func sorted(_ frames: [Frame], by sort: [SortKey]) throws -> [Frame] {
        try order(Array(frames.indices), frames, by: sort).map { frames[$0] }
    }
}
