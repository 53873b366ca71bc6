import Records

/// Reads Avro by the letter of the specification, value by value from an array, and tells it: slowly, and so plainly.
struct ReferenceAvro {
    struct Refused: Error {}

    private let schema: AvroSchema
    private let bytes: [UInt8]
    private var place = 0
    private var depth = 0
    private var emptyElements = 0

    /// - Returns: nil for what is no such message.
    static func read(_ bytes: [UInt8], _ schema: AvroSchema) -> String? {
        var reader = ReferenceAvro(schema: schema, bytes: bytes)
        guard let value = try? reader.value(schema.root), reader.place == bytes.count else { return nil }
        return value
    }

    private init(schema: AvroSchema, bytes: [UInt8]) {
        self.schema = schema
        self.bytes = bytes
    }

    private mutating func take(_ count: Int) throws(Refused) -> ArraySlice<UInt8> {
        guard 0...bytes.count - place ~= count else { throw Refused() }
        place += count
        return bytes[place - count..<place]
    }

    private mutating func long() throws(Refused) -> Int64 {
        var raw: UInt64 = 0
        for index in 0..<10 {
            let byte = try take(1).first ?? 0
            if index == 9, byte > 1 { throw Refused() }
            raw |= UInt64(byte % 128) << UInt64(7 * index)
            if byte < 128 { return raw % 2 == 0 ? Int64(raw / 2) : -Int64(raw / 2) - 1 }
        }
        throw Refused()
    }

    private mutating func int() throws(Refused) -> Int64 {
        let value = try long()
        guard Int32(exactly: value) != nil else { throw Refused() }
        return value
    }

    private mutating func text() throws(Refused) -> String {
        guard let length = Int(exactly: try long()), let text = String(validating: try take(length), as: UTF8.self)
        else { throw Refused() }
        return Self.hexadecimal(text.utf8)
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private mutating func index(below count: Int) throws(Refused) -> Int {
        let index = try long()
        guard 0..<Int64(count) ~= index else { throw Refused() }
        return Int(index)
    }

    /// The values in the blocks of an array or map.
    private mutating func blocks(
        of type: Int, _ element: (inout Self) throws(Refused) -> String
    ) throws(Refused) -> String {
        var parts: [String] = []
        while true {
            let count = try long()
            if count == 0 { return parts.joined(separator: ",") }
            var end: Int?
            if count < 0 {
                guard let size = Int(exactly: try long()), size >= 0, size <= bytes.count - place else {
                    throw Refused()
                }
                end = place + size
            }
            for _ in 0..<count.magnitude {
                let before = place
                parts.append(try element(&self))
                if place == before {
                    emptyElements += values(in: type)
                    if emptyElements > 65536 + bytes.count { throw Refused() }
                }
            }
            if let end, end != place { throw Refused() }
        }
    }

    /// Of a type that takes no byte.
    private func values(in type: Int) -> Int {
        guard case .record(let members) = schema[type].shape else { return 1 }
        return members.reduce(1) { $0 + values(in: $1.type) }
    }

    private mutating func value(_ type: Int) throws(Refused) -> String {
        switch schema[type].shape {
        case .null: return "null"
        case .boolean:
            switch try take(1).first {
            case 0: return "false"
            case 1: return "true"
            default: throw Refused()
            }
        case .int: return "i:\(try int())"
        case .long: return "i:\(try long())"
        case .float: return "f:\(Self.hexadecimal(try take(4).reversed()))"
        case .double: return "d:\(Self.hexadecimal(try take(8).reversed()))"
        case .bytes:
            guard let length = Int(exactly: try long()) else { throw Refused() }
            return "b:\(Self.hexadecimal(try take(length)))"
        case .string: return "s:\(try text())"
        case .fixed(let size): return "b:\(Self.hexadecimal(try take(size)))"
        case .enum(let symbols): return "s:\(Self.hexadecimal(symbols[try index(below: symbols.count)].utf8))"
        case .union(let branches): return try value(branches[try index(below: branches.count)])
        case .array, .map, .record: break
        }
        depth += 1
        defer { depth -= 1 }
        guard depth <= 1024 else { throw Refused() }
        switch schema[type].shape {
        case .array(let items):
            return "[\(try blocks(of: items) { (reader) throws(Refused) in try reader.value(items) })]"
        case .map(let values):
            let entries = try blocks(of: values) { (reader) throws(Refused) in
                "\(try reader.text())=\(try reader.value(values))"
            }
            return "{\(entries)}"
        case .record(let members):
            var parts: [String] = []
            for member in members {
                parts.append("\(Self.hexadecimal(member.name.utf8))=\(try value(member.type))")
            }
            return "{\(parts.joined(separator: ","))}"
        default: throw Refused()
        }
    }
}
