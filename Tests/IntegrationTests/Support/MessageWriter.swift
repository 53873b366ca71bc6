import Foundation
import Loading
import Records

/// A value as the formats have it.
indirect enum FormatValue: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case unsigned(UInt64)
    case double(Double)
    /// An integer in digits, and how many of these stand behind the point.
    case decimal(String, scale: Int)
    case text(String)
    case bytes([UInt8])
    case uuid([UInt8])
    /// Days, microseconds.
    case day(Int64)
    case clock(Int64)
    case instant(Int64)
    case local(Int64)
    /// The same in nanoseconds.
    case clockNanos(Int64)
    case instantNanos(Int64)
    case localNanos(Int64)
    case interval(months: UInt32, days: UInt32, milliseconds: UInt32)
    /// Microseconds, without days or months.
    case duration(Int64)
    case list([FormatValue])
    case map([(String, FormatValue)])
    /// A value in a list or a map, with its text for formats that have only that for it.
    case nested(FormatValue, literal: String)

    /// Without the text.
    var itself: FormatValue { if case .nested(let value, _) = self { value.itself } else { self } }
}

struct FormatField {
    var name: String
    var value: FormatValue
    /// For formats that have only text for it.
    var literal: String
}

/// Writes a message plainly in each format, so that none of the loader's own code is in it.
enum MessageWriter: String, CaseIterable {
    case json, connect, avro, protobuf, csv, msgpack, cbor

    func message(_ fields: [FormatField]) throws -> [UInt8] {
        switch self {
        case .json: Array(JSONWriter.object(fields).utf8)
        case .connect: Array(ConnectWriter.envelope(fields).utf8)
        case .avro: fields.flatMap { AvroWriter.bytes($0.value, $0.literal) }
        case .protobuf: ProtobufWriter.message(fields)
        case .csv:
            Array(fields.map { "\"" + $0.literal.replacing("\"", with: "\"\"") + "\"" }.joined(separator: ",").utf8)
        case .msgpack: ItemWriter(isCBOR: false).map(fields.map { ($0.name, $0.value, $0.literal) })
        case .cbor: ItemWriter(isCBOR: true).map(fields.map { ($0.name, $0.value, $0.literal) })
        }
    }

    func configure(_ route: inout Route, _ fields: [FormatField]) throws {
        switch self {
        case .json: route.format = .json
        case .connect: route.format = .auto
        case .avro:
            route.format = .avro
            var names = 0
            let members = fields.map { #"{"name":"\#($0.name)","type":\#(AvroWriter.type($0.value, &names))}"# }
            let schema = #"{"type":"record","name":"R","fields":[\#(members.joined(separator: ","))]}"#
            route.schemaFile = .init(path: "r.avsc", content: .avro(try AvroSchema(schema)))
        case .protobuf:
            route.format = .protobuf
            route.schemaMessage = "R"
            let schema = try ProtobufSchema(.text(Array(ProtobufWriter.schema(fields).utf8)), named: "r.proto")
            route.schemaFile = .init(path: "r.proto", content: .protobuf(schema))
        case .csv:
            route.format = .csv
            route.csv.fields = fields.map(\.name)
        case .msgpack: route.format = .msgpack
        case .cbor: route.format = .cbor
        }
    }

    /// An integer's digits in two's complement, the highest byte first.
    static func unscaled(_ digits: String) -> [UInt8] {
        var bytes: [UInt8] = [0]
        for digit in digits.utf8 where digit != UInt8(ascii: "-") {
            var carry = Int(digit) - 0x30
            for place in bytes.indices.reversed() {
                carry += Int(bytes[place]) * 10
                bytes[place] = UInt8(carry & 0xFF)
                carry >>= 8
            }
            if carry > 0 { bytes.insert(UInt8(carry), at: 0) }
        }
        if bytes[0] >= 0x80 { bytes.insert(0, at: 0) }
        guard digits.hasPrefix("-") else { return bytes }
        bytes = bytes.map { ~$0 }
        for place in bytes.indices.reversed() {
            bytes[place] &+= 1
            if bytes[place] != 0 { break }
        }
        return bytes
    }

    /// With its point.
    fileprivate static func plain(_ digits: String, _ scale: Int) -> String {
        guard scale > 0 else { return digits + String(repeating: "0", count: -scale) }
        let sign = digits.hasPrefix("-") ? "-" : ""
        var magnitude = digits.replacing("-", with: "")
        magnitude = String(repeating: "0", count: max(0, scale + 1 - magnitude.count)) + magnitude
        return sign + magnitude.dropLast(scale) + "." + magnitude.suffix(scale)
    }
}

private enum JSONWriter {
    static func object(_ fields: [FormatField]) -> String {
        "{" + fields.map { "\(text($0.name)):\(value($0.value, $0.literal))" }.joined(separator: ",") + "}"
    }

    static func text(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": out += "\\" + String(scalar)
            case "\0": out += "\\u0000"
            case "\n": out += "\\n"
            case "\t": out += "\\t"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    static func value(_ value: FormatValue, _ literal: String) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): flag ? "true" : "false"
        case .int(let number): "\(number)"
        case .unsigned(let number): "\(number)"
        case .double(let number): "\(number)"
        case .decimal(let digits, let scale): MessageWriter.plain(digits, scale)
        case .text(let string): text(string)
        case .bytes, .uuid, .day, .clock, .instant, .local, .interval, .duration, .clockNanos, .instantNanos,
            .localNanos:
            text(literal.isEmpty ? inner(value) : literal)
        case .nested(let value, let literal): self.value(value, literal)
        case .list(let values): "[" + values.map { self.value($0, "") }.joined(separator: ",") + "]"
        case .map(let pairs): "{" + pairs.map { "\(text($0)):\(self.value($1, ""))" }.joined(separator: ",") + "}"
        }
    }

    /// What stands in a list, and so has no literal of its own.
    static func inner(_ value: FormatValue) -> String {
        switch value {
        case .day(let day):
            "\(Date(timeIntervalSince1970: Double(day) * 86400).formatted(.iso8601.year().month().day()))"
        case .instant(let time): Date(timeIntervalSince1970: Double(time) / 1e6).formatted(.iso8601)
        default: ""
        }
    }
}

private enum ConnectWriter {
    static func envelope(_ fields: [FormatField]) -> String {
        let types = fields.map { type($0.value, #","field":"\#($0.name)""#) }.joined(separator: ",")
        let values = fields.map { "\"\($0.name)\":\(value($0.value, $0.literal))" }.joined(separator: ",")
        return #"{"schema":{"type":"struct","fields":[\#(types)],"optional":false,"name":"r"},"payload":{\#(values)}}"#
    }

    static func type(_ value: FormatValue, _ more: String = "") -> String {
        func made(_ type: String, _ name: String? = nil, _ rest: String = "") -> String {
            #"{"type":"\#(type)","optional":true"# + (name.map { #","name":"\#($0)","version":1"# } ?? "") + rest + more
                + "}"
        }
        switch value {
        case .bool: return made("boolean")
        case .int: return made("int64")
        case .double: return made("double")
        case .unsigned: return made("bytes", "org.apache.kafka.connect.data.Decimal", #","parameters":{"scale":"0"}"#)
        case .decimal(_, let scale):
            return made("bytes", "org.apache.kafka.connect.data.Decimal", #","parameters":{"scale":"\#(scale)"}"#)
        case .bytes: return made("bytes")
        case .day: return made("int32", "io.debezium.time.Date")
        case .clock: return made("int64", "io.debezium.time.MicroTime")
        case .local: return made("int64", "io.debezium.time.MicroTimestamp")
        case .clockNanos: return made("int64", "io.debezium.time.NanoTime")
        case .localNanos: return made("int64", "io.debezium.time.NanoTimestamp")
        case .duration: return made("int64", "io.debezium.time.MicroDuration")
        case .nested(let value, _): return type(value, more)
        case .instant, .instantNanos: return made("string", "io.debezium.time.ZonedTimestamp")
        case .text, .uuid, .interval, .null: return made("string")
        case .list(let values):
            let items = values.first { if case .null = $0 { false } else { true } } ?? .text("")
            return made("array", nil, #","items":\#(type(items))"#)
        case .map(let pairs):
            let fields = pairs.map { type($1, #","field":\#(JSONWriter.text($0))"#) }.joined(separator: ",")
            return made("struct", nil, #","fields":[\#(fields)]"#)
        }
    }

    static func value(_ value: FormatValue, _ literal: String) -> String {
        switch value {
        case .unsigned(let number): base64(MessageWriter.unscaled("\(number)"))
        case .decimal(let digits, _): base64(MessageWriter.unscaled(digits))
        case .bytes(let bytes): base64(bytes)
        case .day(let number), .clock(let number), .local(let number), .clockNanos(let number),
            .localNanos(let number), .duration(let number):
            "\(number)"
        case .nested(let value, let literal): self.value(value, literal)
        case .list(let values): "[" + values.map { self.value($0, "") }.joined(separator: ",") + "]"
        case .map(let pairs):
            "{" + pairs.map { "\(JSONWriter.text($0)):\(self.value($1, ""))" }.joined(separator: ",") + "}"
        default: JSONWriter.value(value, literal)
        }
    }

    static func base64(_ bytes: [UInt8]) -> String { "\"" + Data(bytes).base64EncodedString() + "\"" }
}

private enum AvroWriter {
    static func varint(_ value: Int64) -> [UInt8] {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        var bytes: [UInt8] = []
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func sized(_ bytes: [UInt8]) -> [UInt8] { varint(Int64(bytes.count)) + bytes }

    static func type(_ value: FormatValue, _ names: inout Int) -> String {
        func meant(_ base: String, _ logical: String, _ more: String = "") -> String {
            #"{"type":"\#(base)","logicalType":"\#(logical)"\#(more)}"#
        }
        func fixed(_ size: Int, _ logical: String) -> String {
            names += 1
            return meant("fixed", logical, #","name":"F\#(names)","size":\#(size)"#)
        }
        switch value {
        case .null: return "\"null\""
        case .bool: return "\"boolean\""
        case .int: return "\"long\""
        case .unsigned: return meant("bytes", "decimal", #","precision":20,"scale":0"#)
        case .double: return "\"double\""
        // Avro's own has no negative scale.
        case .decimal(_, let scale) where scale < 0:
            return
                #"{"type":"bytes","connect.name":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"\#(scale)"}}"#
        case .decimal(_, let scale): return meant("bytes", "decimal", #","precision":50,"scale":\#(scale)"#)
        case .text: return "\"string\""
        case .bytes: return "\"bytes\""
        case .uuid: return fixed(16, "uuid")
        case .interval: return fixed(12, "duration")
        case .day: return meant("int", "date")
        case .clock: return meant("long", "time-micros")
        case .instant: return meant("long", "timestamp-micros")
        case .local: return meant("long", "local-timestamp-micros")
        case .clockNanos: return #"{"type":"long","connect.name":"io.debezium.time.NanoTime"}"#
        case .instantNanos: return meant("long", "timestamp-nanos")
        case .localNanos: return meant("long", "local-timestamp-nanos")
        case .duration: return #"{"type":"long","connect.name":"io.debezium.time.MicroDuration"}"#
        case .nested(let value, _): return type(value, &names)
        case .list(let values):
            let items = values.first { if case .null = $0 { false } else { true } } ?? .text("")
            return #"{"type":"array","items":["null",\#(type(items, &names))]}"#
        case .map(let pairs):
            // A map: names in a record may not be any text.
            var types: [String] = []
            for (_, value) in pairs { types.append(type(value, &names)) }
            return #"{"type":"map","values":[\#(types.joined(separator: ","))]}"#
        }
    }

    static func bytes(_ value: FormatValue, _ literal: String) -> [UInt8] {
        switch value {
        case .null: []
        case .bool(let flag): [flag ? 1 : 0]
        case .int(let number), .day(let number), .clock(let number), .instant(let number), .local(let number),
            .clockNanos(let number), .instantNanos(let number), .localNanos(let number), .duration(let number):
            varint(number)
        case .nested(let value, let literal): bytes(value, literal)
        case .unsigned(let number): sized(MessageWriter.unscaled("\(number)"))
        case .double(let number): withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
        case .decimal(let digits, _): sized(MessageWriter.unscaled(digits))
        case .text(let text): sized(Array(text.utf8))
        case .bytes(let bytes): sized(bytes)
        case .uuid(let bytes): bytes
        case .interval(let months, let days, let milliseconds):
            [months, days, milliseconds].flatMap { part in withUnsafeBytes(of: part.littleEndian) { Array($0) } }
        case .list(let values):
            (values.isEmpty ? [] : varint(Int64(values.count)))
                + values.flatMap { value -> [UInt8] in
                    if case .null = value { return varint(0) }
                    return varint(1) + bytes(value, "")
                } + [0]
        case .map(let pairs):
            varint(Int64(pairs.count))
                + pairs.enumerated().flatMap { index, pair in
                    sized(Array(pair.0.utf8)) + varint(Int64(index)) + bytes(pair.1, "")
                } + [0]
        }
    }
}

/// MessagePack and CBOR.
private struct ItemWriter {
    var isCBOR: Bool

    func number<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    func map(_ fields: [(String, FormatValue, String)]) -> [UInt8] {
        (isCBOR ? [0xB9] : [0xDE]) + number(UInt16(fields.count))
            + fields.flatMap { text($0) + value($1, $2) }
    }

    func text(_ text: String) -> [UInt8] {
        (isCBOR ? [0x79] : [0xDA]) + number(UInt16(text.utf8.count)) + Array(text.utf8)
    }

    func bytes(_ bytes: [UInt8]) -> [UInt8] { (isCBOR ? [0x59] : [0xC5]) + number(UInt16(bytes.count)) + bytes }

    func integer(_ value: Int64) -> [UInt8] {
        guard isCBOR else { return [0xD3] + number(value) }
        return value >= 0 ? [0x1B] + number(UInt64(value)) : [0x3B] + number(UInt64(bitPattern: ~value))
    }

    func value(_ value: FormatValue, _ literal: String) -> [UInt8] {
        switch value {
        case .null: return [isCBOR ? 0xF6 : 0xC0]
        case .bool(let flag): return isCBOR ? [flag ? 0xF5 : 0xF4] : [flag ? 0xC3 : 0xC2]
        case .int(let number): return integer(number)
        case .unsigned(let number): return (isCBOR ? [0x1B] : [0xCF]) + self.number(number)
        case .double(let number): return (isCBOR ? [0xFB] : [0xCB]) + self.number(number.bitPattern)
        case .text(let string): return text(string)
        case .bytes(let bytes): return self.bytes(bytes)
        case .list(let values):
            return (isCBOR ? [0x99] : [0xDC]) + number(UInt16(values.count)) + values.flatMap { self.value($0, "") }
        case .map(let pairs): return map(pairs.map { ($0, $1, "") })
        case .instant(let time):
            let seconds = Int64((Double(time) / 1e6).rounded(.down))
            if isCBOR { return [0xC1, 0xFB] + number((Double(time) / 1e6).bitPattern) }
            return [0xC7, 12, 0xFF] + number(UInt32((time - seconds * 1_000_000) * 1000)) + number(seconds)
        case .instantNanos(let time) where !isCBOR:
            let seconds = Int64((Double(time) / 1e9).rounded(.down))
            return [0xC7, 12, 0xFF] + number(UInt32(time - seconds * 1_000_000_000)) + number(seconds)
        case .decimal(let digits, let scale) where isCBOR:
            let unscaled = MessageWriter.unscaled(digits)
            let isNegative = unscaled[0] >= 0x80
            return [0xC4, 0x82] + integer(Int64(-scale)) + [isNegative ? 0xC3 : 0xC2]
                + bytes(isNegative ? unscaled.map { ~$0 } : unscaled)
        // A text is a number to a column, and a string to jsonb.
        case .decimal(let digits, let scale) where literal.isEmpty: return double(digits, scale)
        case .uuid(let bytes) where isCBOR: return [0xD8, 37] + self.bytes(bytes)
        case .day(let day) where isCBOR: return [0xD8, 100] + integer(day)
        case .day: return text(literal.isEmpty ? JSONWriter.inner(value) : literal)
        case .nested(let value, let literal): return self.value(value, literal)
        case .decimal, .uuid, .clock, .local, .interval, .duration, .clockNanos, .instantNanos, .localNanos:
            return text(literal)
        }
    }

    private func double(_ digits: String, _ scale: Int) -> [UInt8] {
        [0xCB] + number((Double(MessageWriter.plain(digits, scale)) ?? 0).bitPattern)
    }
}
