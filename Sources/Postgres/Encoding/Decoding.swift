extension CopyBuffer {
    /// Appends the bytes that a text stands for; false if it is none of that form, and then there may be half of them.
    public mutating func append(_ text: UnsafeRawBufferPointer, decodedBy decoding: Decoding) -> Bool {
        switch decoding {
        case .base64: append(base64: text, plus: UInt8(ascii: "+"), slash: UInt8(ascii: "/"))
        case .base64url: append(base64: text, plus: UInt8(ascii: "-"), slash: UInt8(ascii: "_"))
        case .hex: append(hexadecimal: text)
        case .latin1: append(characters: text)
        case .json, .none: false
        }
    }

    private mutating func append(base64 text: UnsafeRawBufferPointer, plus: UInt8, slash: UInt8) -> Bool {
        let target = reserve(text.count / 4 * 3 + 3)
        var length = 0
        var bits: UInt32 = 0
        var digits = 0
        var padding = 0
        for byte in text {
            let digit: UInt32
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = UInt32(byte) - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = UInt32(byte) - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt32(byte) + 4
            case plus: digit = 62
            case slash: digit = 63
            case UInt8(ascii: "="):
                padding += 1
                continue
            case 0x20, 0x09, 0x0A, 0x0D: continue
            default: return false
            }
            guard padding == 0 else { return false }
            bits = bits << 6 | digit
            digits += 1
            guard digits & 3 == 0 else { continue }
            for place in 0..<3 {
                target.storeBytes(
                    of: UInt8(truncatingIfNeeded: bits >> (16 - 8 * place)), toByteOffset: length + place,
                    as: UInt8.self)
            }
            length += 3
            bits = 0
        }
        switch digits & 3 {
        case 0 where padding == 0: break
        case 2 where padding == 0 || padding == 2:
            target.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 4), toByteOffset: length, as: UInt8.self)
            length += 1
        case 3 where padding == 0 || padding == 1:
            target.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 10), toByteOffset: length, as: UInt8.self)
            target.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 2), toByteOffset: length + 1, as: UInt8.self)
            length += 2
        default: return false
        }
        advance(by: length)
        return true
    }

    /// - Parameter text: in UTF-8, as a decoder has checked it.
    private mutating func append(characters text: UnsafeRawBufferPointer) -> Bool {
        let target = reserve(text.count)
        var (index, length) = (0, 0)
        while index < text.count {
            var byte = text[index]
            index += 1
            if byte >= 0x80 {
                guard byte == 0xC2 || byte == 0xC3, index < text.count else { return false }
                byte = byte << 6 | text[index] & 0x3F
                index += 1
            }
            target.storeBytes(of: byte, toByteOffset: length, as: UInt8.self)
            length += 1
        }
        advance(by: length)
        return true
    }

    private mutating func append(hexadecimal text: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        if text.count >= 2, text[1] | 0x20 == UInt8(ascii: "x"), text[0] == 0x30 || text[0] == UInt8(ascii: "\\") {
            index = 2
        }
        guard (text.count - index) & 1 == 0 else { return false }
        let target = reserve(text.count / 2)
        var length = 0
        while index < text.count {
            let high = text[index].hexValue
            let low = text[index + 1].hexValue
            guard high < 16, low < 16 else { return false }
            target.storeBytes(of: high << 4 | low, toByteOffset: length, as: UInt8.self)
            length += 1
            index += 2
        }
        advance(by: length)
        return true
    }
}

extension ColumnForm {
    /// What a string stands for.
    private func decode(
        _ value: InputValue, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> InputValue {
        switch options.decoding {
        case .none: value
        case .json: try containers.document(value.bytes)
        case .base64, .base64url, .hex, .latin1:
            InputValue(.string, try containers.bytes(of: value.bytes, decodedBy: options.decoding))
        }
    }

    /// The form that a value really has, where its string may stand for something else, which it then is changed to.
    func resolving(
        _ value: inout InputValue, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> ColumnForm {
        var form = self
        while form.kind == .decoded {
            // Bytes may hold a text, as those of a format that has no strings.
            // But where a producer of many formats writes bytes as text in one of them, they are bytes in the others.
            if value.kind == .string || value.kind == .bytes && form.options.writing == nil {
                value = try form.decode(value, containers)
                form = form.parts[0]
            } else {
                form = form.parts[form.parts.count - 1]
            }
        }
        return form
    }
}
