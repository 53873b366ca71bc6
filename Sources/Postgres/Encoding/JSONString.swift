extension CopyBuffer {
    /// Appends a text as a JSON string (RFC 8259, 7), and escapes only what must be. What lies between is copied eight bytes
    /// at a time.
    ///
    /// - Parameter onNul: what becomes of U+0000; nil: its escape.
    /// - Returns: false if the text has one, and it is to be refused. There may be some of it in the buffer then.
    mutating func append(jsonString text: UnsafeRawBufferPointer, onNul: OnNul?) -> Bool {
        let source = text.baseAddress ?? UnsafeRawPointer(base)
        var index = 0
        append(byte: UInt8(ascii: "\""))
        while true {
            let target = reserve(text.count &- index &+ 1)
            let begun = index
            while index &+ 8 <= text.count {
                let word = source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                if Self.needsEscape(word) { break }
                target.storeBytes(of: word, toByteOffset: index &- begun, as: UInt64.self)
                index &+= 8
            }
            while index < text.count {
                let byte = source.load(fromByteOffset: index, as: UInt8.self)
                if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
                target.storeBytes(of: byte, toByteOffset: index &- begun, as: UInt8.self)
                index &+= 1
            }
            advance(by: index &- begun)
            if index == text.count { break }
            guard append(escapeOf: source.load(fromByteOffset: index, as: UInt8.self), onNul) else { return false }
            index &+= 1
        }
        append(byte: UInt8(ascii: "\""))
        return true
    }

    /// Whether any of eight bytes is a control character, a quotation mark or a backslash.
    @inline(__always)
    private static func needsEscape(_ word: UInt64) -> Bool {
        let (ones, tops): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
        // A byte that is less, or zero, borrows from its top bit.
        let controls = (word &- 0x20 &* ones) & ~word
        let quotes = word ^ 0x22 &* ones
        let backslashes = word ^ 0x5C &* ones
        return (controls | (quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes) & tops != 0
    }

    private mutating func append(escapeOf byte: UInt8, _ onNul: OnNul?) -> Bool {
        if byte == 0, let onNul {
            if onNul == .replace { append("\u{FFFD}") }
            return onNul != .deadLetter
        }
        append(byte: UInt8(ascii: "\\"))
        switch byte {
        case 0x08: append(byte: UInt8(ascii: "b"))
        case 0x09: append(byte: UInt8(ascii: "t"))
        case 0x0A: append(byte: UInt8(ascii: "n"))
        case 0x0C: append(byte: UInt8(ascii: "f"))
        case 0x0D: append(byte: UInt8(ascii: "r"))
        case ..<0x20:
            append("u00")
            append(byte: 0x30 &+ byte >> 4)
            append(byte: (byte & 0xF).hexDigit)
        default: append(byte: byte)
        }
        return true
    }
}
