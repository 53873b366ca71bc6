import Records

/// What a value that is no JSON object is, by its first bytes, in the words of a dead letter: "not valid JSON, at byte 0"
/// says nothing to whoever has to find the producer.
enum ForeignPayload {
    /// Nil where the bytes tell nothing.
    static func description(of value: UnsafeRawBufferPointer, _ failure: DecodingFailure) -> String? {
        switch failure.reason {
        case .empty:
            "the message is empty"
        case .notAnObject: Self.json(value)
        case .tooDeep, .unknownSchema: nil
        case .invalidSyntax, .invalidUTF8:
            framing(value) ?? encoding(value)
        }
    }

    /// JSON that has no fields.
    private static func json(_ value: UnsafeRawBufferPointer) -> String? {
        switch value.withoutByteOrderMark.first(where: { !isSpace($0) }) {
        case UInt8(ascii: "n"): "the message is JSON null"
        case UInt8(ascii: "["): "the message is JSON, but an array and not an object"
        case UInt8(ascii: "\""): "the message is JSON, but a string and not an object: written as JSON twice?"
        default: nil
        }
    }

    /// A schema's id, as registries have it written before the message.
    private static func framing(_ value: UnsafeRawBufferPointer) -> String? {
        func says(_ what: String) -> String { "the message begins with \(what): format json cannot read it" }
        if value.count > 5, value[0] == 0 {
            let id = value.loadUnaligned(fromByteOffset: 1, as: UInt32.self).bigEndian
            let content = value[5] == UInt8(ascii: "{") ? ", and JSON behind it" : ", as of Avro or Protobuf"
            return says("Confluent's framing, 00 and schema id \(id)" + content)
        }
        if value.count > 17, value[0] == 1 { return says("Confluent's framing, 01 and a schema's GUID") }
        if value.count > 18, value[0] == 3, value[1] == 0 || value[1] == 5 {
            return says("AWS Glue's framing, 03 and a schema version's UUID")
        }
        if value.count > 10, value[0] == 0xC3, value[1] == 1 { return says("Avro's single-object encoding, C3 01") }
        if begins(value, [0x4F, 0x62, 0x6A, 0x01]) { return says("the head of an Avro file") }
        return nil
    }

    private static func encoding(_ value: UnsafeRawBufferPointer) -> String? {
        if begins(value, [0x1F, 0x8B]) { return compressed("gzip") }
        if begins(value, [0x28, 0xB5, 0x2F, 0xFD]) { return compressed("zstd") }
        if begins(value, [0x04, 0x22, 0x4D, 0x18]) { return compressed("lz4") }
        if begins(value, [0xFF, 0x06, 0x00, 0x00, 0x73, 0x4E, 0x61, 0x50, 0x70, 0x59]) { return compressed("snappy") }
        if begins(value, [0xFF, 0xFE]) || begins(value, [0xFE, 0xFF]) || begins(value, [0x7B, 0x00])
            || begins(value, [0x00, 0x7B])
        {
            return "the message is UTF-16; JSON between systems is UTF-8"
        }
        if value.first == UInt8(ascii: "{"), value.last == 0 { return "the message is JSON with a zero byte behind it" }
        if let first = value.first(where: { !isSpace($0) }), first == UInt8(ascii: "{"), holdsSeveral(value) {
            return "the message is several JSON texts, one a line: format json takes one a message"
        }
        if let first = value.first, first < 0x20, !isSpace(first) {
            return "the message is not text: it begins with byte \(hexadecimal(first)), as of Protobuf or Avro"
        }
        return nil
    }

    /// The producer's compression, which nobody undoes; a topic's own is the brokers' affair.
    private static func compressed(_ name: String) -> String {
        "the message is compressed with \(name) by its producer, and no header content-encoding says so; let the "
            + "topic's compression.type do that"
    }

    private static func holdsSeveral(_ value: UnsafeRawBufferPointer) -> Bool {
        var last: UInt8 = 0
        var sawLine = false
        for byte in value {
            if byte == 0x0A, last == UInt8(ascii: "}") { sawLine = true }
            if isSpace(byte) { continue }
            if sawLine, last == UInt8(ascii: "}"), byte == UInt8(ascii: "{") { return true }
            sawLine = false
            last = byte
        }
        return false
    }

    private static func begins(_ value: UnsafeRawBufferPointer, _ bytes: [UInt8]) -> Bool {
        value.count > bytes.count && value.prefix(bytes.count).elementsEqual(bytes)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private static func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }
}

extension Route.TombstoneForm {
    /// Nil for any other value. White space around `null` is none of its bytes that matter.
    package init?(_ value: UnsafeRawBufferPointer) {
        if value.isEmpty {
            self = .empty
            return
        }
        guard value.count <= 16 else { return nil }
        let text = value.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
        guard text.starts(with: "null".utf8), text.dropFirst(4).allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) })
        else { return nil }
        self = .jsonNull
    }
}
