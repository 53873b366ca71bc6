#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension UnsafeRawBufferPointer {
    /// The first place of `byte` from `start` on.
    @inline(__always)
    func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        guard let baseAddress, start < count else { return nil }
        guard let found = memchr(baseAddress + start, Int32(byte), count - start) else { return nil }
        return UnsafeRawPointer(found) - baseAddress
    }

    /// The first escape `\u0000` of a JSON text from `start` on, which must not lie within an escape.
    func firstNulEscape(from start: Int) -> Int? {
        var index = start
        while let backslash = firstIndex(of: UInt8(ascii: "\\"), from: index) {
            if backslash &+ 6 <= count, self[backslash &+ 1] == UInt8(ascii: "u"),
                loadUnaligned(fromByteOffset: backslash &+ 2, as: UInt32.self) == 0x3030_3030
            {
                return backslash
            }
            index = backslash &+ 2
        }
        return nil
    }
}

extension CopyBuffer {
    /// Appends the JSON text of an array or object, its `\u0000` escapes treated as `onNul` says; false if that is to
    /// refuse them.
    mutating func append(json: UnsafeRawBufferPointer, onNul: OnNul) -> Bool {
        var copied = 0
        while let nul = json.firstNulEscape(from: copied) {
            if onNul == .deadLetter { return false }
            append(UnsafeRawBufferPointer(rebasing: json[copied..<nul]))
            if onNul == .replace { append(#"\ufffd"#) }
            copied = nul + 6
        }
        append(UnsafeRawBufferPointer(rebasing: json[copied...]))
        return true
    }

    /// Appends bytes with each U+0000 treated as `onNul` says; false if that is to refuse them.
    mutating func append(text: UnsafeRawBufferPointer, onNul: OnNul) -> Bool {
        guard var nul = text.firstIndex(of: 0, from: 0) else {
            append(text)
            return true
        }
        if onNul == .deadLetter { return false }
        var copied = 0
        while true {
            append(UnsafeRawBufferPointer(rebasing: text[copied..<nul]))
            if onNul == .replace { append("\u{FFFD}") }
            copied = nul + 1
            guard let next = text.firstIndex(of: 0, from: copied) else { break }
            nul = next
        }
        append(UnsafeRawBufferPointer(rebasing: text[copied...]))
        return true
    }

    /// Appends the bytes from `start` on anew as a JSON string in place of what they are.
    mutating func quoteJSON(from start: Int) {
        var extra = 2
        for byte in bytes[start...] {
            if byte < 0x20 {
                extra &+= Self.shortEscape(byte) == nil ? 5 : 1
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                extra &+= 1
            }
        }
        let length = count - start
        let source = reserve(extra) - length
        advance(by: extra)
        // From the end backwards, so that nothing is overwritten before it has moved.
        var read = length
        var write = length + extra
        func put(_ byte: UInt8, _ write: inout Int) {
            write &-= 1
            source.storeBytes(of: byte, toByteOffset: write, as: UInt8.self)
        }
        put(UInt8(ascii: "\""), &write)
        while read > 0 {
            read &-= 1
            let byte = source.load(fromByteOffset: read, as: UInt8.self)
            if byte < 0x20 {
                if let letter = Self.shortEscape(byte) {
                    put(letter, &write)
                } else {
                    put((byte & 0xF).hexDigit, &write)
                    put(0x30 &+ byte >> 4, &write)
                    put(0x30, &write)
                    put(0x30, &write)
                    put(UInt8(ascii: "u"), &write)
                }
                put(UInt8(ascii: "\\"), &write)
            } else {
                put(byte, &write)
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { put(UInt8(ascii: "\\"), &write) }
            }
        }
        put(UInt8(ascii: "\""), &write)
    }

    private static func shortEscape(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x08: UInt8(ascii: "b")
        case 0x09: UInt8(ascii: "t")
        case 0x0A: UInt8(ascii: "n")
        case 0x0C: UInt8(ascii: "f")
        case 0x0D: UInt8(ascii: "r")
        default: nil
        }
    }
}
