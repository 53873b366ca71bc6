import Records
import Schemas

/// What reads other people's bytes, and a way to give it any: no input may crash it, read beyond its memory, or take more time
/// or memory than its size allows.
///
/// `scripts/fuzz` lets libFuzzer look for such inputs; the ordinary tests try a slice (`FuzzSliceTests`).
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// Messages of one type that has everything, by a plan that the first byte chooses.
    case protobuf
    /// The text of a `.proto` file, and then a message by what it defines.
    case proto
    /// A descriptor set, and then a message likewise.
    case descriptors
    /// Messages of one schema that has everything.
    case avroMessage = "avro-message"
    /// The text of a schema, and then a message of it.
    case avroText = "avro-text"
    /// What stands before messages and in their headers, with message indexes.
    case framing
    /// JSON, and all that is in it.
    case jsonMessage = "json-message"
    /// Connect's JSON with a schema in each message.
    case connectMessage = "connect-message"
    /// The text of a JSON Schema, and one that it may refer to.
    case jsonSchema = "json-schema"
    case msgpack
    case cbor
    /// CSV in the way that the first byte chooses.
    case csvMessage = "csv-message"
    /// A text, bytes or one of Java's keys, which the first byte chooses.
    case plain
    /// A header that names compressions, and a value in them.
    case compression
    /// The text of a condition, and what it is asked of.
    case condition

    /// Tries one input.
    public func run(_ input: UnsafeRawBufferPointer) {
        switch self {
        case .protobuf: FuzzedProtobuf.message(input)
        case .proto: FuzzedProtobuf.text(input)
        case .descriptors: FuzzedProtobuf.descriptors(input)
        case .avroMessage: FuzzedAvro.message(input)
        case .avroText: FuzzedAvro.text(input)
        case .framing: FuzzedFraming.message(input)
        case .jsonMessage: FuzzedJSON.message(input)
        case .connectMessage: FuzzedConnect.message(input)
        case .jsonSchema: FuzzedJSON.schema(input)
        case .msgpack: FuzzedItems.messagePack(input)
        case .cbor: FuzzedItems.cbor(input)
        case .csvMessage: FuzzedCSV.message(input)
        case .plain: FuzzedPlain.message(input)
        case .compression: FuzzedCompression.value(input)
        case .condition: FuzzedCondition.text(input)
        }
    }

    /// Inputs to begin with.
    public var corpus: [[UInt8]] {
        switch self {
        case .protobuf: FuzzedProtobuf.messages
        case .proto: FuzzedProtobuf.texts
        case .descriptors: FuzzedProtobuf.sets
        case .avroMessage: FuzzedAvro.messages
        case .avroText: FuzzedAvro.texts
        case .framing: FuzzedFraming.messages
        case .jsonMessage: FuzzedJSON.messages
        case .connectMessage: FuzzedConnect.messages
        case .jsonSchema: FuzzedJSON.schemas
        case .msgpack: FuzzedItems.messagePacks
        case .cbor: FuzzedItems.cbors
        case .csvMessage: FuzzedCSV.messages
        case .plain: FuzzedPlain.messages
        case .compression: FuzzedCompression.values
        case .condition: FuzzedCondition.texts
        }
    }
}

/// Looks at all that a decoder has found, byte by byte, so that a pointer to nowhere is noticed.
struct Walk {
    /// What lists in lists of a small message may come to is a large number.
    private var left = 20_000
    private var sum: UInt8 = 0

    /// Decodes a message, which lies in memory of just its size and the decoder's padding, and looks at everything.
    static func decode(_ message: UnsafeRawBufferPointer, by decoder: any RecordDecoder) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: message.count + decoder.padding, alignment: 1)
        defer { memory.deallocate() }
        memory.copyMemory(from: message)
        for place in message.count..<memory.count { memory[place] = 0x81 }
        guard let fields = try? decoder.decode(UnsafeRawBufferPointer(rebasing: memory[..<message.count])) else {
            return
        }
        var walk = Walk()
        for field in fields { walk.look(at: field, by: decoder) }
    }

    /// Looks at bytes that something has made.
    static func look(at bytes: UnsafeRawBufferPointer?) {
        guard let bytes else { return }
        var walk = Walk()
        walk.take(bytes)
    }

    private mutating func look(at field: Field, by decoder: any RecordDecoder) {
        left -= 1
        guard left > 0 else { return }
        switch field.kind {
        case .string, .bytes, .number, .array, .object: take(field.bytes)
        case .symbol: take(field.symbolName)
        case .decimal:
            take(
                UnsafeRawBufferPointer(
                    start: UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: field.first)),
                    count: Int(field.second & 0xFFFF_FFFF)))
        case .list, .record:
            if field.kind == .record, let number = decoder.number(of: field) { look(at: number, by: decoder) }
            var walk = self
            try? decoder.visit(field) { name, value in
                walk.take(name)
                walk.look(at: value, by: decoder)
                return walk.left > 0
            }
            self = walk
        default: break
        }
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { sum = sum &* 31 &+ byte }
        left -= sum == 255 ? 1 : 0
    }
}

extension UnsafeRawBufferPointer {
    /// Divides an input in two, at the place that its first two bytes say.
    var divided: (first: UnsafeRawBufferPointer, second: UnsafeRawBufferPointer) {
        guard count >= 2 else { return (self, UnsafeRawBufferPointer(rebasing: self[count...])) }
        let cut = Swift.min(count, 2 + (Int(self[0]) << 8 | Int(self[1])))
        return (UnsafeRawBufferPointer(rebasing: self[2..<cut]), UnsafeRawBufferPointer(rebasing: self[cut...]))
    }
}

extension [UInt8] {
    /// What `divided` makes the two of.
    static func joined(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        [UInt8(truncatingIfNeeded: first.count >> 8), UInt8(truncatingIfNeeded: first.count)] + first + second
    }
}
