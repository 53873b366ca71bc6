import Foundation
import Records
import TestSupport
import Testing

/// Conditions made at random, with values made at random, against a plain reading of what they mean.
@Suite("Random conditions")
struct ConditionFuzzTests {
    fileprivate enum Value {
        case absent, null
        case truth(Bool)
        case text(String)
        case number(Decimal, HeldField)

        var field: HeldField {
            switch self {
            case .absent: HeldField(Field(.absent))
            case .null: HeldField(Field(.null))
            case .truth(let isTrue): HeldField(Field(isTrue ? .true : .false))
            case .text(let text): .text(text)
            case .number(_, let field): field
            }
        }
    }

    fileprivate struct Mismatch: Error {}
    private typealias Test = ([Value]) throws -> Bool

    // MARK: Values

    /// One of several ways to hold a number.
    private static func number(_ random: inout SeededGenerator) -> Value {
        let unscaled =
            Int64.random(in: -20...20, using: &random) * one(of: [1, 1, 1000, 999_999_937], &random)
        let scale = Int.random(in: 0...4, using: &random)
        let decimal = Decimal(unscaled) / pow(10, scale)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return .number(decimal, .number("\(unscaled)e-\(scale)"))
        case 1: return .number(decimal, .number("\(decimal)"))
        case 2: return .number(Decimal(unscaled), HeldField(.integer(unscaled)))
        case 3: return .number(Decimal(unscaled.magnitude), HeldField(.unsigned(UInt64(unscaled.magnitude))))
        default:
            let bytes = withUnsafeBytes(of: unscaled.bigEndian) { Array($0) }
            return .number(decimal, .decimal(bytes, scale: Int32(scale)))
        }
    }

    private static func one<Element>(of elements: [Element], _ random: inout SeededGenerator) -> Element {
        elements[Int.random(in: elements.indices, using: &random)]
    }

    private static func value(_ random: inout SeededGenerator) -> Value {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: .absent
        case 1: .null
        case 2: .truth(Bool.random(using: &random))
        case 3...4: .text(word(&random))
        default: number(&random)
        }
    }

    private static func word(_ random: inout SeededGenerator) -> String {
        String(
            (0..<Int.random(in: 0...4, using: &random)).map { _ in
                one(of: ["a", "b", "é", "'", "%", "_"], &random)
            }.joined())
    }

    // MARK: Conditions

    private static let sources = ["a", "b.c", "$headers.x", "\"not\""]

    private static func test(_ depth: Int, _ random: inout SeededGenerator) -> (text: String, test: Test) {
        switch depth > 0 ? Int.random(in: 0..<8, using: &random) : 0 {
        case 5:
            let inner = test(depth - 1, &random)
            return ("not (\(inner.text))", { try !inner.test($0) })
        case 6:
            let (one, two) = (test(depth - 1, &random), test(depth - 1, &random))
            return ("(\(one.text)) and (\(two.text))", { try one.test($0) && two.test($0) })
        case 7:
            let (one, two) = (test(depth - 1, &random), test(depth - 1, &random))
            return ("(\(one.text)) OR (\(two.text))", { try one.test($0) || two.test($0) })
        default: return comparison(&random)
        }
    }

    private static func comparison(_ random: inout SeededGenerator) -> (text: String, test: Test) {
        let place = Int.random(in: 0..<sources.count, using: &random)
        let source = sources[place]
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return ("\(source) is null", { $0[place].isMissing })
        case 1: return ("exists \(source)", { if case .absent = $0[place] { false } else { true } })
        case 2:
            let pattern = word(&random).replacing("\\", with: "")
            let isNegated = Bool.random(using: &random)
            return (
                "\(source) \(isNegated ? "not " : "")like \(quoted(pattern))",
                { values in
                    if values[place].isMissing { return false }
                    guard case .text(let text) = values[place] else { throw Mismatch() }
                    return like(Array(text.unicodeScalars), Array(pattern.unicodeScalars)) != isNegated
                }
            )
        case 3:
            let isNegated = Bool.random(using: &random)
            let numbers = Bool.random(using: &random)
            let literals = (0..<Int.random(in: 1...3, using: &random)).map { _ in literal(isNumber: numbers, &random) }
            return (
                "\(source) \(isNegated ? "not " : "")in (\(literals.map(\.text).joined(separator: ", ")))",
                { values in
                    if values[place].isMissing { return false }
                    for literal in literals where try values[place].order(literal.value) == 0 { return !isNegated }
                    return isNegated
                }
            )
        default:
            let signs: [(String, (Int) -> Bool)] = [
                ("=", { $0 == 0 }), ("!=", { $0 != 0 }), ("<>", { $0 != 0 }), ("<", { $0 < 0 }), ("<=", { $0 <= 0 }),
                (">", { $0 > 0 }), (">=", { $0 >= 0 }),
            ]
            let sign = one(of: signs, &random)
            let other = literal(isNumber: Bool.random(using: &random), &random)
            return (
                "\(source) \(sign.0) \(other.text)",
                { values in
                    if values[place].isMissing { return false }
                    return sign.1(try values[place].order(other.value))
                }
            )
        }
    }

    private static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

    private static func literal(isNumber: Bool, _ random: inout SeededGenerator) -> (text: String, value: Value) {
        if isNumber, case .number(let decimal, let field) = number(&random) {
            return ("\(decimal)", .number(decimal, field))
        }
        let text = word(&random)
        return (quoted(text), .text(text))
    }

    /// Straight from what it means, and slow.
    private static func like(_ text: [UnicodeScalar], _ pattern: [UnicodeScalar]) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        let rest = Array(pattern.dropFirst())
        if first == "%" { return (0...text.count).contains { like(Array(text[$0...]), rest) } }
        guard let character = text.first, first == "_" || first == character else { return false }
        return like(Array(text.dropFirst()), rest)
    }

    @Test("what a condition says of values is what it means")
    func agreement() throws {
        try Fuzzing.rounds(300, of: "conditions") { random in
            let made = Self.test(4, &random)
            let condition = try Condition(made.text)
            let program = ConditionProgram(condition)
            for _ in 0..<20 {
                let values = Self.sources.map { _ in Self.value(&random) }
                let fields = values.map(\.field)
                for (place, source) in condition.sources.enumerated() {
                    let known = source.expression == "not" ? 3 : Self.sources.firstIndex(of: source.expression)
                    program.values[place] = fields[try #require(known)].field
                }
                let expected = try? made.test(values)
                let found = try? program.holds()
                guard found == expected else {
                    throw Fuzzing.Found(
                        description:
                            "\(made.text) of \(values): \(String(describing: found)), not \(String(describing: expected))"
                    )
                }
                withExtendedLifetime(fields) {}
            }
            return 20
        }
    }
}

extension ConditionFuzzTests.Value {
    fileprivate var isMissing: Bool {
        switch self {
        case .absent, .null: true
        default: false
        }
    }

    fileprivate func order(_ literal: Self) throws -> Int {
        switch (self, literal) {
        case (.text(let one), .text(let two)):
            let (one, two) = (Array(one.unicodeScalars), Array(two.unicodeScalars))
            return one == two ? 0 : one.lexicographicallyPrecedes(two) ? -1 : 1
        case (.number(let one, _), .number(let two, _)): return one == two ? 0 : one < two ? -1 : 1
        default: throw ConditionFuzzTests.Mismatch()
        }
    }
}
