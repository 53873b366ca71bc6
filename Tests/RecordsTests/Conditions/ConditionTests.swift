import TestSupport
import Testing

@testable import Records

/// A value for a condition, whose bytes stay where they are.
///
/// Unchecked: nothing of it changes once it is made.
final class HeldField: @unchecked Sendable {
    let field: Field
    private let memory: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8], _ make: (UnsafeRawBufferPointer) -> Field) {
        memory = .allocate(byteCount: bytes.count, alignment: 1)
        memory.copyBytes(from: bytes)
        field = make(UnsafeRawBufferPointer(memory))
    }

    convenience init(_ field: Field) { self.init([]) { _ in field } }

    static func text(_ text: String) -> HeldField { HeldField(Array(text.utf8)) { Field(.string, $0) } }
    static func number(_ text: String) -> HeldField { HeldField(Array(text.utf8)) { Field(.number, $0) } }
    static func decimal(_ bytes: [UInt8], scale: Int32) -> HeldField {
        HeldField(bytes) { .decimal($0, scale: scale) }
    }

    deinit { memory.deallocate() }
}

@Suite("Conditions")
struct ConditionTests {
    private func holds(_ text: String, _ values: [String: HeldField] = [:]) throws -> Bool {
        let condition = try Condition(text)
        let program = ConditionProgram(condition)
        for (place, source) in condition.sources.enumerated() {
            program.values[place] = values[source.expression]?.field ?? Field(.absent)
        }
        defer { withExtendedLifetime(values) {} }
        return try program.holds()
    }

    private static let order: [String: HeldField] = [
        "status": .text("paid"), "amount": .number("10.50"), "count": HeldField(.integer(-3)),
        "big": HeldField(.unsigned(.max)), "vip": HeldField(Field(.true)), "note": HeldField(Field(.null)),
        "customer.name": .text("O'Hara"), "$headers.content-type": .text("a/b"), "or": .text("word"),
        "items": HeldField(Field(.array)), "enum": HeldField(Array("GOLD".utf8)) { .symbol($0, number: 2) },
        "id": HeldField(.uuid(high: 0xb68a_35a7_17ad_35b3, low: 0xaf2a_ae46_edb4_545a)),
        "day": HeldField(.day(sinceUnixEpoch: 20_454)), "at": HeldField(.instant(microseconds: 1_767_225_600_500_000)),
        "local": HeldField(.localTime(microseconds: 1_767_225_600_000_000)),
        "time": HeldField(.timeOfDay(microseconds: 34_200_000_000)), "nan": HeldField(.double(.nan)),
        "tenth": HeldField(.double(0.1)), "small": HeldField(.float(0.1)),
        // 12345678901234567890.123, as an integer of ten bytes and a scale.
        "exact": .decimal([0x02, 0x9D, 0x42, 0xB6, 0x4E, 0x76, 0x71, 0x42, 0x44, 0xCB], scale: 3),
        "below": .decimal([0xFF, 0xFF, 0x85], scale: 2),
    ]

    @Test(
        "of what is not known a condition may hold, unless what is known says that it does not",
        arguments: [
            ("status = 'x'", true), ("not status = 'x'", true), ("status = 'x' and amount = 10.5", true),
            ("status = 'x' and amount = 1", false), ("amount = 1 or status is null", true),
            ("amount = 1 or vip = false", false), ("not (amount = 10.5 or status = 'x')", false),
            ("not (amount = 10.5 and status = 'x')", true), ("amount != 10.5 and not exists status", false),
        ])
    func mayHold(text: String, expected: Bool) throws {
        let condition = try Condition(text)
        let program = ConditionProgram(condition)
        for (place, source) in condition.sources.enumerated() {
            program.values[place] = Self.order[source.expression]?.field ?? Field(.absent)
        }
        let isUnknown = condition.sources.map { $0.expression == "status" }
        #expect(try isUnknown.withUnsafeBufferPointer { try program.mayHold($0) } == expected)
    }

    @Test(
        "a condition is true of these",
        arguments: [
            "status = 'paid'", "STATUS is null", "status <> 'new' and not status != 'paid'", "'paid' = status",
            "amount = 10.5", "amount = 10.50", "amount=105e-1", "amount >= 10.5 and amount<11", "10 < amount",
            "amount in (1, 10.500, 3)", "amount not in (1, 2)", "count < 0", "count = -3.0", "count > -3.000000001",
            "big = 18446744073709551615", "big > 9223372036854775807", "big < 18446744073709551615.5",
            "vip = true", "vip != false", "vip in (true)", "note is null", "not exists missing", "exists note",
            "missing is null", "EXISTS(status) AND status IS NOT NULL", "customer.name = 'O''Hara'",
            "$headers.content-type like 'a/_'", #""or" = 'word'"#, #""or" like 'w%d'"#, #"status like '%a%'"#,
            #"status not like 'p\%'"#, "exists items and items is not null", "enum = 'GOLD'", "enum like 'G%'",
            "id = 'b68a35a7-17ad-35b3-af2a-ae46edb4545a'", "id = 'B68A35A7-17AD-35B3-AF2A-AE46EDB4545A'",
            "id > 'b68a35a7-17ad-35b3-af2a-ae46edb45459'", "day = '2026-01-01'", "day < '2026-01-02'",
            "at = '2026-01-01T00:00:00.5Z'", "at > '2026-01-01 02:00:00+02:00'", "local = '2026-01-01'",
            "local = '2026-01-01T00:00:00'", "time = '09:30:00'", "nan > 1e300", "tenth = 0.1", "small = 0.1",
            "exact = 12345678901234567.890123e3 and exact < 12345678901234567890.1231", "below = -1.23", "below < -1.2",
            // Precedence, and what is not reached is not asked.
            "status = 'new' and vip = true or amount = 10.5", "status = 'paid' or status > 5",
            "not (status = 'new' or note = 'x') and vip = true", "(((vip = true)))",
            "status >= 'pai' and status < 'paie'", "status\n  =\t'paid'",
        ])
    func isTrue(text: String) throws {
        #expect(try holds(text, Self.order), "\(text)")
    }

    @Test(
        "what is absent or null makes each comparison false, whichever it is",
        arguments: ["note", "missing"],
        ["= 'a'", "!= 'a'", "< 1", ">= 1", "in (1)", "not in (1)", "like '%'", "not like 'x'"])
    func missing(source: String, comparison: String) throws {
        #expect(try !holds("\(source) \(comparison)", Self.order))
        #expect(try holds("not \(source) \(comparison)", Self.order))
    }

    @Test(
        "a value of another kind than the literal is a fault that says which, and no value",
        arguments: [
            ("status = 1", Field.Kind.string, Condition.Kind.number), ("amount = '10.5'", .number, .text),
            ("vip = 'true'", .true, .text), ("status = true", .string, .truth), ("items = 'x'", .array, .text),
            ("count like '3'", .integer, .text), ("id = 'b68a'", .uuid, .text), ("day = '1.1.2026'", .day, .text),
            ("day = 5", .day, .number), ("at = '2026-01-01T00:00:00'", .instant, .text),
            ("enum in (2)", .symbol, .number), ("vip = 1", .true, .number),
        ])
    func faults(text: String, found: Field.Kind, expected: Condition.Kind) throws {
        #expect(throws: ConditionFault(source: 0, found: found, expected: expected)) { try holds(text, Self.order) }
    }

    @Test("a decimal of more digits than any literal has costs no more than telling so")
    func tooLong() throws {
        let long = HeldField.decimal([1] + Array(repeating: 0, count: 4 << 20), scale: 0)
        var fault = ConditionFault(source: 0, found: .decimal, expected: .number)
        fault.isTooLong = true
        #expect(throws: fault) { try holds("n > 1", ["n": long]) }
        // What only repeats the sign is not long.
        #expect(try holds("n = -1", ["n": .decimal(Array(repeating: 0xFF, count: 5000), scale: 0)]))
        #expect(try holds("n > 1e900", ["n": .decimal([1] + Array(repeating: 0, count: 1000), scale: 0)]))
        #expect(try holds("n < 1e-900", ["n": .number("1e-99999999999999999999")]))
    }

    @Test(
        "what is no condition is told with a caret below the place",
        arguments: [
            ("", "its end", 0), ("status", "behind a name", 6), ("status = ", "where a value was expected", 9),
            ("status = paid", "single quotes", 9), (#"status = "paid""#, "single quotes", 9),
            ("status == 'a'", "where a value was expected", 8), ("status = 'a", "does not end", 9),
            ("status = null", "is null", 9), ("status in ('a', null)", "is null", 16),
            ("a in (1, 'b')", "several kinds", 9),
            ("a in 1", "bracket", 5), ("a in ()", "where a value was expected", 6), ("a = 1 b = 2", "and, or", 6),
            ("(a = 1", "closing bracket", 6), ("a = 1)", "and, or", 5), ("a is 1", "null or not null", 5),
            ("a like 1", "text", 7), (#"a like 'x\'"#, "pattern", 7), ("a not = 1", "in or like", 6),
            ("vip > true", "order", 4), ("and = 1", "double quotes", 0), ("a = 12x", "number", 4),
            ("a = 1e2000", "number", 4), ("a % 2 = 0", "stands for nothing", 2), ("exists 5", "name", 7),
            ("a = b", "no field is compared", 4), ("5 = 5", "name", 4), (#""a"#, "does not end", 0),
        ])
    func mistakes(text: String, words: String, place: Int) throws {
        let mistake = try #require(throws: ConditionMistake.self) { try Condition(text) }
        #expect(mistake.place == place, "\(mistake)")
        #expect(mistake.words.contains(words), "\(mistake)")
    }

    @Test("the caret stands below its line, also of several")
    func caret() throws {
        let text = "status = 'a'\n  and amount ~ 5\n  and x = 1"
        let mistake = try #require(throws: ConditionMistake.self) { try Condition(text) }
        #expect(mistake.marked(in: text) == "  and amount ~ 5\n             ^")
    }

    @Test("brackets within each other are bounded, and terms in a row are not")
    func deep() throws {
        #expect(throws: ConditionMistake.self) {
            try Condition(String(repeating: "(", count: 65) + "a = 1" + String(repeating: ")", count: 65))
        }
        #expect(throws: ConditionMistake.self) { try Condition(String(repeating: "not ", count: 65) + "a = 1") }
        let terms = (0..<5000).map { "a = \($0)" }.joined(separator: " or ")
        #expect(try holds(terms, ["a": .number("4999")]))
    }

    @Test("sources are each once, with where they stand first")
    func sources() throws {
        let condition = try Condition(#"b = 1 and (a\.x = 2 or b = 3) and $headers.h is null and "odd name" = 'x'"#)
        #expect(condition.sources.map(\.expression) == ["b", #"a\.x"#, "$headers.h", "odd name"])
        #expect(condition.sources.map(\.place) == [0, 11, 34, 57])
    }
}
