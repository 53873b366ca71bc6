/// A word of a condition.
struct ConditionToken {
    enum Kind: Equatable {
        /// A path, or a word of the language.
        case name(String)
        /// A path in double quotes, which is no word of the language.
        case quoted(String)
        case text(String)
        case number(DecimalLiteral)
        /// `=`, `<=`, `(`, `,`.
        case sign(String)
        case end
    }

    var kind: Kind
    /// In characters of the text.
    var place: Int

    /// As whoever has written it knows it.
    var words: String {
        switch kind {
        case .name(let name): name
        case .quoted: "a name in quotes"
        case .text: "a text"
        case .number: "a number"
        case .sign(let sign): sign
        case .end: "its end"
        }
    }

    /// Whether it is this word of the language, in whatever case.
    func isWord(_ word: String) -> Bool {
        if case .name(let name) = kind { name.lowercased() == word } else { false }
    }

    func isSign(_ sign: String) -> Bool { kind == .sign(sign) }

    static func all(of text: String) throws(ConditionMistake) -> [ConditionToken] {
        var reader = Reader(characters: Array(text))
        var tokens: [ConditionToken] = []
        while let token = try reader.next() { tokens.append(token) }
        tokens.append(ConditionToken(kind: .end, place: reader.characters.count))
        return tokens
    }

    private struct Reader {
        let characters: [Character]
        var place = 0

        private var current: Character? { place < characters.count ? characters[place] : nil }
        private func character(_ ahead: Int) -> Character? {
            place + ahead < characters.count ? characters[place + ahead] : nil
        }

        mutating func next() throws(ConditionMistake) -> ConditionToken? {
            while current?.isWhitespace == true { place += 1 }
            guard let first = current else { return nil }
            let start = place
            let kind: Kind
            if first == "'" {
                kind = .text(try enclosed(by: "'", "a text that does not end"))
            } else if first == "\"" {
                kind = .quoted(try enclosed(by: "\"", "a name in quotes that does not end"))
            } else if beginsNumber {
                kind = .number(try number())
            } else if first.beginsName {
                kind = .name(name())
            } else {
                kind = .sign(try sign(first))
            }
            return ConditionToken(kind: kind, place: start)
        }

        private mutating func enclosed(by quote: Character, _ words: String) throws(ConditionMistake) -> String {
            let start = place
            var text = ""
            place += 1
            while let character = current {
                place += 1
                if character == quote {
                    guard current == quote else { return text }
                    place += 1
                }
                text.append(character)
            }
            throw ConditionMistake("has \(words)", at: start)
        }

        private var beginsNumber: Bool {
            let signed = current == "-" || current == "+" ? 1 : 0
            let dotted = character(signed) == "." ? 1 : 0
            return character(signed + dotted)?.isDigit == true
        }

        private mutating func number() throws(ConditionMistake) -> DecimalLiteral {
            let start = place
            place += 1
            while let character = current {
                let isSignOfExponent = (character == "-" || character == "+") && "eE".contains(characters[place - 1])
                guard character.continuesName && character != "-" || isSignOfExponent else { break }
                place += 1
            }
            guard let number = DecimalLiteral(String(characters[start..<place])) else {
                throw ConditionMistake(
                    "has a number that is none, or one of more than \(DecimalLiteral.most) digits", at: start)
            }
            return number
        }

        private mutating func name() -> String {
            var name = ""
            while let character = current, character.continuesName {
                name.append(character)
                place += 1
                // What follows belongs to the name, whatever it is; the path's own reading decides what the two mean.
                if character == "\\", let next = current {
                    name.append(next)
                    place += 1
                }
            }
            return name
        }

        private mutating func sign(_ first: Character) throws(ConditionMistake) -> String {
            for sign in ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","]
            where String(characters[place..<min(place + sign.count, characters.count)]) == sign {
                place += sign.count
                return sign
            }
            throw ConditionMistake("has a character that stands for nothing here", at: place)
        }
    }
}

extension Character {
    fileprivate var isDigit: Bool { isASCII && isNumber }

    fileprivate var beginsName: Bool { isLetter || "_$@\\".contains(self) || !isASCII }

    fileprivate var continuesName: Bool { beginsName || isDigit || ".-:/".contains(self) }
}
