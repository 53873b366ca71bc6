/// A piece of a `.proto` file.
struct ProtoToken {
    enum Kind: UInt8 {
        case identifier, integer, float, string, symbol
        /// Behind the last one.
        case end
    }

    var kind: Kind
    /// Bytes of the file.
    var start: Int
    var end: Int
}

/// What a `.proto` file says that cannot be, before it has a name and lines.
struct ProtoMistake: Error {
    var words: String
    /// The byte it is about.
    var place: Int
}

/// Divides the text of a `.proto` file into its pieces, without comments.
///
/// Source: "Protocol Buffers Language Specification", lexical elements, and what protoc takes where that is silent.
struct ProtoLexer {
    private let text: [UInt8]
    private var place = 0
    private var tokens: [ProtoToken] = []

    private init(_ text: [UInt8]) { self.text = text }

    static func tokens(of text: [UInt8]) throws(ProtoMistake) -> [ProtoToken] {
        var lexer = ProtoLexer(text)
        // Some editors put a mark before UTF-8.
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { lexer.place = 3 }
        while try lexer.skipBlanks() { try lexer.take() }
        lexer.tokens.append(ProtoToken(kind: .end, start: text.count, end: text.count))
        return lexer.tokens
    }

    private func byte(_ ahead: Int = 0) -> UInt8 { place + ahead < text.count ? text[place + ahead] : 0 }

    private static func isLetter(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || byte == UInt8(ascii: "_")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte | 0x20
    }

    /// - Returns: whether something is left.
    private mutating func skipBlanks() throws(ProtoMistake) -> Bool {
        while place < text.count {
            switch (byte(), byte(1)) {
            case (0x20, _), (0x09...0x0D, _): place += 1
            case (UInt8(ascii: "/"), UInt8(ascii: "/")):
                while place < text.count, text[place] != 0x0A { place += 1 }
            case (UInt8(ascii: "/"), UInt8(ascii: "*")):
                let start = place
                place += 2
                while place < text.count, byte() != UInt8(ascii: "*") || byte(1) != UInt8(ascii: "/") { place += 1 }
                guard place < text.count else {
                    throw ProtoMistake(words: "begins a comment that does not end", place: start)
                }
                place += 2
            default: return true
            }
        }
        return false
    }

    private mutating func take() throws(ProtoMistake) {
        let start = place
        let kind: ProtoToken.Kind
        switch byte() {
        case let first where Self.isLetter(first):
            while Self.isLetter(byte()) || Self.isDigit(byte()) { place += 1 }
            kind = .identifier
        case let first where Self.isDigit(first) || first == UInt8(ascii: ".") && Self.isDigit(byte(1)):
            kind = try takeNumber()
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            try takeString()
            kind = .string
        case 0x21...0x7E:
            place += 1
            kind = .symbol
        default: throw ProtoMistake(words: "has a character that stands outside of a text", place: start)
        }
        tokens.append(ProtoToken(kind: kind, start: start, end: place))
    }

    private mutating func takeNumber() throws(ProtoMistake) -> ProtoToken.Kind {
        let start = place
        var kind = ProtoToken.Kind.integer
        if byte() == UInt8(ascii: "0"), byte(1) | 0x20 == UInt8(ascii: "x") {
            place += 2
            while Self.isHexadecimal(byte()) { place += 1 }
            guard place > start + 2 else { throw ProtoMistake(words: "has a number without digits", place: start) }
        } else {
            while Self.isDigit(byte()) { place += 1 }
            if byte() == UInt8(ascii: ".") {
                kind = .float
                place += 1
                while Self.isDigit(byte()) { place += 1 }
            }
            if byte() | 0x20 == UInt8(ascii: "e") {
                kind = .float
                place += 1
                if byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-") { place += 1 }
                guard Self.isDigit(byte()) else {
                    throw ProtoMistake(words: "has a number whose exponent has no digits", place: start)
                }
                while Self.isDigit(byte()) { place += 1 }
            }
        }
        guard !Self.isLetter(byte()), byte() != UInt8(ascii: ".") else {
            throw ProtoMistake(words: "has a number with something right behind it", place: start)
        }
        return kind
    }

    private mutating func takeString() throws(ProtoMistake) {
        let start = place
        let quote = byte()
        place += 1
        while place < text.count, byte() != quote, byte() != 0x0A { place += byte() == UInt8(ascii: "\\") ? 2 : 1 }
        guard place < text.count, byte() == quote else {
            throw ProtoMistake(words: "has a text that does not end in its line", place: start)
        }
        place += 1
    }
}

extension ProtoLexer {
    /// What stands between a text's quotation marks, with its escapes resolved.
    ///
    /// - Parameter start: of `quoted`, in the file.
    static func string(_ quoted: ArraySlice<UInt8>, start: Int) throws(ProtoMistake) -> [UInt8] {
        let inner = Array(quoted.dropFirst().dropLast())
        var made: [UInt8] = []
        var place = 0
        while place < inner.count {
            let byte = inner[place]
            guard byte == UInt8(ascii: "\\"), place + 1 < inner.count else {
                made.append(byte)
                place += 1
                continue
            }
            let code = inner[place + 1]
            if let simple = simple[code] {
                made.append(simple)
                place += 2
            } else {
                guard try escape(inner, &place, &made) else {
                    throw ProtoMistake(
                        words: "has a text with an escape that there is none of", place: start + 1 + place)
                }
            }
        }
        return made
    }

    private static let simple: [UInt8: UInt8] = [
        UInt8(ascii: "a"): 7, UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12, UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13,
        UInt8(ascii: "t"): 9, UInt8(ascii: "v"): 11, UInt8(ascii: "\\"): UInt8(ascii: "\\"),
        UInt8(ascii: "?"): UInt8(ascii: "?"), UInt8(ascii: "'"): UInt8(ascii: "'"),
        UInt8(ascii: "\""): UInt8(ascii: "\""),
    ]

    /// Of digits: `\101`, `\x41`, `\u00e4`, `\U0001F600`.
    private static func escape(
        _ text: [UInt8], _ place: inout Int, _ made: inout [UInt8]
    ) throws(ProtoMistake) -> Bool {
        func digits(_ start: Int, _ most: Int, _ radix: Int) -> (value: UInt32, count: Int) {
            var (value, count): (UInt32, Int) = (0, 0)
            while count < most, start + count < text.count,
                let digit = Character(UnicodeScalar(text[start + count])).hexDigitValue, digit < radix
            {
                value = value * UInt32(radix) + UInt32(digit)
                count += 1
            }
            return (value, count)
        }
        let start = place + 2
        switch text[place + 1] {
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            let (value, count) = digits(start - 1, 3, 8)
            made.append(UInt8(truncatingIfNeeded: value))
            place += 1 + count
        case UInt8(ascii: "x"), UInt8(ascii: "X"):
            let (value, count) = digits(start, 2, 16)
            guard count > 0 else { return false }
            made.append(UInt8(truncatingIfNeeded: value))
            place += 2 + count
        case UInt8(ascii: "u"):
            var (value, count) = digits(start, 4, 16)
            guard count == 4 else { return false }
            // Two escapes of UTF-16 are one character.
            if 0xD800...0xDBFF ~= value, start + 5 < text.count, text[start + 4] == UInt8(ascii: "\\"),
                text[start + 5] == UInt8(ascii: "u")
            {
                let low = digits(start + 6, 4, 16)
                if low.count == 4, 0xDC00...0xDFFF ~= low.value {
                    value = 0x10000 + (value - 0xD800) << 10 + (low.value - 0xDC00)
                    count = 10
                }
            }
            guard let scalar = UnicodeScalar(value) else { return false }
            made += Array(String(Character(scalar)).utf8)
            place += 2 + count
        case UInt8(ascii: "U"):
            let (value, count) = digits(start, 8, 16)
            guard count == 8, let scalar = UnicodeScalar(value) else { return false }
            made += Array(String(Character(scalar)).utf8)
            place += 2 + count
        default: return false
        }
        return true
    }
}
