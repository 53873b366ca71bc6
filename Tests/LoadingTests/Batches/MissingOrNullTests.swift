import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Missing, or null")
struct MissingOrNullTests {
    private func words(
        _ value: String?, key: String? = nil, headers: [(String, String)] = [], _ column: Route.Column,
        isNotNull: Bool = true, isKey: Bool = false
    ) throws -> [String] {
        let table = Table.made(
            [.made("a", .int4, isNotNull: isNotNull), .made("b")], key: isKey ? ["a"] : [])
        let target = try Target.made(.made(mode: isKey ? .upsert : .insert, columns: [column]), table)
        return Batch.filled([(key, value)], for: target, headers: headers).deadLetters.map(\.explanation)
    }

    @Test("a letter says whether a field is missing or null, for NOT NULL, required and key alike")
    func fields() throws {
        let nested = Route.Column(name: "a", source: .field(FieldPath(["order", "n.o"])))
        for (column, isNotNull, isKey, why) in [
            (nested, true, false, "public.orders.a is NOT NULL"),
            (nested, false, true, "public.orders.a is part of the key"),
            (.init(name: "a", source: nested.source, isRequired: true), false, false, "public.orders.a is required"),
        ] as [(Route.Column, Bool, Bool, String)] {
            func letters(_ value: String) throws -> [String] {
                try words(value, column, isNotNull: isNotNull, isKey: isKey)
            }
            #expect(try letters(#"{"b":"x"}"#) == ["\(why), and the message has no field order.n\\.o"])
            #expect(try letters(#"{"b":"x","order":7}"#) == ["\(why), and the message has no field order.n\\.o"])
            #expect(try letters(#"{"order":{"n.o":null}}"#) == ["\(why), and the message's field order.n\\.o is null"])
            #expect(try letters(#"{"order":{"n.o":1}}"#) == [])
        }
    }

    @Test("so it is for a field of the key, for headers, and for the key of a tombstone")
    func others() throws {
        let why = "public.orders.a is NOT NULL, and "
        let id = Route.Column(name: "a", source: .key(FieldPath(["id"])))
        #expect(try words(#"{"b":"x"}"#, id) == [why + "the message has no key"])
        #expect(try words(#"{"b":"x"}"#, key: "7", id) == [why + "the message's key is no JSON object"])
        #expect(try words(#"{"b":"x"}"#, key: "{}", id) == [why + "the message's key has no field id"])
        #expect(try words(#"{"b":"x"}"#, key: #"{"id":null}"#, id) == [why + "the message's key's field id is null"])
        let header = Route.Column(name: "a", source: .header("h"))
        #expect(try words(#"{"b":"x"}"#, header) == [why + "the message has no header h"])
        let plain = Route.Column(name: "a")
        let key = "public.orders.a is part of the key, and "
        #expect(try words(nil, plain, isKey: true) == [key + "the message has no key"])
        #expect(try words(nil, key: "{}", plain, isKey: true) == [key + "the message's key has no field a"])
        let sentinel = Route.Column(name: "a", nullIf: ["-"])
        #expect(try words(#"{"a":"-"}"#, sentinel) == [why + "what a has counts as null"])
    }
}
