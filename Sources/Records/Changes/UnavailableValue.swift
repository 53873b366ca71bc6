#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What stands in a change event in the place of a value that its source did not send because it had not changed, in each form
/// that it takes by the column's type. Source: Debezium's `unavailable.value.placeholder`, with which its connector for
/// PostgreSQL fills texts, bytes, lists of them and of integers and UUIDs, and maps.
public struct UnavailableValue: Sendable, Equatable {
    /// Debezium's own.
    public static let debezium = "__debezium_unavailable_value"

    /// The bytes themselves.
    private let bytes: [UInt8]
    /// As strings: they themselves, and in base64, its other letters, hexadecimal; and a map of one to itself as JSON.
    private let strings: [[UInt8]]
    /// As texts of JSON, without white space.
    private let lists: [[UInt8]]
    private let map: [UInt8]
    /// The UUID that Java makes of the bytes' MD5.
    private let uuid: (high: UInt64, low: UInt64)
    private let uuidText: [UInt8]

    /// - Parameter text: as the connector is configured: behind `hex:` the bytes in hexadecimal.
    public init(_ text: String) {
        let bytes = text.hasPrefix("hex:") ? Self.bytes(ofHexadecimal: text.utf8.dropFirst(4)) : nil
        self.bytes = bytes ?? Array(text.utf8)
        let value = self.bytes
        let base64 = Base64.letters(of: value)
        let other = base64.map {
            $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0
        }
        let quote = [UInt8(ascii: "\"")]
        map = Array("{\"".utf8) + value + Array("\":\"".utf8) + value + Array("\"}".utf8)
        strings = [value, base64, other, Self.hexadecimal(value), map]
        uuid = MD5.uuid(of: value)
        uuidText = UUIDText.bytes(of: uuid)
        let numbers = value.map { "\(Int8(bitPattern: $0))" }.joined(separator: ",")
        lists =
            ([value, base64, other, Self.hexadecimal(value), uuidText].map { quote + $0 + quote } + [
                Array(numbers.utf8)
            ])
            .map { [UInt8(ascii: "[")] + $0 + [UInt8(ascii: "]")] }
    }

    /// - Parameter decoder: that the field is from, for what only it opens.
    public func isIn(_ field: Field, of decoder: any RecordDecoder) -> Bool {
        switch field.kind {
        case .string: strings.contains { Self.areSame($0, field.bytes) }
        case .bytes: Self.areSame(bytes, field.bytes)
        case .array: lists.contains { Self.areSame($0, withoutSpace: field.bytes) }
        case .object: Self.areSame(map, withoutSpace: field.bytes)
        case .list: isInList(field, decoder)
        case .record: isInMap(field, decoder)
        default: false
        }
    }

    private func isInList(_ list: Field, _ decoder: any RecordDecoder) -> Bool {
        var count = 0
        var isSame = true
        // As integers there are as many as bytes; all else is one by itself.
        var wanted = 1
        let isRead: Void? = try? decoder.visit(list) { _, element in
            if element.kind == .integer || element.kind == .number { wanted = bytes.count }
            switch element.kind {
            case .string:
                isSame =
                    count == 0
                    && (strings.contains { Self.areSame($0, element.bytes) } || Self.areSame(uuidText, element.bytes))
            case .bytes: isSame = count == 0 && Self.areSame(bytes, element.bytes)
            case .uuid: isSame = count == 0 && element.first == uuid.high && element.second == uuid.low
            case .integer:
                isSame =
                    count < bytes.count && Int64(bitPattern: element.first) == Int64(Int8(bitPattern: bytes[count]))
            case .number:
                isSame =
                    count < bytes.count && Self.areSame(Array("\(Int8(bitPattern: bytes[count]))".utf8), element.bytes)
            default: isSame = false
            }
            count += 1
            return isSame
        }
        guard isRead != nil, isSame else { return false }
        return count == wanted
    }

    private func isInMap(_ map: Field, _ decoder: any RecordDecoder) -> Bool {
        var count = 0
        var isSame = true
        let isRead: Void? = try? decoder.visit(map) { name, value in
            count += 1
            isSame =
                count == 1 && Self.areSame(bytes, name) && value.kind == .string && Self.areSame(bytes, value.bytes)
            return isSame
        }
        return isRead != nil && count == 1 && isSame
    }

    // MARK: Bytes

    @inline(__always)
    private static func areSame(_ known: [UInt8], _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard known.count == bytes.count, let start = bytes.baseAddress else { return false }
        return known.withUnsafeBytes { known in known.baseAddress.map { memcmp($0, start, bytes.count) == 0 } ?? false }
    }

    private static func areSame(_ known: [UInt8], withoutSpace text: UnsafeRawBufferPointer) -> Bool {
        guard text.count >= known.count else { return false }
        var place = 0
        var isInString = false
        for byte in text {
            if !isInString, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { continue }
            guard place < known.count, known[place] == byte else { return false }
            // What is known has no quotes within its strings.
            if byte == UInt8(ascii: "\"") { isInString.toggle() }
            place += 1
        }
        return place == known.count
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
        bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    private static func bytes(ofHexadecimal text: some Sequence<UInt8>) -> [UInt8]? {
        let values = text.map { digits.firstIndex(of: $0 | 0x20) ?? -1 }
        guard values.count & 1 == 0, !values.contains(-1) else { return nil }
        return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }

    public static func == (one: UnavailableValue, other: UnavailableValue) -> Bool { one.bytes == other.bytes }
}

/// The digest of RFC 1321, of a few bytes at a start.
private enum MD5 {
    /// A UUID of version 3 of the digest, as RFC 9562 (5.3) sets its bits, without a name space.
    static func uuid(of bytes: [UInt8]) -> (high: UInt64, low: UInt64) {
        var digest = self.digest(of: bytes)
        digest[6] = digest[6] & 0x0F | 0x30
        digest[8] = digest[8] & 0x3F | 0x80
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        return (word(digest[0..<8]), word(digest[8..<16]))
    }

    private static func digest(of bytes: [UInt8]) -> [UInt8] {
        let shifts: [[UInt32]] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]]
        var message = bytes + [0x80]
        while message.count % 64 != 56 { message.append(0) }
        message += (0..<8).map { UInt8(truncatingIfNeeded: UInt64(bytes.count) * 8 >> UInt64(8 * $0)) }
        var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476]
        for start in stride(from: 0, to: message.count, by: 64) {
            let words = (0..<16).map { word in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(message[start + 4 * word + $1]) << UInt32(8 * $1) }
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            for step in 0..<64 {
                let (mixed, word): (UInt32, Int) =
                    switch step / 16 {
                    case 0: (b & c | ~b & d, step)
                    case 1: (d & b | ~d & c, (5 * step + 1) % 16)
                    case 2: (b ^ c ^ d, (3 * step + 5) % 16)
                    default: (c ^ (b | ~d), 7 * step % 16)
                    }
                let constant = UInt32(abs(sin(Double(step + 1))) * 4_294_967_296)
                let sum = a &+ mixed &+ constant &+ words[word]
                let shift = shifts[step / 16][step % 4]
                (a, d, c, b) = (d, c, b, b &+ (sum << shift | sum >> (32 - shift)))
            }
            state = [state[0] &+ a, state[1] &+ b, state[2] &+ c, state[3] &+ d]
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
    }
}
