/// Bytes in the letters of RFC 4648, section 4.
enum Base64 {
    /// - Parameter room: for three bytes of each four letters, and as many of what is left of them.
    /// - Returns: how many bytes they are; nil for what is no base64. Padding may be left out.
    static func decode(_ text: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int? {
        var end = text.count
        while end > 0, end > text.count - 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        guard end & 3 != 1, end == text.count || text.count & 3 == 0 else { return nil }
        var count = 0
        var bits: UInt32 = 0
        var held: UInt32 = 0
        for place in 0..<end {
            guard let value = value(of: text[place]) else { return nil }
            bits = bits << 6 | UInt32(value)
            held += 6
            guard held >= 8 else { continue }
            held -= 8
            room[count] = UInt8(truncatingIfNeeded: bits >> held)
            count += 1
        }
        return count
    }

    /// With padding.
    static func letters(of bytes: some Collection<UInt8>) -> [UInt8] {
        let bytes = Array(bytes)
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            var four: [UInt8] = []
            for _ in 0..<4 {
                four.insert(letters[bits & 63], at: 0)
                bits >>= 6
            }
            for place in group.count + 1..<4 { four[place] = UInt8(ascii: "=") }
            text += four
        }
        return text
    }

    private static func value(of letter: UInt8) -> UInt8? {
        switch letter {
        case 0x41...0x5A: letter - 0x41
        case 0x61...0x7A: letter - 0x61 + 26
        case 0x30...0x39: letter - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
