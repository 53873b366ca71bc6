/// A value as the simulated server keeps it. What type it is of, its column or its cast says.
package enum SQLValue {
    case null
    case bool(Bool)
    /// `smallint`, `integer`, `bigint`, `oid`.
    case int(Int64)
    /// What `extract` gives, and what comes of it.
    case double(Double)
    /// `text`, and all that is kept as its text: `varchar`, `uuid`, `json`, `jsonb`.
    case text(String)
    case bytes([UInt8])
    /// `timestamptz`, in microseconds since 2000-01-01 UTC; the least and the greatest are the infinities.
    case time(Int64)
    /// In microseconds.
    case interval(Int64)
    case array([SQLValue])
    case record([SQLValue])
    /// A row's place, by its number in the table.
    case place(Int)

    package var isNull: Bool { if case .null = self { true } else { false } }

    /// What a condition takes for met.
    package var isTrue: Bool { if case .bool(true) = self { true } else { false } }

    package var asInt: Int64? { if case .int(let number) = self { number } else { nil } }
}

extension SQLValue: Hashable {
    /// Byte by byte, as the server's `C` collation has it: Swift's own takes texts for equal that Unicode does.
    package static func == (left: SQLValue, right: SQLValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let one), .bool(let other)): one == other
        case (.int(let one), .int(let other)): one == other
        case (.double(let one), .double(let other)): one == other
        case (.text(let one), .text(let other)): one.utf8.elementsEqual(other.utf8)
        case (.bytes(let one), .bytes(let other)): one == other
        case (.time(let one), .time(let other)): one == other
        case (.interval(let one), .interval(let other)): one == other
        case (.array(let one), .array(let other)): one == other
        case (.record(let one), .record(let other)): one == other
        case (.place(let one), .place(let other)): one == other
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .int(let value), .time(let value), .interval(let value): hasher.combine(value)
        case .double(let value): hasher.combine(value)
        case .text(let value): for byte in value.utf8 { hasher.combine(byte) }
        case .bytes(let value): hasher.combine(value)
        case .array(let values), .record(let values): hasher.combine(values)
        case .place(let value): hasher.combine(value)
        }
    }
}

extension SQLValue {
    /// Below 0, 0 or above 0 as the one sorts before, with or behind the other; nil where either is null.
    package static func compare(_ left: SQLValue, _ right: SQLValue) throws(SQLFailure) -> Int? {
        switch (left, right) {
        case (.null, _), (_, .null): return nil
        case (.bool(let one), .bool(let other)): return order(one ? 1 : 0, other ? 1 : 0)
        case (.int(let one), .int(let other)): return order(one, other)
        case (.double(let one), .double(let other)): return order(one, other)
        case (.int(let one), .double(let other)): return order(Double(one), other)
        case (.double(let one), .int(let other)): return order(one, Double(other))
        case (.text(let one), .text(let other)): return order(one.utf8, other.utf8)
        case (.bytes(let one), .bytes(let other)): return order(one, other)
        case (.time(let one), .time(let other)), (.interval(let one), .interval(let other)): return order(one, other)
        case (.place(let one), .place(let other)): return order(one, other)
        case (.array(let one), .array(let other)), (.record(let one), .record(let other)):
            for (mine, theirs) in zip(one, other) {
                if mine.isNull || theirs.isNull {
                    if mine.isNull, theirs.isNull { continue }
                    return mine.isNull ? 1 : -1
                }
                if let order = try compare(mine, theirs), order != 0 { return order }
            }
            return order(one.count, other.count)
        // A literal is of the type that it meets.
        case (.text(let text), let known): return try compare(SQLType.read(text, like: known), known)
        case (let known, .text(let text)): return try compare(known, SQLType.read(text, like: known))
        default: throw .unknown("a comparison of \(left) with \(right)")
        }
    }

    private static func order<Number: Comparable>(_ one: Number, _ other: Number) -> Int {
        one < other ? -1 : one > other ? 1 : 0
    }

    private static func order<Bytes: Sequence<UInt8>>(_ one: Bytes, _ other: Bytes) -> Int {
        one.lexicographicallyPrecedes(other) ? -1 : other.lexicographicallyPrecedes(one) ? 1 : 0
    }

    /// As the server writes it; nil for NULL.
    package var text: String? {
        switch self {
        case .null: return nil
        case .bool(let value): return value ? "t" : "f"
        case .int(let value): return String(value)
        case .double(let value):
            return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
        case .text(let value): return value
        case .bytes(let value): return "\\x" + Self.hex(value)
        case .time(let value): return TimeText.write(value)
        case .interval(let value): return "\(value) us"
        case .place(let value): return "(\(value / 100),\(value % 100 + 1))"
        case .array(let values):
            return "{" + values.map { $0.text.map(Self.quotedInArray) ?? "NULL" }.joined(separator: ",") + "}"
        case .record(let values): return "(" + values.map { $0.text ?? "" }.joined(separator: ",") + ")"
        }
    }

    package static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func quotedInArray(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.uppercased() != "NULL"
            && !text.utf8.contains { #"{}",\ "#.utf8.contains($0) || $0 < 0x20 }
        guard !isPlain else { return text }
        return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

/// Timestamps as texts, in UTC and DateStyle ISO.
package enum TimeText {
    private static let second: Int64 = 1_000_000
    private static let day: Int64 = 86_400 * second
    /// Days from 1970 to 2000.
    private static let epoch: Int64 = 10_957

    /// From microseconds since 1970.
    package static func fromUnix(_ microseconds: Int64) -> Int64 { microseconds - epoch * day }

    package static func toUnix(_ microseconds: Int64) -> Int64 { microseconds + epoch * day }

    package static func write(_ time: Int64) -> String {
        if time == .min { return "-infinity" }
        if time == .max { return "infinity" }
        let days = Int64((Double(time) / Double(day)).rounded(.down))
        var (date, rest) = (days, time - days * day)
        if rest < 0 { (date, rest) = (date - 1, rest + day) }
        if rest >= day { (date, rest) = (date + 1, rest - day) }
        let (year, month, dayOfMonth) = civil(date + epoch)
        func two(_ number: Int64) -> String { (number < 10 ? "0" : "") + String(number) }
        let seconds = rest / second
        var text =
            String(repeating: "0", count: max(0, 4 - String(year).count)) + "\(year)-\(two(month))-\(two(dayOfMonth)) "
            + "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        if rest % second != 0 {
            var fraction = String(rest % second + second).dropFirst()
            while fraction.hasSuffix("0") { fraction = fraction.dropLast() }
            text += "." + fraction
        }
        return text + "+00"
    }

    package static func read(_ text: String) throws(SQLFailure) -> Int64 {
        switch text {
        case "-infinity": return .min
        case "infinity": return .max
        case "epoch": return fromUnix(0)
        default: break
        }
        let numbers = text.split { !$0.isNumber }.map(String.init)
        let values = numbers.compactMap { Int64($0) }
        guard values.count >= 3, values.count == numbers.count, text.first?.isNumber ?? false else {
            throw SQLFailure("22007", "invalid input syntax for type timestamp with time zone: \"\(text)\"")
        }
        func part(_ index: Int) -> Int64 { values.indices.contains(index) ? values[index] : 0 }
        var time = days(part(0), part(1), part(2)) * day + (part(3) * 3600 + part(4) * 60 + part(5)) * second
        if text.contains("."), numbers.count > 6 {
            time += Int64(numbers[6].padding(6)) ?? 0
        }
        return time - epoch * day
    }

    private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let ofEra = shifted - era * 146_097
        let year = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        let month = (5 * ofYear + 2) / 153
        let civilMonth = month < 10 ? month + 3 : month - 9
        return (year + era * 400 + (civilMonth <= 2 ? 1 : 0), civilMonth, ofYear - (153 * month + 2) / 5 + 1)
    }

    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let ofEra = shifted - era * 400
        let ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
    }
}

extension String {
    fileprivate func padding(_ count: Int) -> String { String((self + "000000").prefix(count)) }
}
