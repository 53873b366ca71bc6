/// The server's functions and operators, as far as the loader's statements use them.
enum SQLFunctions {
    static func binary(_ sign: String, _ left: SQLValue, _ right: SQLValue) throws(SQLFailure) -> SQLValue {
        if left.isNull || right.isNull { return .null }
        switch sign {
        case "=": return .bool(try SQLValue.compare(left, right) == 0)
        case "<>": return .bool(try SQLValue.compare(left, right) != 0)
        case "<": return .bool(try SQLValue.compare(left, right) ?? 0 < 0)
        case ">": return .bool(try SQLValue.compare(left, right) ?? 0 > 0)
        case "<=": return .bool(try SQLValue.compare(left, right) ?? 1 <= 0)
        case ">=": return .bool(try SQLValue.compare(left, right) ?? -1 >= 0)
        case "||": return .text((left.text ?? "") + (right.text ?? ""))
        default: return try arithmetic(sign, left, right)
        }
    }

    private static func arithmetic(_ sign: String, _ left: SQLValue, _ right: SQLValue) throws(SQLFailure) -> SQLValue {
        func checked(_ result: (partialValue: Int64, overflow: Bool)) throws(SQLFailure) -> SQLValue {
            guard !result.overflow else { throw SQLFailure("22003", "bigint out of range") }
            return .int(result.partialValue)
        }
        switch (left, sign, right) {
        case (.int(let one), "+", .int(let other)): return try checked(one.addingReportingOverflow(other))
        case (.int(let one), "-", .int(let other)): return try checked(one.subtractingReportingOverflow(other))
        case (.int(let one), "*", .int(let other)): return try checked(one.multipliedReportingOverflow(by: other))
        case (.int, "/", .int(0)), (.int, "%", .int(0)): throw SQLFailure("22012", "division by zero")
        case (.int(let one), "/", .int(let other)): return try checked(one.dividedReportingOverflow(by: other))
        case (.int(let one), "%", .int(let other)):
            return .int(one.remainderReportingOverflow(dividingBy: other).partialValue)
        case (.int(let one), "&", .int(let other)): return .int(one & other)
        case (.double(let one), "*", .int(let other)): return .double(one * Double(other))
        case (.double(let one), "+", .double(let other)): return .double(one + other)
        case (.int(let count), "*", .interval(let length)): return .interval(count * length)
        case (.time(let time), "+", .interval(let length)): return .time(time + length)
        case (.time(let time), "-", .interval(let length)): return .time(time - length)
        default: throw .unknown("\(left) \(sign) \(right)")
        }
    }

    /// Functions whose value hangs on nothing but their arguments.
    static func call(_ name: String, _ arguments: [SQLValue]) throws(SQLFailure) -> SQLValue {
        func argument(_ index: Int) -> SQLValue { arguments.indices.contains(index) ? arguments[index] : .null }
        switch name {
        case "nullif":
            return try SQLValue.compare(argument(0), argument(1)) == 0 ? .null : argument(0)
        case "concat_ws":
            return .text(arguments.dropFirst().compactMap(\.text).joined(separator: argument(0).text ?? ""))
        case "least", "greatest":
            var best = SQLValue.null
            for value in arguments where !value.isNull {
                let order = try SQLValue.compare(value, best)
                if order == nil || (order ?? 0 < 0) == (name == "least") && order != 0 { best = value }
            }
            return best
        default: break
        }
        if arguments.contains(where: \.isNull) { return .null }
        switch (name, argument(0), argument(1)) {
        case ("cardinality", .array(let values), _): return .int(Int64(values.count))
        case ("octet_length", .bytes(let bytes), _): return .int(Int64(bytes.count))
        case ("octet_length", .text(let text), _): return .int(Int64(text.utf8.count))
        case ("encode", .bytes(let bytes), .text("hex")): return .text(SQLValue.hex(bytes))
        case ("to_timestamp", .int(let seconds), _): return .time(TimeText.fromUnix(seconds * 1_000_000))
        case ("left", .text(let text), .int(let count)): return .text(String(text.prefix(Int(count))))
        case ("round", .double(let number), _): return .double(number.rounded(.toNearestOrAwayFromZero))
        case ("extract", .text("epoch"), .time(let time)): return .double(Double(TimeText.toUnix(time)) / 1_000_000)
        case ("extract", .text("milliseconds"), .time(let time)):
            let minute: Int64 = 60_000_000
            return .double(Double(((TimeText.toUnix(time) % minute) + minute) % minute) / 1000)
        case ("date_trunc", .text("minute"), .time(let time)):
            let minute: Int64 = 60_000_000
            let rest = ((TimeText.toUnix(time) % minute) + minute) % minute
            return .time(time - rest)
        case ("to_json", .array(let values), _): return .text(json(values))
        default: throw .unknown("the function \(name) of \(arguments)")
        }
    }

    static func json(_ values: [SQLValue]) -> String {
        let items = values.map { value -> String in
            switch value {
            case .null: "null"
            case .int(let number): String(number)
            case .bool(let value): value ? "true" : "false"
            default: quotedInJSON(value.text ?? "")
            }
        }
        return "[" + items.joined(separator: ",") + "]"
    }

    static func quotedInJSON(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case "\u{08}": quoted += "\\b"
            case "\u{0C}": quoted += "\\f"
            case _ where scalar.value < 0x20:
                quoted += "\\u00" + SQLValue.hex([UInt8(scalar.value)])
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
