import TestSupport

/// Schemas without logical types, and messages of them.
struct RandomAvro {
    var generator: SeededGenerator
    private var names = 0

    init(generator: SeededGenerator) { self.generator = generator }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

    indirect enum Made {
        case plain(String)
        case fixed(String, Int)
        case symbols(String, Int)
        case array(Made)
        case map(Made)
        case union([Made])
        case record(String, [Made])
        /// The record that it is in, or null.
        case again(String)

        var schema: String {
            switch self {
            case .plain(let name): "\"\(name)\""
            case .fixed(let name, let size): #"{"type":"fixed","name":"\#(name)","size":\#(size)}"#
            case .symbols(let name, let count):
                #"{"type":"enum","name":"\#(name)","symbols":["#
                    + (0..<count).map { "\"S\($0)\"" }.joined(separator: ",") + "]}"
            case .array(let items): #"{"type":"array","items":\#(items.schema)}"#
            case .map(let values): #"{"type":"map","values":\#(values.schema)}"#
            case .union(let branches): "[\(branches.map(\.schema).joined(separator: ","))]"
            case .record(let name, let members):
                #"{"type":"record","name":"\#(name)","fields":["#
                    + members.enumerated().map { #"{"name":"f\#($0)","type":\#($1.schema)}"# }.joined(separator: ",")
                    + "]}"
            case .again(let name): #"["null","\#(name)"]"#
            }
        }
    }

    mutating func schema(depth: Int = 0, in record: String? = nil, isInUnion: Bool = false) -> Made {
        names += 1
        let name = "N\(names)"
        switch depth == 0 ? 15 : below(depth > 4 ? 12 : 17) {
        case 0...7:
            let all = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
            return .plain(all[below(all.count)])
        case 8: return .plain("string")
        case 9: return .fixed(name, below(9))
        case 10: return .symbols(name, 1 + below(3))
        case 11: return record.map { isInUnion ? .plain("int") : .again($0) } ?? .plain("long")
        case 12: return .array(schema(depth: depth + 1, in: record))
        case 13: return .map(schema(depth: depth + 1, in: record))
        case 14 where !isInUnion:
            return .union((0..<1 + below(4)).map { _ in schema(depth: depth + 1, in: record, isInUnion: true) })
        default: return .record(name, (0..<below(6)).map { _ in schema(depth: depth + 1, in: name) })
        }
    }

    static func varint(_ value: Int64) -> [UInt8] {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        var bytes: [UInt8] = []
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private mutating func random(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &generator) }
    }

    private mutating func text() -> [UInt8] {
        let text = ["", "a", "none", "é", "some words that are longer", "f0", "李\0"][below(7)]
        return Self.varint(Int64(text.utf8.count)) + Array(text.utf8)
    }

    /// - Parameter root: where `again` leads.
    mutating func message(of made: Made, records: [String: Made] = [:], depth: Int = 0) -> [UInt8] {
        switch made {
        case .plain(let name):
            switch name {
            case "null": return []
            case "boolean": return [UInt8(below(2))]
            case "int": return Self.varint(Int64(Int32.random(in: .min ... .max, using: &generator) >> below(32)))
            case "long": return Self.varint(Int64.random(in: .min ... .max, using: &generator) >> below(64))
            case "float": return random(4)
            case "double": return random(8)
            case "bytes":
                let count = below(6)
                return Self.varint(Int64(count)) + random(count)
            default: return text()
            }
        case .fixed(_, let size): return random(size)
        case .symbols(_, let count): return Self.varint(Int64(below(count)))
        case .array(let items):
            return blocks { $0.message(of: items, records: records, depth: depth + 1) }
        case .map(let values):
            return blocks { $0.text() + $0.message(of: values, records: records, depth: depth + 1) }
        case .union(let branches):
            let index = below(branches.count)
            return Self.varint(Int64(index)) + message(of: branches[index], records: records, depth: depth + 1)
        case .record(let name, let members):
            var records = records
            records[name] = made
            return members.flatMap { message(of: $0, records: records, depth: depth + 1) }
        case .again(let name):
            guard depth < 12, below(2) == 0, let record = records[name] else { return Self.varint(0) }
            return Self.varint(1) + message(of: record, records: records, depth: depth + 1)
        }
    }

    private mutating func blocks(_ element: (inout Self) -> [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<below(3) {
            let count = 1 + below(3)
            let data = (0..<count).flatMap { _ in element(&self) }
            let isSized = below(2) == 0
            bytes += isSized ? Self.varint(Int64(-count)) + Self.varint(Int64(data.count)) : Self.varint(Int64(count))
            bytes += data
        }
        return bytes + [0]
    }

    mutating func mutate(_ bytes: inout [UInt8]) {
        let place = below(bytes.count + 1)
        switch below(6) {
        case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0 ... .max, using: &generator)
        case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8(below(8))
        case 2 where place < bytes.count: bytes.remove(at: place)
        case 3:
            bytes.insert(
                contentsOf: Self.varint(Int64.random(in: .min ... .max, using: &generator) >> below(64)), at: place)
        case 4: bytes.insert([0x80, 0xFF, 0, 1, 2, 0x7F][below(6)], at: place)
        default:
            if place < bytes.count {
                bytes.insert(contentsOf: bytes[place...].prefix(below(9)), at: below(bytes.count))
            }
        }
    }

    /// A path into a value, which may lead nowhere.
    mutating func path() -> [String] {
        (0..<below(4)).map { _ in ["f0", "f1", "f2", "f3", "f4", "a", "none", "", "0", "1", "é"][below(11)] }
    }
}
