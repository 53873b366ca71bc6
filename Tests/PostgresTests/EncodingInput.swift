import Postgres
import Testing

/// A JSON text given to the encoders as the loader's decoder gives it. Keeps all bytes it hands out.
final class EncodingInput: ContainerReader {
    private var blocks: [UnsafeMutableRawBufferPointer] = []
    /// What is in the lists and records that it has made.
    private var containers: [[(name: String, value: InputValue)]] = []

    deinit { for block in blocks { block.deallocate() } }

    func value(_ json: String) throws(EncodingFailure) -> InputValue {
        var cursor = Cursor(keep(Array(json.utf8)))
        return try value(&cursor)
    }

    func string(_ bytes: [UInt8]) -> InputValue { InputValue(.string, keep(bytes)) }

    /// A list or record, which `visit` opens.
    func container(_ kind: InputValue.Kind, _ items: [(name: String, value: InputValue)]) -> InputValue {
        containers.append(items)
        return InputValue(kind, UInt64(containers.count - 1), 0)
    }

    func visit(
        _ container: InputValue,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: InputValue) throws(EncodingFailure) -> Void
    ) throws(EncodingFailure) {
        for item in containers[Int(container.first)] { try body(keep(Array(item.name.utf8)), item.value) }
    }

    func elements(of array: InputValue) throws(EncodingFailure) -> [InputValue] {
        if array.kind == .list { return containers[Int(array.first)].map(\.value) }
        var cursor = Cursor(array.bytes)
        var elements: [InputValue] = []
        cursor.index += 1
        while true {
            cursor.skipSpace()
            if cursor.current == UInt8(ascii: "]") { return elements }
            if cursor.current == UInt8(ascii: ",") { cursor.index += 1 }
            elements.append(try value(&cursor))
        }
    }

    func members(of object: InputValue) throws(EncodingFailure) -> [(name: String, value: InputValue)] {
        if object.kind == .record { return containers[Int(object.first)] }
        var cursor = Cursor(object.bytes)
        var members: [(name: String, value: InputValue)] = []
        cursor.index += 1
        while true {
            cursor.skipSpace()
            if cursor.current == UInt8(ascii: "}") { return members }
            if cursor.current == UInt8(ascii: ",") { cursor.index += 1 }
            let name = try value(&cursor)
            cursor.skipSpace()
            cursor.index += 1
            members.append((String(decoding: name.bytes, as: UTF8.self), try value(&cursor)))
        }
    }

    /// Only of what is JSON: the loader's reader, which checks, is tested with it.
    func document(_ text: UnsafeRawBufferPointer) throws(EncodingFailure) -> InputValue {
        guard String(validating: text, as: UTF8.self) != nil else {
            throw EncodingFailure(.invalidUTF8, found: .string)
        }
        var cursor = Cursor(keep(Array(text)))
        let value = try value(&cursor)
        cursor.skipSpace()
        guard cursor.current == nil,
            value.kind != .number || Double(String(decoding: value.bytes, as: UTF8.self)) != nil
        else { throw EncodingFailure(.noDocument, found: .string) }
        return value
    }

    func bytes(
        of text: UnsafeRawBufferPointer, decodedBy decoding: Decoding
    ) throws(EncodingFailure) -> UnsafeRawBufferPointer {
        var buffer = CopyBuffer()
        guard buffer.append(text, decodedBy: decoding) else { throw EncodingFailure(.undecodable, found: .string) }
        return keep(Array(buffer.bytes))
    }

    private func keep(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 1)
        block.copyBytes(from: bytes)
        blocks.append(block)
        return UnsafeRawBufferPointer(rebasing: block[..<bytes.count])
    }

    private func value(_ cursor: inout Cursor) throws(EncodingFailure) -> InputValue {
        cursor.skipSpace()
        let start = cursor.index
        switch cursor.current {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let kind: InputValue.Kind = cursor.current == UInt8(ascii: "{") ? .object : .array
            var depth = 0
            repeat {
                switch cursor.current {
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                case UInt8(ascii: "\""): cursor.skipString()
                case nil: throw EncodingFailure(.badSyntax, found: kind)
                default: break
                }
                cursor.index += 1
            } while depth > 0
            return InputValue(kind, cursor.bytes(from: start))
        case UInt8(ascii: "\""):
            cursor.skipString()
            cursor.index += 1
            let raw = cursor.bytes(from: start)
            return InputValue(.string, keep(Self.unescaped(Array(raw.dropFirst().dropLast()))))
        default:
            while let byte = cursor.current, !",]}: ".utf8.contains(byte) { cursor.index += 1 }
            let raw = cursor.bytes(from: start)
            switch String(decoding: raw, as: UTF8.self) {
            case "null": return InputValue(.null)
            case "true": return InputValue(.true)
            case "false": return InputValue(.false)
            default: return InputValue(.number, raw)
            }
        }
    }

    private static func unescaped(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "\\") else {
                result.append(bytes[index])
                index += 1
                continue
            }
            switch bytes[index + 1] {
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "u"):
                let digits = String(decoding: bytes[(index + 2)..<(index + 6)], as: UTF8.self)
                if let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code) {
                    result.append(contentsOf: String(scalar).utf8)
                }
                index += 4
            case let other: result.append(other)
            }
            index += 2
        }
        return result
    }

    private struct Cursor {
        private let bytes: UnsafeRawBufferPointer
        var index = 0

        init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        var current: UInt8? { index < bytes.count ? bytes[index] : nil }

        func bytes(from start: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[start..<index]) }

        mutating func skipSpace() { while let byte = current, " \n\t\r".utf8.contains(byte) { index += 1 } }

        /// From the opening quote to the closing one.
        mutating func skipString() {
            index += 1
            while let byte = current, byte != UInt8(ascii: "\"") { index += byte == UInt8(ascii: "\\") ? 2 : 1 }
        }
    }
}

extension PostgresType {
    static let interval = PostgresType(oid: 1186, name: "interval", formatted: "interval")
    static let timetz = PostgresType(oid: 1266, name: "timetz", formatted: "time with time zone")
    static let hstore = PostgresType(oid: 60001, name: "hstore", formatted: "hstore")
    static let bool = PostgresType(oid: 16, name: "bool", formatted: "boolean")
    static let bytea = PostgresType(oid: 17, name: "bytea", formatted: "bytea")
    static let int8 = PostgresType(oid: 20, name: "int8", formatted: "bigint")
    static let int2 = PostgresType(oid: 21, name: "int2", formatted: "smallint")
    static let int4 = PostgresType(oid: 23, name: "int4", formatted: "integer")
    static let text = PostgresType(oid: 25, name: "text", formatted: "text")
    static let json = PostgresType(oid: 114, name: "json", formatted: "json")
    static let float4 = PostgresType(oid: 700, name: "float4", formatted: "real")
    static let float8 = PostgresType(oid: 701, name: "float8", formatted: "double precision")
    static let date = PostgresType(oid: 1082, name: "date", formatted: "date")
    static let time = PostgresType(oid: 1083, name: "time", formatted: "time without time zone")
    static let timestamp = PostgresType(oid: 1114, name: "timestamp", formatted: "timestamp without time zone")
    static let timestamptz = PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamp with time zone")
    static let numeric = PostgresType(oid: 1700, name: "numeric", formatted: "numeric")
    static let uuid = PostgresType(oid: 2950, name: "uuid", formatted: "uuid")
    static let jsonb = PostgresType(oid: 3802, name: "jsonb", formatted: "jsonb")
    static let inet = PostgresType(oid: 869, name: "inet", formatted: "inet")
    static let box = PostgresType(oid: 603, name: "box", formatted: "box")
    static let point = PostgresType(oid: 600, name: "point", formatted: "point")
    static let mood = PostgresType(
        oid: 90001, name: "mood", formatted: "mood", shape: .enumeration(labels: ["sad", "ok", "hap\"py"]))

    static func varchar(_ limit: Int32) -> PostgresType {
        PostgresType(oid: 1043, name: "varchar", formatted: "character varying(\(limit))", modifier: limit + 4)
    }

    static func char(_ limit: Int32) -> PostgresType {
        PostgresType(oid: 1042, name: "bpchar", formatted: "character(\(limit))", modifier: limit + 4)
    }

    static func numeric(_ precision: Int32, _ scale: Int32) -> PostgresType {
        PostgresType(
            oid: 1700, name: "numeric", formatted: "numeric(\(precision),\(scale))",
            modifier: (precision << 16 | scale & 0x7FF) + 4)
    }

    static func array(of element: PostgresType, oid: UInt32 = 90100) -> PostgresType {
        PostgresType(
            oid: oid, name: "_" + element.name, formatted: element.formatted + "[]", shape: .array(of: element))
    }

    static func domain(over base: PostgresType) -> PostgresType {
        PostgresType(oid: 90200, name: "d", formatted: "d", shape: .domain(over: base))
    }
}

extension BinaryEncoder {
    /// The bytes that binary COPY gets for a JSON value.
    func bytes(_ json: String) throws -> [UInt8] {
        let input = EncodingInput()
        return try bytes(try input.value(json), input)
    }

    func bytes(_ value: InputValue, _ input: EncodingInput) throws -> [UInt8] {
        var buffer = CopyBuffer(capacity: 64)
        buffer.append(byte: 0xEE)
        do {
            try encode(value, into: &buffer, containers: input)
        } catch {
            // What the caller had written must stand, and nothing behind it.
            let left = Array(buffer.bytes)
            #expect(left == [0xEE])
            throw error
        }
        return Array(buffer.bytes.dropFirst())
    }
}

extension TextEncoder {
    /// The field that text COPY gets for a JSON value.
    func field(_ json: String) throws -> String {
        let input = EncodingInput()
        return try field(try input.value(json), input)
    }

    func field(_ value: InputValue, _ input: EncodingInput) throws -> String {
        var buffer = CopyBuffer(capacity: 64)
        buffer.append(byte: 0xEE)
        do {
            try encode(value, into: &buffer, containers: input)
        } catch {
            let left = Array(buffer.bytes)
            #expect(left == [0xEE])
            throw error
        }
        return String(decoding: buffer.bytes.dropFirst(), as: UTF8.self)
    }
}

func binary(
    _ type: PostgresType, _ json: String, _ options: EncodingOptions = EncodingOptions()
) throws -> [UInt8] {
    try #require(BinaryEncoder(type, options: options)).bytes(json)
}

func text(_ type: PostgresType, _ json: String, _ options: EncodingOptions = EncodingOptions()) throws -> String {
    try TextEncoder(type, options: options).field(json)
}

/// Why both encoders refuse a JSON value; nil if one of them takes it or they disagree.
func refusal(
    _ type: PostgresType, _ json: String, _ options: EncodingOptions = EncodingOptions()
) -> EncodingFailure.Reason? {
    let inText = #expect(throws: EncodingFailure.self) { try text(type, json, options) }
    guard BinaryEncoder(type, options: options) != nil else { return inText?.reason }
    let inBinary = #expect(throws: EncodingFailure.self) { try binary(type, json, options) }
    return inText == inBinary ? inText?.reason : nil
}
