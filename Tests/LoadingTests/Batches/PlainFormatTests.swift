import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Messages and keys of one value")
struct PlainFormatTests {
    private static let bytea = PostgresType(oid: 17, name: "bytea", formatted: "bytea")
    private static let xml = PostgresType(oid: 142, name: "xml", formatted: "xml")
    private static let float8 = PostgresType(oid: 701, name: "float8", formatted: "double precision")
    private static let uuid = PostgresType(oid: 2950, name: "uuid", formatted: "uuid")

    private func route(
        _ format: Route.Format, _ keyFormat: Route.KeyFormat = .auto, mode: Route.Mode = .insert, key: [String]? = nil,
        taking columns: [(String, ColumnSource)]
    ) -> Route {
        var route = Route.made(
            mode: mode, key: key, columns: columns.map { Route.Column(name: $0.0, source: $0.1) })
        (route.format, route.keyFormat) = (format, keyFormat)
        return route
    }

    private func built(_ target: Target, _ messages: [(key: [UInt8]?, value: [UInt8]?)]) -> Batch {
        Batch.built(messages, target, format: target.messageFormat, keyFormat: target.keyMessageFormat)
    }

    @Test("a text is a text, a document, XML or what a column reads, and its bytes are its bytes")
    func texts() throws {
        let columns: [(String, PostgresType)] = [
            ("t", .text), ("j", .jsonb), ("n", .numeric), ("b", Self.bytea), ("x", Self.xml),
        ]
        for format in [Route.Format.text, .bytes] {
            let route = route(format, taking: columns.map { ($0.0, .value) })
            let table = Table.made(columns.map { .made($0.0, $0.1) })
            let batch = built(try Target.made(route, table), [(nil, Array("12.50".utf8))])
            #expect(batch.lines == [["12.50", "12.50", "12.50", #"\\x31322e3530"#, "12.50"]])
        }
    }

    @Test("a text that is no UTF-8 is a dead letter whatever takes it, bytes are one only for a text")
    func invalidUTF8() throws {
        let table = Table.made([.made("b", Self.bytea), .made("t"), .made("x", .inet)])
        let text = built(try Target.made(route(.text, taking: [("b", .value)]), table), [(nil, [0x61, 0xFF])])
        #expect(text.deadLetters.map(\.reason) == [.invalidUTF8])
        #expect(text.deadLetters.map(\.explanation) == ["the message is not valid UTF-8, at byte 1"])
        let target = try Target.made(route(.bytes, taking: [("b", .value), ("x", .topic)]), table)
        #expect(built(target, [(nil, [0x61, 0xFF])]).lines.map { [$0[0]] } == [[#"\\x61ff"#]])
        let both = built(try Target.made(route(.bytes, taking: [("t", .value)]), table), [(nil, [0x61, 0xFF])])
        #expect(both.deadLetters.map(\.reason) == [.invalidUTF8])
    }

    @Test("keys that Java's serializers wrote are numbers and UUIDs, for rows and for deletions")
    func javaKeys() throws {
        let uuid = Array("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".utf8)
        let cases: [(Route.KeyFormat, PostgresType, [UInt8], String)] = [
            (.short, .int4, [0xFF, 0xFE], "-2"), (.int, .int4, [0, 0, 1, 0], "256"),
            (.long, .int8, [0, 0, 0, 1, 0, 0, 0, 0], "4294967296"), (.long, .text, [0, 0, 0, 0, 0, 0, 0, 9], "9"),
            (.uuid, Self.uuid, uuid, String(decoding: uuid, as: UTF8.self)),
            (.double, Self.float8, [0x3F, 0xF8, 0, 0, 0, 0, 0, 0], "1.5"),
            (.text, .text, Array("\"k\"".utf8), "\"k\""),
            (.bytes, Self.bytea, [7], #"\\x07"#),
        ]
        for (format, type, key, text) in cases {
            let table = Table.made([.made("id", type), .made("v"), .made("x", .inet)], key: ["id"])
            for source in [ColumnSource.key(nil), .field(FieldPath(["id"]))] {
                let value = Array(#"{"id": null, "v": "a"}"#.utf8)
                let target = try Target.made(
                    route(.json, format, mode: .upsert, taking: [("id", source), ("v", .field(FieldPath(["v"])))]),
                    table)
                let batch = built(target, source == .key(nil) ? [(key, value), (key, nil)] : [(key, nil)])
                #expect(batch.deadLetters.isEmpty, "\(format): \(batch.deadLetters)")
                #expect(batch.lines.map { $0[0] } == [String](repeating: text, count: batch.lines.count))
                #expect(batch.lines.count == (source == .key(nil) ? 2 : 1))
            }
        }
    }

    @Test("messages that Java's serializers wrote are numbers and UUIDs, as Kafka Streams has its counts")
    func javaValues() throws {
        let uuid = Array("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".utf8)
        let cases: [(Route.Format, PostgresType, [UInt8], String)] = [
            (.short, .int4, [0xFF, 0xFE], "-2"), (.int, .int8, [0, 0, 1, 0], "256"),
            (.long, .int8, [0, 0, 0, 1, 0, 0, 0, 0], "4294967296"), (.long, .numeric, [0, 0, 0, 0, 0, 0, 0, 9], "9"),
            (.float, Self.float8, [0x3F, 0xC0, 0, 0], "1.5"),
            (.double, Self.float8, [0xBF, 0xE0, 0, 0, 0, 0, 0, 0], "-0.5"),
            (.uuid, Self.uuid, uuid, String(decoding: uuid, as: UTF8.self)),
        ]
        for (format, type, value, text) in cases {
            let table = Table.made([.made("word"), .made("count", type), .made("x", .inet)], key: ["word"])
            let target = try Target.made(
                route(format, .text, mode: .upsert, taking: [("word", .key(nil)), ("count", .value), ("x", .topic)]),
                table)
            let word = Array("w".utf8)
            let batch = built(target, [(word, value), (word, nil), (word, value + [0])])
            #expect(batch.lines.map { Array($0.prefix(2)) } == [["w", text], ["w"]], "\(format): \(batch.lines)")
            #expect(batch.deadLetters.map(\.reason) == [.badSyntax])
        }
    }

    @Test("a key of another length is a dead letter that says what was wanted and found")
    func badKeys() throws {
        let table = Table.made([.made("id", .int8), .made("x", .inet)], key: ["id"])
        let target = try Target.made(route(.json, .long, mode: .upsert, taking: [("id", .key(nil))]), table)
        let batch = built(target, [([1, 2, 3, 4], nil), ([1, 2, 3, 4], Array("{}".utf8)), (nil, nil), ([], nil)])
        #expect(batch.deadLetters.map(\.reason) == [.badSyntax, .badSyntax, .missingField, .badSyntax])
        let words = "the key is no long as Java writes it: that has 8 bytes, and this has"
        #expect(batch.deadLetters.map(\.explanation).filter { $0.hasPrefix(words) }.count == 3)
    }

    @Test("a field of what has none is a mistake that is told before anything is loaded, with its mend")
    func fieldsOfOneValue() {
        func problems(_ route: Route, _ table: Table) -> [SetupProblem] {
            guard case .failure(let found) = Target.compile(route, index: 0, table: table) else { return [] }
            return found.problems
        }
        let table = Table.made([.made("id", .int8), .made("body"), .made("more")])
        let field = problems(route(.text, taking: [("body", .field(FieldPath(["a", "b"])))]), table)
        #expect(field.map(\.mend) == [.routing(.takeWhole(.value))])
        #expect(field.map(\.problem) == ["public.orders.body takes the field a.b, and the messages are a text each"])
        let key = problems(route(.json, .long, taking: [("id", .key(FieldPath(["id"])))]), table)
        #expect(key.map(\.mend) == [.routing(.takeWhole(.key))])
        #expect(key.map(\.problem) == ["public.orders.id takes $key.id, and the keys are a number each"])
        // What no column says is not looked for in a text.
        #expect(problems(route(.text, taking: [("body", .value)]), table).isEmpty)
        #expect(!problems(route(.bytes, mode: .upsert, key: ["id"], taking: [("body", .value)]), table).isEmpty)
    }
}
