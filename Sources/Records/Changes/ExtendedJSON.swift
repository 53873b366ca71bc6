/// Takes the values of MongoDB's Extended JSON out of the objects that say what they are: `{"$numberLong":"1"}`, `{"$date":…}`. Source:
/// MongoDB's specification of that name, version 2 (canonical and relaxed), and version 1's strict mode.
///
/// What has no kind here stays the object that it is: `$regularExpression`, `$minKey`, `$maxKey`, `$dbPointer` and code with a scope.
/// Belongs to one thread.
final class ExtendedJSON {
    private let container = JSONContainer()
    private let memory = SideMemory()

    /// Begins another message.
    func reset() {
        container.reset()
        memory.reset()
    }

    /// A text where it stays until the next message, with room behind it for decoders.
    func held(_ parts: [UnsafeRawBufferPointer]) -> UnsafeRawBufferPointer {
        let count = parts.reduce(0) { $0 + $1.count }
        let room = memory.room(for: count + JSONRecordDecoder.padding)
        var place = 0
        for part in parts {
            UnsafeMutableRawBufferPointer(rebasing: room[place...]).copyMemory(from: part)
            place += part.count
        }
        return UnsafeRawBufferPointer(rebasing: room[..<count])
    }

    /// What a value stands for, valid until the next message: of an object or an array a text with such values in it.
    ///
    /// - Parameter field: of a text that is followed by `JSONRecordDecoder.padding` bytes.
    func plain(_ field: Field) throws(DecodingFailure) -> Field {
        guard field.kind == .object || field.kind == .array, Self.mayHoldWrapper(field.bytes) else { return field }
        if field.kind == .object, let value = try wrapped(field) { return value }
        return try rewritten(field)
    }

    /// Whether a name, or a text, in it begins with a dollar sign.
    private static func mayHoldWrapper(_ text: UnsafeRawBufferPointer) -> Bool {
        var last: UInt8 = 0
        for byte in text {
            if byte == UInt8(ascii: "$"), last == UInt8(ascii: "\"") { return true }
            last = byte
        }
        return false
    }

    // MARK: Values

    /// - Returns: nil for an object that is one.
    private func wrapped(_ object: Field) throws(DecodingFailure) -> Field? {
        let items = try container.items(of: object)
        guard items.count == 2 || items.count == 4 else { return nil }
        let (name, value) = (items[0].bytes, items[1])
        if items.count == 4 { return binary(name, value, items[2].bytes, items[3]) }
        if name.says("$oid") || name.says("$symbol") || name.says("$uuid") || name.says("$code") {
            return value.kind == .string ? value : nil
        }
        if name.says("$numberLong") || name.says("$numberInt") || name.says("$numberDouble")
            || name.says("$numberDecimal")
        {
            return Self.number(value)
        }
        if name.says("$date") { return try date(value) }
        if name.says("$undefined") { return Field(.null) }
        guard value.kind == .object else { return nil }
        if name.says("$timestamp") { return try timestamp(value) }
        guard name.says("$binary") else { return nil }
        let parts = try container.items(of: value)
        guard parts.count == 4 else { return nil }
        let isInOrder = parts[0].bytes.says("base64")
        guard isInOrder || parts[2].bytes.says("base64") else { return nil }
        return binary(letters: parts[isInOrder ? 1 : 3], type: parts[isInOrder ? 3 : 1])
    }

    private static func number(_ value: Field) -> Field? {
        switch value.kind {
        case .number: return value
        case .string where value.bytes.isNumber: return Field(.number, value.bytes)
        case .string where value.bytes.says("NaN"): return .double(.nan)
        case .string where value.bytes.says("Infinity"): return .double(.infinity)
        case .string where value.bytes.says("-Infinity"): return .double(-.infinity)
        default: return nil
        }
    }

    /// Milliseconds since 1970, as a number or in one of its own objects, or a text.
    private func date(_ value: Field) throws(DecodingFailure) -> Field? {
        switch value.kind {
        case .string: return value
        case .number: return Self.integer(value).map { Self.instant($0, 1000) }
        case .object: return try wrapped(value).flatMap { Self.integer($0) }.map { Self.instant($0, 1000) }
        default: return nil
        }
    }

    /// Seconds since 1970, and a count within the second, which no time has.
    private func timestamp(_ value: Field) throws(DecodingFailure) -> Field? {
        let parts = try container.items(of: value)
        for place in stride(from: 0, to: parts.count, by: 2) where parts[place].bytes.says("t") {
            return Self.integer(parts[place + 1]).map { Self.instant($0, 1_000_000) }
        }
        return nil
    }

    private static func integer(_ field: Field) -> Int64? {
        field.kind == .number ? Int64(String(decoding: field.bytes, as: UTF8.self)) : nil
    }

    private static func instant(_ count: Int64, _ microseconds: Int64) -> Field {
        let (product, isTooFar) = count.multipliedReportingOverflow(by: microseconds)
        return .instant(microseconds: isTooFar ? (count < 0 ? .min : .max) : product)
    }

    /// Version 1 has the type beside the bytes.
    private func binary(
        _ name: UnsafeRawBufferPointer, _ value: Field, _ other: UnsafeRawBufferPointer, _ otherValue: Field
    ) -> Field? {
        if name.says("$binary"), other.says("$type") { return binary(letters: value, type: otherValue) }
        if name.says("$type"), other.says("$binary") { return binary(letters: otherValue, type: value) }
        return nil
    }

    private func binary(letters: Field, type: Field) -> Field? {
        guard letters.kind == .string else { return nil }
        let room = memory.room(for: letters.bytes.count / 4 * 3 + 3)
        guard let count = Base64.decode(letters.bytes, into: room) else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: room[..<count])
        guard count == 16, type.bytes.says("04") || type.bytes.says("4") else { return Field(.bytes, bytes) }
        return .uuid(
            high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }

    // MARK: Documents

    /// The same object or array with plain values in it.
    private func rewritten(_ field: Field) throws(DecodingFailure) -> Field {
        var writer = Writer(field.bytes)
        try write(&writer)
        let text = writer.written.withUnsafeBytes { held([$0]) }
        return Field(field.kind, text)
    }

    /// Goes through a text that has been checked.
    private struct Writer {
        let text: UnsafeRawBufferPointer
        var place = 0
        var written: [UInt8] = []

        init(_ text: UnsafeRawBufferPointer) {
            self.text = text
            written.reserveCapacity(text.count)
        }

        /// The next byte that is no white space; 0 behind the end.
        var next: UInt8 {
            mutating get {
                while place < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[place]) { place += 1 }
                return place < text.count ? text[place] : 0
            }
        }

        /// Takes a punctuation, or all of a string, number or word.
        mutating func copy() {
            let first = next
            let start = place
            place = min(place + 1, text.count)
            if first == UInt8(ascii: "\"") {
                while place < text.count, text[place] != first { place += text[place] == UInt8(ascii: "\\") ? 2 : 1 }
                place = min(place + 1, text.count)
            } else if !"{}[],:".utf8.contains(first) {
                while place < text.count, !"{}[],: \t\r\n".utf8.contains(text[place]) { place += 1 }
            }
            written += text[start..<place]
        }

        /// Where the object that begins here ends.
        func end() -> Int {
            var (place, depth) = (place, 0)
            while place < text.count {
                switch text[place] {
                case UInt8(ascii: "\""):
                    place += 1
                    while place < text.count, text[place] != UInt8(ascii: "\"") {
                        place += text[place] == UInt8(ascii: "\\") ? 2 : 1
                    }
                case UInt8(ascii: "{"): depth += 1
                case UInt8(ascii: "}"): depth -= 1
                default: break
                }
                place += 1
                if depth == 0 { return min(place, text.count) }
            }
            return text.count
        }

        /// Whether the object that begins here has a first name that begins with a dollar sign.
        var mayBeWrapper: Bool {
            var ahead = self
            ahead.place += 1
            return ahead.next == UInt8(ascii: "\"") && ahead.place + 1 < text.count
                && text[ahead.place + 1] == UInt8(ascii: "$")
        }
    }

    private func write(_ writer: inout Writer) throws(DecodingFailure) {
        switch writer.next {
        case UInt8(ascii: "{"):
            if writer.mayBeWrapper {
                let end = writer.end()
                let object = Field(.object, UnsafeRawBufferPointer(rebasing: writer.text[writer.place..<end]))
                if let value = try wrapped(object) {
                    Self.append(value, to: &writer.written)
                    writer.place = end
                    return
                }
            }
            try write(&writer, until: UInt8(ascii: "}"))
        case UInt8(ascii: "["): try write(&writer, until: UInt8(ascii: "]"))
        default: writer.copy()
        }
    }

    /// - Parameter last: what ends the object or array that begins here.
    private func write(_ writer: inout Writer, until last: UInt8) throws(DecodingFailure) {
        writer.copy()
        while true {
            switch writer.next {
            case 0: return
            case last: return writer.copy()
            case UInt8(ascii: ","): writer.copy()
            default:
                if last == UInt8(ascii: "}") {
                    writer.copy()
                    _ = writer.next
                    writer.copy()
                }
                try write(&writer)
            }
        }
    }

    /// A value as JSON has it: what it has no kind for as the text that PostgreSQL reads.
    private static func append(_ value: Field, to written: inout [UInt8]) {
        func quote(_ text: some Sequence<UInt8>) {
            written.append(UInt8(ascii: "\""))
            for byte in text {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                    written += [UInt8(ascii: "\\"), byte]
                } else if byte < 0x20 {
                    let digits = Array("0123456789abcdef".utf8)
                    written += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                } else {
                    written.append(byte)
                }
            }
            written.append(UInt8(ascii: "\""))
        }
        switch value.kind {
        case .string: quote(value.bytes)
        case .number: written += value.bytes
        case .double:
            let number = Double(bitPattern: value.first)
            quote((number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity").utf8)
        case .instant: quote(MomentText.utc(microseconds: Int64(bitPattern: value.first)).utf8)
        case .bytes: quote(Base64.letters(of: value.bytes))
        case .uuid: quote(UUIDText.bytes(of: (value.first, value.second)))
        default: written += Array("null".utf8)
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func says(_ word: StaticString) -> Bool {
        count == word.utf8CodeUnitCount
            && elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    }

    /// A number as JSON writes it.
    fileprivate var isNumber: Bool {
        var rest = self[...]
        func digits() -> Int {
            let found = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }.count
            rest = rest.dropFirst(found)
            return found
        }
        if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        let isZero = rest.first == UInt8(ascii: "0")
        let whole = digits()
        guard whole == 1 || whole > 1 && !isZero else { return false }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard digits() > 0 else { return false }
        }
        if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
            guard digits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
