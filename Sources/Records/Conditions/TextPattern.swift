/// What `like` compares a text with: `%` stands for any characters, `_` for one, and behind a backslash each stands for itself.
struct TextPattern: Sendable, Hashable {
    /// Bytes of UTF-8, and what stands for others.
    let codes: [UInt16]

    static let one: UInt16 = 256
    static let any: UInt16 = 257

    /// - Returns: nil if it ends with a backslash that has nothing behind it.
    init?(_ text: String) {
        var codes: [UInt16] = []
        var isEscaped = false
        for byte in text.utf8 {
            if isEscaped {
                codes.append(UInt16(byte))
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "%") {
                if codes.last != Self.any { codes.append(Self.any) }
            } else {
                codes.append(byte == UInt8(ascii: "_") ? Self.one : UInt16(byte))
            }
        }
        guard !isEscaped else { return nil }
        self.codes = codes
    }

    /// At worst it takes as many steps as the text and the pattern are long, multiplied.
    static func matches(_ codes: UnsafeBufferPointer<UInt16>, _ text: UnsafeRawBufferPointer) -> Bool {
        var (at, code) = (0, 0)
        // Behind the last `%`: where to go on if what follows it does not fit here.
        var retry: (at: Int, code: Int)?
        while at < text.count {
            if code < codes.count, codes[code] == any {
                code += 1
                retry = (at, code)
            } else if code < codes.count, codes[code] == one {
                at = end(ofCharacterAt: at, text)
                code += 1
            } else if code < codes.count, codes[code] == UInt16(text[at]) {
                at += 1
                code += 1
            } else if let before = retry {
                let next = end(ofCharacterAt: before.at, text)
                retry = (next, before.code)
                (at, code) = (next, before.code)
            } else {
                return false
            }
        }
        while code < codes.count, codes[code] == any { code += 1 }
        return code == codes.count
    }

    private static func end(ofCharacterAt place: Int, _ text: UnsafeRawBufferPointer) -> Int {
        var end = place + 1
        while end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
        return end
    }
}
