/// A question about a message, in a small language that is closed: whatever can be asked is decided without a database, and costs no
/// more than what it looks at.
///
///     status != 'test' and (amount >= 10.5 or customer.kind in ('a', 'b')) and not exists $headers.replayed
///
/// - Sources are written as columns write them: `customer.name`, `$headers.type`. One with characters that stand for something here
///   is put in double quotes, `"order date"`, and so is one that is called as a word of the language.
/// - Literals: `'text'`, in which `''` is a quote, numbers, `true` and `false`.
/// - `=`, `!=` or `<>`, `<`, `<=`, `>`, `>=`, `in (…)`, `not in (…)`, `like`, `not like`, `is null`, `is not null`, `exists`;
///   `not` binds closer than `and`, and that closer than `or`, which are decided from the left and no further than needed.
/// - What is absent or null makes every comparison false, also `!=`, `not in` and `not like`. `is null` is true of both, and `exists`
///   only of what is there, null or not.
/// - Numbers are compared by what they are, however they are written; with a `double` or `float` as the nearest of those.
///   Texts are compared by their code points. What is neither is compared with its canonical text: `'2026-01-31'`.
/// - A value of another kind than the literal is a `ConditionFault`: the message is not what its reader believes.
public struct Condition: Sendable, Hashable {
    /// Something of a message that is asked about.
    public struct Source: Sendable, Hashable {
        /// As a column would write it.
        public var expression: String
        /// Where it stands first in the text, in characters.
        public var place: Int
    }

    public let text: String
    /// Each once, in the order in which they come. The values that a `ConditionProgram` is given are in this order.
    public let sources: [Source]
    let test: Test

    /// - Throws: what is wrong first, and where.
    public init(_ text: String) throws(ConditionMistake) {
        var parser = ConditionParser(try ConditionToken.all(of: text))
        test = try parser.condition()
        sources = parser.sources
        self.text = text
    }

    indirect enum Test: Sendable, Hashable {
        case compare(source: Int, Comparison, Literal)
        case among(source: Int, [Literal], isNegated: Bool)
        case matches(source: Int, TextPattern, isNegated: Bool)
        case isNull(source: Int)
        case exists(source: Int)
        case not(Test)
        case all([Test])
        case any([Test])
    }

    enum Comparison: UInt8, Sendable {
        case equal, unequal, less, lessOrEqual, greater, greaterOrEqual

        /// - Parameter order: negative if what is compared is less than the other.
        func holds(_ order: Int) -> Bool {
            switch self {
            case .equal: order == 0
            case .unequal: order != 0
            case .less: order < 0
            case .lessOrEqual: order <= 0
            case .greater: order > 0
            case .greaterOrEqual: order >= 0
            }
        }
    }

    enum Literal: Sendable, Hashable {
        case text(String)
        case number(DecimalLiteral)
        case truth(Bool)

        var kind: Kind {
            switch self {
            case .text: .text
            case .number: .number
            case .truth: .truth
            }
        }
    }

    /// What a literal is.
    public enum Kind: UInt8, Sendable {
        case text, number, truth
    }
}

/// Why a text is no condition, and where.
public struct ConditionMistake: Error, Equatable, Sendable {
    /// What follows "the condition": `lacks a bracket`.
    public var words: String
    /// In characters of the text; its length where something is missing at the end.
    public var place: Int

    public init(_ words: String, at place: Int) {
        self.words = words
        self.place = place
    }

    /// The line that the place is in, and below it a caret.
    public func marked(in text: String) -> String {
        let characters = Array(text)
        let place = min(max(place, 0), characters.count)
        let start = characters[..<place].lastIndex(where: \.isNewline).map { $0 + 1 } ?? 0
        let end = characters[start...].firstIndex(where: \.isNewline) ?? characters.count
        let line = characters[start..<max(start, end)].map { $0 == "\t" ? " " : $0 }
        return String(line) + "\n" + String(repeating: " ", count: place - start) + "^"
    }
}

/// A value of another kind than what it is compared with. It carries no value.
public struct ConditionFault: Error, Equatable, Sendable {
    /// The source's place in `Condition.sources`.
    public var source: Int
    public var found: Field.Kind
    public var expected: Condition.Kind
    /// It is a number, but longer than any that is compared.
    public var isTooLong = false
}
