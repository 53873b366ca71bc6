/// Reads the words of a condition.
struct ConditionParser {
    private let tokens: [ConditionToken]
    private var position = 0
    private var depth = 0
    private(set) var sources: [Condition.Source] = []

    /// Brackets and `not`s within each other.
    private static let deepest = 64
    private static let words: Set<String> = ["and", "or", "not", "in", "is", "like", "null", "true", "false", "exists"]

    init(_ tokens: [ConditionToken]) { self.tokens = tokens }

    private var current: ConditionToken { tokens[position] }

    private mutating func advance() { if position < tokens.count - 1 { position += 1 } }

    private mutating func take(_ word: String) -> Bool {
        guard current.isWord(word) else { return false }
        advance()
        return true
    }

    private mutating func take(sign: String) -> Bool {
        guard current.isSign(sign) else { return false }
        advance()
        return true
    }

    private func mistake(_ words: String) -> ConditionMistake { ConditionMistake(words, at: current.place) }

    // MARK: And, or, not

    mutating func condition() throws(ConditionMistake) -> Condition.Test {
        let test = try alternatives()
        guard current.kind == .end else {
            throw mistake("goes on with \(current.words), where and, or or its end was expected")
        }
        return test
    }

    private mutating func alternatives() throws(ConditionMistake) -> Condition.Test {
        var tests = [try conjunction()]
        while take("or") { tests.append(try conjunction()) }
        return tests.count == 1 ? tests[0] : .any(tests)
    }

    private mutating func conjunction() throws(ConditionMistake) -> Condition.Test {
        var tests = [try negation()]
        while take("and") { tests.append(try negation()) }
        return tests.count == 1 ? tests[0] : .all(tests)
    }

    private mutating func negation() throws(ConditionMistake) -> Condition.Test {
        guard current.isWord("not") || current.isSign("(") else { return try comparison() }
        guard depth < Self.deepest else { throw mistake("has more than \(Self.deepest) brackets within each other") }
        depth += 1
        defer { depth -= 1 }
        if take("not") { return .not(try negation()) }
        advance()
        let test = try alternatives()
        guard take(sign: ")") else { throw mistake("lacks a closing bracket before \(current.words)") }
        return test
    }

    // MARK: Comparisons

    private mutating func comparison() throws(ConditionMistake) -> Condition.Test {
        if take("exists") {
            let isBracketed = take(sign: "(")
            let source = try source()
            guard !isBracketed || take(sign: ")") else {
                throw mistake("lacks a closing bracket before \(current.words)")
            }
            return .exists(source: source)
        }
        if let literal = try literal() {
            // What is easily written the other way round.
            let sign = current
            guard let comparison = try comparisonSign() else {
                throw mistake("has \(current.words) behind a value, where a comparison was expected")
            }
            return try compare(try source(), comparison.turned, literal, at: sign)
        }
        let source = try source()
        let sign = current
        if let comparison = try comparisonSign() {
            guard let literal = try literal() else { throw mistake(Self.expectedLiteral(current)) }
            return try compare(source, comparison, literal, at: sign)
        }
        if take("is") {
            let isNegated = take("not")
            guard take("null") else {
                throw mistake("has \(current.words) behind is, where null or not null was expected")
            }
            return isNegated ? .not(.isNull(source: source)) : .isNull(source: source)
        }
        let isNegated = take("not")
        if take("in") { return .among(source: source, try list(), isNegated: isNegated) }
        if take("like") { return .matches(source: source, try pattern(), isNegated: isNegated) }
        throw mistake(
            isNegated
                ? "has \(current.words) behind not, where in or like was expected"
                : "has \(current.words) behind a name, where a comparison was expected, such as = or is null")
    }

    private static func expectedLiteral(_ token: ConditionToken) -> String {
        if token.isWord("null") { return "compares with null, which nothing equals; `is null` asks for it" }
        if case .name = token.kind {
            return
                "has a name where a value was expected; texts stand in single quotes, and no field is compared with another"
        }
        if case .quoted = token.kind {
            return "has a name in double quotes where a value was expected; texts stand in single quotes"
        }
        return "has \(token.words) where a value was expected"
    }

    private func compare(
        _ source: Int, _ comparison: Condition.Comparison, _ literal: Condition.Literal, at sign: ConditionToken
    ) throws(ConditionMistake) -> Condition.Test {
        if literal.kind == .truth, comparison != .equal, comparison != .unequal {
            throw ConditionMistake("puts true and false in an order, which they have none of", at: sign.place)
        }
        return .compare(source: source, comparison, literal)
    }

    private mutating func comparisonSign() throws(ConditionMistake) -> Condition.Comparison? {
        guard case .sign(let sign) = current.kind else { return nil }
        let comparison: Condition.Comparison
        switch sign {
        case "=": comparison = .equal
        case "!=", "<>": comparison = .unequal
        case "<": comparison = .less
        case "<=": comparison = .lessOrEqual
        case ">": comparison = .greater
        case ">=": comparison = .greaterOrEqual
        default: return nil
        }
        advance()
        return comparison
    }

    private mutating func list() throws(ConditionMistake) -> [Condition.Literal] {
        guard take(sign: "(") else { throw mistake("has \(current.words) behind in, where a bracket was expected") }
        var literals: [Condition.Literal] = []
        repeat {
            let place = current
            guard let literal = try literal() else {
                throw mistake(
                    current.isWord("null")
                        ? "looks for null in a list, which nothing equals; `is null` asks for it"
                        : Self.expectedLiteral(current))
            }
            guard literals.first.map({ $0.kind == literal.kind }) ?? true else {
                throw ConditionMistake("has a list of values of several kinds", at: place.place)
            }
            literals.append(literal)
        } while take(sign: ",")
        guard take(sign: ")") else { throw mistake("lacks a comma or a closing bracket before \(current.words)") }
        return literals
    }

    private mutating func pattern() throws(ConditionMistake) -> TextPattern {
        guard case .text(let text) = current.kind else {
            throw mistake("has \(current.words) behind like, where a text was expected")
        }
        guard let pattern = TextPattern(text) else {
            throw mistake("has a pattern that ends with \\, which wants a character behind it")
        }
        advance()
        return pattern
    }

    /// - Returns: nil for what is no value.
    private mutating func literal() throws(ConditionMistake) -> Condition.Literal? {
        let literal: Condition.Literal
        switch current.kind {
        case .text(let text): literal = .text(text)
        case .number(let number): literal = .number(number)
        case .name where current.isWord("true"): literal = .truth(true)
        case .name where current.isWord("false"): literal = .truth(false)
        default: return nil
        }
        advance()
        return literal
    }

    private mutating func source() throws(ConditionMistake) -> Int {
        let expression: String
        switch current.kind {
        case .quoted(let name): expression = name
        case .name(let name) where !Self.words.contains(name.lowercased()): expression = name
        case .name:
            throw mistake(
                "has the word \(current.words) where a name was expected; a field of that name is put in double quotes")
        default: throw mistake("has \(current.words) where a name was expected")
        }
        let place = current.place
        advance()
        if let known = sources.firstIndex(where: { $0.expression == expression }) { return known }
        sources.append(Condition.Source(expression: expression, place: place))
        return sources.count - 1
    }
}

extension Condition.Comparison {
    /// For the other side.
    fileprivate var turned: Condition.Comparison {
        switch self {
        case .equal, .unequal: self
        case .less: .greater
        case .lessOrEqual: .greaterOrEqual
        case .greater: .less
        case .greaterOrEqual: .lessOrEqual
        }
    }
}
