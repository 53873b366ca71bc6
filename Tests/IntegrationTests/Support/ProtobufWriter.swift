import Foundation

/// A message `R` of Protobuf, and its schema: each value in the type that Protobuf has for it, and as a string where it has none.
enum ProtobufWriter {
    private static let imports = [
        "google/protobuf/timestamp", "google/protobuf/duration", "google/protobuf/struct", "google/type/date",
        "google/type/timeofday", "google/type/datetime", "confluent/type/decimal",
    ]

    static func schema(_ fields: [FormatField]) -> String {
        "syntax = \"proto3\";\n" + imports.map { "import \"\($0).proto\";\n" }.joined()
            + "message R {\n" + members(fields.map { ($0.name, $0.value) }) + "}\n"
    }

    static func message(_ fields: [FormatField]) -> [UInt8] {
        fields.enumerated().flatMap { field($0 + 1, $1.value, $1.literal) }
    }

    // MARK: Types

    private static func members(_ fields: [(String, FormatValue)]) -> String {
        fields.enumerated().map { index, field in
            let number = index + 1
            switch field.1.itself {
            case .list(let values) where isRepeated(values):
                let item = values.first ?? .text("")
                return nested(item, "M\(number)") + "  repeated \(type(item, "M\(number)")) \(field.0) = \(number);\n"
            case .map(let pairs) where isTexts(pairs): return "  map<string, string> \(field.0) = \(number);\n"
            default:
                return nested(field.1, "M\(number)")
                    + "  optional \(type(field.1, "M\(number)")) \(field.0) = \(number);\n"
            }
        }.joined()
    }

    /// The message that a value is of, where it has one of its own.
    private static func nested(_ value: FormatValue, _ name: String) -> String {
        guard case .map(let pairs) = value.itself, isMessage(pairs) else { return "" }
        return "  message \(name) {\n" + members(pairs) + "  }\n"
    }

    private static func type(_ value: FormatValue, _ name: String) -> String {
        switch value {
        case .bool: "bool"
        case .int: "int64"
        case .unsigned: "uint64"
        case .double: "double"
        case .decimal: "confluent.type.Decimal"
        case .bytes: "bytes"
        case .day: "google.type.Date"
        case .clock, .clockNanos: "google.type.TimeOfDay"
        case .instant, .instantNanos: "google.protobuf.Timestamp"
        case .local, .localNanos: "google.type.DateTime"
        case .duration: "google.protobuf.Duration"
        case .nested(let value, _): type(value, name)
        case .null, .text, .uuid, .interval: "string"
        case .list(let values): isNested(values) ? "google.protobuf.ListValue" : "string"
        case .map(let pairs): isMessage(pairs) ? name : "google.protobuf.Struct"
        }
    }

    /// Protobuf's lists have neither nulls nor lists in them.
    private static func isRepeated(_ values: [FormatValue]) -> Bool {
        values.allSatisfy {
            switch $0.itself {
            case .null, .list: false
            default: true
            }
        }
    }

    private static func isNested(_ values: [FormatValue]) -> Bool {
        values.contains { if case .list = $0.itself { true } else { false } }
    }

    private static func isMessage(_ pairs: [(String, FormatValue)]) -> Bool {
        !isTexts(pairs) && pairs.allSatisfy { $0.0.allSatisfy { ("a"..."z").contains($0) } }
    }

    private static func isTexts(_ pairs: [(String, FormatValue)]) -> Bool {
        pairs.allSatisfy { if case .text = $0.1.itself { true } else { false } }
    }

    // MARK: Bytes

    private static func varint(_ value: Int64) -> [UInt8] {
        var rest = UInt64(bitPattern: value)
        var bytes: [UInt8] = []
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private static func number(_ field: Int, _ value: Int64) -> [UInt8] { varint(Int64(field) << 3) + varint(value) }

    private static func double(_ field: Int, _ value: Double) -> [UInt8] {
        varint(Int64(field) << 3 | 1) + withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }

    private static func bytes(_ field: Int, _ bytes: [UInt8]) -> [UInt8] {
        varint(Int64(field) << 3 | 2) + varint(Int64(bytes.count)) + bytes
    }

    private static func text(_ field: Int, _ text: String) -> [UInt8] { bytes(field, Array(text.utf8)) }

    /// Seconds and what is left of them, as a Timestamp has them.
    private static func instant(_ nanos: Int64) -> [UInt8] {
        let seconds = nanos >= 0 ? nanos / 1_000_000_000 : -((999_999_999 - nanos) / 1_000_000_000)
        return number(1, seconds) + number(2, nanos - seconds * 1_000_000_000)
    }

    /// Hours, minutes, seconds and nanoseconds, from a field's number on.
    private static func clock(_ nanos: Int64, from first: Int = 1) -> [UInt8] {
        let seconds = nanos / 1_000_000_000
        let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60, nanos % 1_000_000_000]
        return parts.enumerated().flatMap { number(first + $0, $1) }
    }

    /// Year, month and day, as the literal begins with them.
    private static func date(_ literal: String) -> [UInt8] {
        literal.prefix(10).split(separator: "-").enumerated().flatMap { number($0 + 1, Int64($1) ?? 0) }
    }

    private static let nanosOfDay: Int64 = 86_400_000_000_000

    private static func ofDay(_ nanos: Int64) -> Int64 { (nanos % nanosOfDay + nanosOfDay) % nanosOfDay }

    private static func field(_ field: Int, _ value: FormatValue, _ literal: String) -> [UInt8] {
        switch value {
        case .null: []
        case .bool(let flag): number(field, flag ? 1 : 0)
        case .int(let value): number(field, value)
        case .unsigned(let value): number(field, Int64(bitPattern: value))
        case .double(let value): double(field, value)
        case .decimal(let digits, let scale):
            bytes(field, bytes(1, MessageWriter.unscaled(digits)) + number(2, 50) + number(3, Int64(scale)))
        case .text(let value): text(field, value)
        case .bytes(let value): bytes(field, value)
        case .day: bytes(field, date(literal))
        case .clock(let micros): bytes(field, clock(micros * 1000))
        case .clockNanos(let nanos): bytes(field, clock(nanos))
        case .instant(let micros): bytes(field, instant(micros * 1000))
        case .instantNanos(let nanos): bytes(field, instant(nanos))
        case .local(let micros): bytes(field, date(literal) + clock(ofDay(micros * 1000), from: 4))
        case .localNanos(let nanos): bytes(field, date(literal) + clock(ofDay(nanos), from: 4))
        case .duration(let micros): bytes(field, instant(micros * 1000))
        case .nested(let value, let literal): self.field(field, value, literal)
        case .uuid, .interval: text(field, literal)
        case .list(let values) where isRepeated(values): values.flatMap { self.field(field, $0, "") }
        case .list(let values) where isNested(values): bytes(field, list(values))
        case .list: text(field, literal)
        case .map(let pairs) where isTexts(pairs):
            pairs.flatMap { name, value in bytes(field, text(1, name) + self.field(2, value, "")) }
        case .map(let pairs) where isMessage(pairs):
            bytes(field, pairs.enumerated().flatMap { self.field($0 + 1, $1.1, "") })
        case .map(let pairs): bytes(field, structure(pairs))
        }
    }

    /// A ListValue.
    private static func list(_ values: [FormatValue]) -> [UInt8] { values.flatMap { bytes(1, self.value($0)) } }

    /// A Struct.
    private static func structure(_ pairs: [(String, FormatValue)]) -> [UInt8] {
        pairs.flatMap { name, value in bytes(1, text(1, name) + bytes(2, self.value(value))) }
    }

    /// A Value, which has no numbers but doubles.
    private static func value(_ value: FormatValue) -> [UInt8] {
        switch value {
        case .int(let number): double(2, Double(number))
        case .double(let number): double(2, number)
        case .text(let string): text(3, string)
        case .bool(let flag): number(4, flag ? 1 : 0)
        case .map(let pairs): bytes(5, structure(pairs))
        case .list(let values): bytes(6, list(values))
        case .nested(let value, _): self.value(value)
        default: number(1, 0)
        }
    }
}
