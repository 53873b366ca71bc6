/// Reads messages that are one value and no record: a text, bytes, or what the serializers of Kafka's Java client write for a
/// number or a UUID.
///
/// The value is the field of the empty path; all others are absent. Decoding allocates nothing, but for the words about a
/// message that is refused.
public final class PlainDecoder: RecordDecoder {
    public enum Form: Sendable, CaseIterable {
        /// UTF-8, which is checked.
        case text
        case bytes
        /// With a sign, the highest byte first: `ShortSerializer`, `IntegerSerializer`, `LongSerializer`.
        case short, int, long
        /// The same of floating-point numbers: `FloatSerializer`, `DoubleSerializer`.
        case float, double
        /// Its text of 36 characters, as `UUIDSerializer` writes it, or its 16 bytes.
        case uuid
    }

    /// What a check of UTF-8 may read behind a text.
    public let padding = 8

    private let form: Form
    private let wholes: [Int]
    private let fields: UnsafeMutableBufferPointer<Field>

    public init(_ form: Form, paths: [FieldPath]) {
        self.form = form
        wholes = paths.indices.filter { paths[$0].components.isEmpty }
        fields = .allocate(capacity: paths.count)
        fields.initialize(repeating: Field(.absent))
    }

    deinit {
        fields.deallocate()
    }

    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        let value = try value(of: message)
        for slot in wholes { fields[slot] = value }
        return UnsafeBufferPointer(fields)
    }

    private func value(of message: UnsafeRawBufferPointer) throws(DecodingFailure) -> Field {
        switch form {
        case .text:
            guard UTF8Text.isValid(message) else {
                throw DecodingFailure(
                    .invalidUTF8, "is not valid UTF-8", offset: UTF8Text.firstFault(in: message))
            }
            return Field(.string, message)
        case .bytes: return Field(.bytes, message)
        case .short: return .integer(Int64(try number(in: message, Int16.self, "short")))
        case .int: return .integer(Int64(try number(in: message, Int32.self, "int")))
        case .long: return .integer(try number(in: message, Int64.self, "long"))
        case .float: return .float(Float(bitPattern: try number(in: message, UInt32.self, "float")))
        case .double: return .double(Double(bitPattern: try number(in: message, UInt64.self, "double")))
        case .uuid: return try uuid(message)
        }
    }

    private func number<Number: FixedWidthInteger>(
        in message: UnsafeRawBufferPointer, _ type: Number.Type, _ name: String
    ) throws(DecodingFailure) -> Number {
        guard message.count == MemoryLayout<Number>.size else {
            throw DecodingFailure(
                message.isEmpty ? .empty : .invalidSyntax,
                "is no \(name) as Java writes it: that has \(MemoryLayout<Number>.size) bytes, and this has "
                    + "\(message.count)")
        }
        return Number(bigEndian: message.loadUnaligned(as: Number.self))
    }

    private func uuid(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> Field {
        if message.count == 16 { return .uuid(message) }
        guard message.count == 36 else {
            throw DecodingFailure(
                message.isEmpty ? .empty : .invalidSyntax,
                "is no UUID: that has 36 characters or 16 bytes, and this has \(message.count) bytes")
        }
        var halves: (high: UInt64, low: UInt64) = (0, 0)
        var digits = 0
        for (place, byte) in message.enumerated() {
            if place == 8 || place == 13 || place == 18 || place == 23 {
                guard byte == UInt8(ascii: "-") else { throw Self.noUUID(place) }
                continue
            }
            let value: UInt8
            switch byte {
            case 0x30...0x39: value = byte - 0x30
            case 0x41...0x46: value = byte - 0x37
            case 0x61...0x66: value = byte - 0x57
            default: throw Self.noUUID(place)
            }
            if digits < 16 {
                halves.high = halves.high << 4 | UInt64(value)
            } else {
                halves.low = halves.low << 4 | UInt64(value)
            }
            digits += 1
        }
        return .uuid(high: halves.high, low: halves.low)
    }

    private static func noUUID(_ place: Int) -> DecodingFailure {
        DecodingFailure(
            .invalidSyntax, "is no UUID (neither a hexadecimal digit nor a hyphen where one belongs)", offset: place)
    }

    /// One value has nothing in it.
    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {}
}
