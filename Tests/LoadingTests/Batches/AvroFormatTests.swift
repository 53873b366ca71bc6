import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Messages in Avro") struct AvroFormatTests {
    private static func type(_ oid: UInt32, _ name: String) -> PostgresType {
        PostgresType(oid: oid, name: name, formatted: name)
    }

    private static let ints = PostgresType(
        oid: 1007, name: "_int4", formatted: "integer[]", shape: .array(of: .int4))

    private static func varint(_ value: Int64) -> [UInt8] {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        var bytes: [UInt8] = []
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private static func text(_ text: String) -> [UInt8] { varint(Int64(text.utf8.count)) + Array(text.utf8) }

    private static func meant(_ base: String, _ logical: String, _ more: String = "") -> String {
        #"{"type":\#(base),"logicalType":"\#(logical)"\#(more)}"#
    }

    private static func fixed(_ name: String, _ size: Int, _ logical: String) -> String {
        #"{"type":"fixed","name":"\#(name)","size":\#(size),"logicalType":"\#(logical)"}"#
    }

    private static let item =
        #"{"type":"record","name":"I","fields":[{"name":"sku","type":"string"},{"name":"price","type":"#
        + #"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},{"name":"at","type":["null","#
        + #"{"type":"int","logicalType":"date"}]}]}"#

    private static let fields: [(schema: String, message: [UInt8], type: PostgresType, text: String)] = [
        ("\"boolean\"", [1], type(16, "bool"), "t"), ("\"int\"", varint(-7), .int4, "-7"),
        ("\"long\"", varint(.min), .int8, "-9223372036854775808"),
        ("\"long\"", varint(.max), .numeric, "9223372036854775807"),
        ("\"float\"", [0, 0, 0xC0, 0x3F], type(700, "float4"), "1.5"),
        ("\"double\"", [0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F], type(701, "float8"), "0.1"),
        ("\"bytes\"", [4, 0, 0xFF], type(17, "bytea"), #"\\x00ff"#), ("\"string\"", text("é\t"), .text, #"é\t"#),
        ("\"null\"", [], .int4, #"\N"#), (#"["null","int"]"#, [0], .int4, #"\N"#),
        (#"["int","string"]"#, [2] + text("8"), .int4, "8"),
        (#"{"type":"enum","name":"E","symbols":["new","paid"]}"#, [2], .text, "paid"),
        (meant("\"bytes\"", "decimal", #","precision":38,"scale":9"#), [4, 0xCF, 0xC7], .numeric, "-12345e-9"),
        (
            #"{"type":"fixed","name":"D","size":3,"logicalType":"decimal","precision":6,"scale":2}"#, [0, 0x30, 0x39],
            .text, "123.45"
        ),
        (
            meant("\"string\"", "uuid"), text("00112233-4455-6677-8899-AABBCCDDEEFF"), type(2950, "uuid"),
            "00112233-4455-6677-8899-AABBCCDDEEFF"
        ),
        (
            fixed("U", 16, "uuid"), [0] + Array(repeating: 0x11, count: 15), type(2950, "uuid"),
            "00111111-1111-1111-1111-111111111111"
        ),
        (meant("\"int\"", "date"), varint(20487), type(1082, "date"), "2026-02-03"),
        (meant("\"int\"", "time-millis"), varint(86_400_000), type(1083, "time"), "24:00:00"),
        (meant("\"long\"", "time-micros"), varint(1_500_000), type(1083, "time"), "00:00:01.5"),
        (meant("\"long\"", "timestamp-millis"), varint(-1), type(1184, "timestamptz"), "1969-12-31 23:59:59.999+00"),
        (meant("\"long\"", "timestamp-micros"), varint(1), type(1114, "timestamp"), "1970-01-01 00:00:00.000001"),
        (meant("\"long\"", "timestamp-nanos"), varint(-1), type(1184, "timestamptz"), "1969-12-31 23:59:59.999999+00"),
        (
            meant("\"long\"", "local-timestamp-micros"), varint(-1), type(1114, "timestamp"),
            "1969-12-31 23:59:59.999999"
        ),
        (
            #"{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}"#, varint(9_223_372_036_825_200_000),
            type(1114, "timestamp"), "infinity"
        ),
        (
            #"{"type":"bytes","connect.name":"io.debezium.data.Bits","connect.parameters":{"length":"10"}}"#,
            [4, 5, 2],
            .text, "1000000101"
        ),
        (#"{"type":"array","items":["null","int"]}"#, [4, 2, 2, 0, 0], ints, #"{"1",NULL}"#),
        (
            #"{"type":"array","items":\#(item)}"#, [2] + text("a\"b") + [4, 0x30, 0x39, 2] + varint(20487) + [0],
            .jsonb,
            #"[{"sku":"a\\"b","price":123.45,"at":"2026-02-03"}]"#
        ),
        (
            #"{"type":"map","values":["null","long","string"]}"#,
            [4] + text("n") + [0] + text("é") + [4] + text("x") + [0], .jsonb, #"{"n":null,"é":"x"}"#
        ),
    ]

    @Test("each type of Avro becomes what its column holds, in text COPY and in binary COPY")
    func types() throws {
        let members = Self.fields.enumerated().map { #"{"name":"c\#($0)","type":\#($1.schema)}"# }
        let schema = try AvroSchema(
            #"{"type":"record","name":"R","fields":[\#(members.joined(separator: ","))]}"#)
        let message = Self.fields.flatMap(\.message)
        let columns = Self.fields.enumerated().map { Table.Column.made("c\($0)", $1.type) }
        let text = try Target.made(.made(), .made(columns + [.made("none", .inet)]))
        #expect(text.format == .text)
        let lines = Batch.built([(nil, message)], text, format: .avro(schema)).lines
        #expect(lines == [Self.fields.map(\.text) + [#"\N"#]])
        let binary = try Target.made(.made(), .made(columns))
        #expect(binary.format == .binary)
        let loaded = Batch.built([(nil, message)], binary, format: .avro(schema))
        #expect(loaded.deadLetters.isEmpty)
        #expect(loaded.sections.map(\.rows.count) == [1])
    }

    @Test("a message of another schema is a dead letter in the decoder's own words, without a value")
    func refusals() throws {
        let schema = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"i","type":"int"}]}"#)
        let target = try Target.made(.made(), .made([.made("i", .int4)]))
        let letters = Batch.built([(nil, [2, 0]), (nil, [0x80]), (nil, [])], target, format: .avro(schema)).deadLetters
        #expect(
            letters.map(\.explanation) == [
                "the message is no Avro of its schema (something stands behind it), at byte 1",
                "the message is no Avro of its schema (it ends too early), at byte 0", "the message is empty",
            ])
    }

    @Test("a key in Avro has fields where its type is a record")
    func keys() throws {
        let key = try AvroSchema(#"{"type":"record","name":"K","fields":[{"name":"id","type":"long"}]}"#)
        let target = try Target.made(
            .made(mode: .upsert, key: ["id"]), .made([.made("id", .int8), .made("x", .inet)], key: ["id"]))
        #expect(Batch.built([([14], nil)], target, format: .avro(key), keyFormat: .avro(key)).lines == [["7"]])
    }
}
