/// A statement's words.
enum SQLToken: Equatable {
    /// In lower case; whether it is a keyword hangs on where it stands.
    case word(String)
    /// In double quotes.
    case name(String)
    case text(String)
    case number(String)
    case parameter(Int)
    case symbol(String)
    case end
}

extension SQLToken {
    static func read(_ sql: String) throws(SQLFailure) -> [SQLToken] {
        let bytes = Array(sql.utf8)
        var tokens: [SQLToken] = []
        var place = 0
        func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
        while place < bytes.count {
            let byte = bytes[place]
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D: place += 1
            case UInt8(ascii: "-") where place + 1 < bytes.count && bytes[place + 1] == byte:
                while place < bytes.count, bytes[place] != 0x0A { place += 1 }
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                let quoted = quoted(bytes, &place)
                tokens.append(byte == UInt8(ascii: "'") ? .text(quoted) : .name(quoted))
            case UInt8(ascii: "$"):
                let start = place
                place += 1
                while place < bytes.count, isDigit(bytes[place]) { place += 1 }
                if place > start + 1 {
                    tokens.append(.parameter((Int(text(start + 1..<place)) ?? 0) - 1))
                } else {
                    tokens.append(.text(try dollarQuoted(bytes, from: start, &place)))
                }
            case let byte where isDigit(byte):
                let start = place
                while place < bytes.count, isDigit(bytes[place]) || bytes[place] == UInt8(ascii: ".") { place += 1 }
                tokens.append(.number(text(start..<place)))
            case let byte where isLetter(byte):
                let start = place
                while place < bytes.count, isLetter(bytes[place]) || isDigit(bytes[place]) { place += 1 }
                tokens.append(.word(text(start..<place).lowercased()))
            default:
                let rest = bytes[place...].prefix(3)
                let symbol = symbols.first { rest.starts(with: $0.utf8) }
                guard let symbol else { throw .unknown("the character \(UnicodeScalar(byte)) in: \(sql)") }
                tokens.append(.symbol(symbol))
                place += symbol.utf8.count
            }
        }
        return tokens + [.end]
    }

    private static let symbols = [
        "->>", "::", "<=", ">=", "<>", "!=", "||", ":=", "(", ")", ",", ";", ".", "[", "]", "=", "<", ">", "+", "-",
        "*", "/", "%", "&", "|", ":",
    ]

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A || byte == UInt8(ascii: "_") || byte >= 0x80
    }

    private static func quoted(_ bytes: [UInt8], _ place: inout Int) -> String {
        let quote = bytes[place]
        var content: [UInt8] = []
        place += 1
        while place < bytes.count {
            if bytes[place] == quote {
                guard place + 1 < bytes.count, bytes[place + 1] == quote else { break }
                place += 1
            }
            content.append(bytes[place])
            place += 1
        }
        place += 1
        return String(decoding: content, as: UTF8.self)
    }

    private static func dollarQuoted(_ bytes: [UInt8], from start: Int, _ place: inout Int) throws(SQLFailure) -> String
    {
        var end = start + 1
        while end < bytes.count, bytes[end] != UInt8(ascii: "$") { end += 1 }
        let tag = Array(bytes[start...min(end, bytes.count - 1)])
        var at = end + 1
        while at + tag.count <= bytes.count, Array(bytes[at..<at + tag.count]) != tag { at += 1 }
        guard at + tag.count <= bytes.count else { throw .unknown("a dollar sign without its end") }
        place = at + tag.count
        return String(decoding: bytes[end + 1..<at], as: UTF8.self)
    }
}
