import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Types")
struct TypesTests {
    /// A column's type, a value as JSON says it, and the same as an SQL literal.
    private struct Sample {
        var type: String
        var json: String
        var literal: String

        init(_ type: String, _ json: String, _ literal: String) {
            (self.type, self.json, self.literal) = (type, json, literal)
        }
    }

    /// Types with a binary encoder: one of them without would make the table's COPY text.
    private static let binary = [
        Sample("bool", "true", "t"), Sample("int2", "-32768", "-32768"), Sample("int4", "2147483647", "2147483647"),
        Sample("int8", "-9223372036854775808", "-9223372036854775808"), Sample("int8", "1e3", "1000"),
        Sample("float4", "1.5e-3", "1.5e-3"), Sample("float8", "0.1", "0.1"), Sample("float8", "\"NaN\"", "NaN"),
        Sample("numeric", "12345678901234567890.123456789", "12345678901234567890.123456789"),
        Sample("numeric(12,2)", "1.005", "1.005"), Sample("numeric(12,2)", "\"-0.10\"", "-0.10"),
        Sample("text", #""äöü 😀 \"\\\n\t""#, "äöü 😀 \"\\\n\t"), Sample("text", "12.50", "12.50"),
        Sample("varchar(5)", #""äöüß😀""#, "äöüß😀"), Sample("char(5)", #""ab""#, "ab"),
        Sample("bytea", #""\\x00ff""#, #"\x00ff"#),
        Sample("uuid", #""A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11""#, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        Sample("date", #""2024-02-29""#, "2024-02-29"), Sample("time", #""23:59:59.999999""#, "23:59:59.999999"),
        Sample("timestamp", #""2024-02-29T12:34:56.123456""#, "2024-02-29 12:34:56.123456"),
        Sample("timestamptz", #""2024-02-29T12:34:56.123456+05:30""#, "2024-02-29 12:34:56.123456+05:30"),
        Sample("timestamptz", #""infinity""#, "infinity"),
        Sample("json", #"{"b": 1.0, "a": [null]}"#, #"{"b": 1.0, "a": [null]}"#),
        Sample("jsonb", #"{"b": 1.0, "a": [null, "ä\n"]}"#, #"{"b": 1.0, "a": [null, "ä\n"]}"#),
        Sample("jsonb", #""a string""#, #""a string""#), Sample("jsonb", "12.50", "12.50"),
        Sample("mood", #""very glad""#, "very glad"), Sample("even", "8", "8"), Sample("short", #""abc""#, "abc"),
        Sample("bool[]", "[true, null, false]", "{t,NULL,f}"), Sample("int4[]", "[[1,2],[3,4]]", "{{1,2},{3,4}}"),
        Sample("int8[]", "[]", "{}"), Sample("numeric(12,2)[]", "[1.239]", "{1.24}"),
        Sample("text[]", #"["a,b", "{\"}", "NULL", null, ""]"#, #"{"a,b","{\"}","NULL",NULL,""}"#),
        Sample("uuid[]", #"["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]"#, "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"),
        Sample("timestamptz[]", #"["2024-01-01T00:00:00Z"]"#, "{2024-01-01 00:00:00+00}"),
        Sample("date[]", #"["2024-01-01", null]"#, "{2024-01-01,NULL}"),
        Sample("jsonb[]", #"[{"a": [1]}, 2]"#, #"{"{\"a\": [1]}",2}"#), Sample("bytea[]", #"["\\x01"]"#, #"{"\\x01"}"#),
        Sample("mood[]", #"["calm", null]"#, "{calm,NULL}"), Sample("even[]", "[2, 4]", "{2,4}"),
    ]

    /// Types that the server reads itself.
    private static let other = [
        Sample("inet", #""10.0.0.1/8""#, "10.0.0.1/8"), Sample("cidr", #""10.0.0.0/8""#, "10.0.0.0/8"),
        Sample("macaddr", #""08:00:2b:01:02:03""#, "08:00:2b:01:02:03"),
        Sample("interval", #""1 day 02:03""#, "1 day 02:03"),
        Sample("money", "\"12.50\"", "12.50"), Sample("bit(4)", #""1010""#, "1010"), Sample("varbit", #""101""#, "101"),
        Sample("int4range", #""[1,5)""#, "[1,5)"),
        Sample("tstzrange", #""[2024-01-01,2024-01-02)""#, "[2024-01-01,2024-01-02)"),
        Sample("tsvector", #""a fat cat""#, "a fat cat"), Sample("xml", #""<a b=\"c\">d</a>""#, #"<a b="c">d</a>"#),
        Sample("point", #""(1,2)""#, "(1,2)"), Sample("box", #""(1,2),(3,4)""#, "(1,2),(3,4)"),
        Sample("polygon", #""((0,0),(1,1),(2,0))""#, "((0,0),(1,1),(2,0))"),
        Sample("timetz", #""12:00+02""#, "12:00+02"),
        Sample("oid", "42", "42"),
        Sample("hstore_like", #"{"sku": "a\"b", "count": 2, "tags": ["x"]}"#, #"("a""b",2,{x})"#),
        Sample("hstore_like", #""(a,2,{x})""#, "(a,2,{x})"),
        Sample("hstore_like[]", #"[{"sku": "a,b", "unknown": 1}, null]"#, #"{"(\"a,b\",,)",NULL}"#),
        Sample("inet[]", #"["10.0.0.1", null]"#, "{10.0.0.1,NULL}"), Sample("inet[]", #""{10.0.0.1}""#, "{10.0.0.1}"),
        Sample("macaddr[]", #"["08:00:2b:01:02:03"]"#, "{08:00:2b:01:02:03}"),
        Sample("interval[]", #"["1 day", "2 mons"]"#, #"{"1 day","2 mons"}"#),
        Sample("money[]", #"["1.50"]"#, "{1.50}"),
        Sample("bit(2)[]", #"["10"]"#, "{10}"), Sample("varbit[]", #"["1"]"#, "{1}"),
        Sample("int4range[]", #"["[1,5)"]"#, #"{"[1,5)"}"#), Sample("tsvector[]", #"["a b"]"#, #"{"'a' 'b'"}"#),
        Sample("xml[]", #"["<a/>"]"#, "{<a/>}"), Sample("point[]", #"["(1,2)", "(3,4)"]"#, #"{"(1,2)","(3,4)"}"#),
        Sample("box[]", #"["(1,2),(3,4)", "(0,0),(1,1)"]"#, "{(3,4),(1,2);(1,1),(0,0)}"),
        Sample("mood", #""very glad""#, "very glad"), Sample("even", "\"6\"", "6"),
        Sample("net", #""10.0.0.1""#, "10.0.0.1"),
    ]

    @Test("every type takes what the server itself reads: one table copied in binary, one as text, one staged")
    func everyType() async throws {
        let types = """
            CREATE TYPE mood AS ENUM ('calm', 'very glad');
            CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
            CREATE DOMAIN short AS varchar(3);
            CREATE DOMAIN net AS inet;
            CREATE TYPE hstore_like AS (sku text, count int, tags text[]);
            """
        let server = try TestDatabase.shared().connect()
        let other = Self.other.filter { server.makes($0.type) }
        // The binary types go as text, too, in the table that has both.
        let tables = [
            ("as_binary", Self.binary), ("as_text", Self.binary + other), ("staged", Self.binary),
            ("staged_as_text", Self.binary + other),
        ]
        let definitions = tables.map { name, samples in
            "CREATE TABLE \(name) (id int PRIMARY KEY, "
                + samples.enumerated().map { "c\($0) \($1.type)" }.joined(separator: ", ") + ")"
        }
        try await Scenario.with(types + definitions.joined(separator: ";")) { scenario in
            let fields = (Self.binary + other).enumerated().map { "\"c\($0)\": \($1.json)" }
            let topic = try scenario.topic([
                TestMessage(key: nil, value: "{\"id\": 1, " + fields.joined(separator: ", ") + "}"),
                TestMessage(key: nil, value: #"{"id": 2}"#),
            ])
            try await scenario.load(
                tables.map { name, _ in Route(topic, name, mode: name.hasPrefix("staged") ? .upsert : .insert) })
            #expect(try scenario.deadLetters().map(\.message) == [])
            for (name, samples) in tables {
                let columns = samples.indices.map { "c\($0)::text" }.joined(separator: ", ")
                let result = try scenario.connection.query("SELECT \(columns) FROM \(name) ORDER BY id")
                try #require(result.rowCount == 2, "\(name)")
                for (index, sample) in samples.enumerated() {
                    let expected = try scenario.connection.query(
                        "SELECT CAST($1 AS text)::\(sample.type)::text", [.text(sample.literal)])
                    #expect(
                        result.string(0, index) == expected.string(0, 0), "\(sample.type) \(sample.json) in \(name)")
                    #expect(result.isNull(1, index))
                }
            }
        }
    }
}
