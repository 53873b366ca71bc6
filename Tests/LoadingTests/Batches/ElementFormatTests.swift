import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

/// The same orders in every format, and the same rows of their items.
@Suite("Elements in every format") struct ElementFormatTests {
    private static let rows = [
        ["1", "0", "a", "2", "x"], ["1", "1", "b", #"\N"#, #"\N"#], ["2", "0", "c", "5", #"\N"#],
    ]

    private func target(_ each: String, _ change: (inout Route) -> Void = { _ in }) throws -> Target {
        var route = Route.made(
            columns: [
                .init(name: "id", source: ColumnSource("$parent.id")), .init(name: "no", source: .index),
                .init(name: "sku"), .init(name: "qty", source: ColumnSource("detail.qty")),
                .init(name: "tag", source: ColumnSource("tags.0")),
                .init(name: "net"),
            ])
        route.rest = .none
        route.each = ElementPath(parsing: each)
        change(&route)
        return try .made(
            route,
            .made([
                .made("id", .int4), .made("no", .int4), .made("sku"), .made("qty", .int4), .made("tag"),
                .made("net", .inet),
            ]))
    }

    private func lines(_ messages: [[UInt8]], _ format: MessageFormat, each: String = "items") throws -> Batch {
        Batch.built(messages.map { (nil, $0) }, try target(each), format: format)
    }

    @Test("JSON")
    func json() throws {
        let messages = [
            #"{"id":1,"items":[{"sku":"a","detail":{"qty":2},"tags":["x","y"]},{"sku":"b","detail":null}]}"#,
            #"{"items":[{"detail":{"qty":5},"sku":"c","tags":[]}],"id":2}"#,
        ]
        #expect(try lines(messages.map { Array($0.utf8) }, .json).columns == Self.rows)
        #expect(try lines(messages.map { Array($0.utf8) }, .framed(.json, nil)).columns == Self.rows)
    }

    @Test("Kafka Connect's JSON with a schema")
    func connect() throws {
        let item =
            #"{"type":"struct","fields":[{"type":"string","field":"sku"},{"type":"struct","field":"detail","optional":true,"#
            + #""fields":[{"type":"int32","field":"qty","optional":true}]},{"type":"array","field":"tags","optional":true,"#
            + #""items":{"type":"string"}},{"type":"bytes","field":"raw","optional":true}]}"#
        let schema =
            #"{"type":"struct","fields":[{"type":"int32","field":"id"},{"type":"array","field":"items","items":\#(item)}]}"#
        let messages = [
            #"{"id":1,"items":[{"sku":"a","detail":{"qty":2},"tags":["x","y"],"raw":"AP8="},{"sku":"b","detail":null}]}"#,
            #"{"id":2,"items":[{"sku":"c","detail":{"qty":5},"tags":[]}]}"#,
        ].map { Array(#"{"schema":\#(schema),"payload":\#($0)}"#.utf8) }
        #expect(try lines(messages, .json).columns == Self.rows)
        #expect(try lines(messages, .framed(.json, nil)).columns == Self.rows)
    }

    @Test("MessagePack")
    func messagePack() throws {
        func text(_ text: String) -> [UInt8] { [0xA0 + UInt8(text.utf8.count)] + text.utf8 }
        let a =
            [0x83] + text("sku") + text("a") + text("detail") + [0x81] + text("qty") + [2]
            + text("tags") + [0x92] + text("x") + text("y")
        let b = [0x82] + text("sku") + text("b") + text("detail") + [0xC0]
        let c = [0x83] + text("detail") + [0x81] + text("qty") + [5] + text("sku") + text("c") + text("tags") + [0x90]
        let one = [0x82] + text("id") + [1] + text("items") + [0x92] + a + b
        let two = [0x82] + text("items") + [0x91] + c + text("id") + [2]
        #expect(try lines([one, two], .messagePack).columns == Self.rows)
    }

    @Test("Avro")
    func avro() throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"O","fields":[{"name":"id","type":"int"},{"name":"items","type":{"type":"array","#
                + #""items":{"type":"record","name":"I","fields":[{"name":"sku","type":"string"},{"name":"detail","type":["null","#
                + #"{"type":"record","name":"D","fields":[{"name":"qty","type":"int"}]}]},{"name":"tags","type":{"type":"array","#
                + #""items":"string"}}]}}}]}"#)
        let a: [UInt8] = [2, 0x61, 2, 4, 4, 2, 0x78, 2, 0x79, 0]
        let b: [UInt8] = [2, 0x62, 0, 0]
        let c: [UInt8] = [2, 0x63, 2, 10, 0]
        let one: [UInt8] = [2, 4] + a + b + [0]
        let two: [UInt8] = [4, 2] + c + [0]
        #expect(try lines([one, two], .avro(schema)).columns == Self.rows)
    }

    @Test("Protobuf")
    func protobuf() throws {
        let text = """
            syntax = "proto3";
            message Order { int32 id = 1; repeated Item items = 2; map<string, Item> named = 3; }
            message Item { string sku = 1; Detail detail = 2; repeated string tags = 3; }
            message Detail { optional int32 qty = 1; }
            """
        let schema = try ProtobufSchema(.text(Array(text.utf8)), named: "a.proto")
        func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
        let a = field(1, [0x61]) + field(2, [8, 2]) + field(3, [0x78]) + field(3, [0x79])
        let b = field(1, [0x62])
        let c = field(1, [0x63]) + field(2, [8, 5])
        let one = [8, 1] + field(2, a) + field(2, b)
        let two = field(2, c) + [8, 2]
        let message = try #require(schema.message(named: "Order"))
        #expect(try lines([one, two], .protobuf(schema, message: message)).columns == Self.rows)
        let named = [8, 1] + field(3, field(1, [0x6B]) + field(2, a))
        #expect(try lines([named], .protobuf(schema, message: message), each: "named.*").columns == [Self.rows[0]])
    }

    @Test("lines of CSV are rows, with a header or without")
    func csv() throws {
        var dialect = CSVDialect()
        dialect.hasHeader = true
        let target = try target("$value") { route in
            route.format = .csv
            route.columns = [
                .init(name: "sku"), .init(name: "qty"), .init(name: "no", source: .index), .init(name: "net"),
            ]
        }
        let messages = ["sku,qty\na,1\r\n\"b\n\",2\n\n", "sku,qty\n", "sku,qty\nc,3\nd\n"]
        let batch = Batch.built(messages.map { (nil, Array($0.utf8)) }, target, format: .csv(dialect, isMany: true))
        #expect(batch.columns == [["a", "1", "0"], [#"b\n"#, "2", "1"]])
        #expect(batch.deadLetters.map(\.message) == [2])
        #expect(batch.deadLetters.first?.reason == .badSyntax)
    }
}

extension Batch {
    /// Without the last one, which makes the table one of text COPY.
    fileprivate var columns: [[String]] { lines.map { Array($0.dropLast()) } }
}
