import Postgres
import Records
import TestSupport

@testable import Loading

/// A format of its own for tests, with a tag for each kind of field: what a format other than JSON has to bring.
///
/// `T`, then members: a name's length and the name, the kind, and its payload. Words are of eight bytes, the highest
/// first; texts and bytes have their length in two bytes before them, lists and records in four.
final class TaggedDecoder: RecordDecoder {
    private let paths: [FieldPath]
    private let fields: UnsafeMutableBufferPointer<Field>
    /// It hands out JSON, too.
    let padding = JSONRecordDecoder.padding

    init(_ paths: [FieldPath]) {
        self.paths = paths
        fields = .allocate(capacity: paths.count)
        fields.initialize(repeating: Field(.absent))
    }

    deinit { fields.deallocate() }

    func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        for index in fields.indices { fields[index] = Field(.absent) }
        guard let start = message.baseAddress, message.first == UInt8(ascii: "T") else {
            throw DecodingFailure(.invalidSyntax, "is no tagged message", offset: 0)
        }
        // Whoever promises padding must have it.
        _ = (start + message.count + padding - 1).load(as: UInt8.self)
        try read(UnsafeRawBufferPointer(rebasing: message.dropFirst()), [])
        return UnsafeBufferPointer(fields)
    }

    /// Reads all that is nested as well, and so checks it.
    private func read(_ bytes: UnsafeRawBufferPointer, _ path: [String]) throws(DecodingFailure) {
        var reader = Reader(bytes)
        while let (name, field) = try reader.next() {
            let path = path + [String(decoding: name, as: UTF8.self)]
            for index in paths.indices where paths[index].components == path { fields[index] = field }
            if let nested = Self.nested(field) { try read(nested, path) }
        }
    }

    func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        guard let nested = Self.nested(container) else { throw DecodingFailure(.invalidSyntax, "has no such list") }
        var reader = Reader(nested)
        while let (name, field) = try reader.next(), body(name, field) {}
    }

    private static func nested(_ field: Field) -> UnsafeRawBufferPointer? {
        guard field.kind == .list || field.kind == .record else { return nil }
        return UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: UInt(field.place)), count: Int(field.node))
    }

    private struct Reader {
        private let bytes: UnsafeRawBufferPointer
        private var position = 0

        init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        private mutating func take(_ count: Int) throws(DecodingFailure) -> UnsafeRawBufferPointer {
            guard bytes.count - position >= count else {
                throw DecodingFailure(.invalidSyntax, "ends too early", offset: nil)
            }
            position += count
            return UnsafeRawBufferPointer(rebasing: bytes[position - count..<position])
        }

        private mutating func integer<Integer: FixedWidthInteger>(
            _: Integer.Type
        ) throws(DecodingFailure) -> Integer {
            Integer(bigEndian: try take(MemoryLayout<Integer>.size).loadUnaligned(as: Integer.self))
        }

        mutating func next() throws(DecodingFailure) -> (name: UnsafeRawBufferPointer, field: Field)? {
            guard position < bytes.count else { return nil }
            let name = try take(Int(integer(UInt8.self)))
            guard let kind = Field.Kind(rawValue: try integer(UInt8.self)) else {
                throw DecodingFailure(.invalidSyntax, "has an unknown tag")
            }
            return (name, try field(kind))
        }

        /// Whether the text is one value of the kind, as what is handed out as JSON must be.
        private static func isJSON(_ text: UnsafeRawBufferPointer, _ kind: Field.Kind) -> Bool {
            let object = Array(#"{"a":"#.utf8) + text + [UInt8(ascii: "}")]
            let padded = object + [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
            return padded.withUnsafeBytes { bytes in
                let decoder = JSONRecordDecoder(paths: [FieldPath(["a"])])
                let fields = try? decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[..<object.count]))
                return fields?.first.map { $0.kind == kind && $0.bytes.count == text.count } ?? false
            }
        }

        private mutating func field(_ kind: Field.Kind) throws(DecodingFailure) -> Field {
            switch kind {
            case .absent, .null, .false, .true: return Field(kind)
            case .bytes: return Field(kind, try take(Int(integer(UInt16.self))))
            case .number, .string, .array, .object:
                let text = try take(Int(integer(UInt16.self)))
                guard String(validating: text, as: UTF8.self) != nil else {
                    throw DecodingFailure(.invalidUTF8, "has a text that is no UTF-8")
                }
                guard kind == .string || Self.isJSON(text, kind) else {
                    throw DecodingFailure(.invalidSyntax, "has a text that is no JSON")
                }
                return Field(kind, text)
            case .integer: return .integer(try integer(Int64.self))
            case .unsigned: return .unsigned(try integer(UInt64.self))
            case .double: return .double(Double(bitPattern: try integer(UInt64.self)))
            case .float: return .float(Float(bitPattern: UInt32(truncatingIfNeeded: try integer(UInt64.self))))
            case .decimal:
                let scale = try integer(Int32.self)
                return .decimal(try take(Int(integer(UInt16.self))), scale: scale)
            case .day: return .day(sinceUnixEpoch: try integer(Int64.self))
            case .timeOfDay: return .timeOfDay(microseconds: try integer(Int64.self))
            case .instant: return .instant(microseconds: try integer(Int64.self))
            case .localTime: return .localTime(microseconds: try integer(Int64.self))
            case .interval:
                return .interval(
                    months: try integer(Int32.self), days: try integer(Int32.self),
                    microseconds: try integer(Int64.self))
            case .uuid: return .uuid(high: try integer(UInt64.self), low: try integer(UInt64.self))
            case .symbol:
                let number = try integer(Int32.self)
                let name = try take(Int(integer(UInt16.self)))
                guard String(validating: name, as: UTF8.self) != nil else {
                    throw DecodingFailure(.invalidUTF8, "has a name that is no UTF-8")
                }
                return .symbol(name, number: number)
            case .list, .record:
                let nested = try take(Int(integer(UInt32.self)))
                let place = UInt64(UInt(bitPattern: nested.baseAddress))
                return kind == .list
                    ? .list(place, node: UInt32(nested.count)) : .record(place, node: UInt32(nested.count))
            }
        }
    }
}

extension MessageFormat {
    static let tagged = MessageFormat(
        decoder: { TaggedDecoder($0) }, hasFields: { $0.first == UInt8(ascii: "T") },
        describe: { value, _ in value.first == UInt8(ascii: "{") ? "the message is JSON, and no tagged one" : nil },
        refusal: .badSyntax, isJSON: false)
}

/// A message of tagged fields.
struct TaggedMessage {
    private(set) var bytes: [UInt8] = [UInt8(ascii: "T")]

    init() {}

    init(_ members: (String, [UInt8])...) {
        for (name, field) in members { add(name, field) }
    }

    mutating func add(_ name: String, _ field: [UInt8]) {
        bytes.append(UInt8(name.utf8.count))
        bytes += Array(name.utf8) + field
    }

    /// Whether these are nested members, and not a message.
    var nested: [UInt8] { Array(bytes.dropFirst()) }

    static func network(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    static func word(_ kind: Field.Kind, _ value: Int64) -> [UInt8] { [kind.rawValue] + network(value) }

    static func bytes(_ kind: Field.Kind, _ bytes: [UInt8]) -> [UInt8] {
        [kind.rawValue] + network(UInt16(bytes.count)) + bytes
    }

    static func text(_ kind: Field.Kind, _ text: String) -> [UInt8] { bytes(kind, Array(text.utf8)) }

    static func decimal(_ unscaled: [UInt8], scale: Int32) -> [UInt8] {
        [Field.Kind.decimal.rawValue] + network(scale) + network(UInt16(unscaled.count)) + unscaled
    }

    static func symbol(_ name: String, _ number: Int32) -> [UInt8] {
        [Field.Kind.symbol.rawValue] + network(number) + network(UInt16(name.utf8.count)) + Array(name.utf8)
    }

    static func interval(_ months: Int32, _ days: Int32, _ microseconds: Int64) -> [UInt8] {
        [Field.Kind.interval.rawValue] + network(months) + network(days) + network(microseconds)
    }

    static func uuid(_ high: UInt64, _ low: UInt64) -> [UInt8] {
        [Field.Kind.uuid.rawValue] + network(high) + network(low)
    }

    static func list(_ fields: [UInt8]...) -> [UInt8] {
        let noName: [UInt8] = [0]
        let nested = fields.flatMap { noName + $0 }
        return [Field.Kind.list.rawValue] + network(UInt32(nested.count)) + nested
    }

    static func record(_ members: (String, [UInt8])...) -> [UInt8] {
        var message = TaggedMessage()
        for (name, field) in members { message.add(name, field) }
        return [Field.Kind.record.rawValue] + network(UInt32(message.nested.count)) + message.nested
    }

    /// Any field, most of them such as messages have.
    static func random(_ generator: inout SeededGenerator, depth: Int = 0) -> [UInt8] {
        let kinds = Field.Kind.number.rawValue...Field.Kind.record.rawValue
        let kind = Field.Kind(rawValue: .random(in: kinds, using: &generator)) ?? .null
        func word(_ values: [Int64]) -> [UInt8] {
            let isAny = Int.random(in: 0..<4, using: &generator) == 0
            let value =
                isAny ? Int64.random(in: .min ... .max, using: &generator) : values.randomElement(using: &generator)
            return Self.word(kind, value ?? 0)
        }
        switch kind {
        case .absent, .null, .false, .true: return [kind.rawValue]
        case .number: return text(kind, ["1", "-2.50", "1e3"].randomElement(using: &generator) ?? "0")
        case .string: return text(kind, ["", "a", "1", "\0", "2026-02-03", "é"].randomElement(using: &generator) ?? "")
        case .array: return text(kind, "[1, 2]")
        case .object: return text(kind, #"{"a": "\u0000"}"#)
        case .integer, .unsigned: return word([0, 1, -1, 300, 1 << 31, .max, .min])
        case .double: return word([1.0, 0.5, -1e300, .nan, .infinity, 1e-9].map { Int64(bitPattern: $0.bitPattern) })
        case .float: return word([1, 0.1, -3e38].map { (value: Float) in Int64(value.bitPattern) })
        case .decimal, .bytes:
            let bytes = (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                UInt8.random(in: 0 ... .max, using: &generator)
            }
            return kind == .bytes
                ? Self.bytes(kind, bytes) : decimal(bytes, scale: .random(in: -30...30, using: &generator))
        case .day: return word([0, 20487, -2_440_588, 2_145_042_905])
        case .timeOfDay: return word([0, 86_400_000_000, 43_200_000_001])
        case .instant, .localTime: return word([0, -1, 1_770_091_506_700_000, .max])
        case .interval:
            return interval(.random(in: -99...99, using: &generator), .max, .random(in: -9...9, using: &generator))
        case .uuid: return uuid(.random(in: 0 ... .max, using: &generator), 0)
        case .symbol:
            return symbol(
                ["", "NEW", "t", "é\"\0"].randomElement(using: &generator) ?? "", .random(in: -2...2, using: &generator)
            )
        case .list, .record:
            if depth > 3 { return [Field.Kind.null.rawValue] }
            var nested: [UInt8] = []
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                nested += kind == .list ? [0] : [1, UInt8(ascii: "a")]
                nested += random(&generator, depth: depth + 1)
            }
            return [kind.rawValue] + network(UInt32(nested.count)) + nested
        }
    }
}
