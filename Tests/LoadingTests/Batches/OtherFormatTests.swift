import Kafka
import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

/// What a format other than JSON brings is a decoder; everything behind it is the same.
@Suite("A format other than JSON") struct OtherFormatTests {
    private static func type(_ oid: UInt32, _ name: String) -> PostgresType {
        PostgresType(oid: oid, name: name, formatted: name)
    }

    private static let array = PostgresType(
        oid: 1007, name: "_int4", formatted: "integer[]", shape: .array(of: .int4))

    private func batch(
        _ messages: [(key: [UInt8]?, value: [UInt8]?)], _ target: Target, format: MessageFormat = .tagged,
        keyFormat: MessageFormat = .tagged
    ) -> Batch {
        Batch.built(messages, target, format: format, keyFormat: keyFormat)
    }

    private static let kinds: [(column: String, type: PostgresType, field: [UInt8], text: String)] = [
        ("i", .int4, TaggedMessage.word(.integer, -7), "-7"),
        ("u", .numeric, TaggedMessage.word(.unsigned, -1), "18446744073709551615"),
        ("d", type(701, "float8"), TaggedMessage.word(.double, Int64(bitPattern: 0.1.bitPattern)), "0.1"),
        ("f", type(700, "float4"), TaggedMessage.word(.float, Int64(Float(1.5).bitPattern)), "1.5"),
        ("p", .text, TaggedMessage.decimal([0x30, 0x39], scale: 2), "123.45"),
        ("b", type(17, "bytea"), TaggedMessage.bytes(.bytes, [0, 0xFF]), #"\\x00ff"#),
        ("day", type(1082, "date"), TaggedMessage.word(.day, 20487), "2026-02-03"),
        ("clock", type(1083, "time"), TaggedMessage.word(.timeOfDay, 1_500_000), "00:00:01.5"),
        ("at", type(1184, "timestamptz"), TaggedMessage.word(.instant, 0), "1970-01-01 00:00:00+00"),
        ("local", type(1114, "timestamp"), TaggedMessage.word(.localTime, -1), "1969-12-31 23:59:59.999999"),
        ("id", type(2950, "uuid"), TaggedMessage.uuid(0, 1), "00000000-0000-0000-0000-000000000001"),
        ("s", .text, TaggedMessage.text(.string, "é\t"), #"é\t"#),
        ("name", .text, TaggedMessage.symbol("PAID", 2), "PAID"),
        ("number", .int4, TaggedMessage.symbol("PAID", 2), "2"),
        ("n", .numeric, TaggedMessage.text(.number, "1.50"), "1.50"),
        ("t", type(16, "bool"), [Field.Kind.true.rawValue], "t"), ("none", .int4, [Field.Kind.null.rawValue], #"\N"#),
        ("l", array, TaggedMessage.list(TaggedMessage.word(.integer, 1), [Field.Kind.null.rawValue]), #"{"1",NULL}"#),
        (
            "r", .jsonb,
            TaggedMessage.record(
                ("a", TaggedMessage.list(TaggedMessage.word(.day, 0))), ("b", TaggedMessage.bytes(.bytes, [1]))),
            #"{"a":["1970-01-01"],"b":"AQ=="}"#
        ),
    ]

    @Test("each kind of field becomes what its column holds, in text COPY and in binary COPY")
    func kinds() throws {
        var message = TaggedMessage()
        for kind in Self.kinds { message.add(kind.column, kind.field) }
        message.add("v", TaggedMessage.interval(1, 2, 3_000_000))
        let columns = Self.kinds.map { Table.Column.made($0.column, $0.type) }
        let text = try Target.made(.made(), .made(columns + [.made("v", Self.type(1186, "interval"))]))
        #expect(text.format == .text)
        let lines = batch([(nil, message.bytes)], text).lines
        #expect(lines == [Self.kinds.map(\.text) + ["P1M2DT3S"]])
        let binary = try Target.made(.made(), .made(columns))
        #expect(binary.format == .binary)
        let loaded = batch([(nil, message.bytes)], binary)
        #expect(loaded.deadLetters.isEmpty)
        #expect(loaded.sections.map(\.rows.count) == [1])
    }

    @Test("a field's kind is a value's of the same name, and one that is absent is null")
    func sameKinds() {
        #expect(InputValue.Kind(.absent) == .null)
        for kind in Field.Kind.allCases.dropFirst() { #expect("\(InputValue.Kind(kind))" == "\(kind)") }
        #expect(InputValue.Kind.allCases.count + 1 == Field.Kind.allCases.count)
    }

    @Test("a path leads into a record, and what is absent there is absent")
    func paths() throws {
        let route = Route.made(columns: [
            .init(name: "a", source: .field(FieldPath(["r", "a"]))),
            .init(name: "b", source: .field(FieldPath(["r", "b"]))),
        ])
        let target = try Target.made(route, .made([.made("a", .int4), .made("b", .int4), .made("x", .inet)]))
        let message = TaggedMessage(("r", TaggedMessage.record(("a", TaggedMessage.word(.integer, 5)))))
        #expect(batch([(nil, message.bytes)], target).lines == [["5", #"\N"#, #"\N"#]])
    }

    @Test("what is nested as deep as a decoder follows becomes JSON")
    func depth() throws {
        var list = TaggedMessage.list()
        for _ in 1..<1024 { list = TaggedMessage.list(list) }
        let target = try Target.made(.made(), .made([.made("l", .jsonb), .made("x", .inet)]))
        let text = String(repeating: "[", count: 1024) + String(repeating: "]", count: 1024)
        #expect(batch([(nil, TaggedMessage(("l", list)).bytes)], target).lines == [[text, #"\N"#]])
    }

    @Test("a message that is not of the format is a dead letter in the decoder's own words")
    func refusals() throws {
        let target = try Target.made(.made(), .made([.made("i", .int4)]))
        let cut = Array(TaggedMessage(("i", TaggedMessage.word(.integer, 5))).bytes.dropLast())
        let letters = batch([(nil, Array("?".utf8)), (nil, cut), (nil, Array("{}".utf8)), (nil, [])], target)
            .deadLetters
        #expect(
            letters.map(\.explanation) == [
                "the message is no tagged message, at byte 0", "the message ends too early",
                "the message is JSON, and no tagged one", "the message is no tagged message, at byte 0",
            ])
        #expect(letters.allSatisfy { $0.reason == .badSyntax })
    }

    @Test("a dead letter names the kind that was found")
    func foundKinds() throws {
        let type = Self.type(1184, "timestamptz")
        let found: [([UInt8], String)] = [
            (TaggedMessage.decimal([1], scale: 0), "a number is no timestamptz where nothing says what it counts"),
            (TaggedMessage.uuid(0, 0), "expects timestamptz, found UUID"),
            (TaggedMessage.word(.timeOfDay, 0), "expects timestamptz, found time of day"),
            (TaggedMessage.list(), "expects timestamptz, found array"),
            (TaggedMessage.bytes(.bytes, [0]), "expects timestamptz, found byte string"),
            (TaggedMessage.word(.instant, .max), "the instant is beyond timestamptz"),
            (TaggedMessage.word(.localTime, 0), "has no offset and the route names no zone"),
        ]
        let target = try Target.made(.made(), .made([.made("at", type)]))
        for (field, words) in found {
            let letters = batch([(nil, TaggedMessage(("at", field)).bytes)], target).deadLetters
            #expect(letters.first?.explanation.contains(words) == true, "\(words): \(letters)")
        }
    }

    @Test("a key has a format of its own, and its lists are opened by its own decoder")
    func keys() throws {
        let list = TaggedMessage.list(TaggedMessage.word(.integer, 4), TaggedMessage.list())
        let key = TaggedMessage(
            ("id", TaggedMessage.list(TaggedMessage.word(.integer, 4))), ("doc", TaggedMessage.record(("a", list)))
        ).bytes
        let route = Route.made(columns: [
            .init(name: "ids", source: .key(FieldPath(["id"]))), .init(name: "doc", source: .key(FieldPath(["doc"]))),
            .init(name: "name", source: .field(FieldPath(["name"])), trims: true),
        ])
        let columns: [Table.Column] = [
            .made("ids", Self.array), .made("doc", .jsonb), .made("name"), .made("x", .inet),
        ]
        let target = try Target.made(route, .made(columns))
        let value = Array(#"{"name": " n "}"#.utf8)
        let lines = batch([(key, value)], target, format: .json).lines
        #expect(lines == [[#"{"4"}"#, #"{"a":[4,[]]}"#, "n", #"\N"#]])
    }

    @Test("a plain key is what its bytes are, and no JSON, unless its format is")
    func plainKeys() throws {
        let target = try Target.made(
            .made(mode: .upsert, key: ["id"]), .made([.made("id"), .made("x", .inet)], key: ["id"]))
        let quoted = Array(#""k""#.utf8)
        #expect(batch([(quoted, nil)], target).lines == [[#""k""#]])
        #expect(batch([(quoted, nil)], target, keyFormat: .json).lines == [["k"]])
        let route = Route.made(columns: [.init(name: "id", source: .key(FieldPath(["id"])), isRequired: true)])
        let required = try Target.made(route, .made([.made("id")]))
        let letters = batch([(quoted, TaggedMessage().bytes)], required).deadLetters
        #expect(letters.first?.explanation.hasSuffix("the message's key has no fields") == true, "\(letters)")
    }

    @Test("`null_if` compares the text of a value of any kind")
    func nullIf() throws {
        let route = Route.made(columns: [.init(name: "v", nullIf: ["-1", "1970-01-01", "0.10", "NaN", "aé"])])
        let target = try Target.made(route, .made([.made("v", .text), .made("x", .inet)]))
        let fields: [[UInt8]] = [
            TaggedMessage.word(.integer, -1), TaggedMessage.word(.day, 0), TaggedMessage.decimal([10], scale: 2),
            TaggedMessage.word(.double, Int64(bitPattern: Double.nan.bitPattern)), TaggedMessage.text(.bytes, "aé"),
        ]
        for field in fields {
            #expect(batch([(nil, TaggedMessage(("v", field)).bytes)], target).lines == [[#"\N"#, #"\N"#]])
        }
        let other = TaggedMessage(("v", TaggedMessage.decimal([10], scale: 1))).bytes
        #expect(batch([(nil, other)], target).lines == [["1.0", #"\N"#]])
    }
}

extension Batch {
    /// A batch of messages in any format, and their rows.
    static func built(
        _ messages: [(key: [UInt8]?, value: [UInt8]?)], _ target: Target, format: MessageFormat,
        keyFormat: MessageFormat = .json, headers: [(String, [UInt8])] = []
    ) -> Batch {
        let batch = Batch()
        let plan = MessagePlan(targets: [0], of: [target], format: format, keyFormat: keyFormat)
        let builder = RowBuilder(plan: plan, targets: [target])
        let range = batch.addRange(of: TopicPartition(topic: "orders", partition: 0), expected: 0)
        for (offset, message) in messages.enumerated() {
            let start = batch.arena.count
            for bytes in [message.value, message.key] { bytes?.withUnsafeBytes { batch.arena.append($0) } }
            let beforeHeaders = batch.arena.count
            for (name, value) in headers {
                for bytes in [Array(name.utf8), value] {
                    batch.arena.append(Int32(bytes.count))
                    bytes.withUnsafeBytes { batch.arena.append($0) }
                }
            }
            let place = batch.append(
                Batch.MessageRecord(
                    partition: range, offset: Int64(offset), timestamp: 0, start: start,
                    valueCount: message.value.map { Int32($0.count) } ?? -1,
                    keyCount: message.key.map { Int32($0.count) } ?? -1,
                    headersCount: Int32(batch.arena.count - beforeHeaders)))
            batch.advance(range, past: Int64(offset))
            builder.build(place, in: batch)
        }
        return batch
    }
}
