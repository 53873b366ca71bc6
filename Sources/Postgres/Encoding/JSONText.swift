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
}
