import Foundation
import Kafka
import Loading
import Postgres
import Records
import TestSupport
import Testing

/// Every format × every type, each value in the form that the format has for it, and in text where it has none.
@Suite("Types of every format")
struct FormatTypesTests {
    private struct Sample {
        var type: String
        var value: FormatValue
        /// As the server reads it.
        var literal: String

        init(_ type: String, _ value: FormatValue, _ literal: String) {
            (self.type, self.value, self.literal) = (type, value, literal)
        }
    }

    private static let digits = "12345678901234567890123456789012345678"

    /// Types with a binary encoder.
    private static let binary = [
        Sample("bool", .bool(true), "t"), Sample("int2", .int(-32768), "-32768"),
        Sample("int4", .int(2_147_483_647), "2147483647"),
        Sample("int8", .int(.min), "-9223372036854775808"), Sample("int8", .int(.max), "9223372036854775807"),
        Sample("numeric", .unsigned(.max), "18446744073709551615"),
        Sample("numeric", .decimal(digits, scale: 9), "12345678901234567890123456789.012345678"),
        Sample("numeric(38,38)", .decimal("-" + digits, scale: 38), "-0." + digits),
        Sample("numeric(12,2)", .decimal("-10", scale: 2), "-0.10"),
        Sample("numeric", .decimal("5", scale: -3), "5000"),
        Sample("float4", .double(1.5), "1.5"), Sample("float8", .double(0.1), "0.1"),
        Sample("text", .text("äöü 😀 \"\\\n\t,;"), "äöü 😀 \"\\\n\t,;"), Sample("text", .text(""), ""),
        Sample("varchar(5)", .text("äöüß😀"), "äöüß😀"), Sample("char(5)", .text("ab"), "ab"),
        Sample("bytea", .bytes([0, 0xFF, 0x5C]), #"\x00ff5c"#),
        Sample("uuid", .uuid((0..<16).map { $0 * 17 }), "00112233-4455-6677-8899-aabbccddeeff"),
        Sample("date", .day(20487), "2026-02-03"), Sample("date", .day(-719_162), "0001-01-01"),
        Sample("time", .clock(86_400_000_000), "24:00:00"), Sample("time", .clock(1), "00:00:00.000001"),
        Sample("timestamp", .local(-1), "1969-12-31 23:59:59.999999"),
        Sample("timestamptz", .instant(1_700_000_000_123_456), "2023-11-14 22:13:20.123456+00"),
        // Of nanoseconds what PostgreSQL has no place for is cut, towards the past.
        Sample("time", .clockNanos(45_296_000_001_999), "12:34:56.000001"),
        Sample("timestamp", .localNanos(1_700_000_000_123_456_789), "2023-11-14 22:13:20.123456"),
        Sample("timestamp", .localNanos(-1), "1969-12-31 23:59:59.999999"),
        Sample("timestamptz", .instantNanos(1_700_000_000_123_456_789), "2023-11-14 22:13:20.123456+00"),
        Sample("timestamptz", .instantNanos(-1), "1969-12-31 23:59:59.999999+00"),
        Sample("mood", .text("very glad"), "very glad"), Sample("even", .int(8), "8"),
        Sample("jsonb", .map([("a", .int(1)), ("é\"", .text("x"))]), #"{"a": 1, "é\"": "x"}"#),
        Sample("jsonb", .list([.list([.int(1)]), .list([])]), "[[1], []]"),
        Sample("int4[]", .list([.int(1), .null, .int(-3)]), "{1,NULL,-3}"), Sample("int8[]", .list([]), "{}"),
        Sample("text[]", .list([.text("a,b"), .text("{\"}"), .null, .text("")]), #"{"a,b","{\"}",NULL,""}"#),
        Sample("numeric(12,2)[]", .list([.decimal("124", scale: 2)]), "{1.24}"),
        Sample("date[]", .list([.day(0), .null]), "{1970-01-01,NULL}"),
        Sample("timestamptz[]", .list([.instant(0)]), "{1970-01-01 00:00:00+00}"),
    ]

    /// Types that the server reads itself.
    private static let other = [
        Sample("interval", .interval(months: 14, days: 2, milliseconds: 3000), "1 year 2 mons 2 days 00:00:03"),
        Sample("interval", .duration(3_500_000), "00:00:03.5"), Sample("interval", .duration(1), "00:00:00.000001"),
        Sample("timetz", .text("12:00+02"), "12:00+02"), Sample("inet", .text("10.0.0.1/8"), "10.0.0.1/8"),
        Sample("bit(4)", .text("1010"), "1010"), Sample("int4range", .text("[1,5)"), "[1,5)"),
        Sample("point", .text("(1,2)"), "(1,2)"), Sample("xml", .text("<a b=\"c\">d</a>"), "<a b=\"c\">d</a>"),
        Sample("pair", .map([("a", .int(7)), ("b", .text("x\"y"))]), #"(7,"x""y")"#),
        Sample("hstore", .map([("a", .text("x")), ("b c", .text("\""))]), #""a"=>"x", "b c"=>"\"""#),
        Sample("inet[]", .list([.text("10.0.0.1"), .null]), "{10.0.0.1,NULL}"),
        Sample("pair[]", .list([.map([("a", .int(1)), ("b", .null)])]), #"{"(1,)"}"#),
    ]

    private static let types = """
        \(SourceType.prerequisites) CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
        CREATE TYPE pair AS (a int, b text);
        """

    @Test("each value lands exactly, from every format, in binary COPY and in text COPY")
    func everyFormat() async throws {
        let server = try TestDatabase.shared().connect()
        let samples = Self.binary + Self.other.filter { server.makes($0.type) }
        let tables = MessageWriter.allCases.flatMap { [("\($0)_binary", Self.binary), ("\($0)_text", samples)] }
        let definitions = tables.map { name, samples in
            "CREATE TABLE \(name) ("
                + samples.enumerated().map { "c\($0) \($1.type)" }.joined(separator: ", ") + ")"
        }
        try await Scenario.with(Self.types + definitions.joined(separator: ";")) { scenario in
            let fields = samples.enumerated().map { FormatField(name: "c\($0)", value: $1.value, literal: $1.literal) }
            try await load(fields, in: scenario) { isBinary in
                (isBinary ? Self.binary : samples).enumerated().filter { $1.type == "jsonb" }.map { "c\($0.offset)" }
            }
            for (name, samples) in tables {
                let columns = samples.indices.map { "c\($0)::text" }.joined(separator: ", ")
                guard let result = try row(columns, of: name, in: scenario) else { continue }
                for (index, sample) in samples.enumerated() {
                    let expected = try scenario.connection.query(
                        "SELECT CAST($1 AS text)::\(sample.type)::text", [.text(sample.literal)])
                    #expect(result.string(0, index) == expected.string(0, 0), "\(sample.type) in \(name)")
                }
            }
        }
    }

    /// Loads one message in every format, by binary COPY and by text COPY, and expects no dead letter.
    ///
    /// - Parameter documents: columns of jsonb, in the tables that are loaded by binary COPY, or in the others.
    private func load(
        _ fields: [FormatField], in scenario: Scenario, documents: (_ isBinary: Bool) -> [String]
    ) async throws {
        var routes: [Route] = []
        for writer in MessageWriter.allCases {
            let topic = try scenario.topic([TestMessage(key: nil, bytes: try writer.message(fields))])
            for suffix in ["binary", "text"] {
                var route = Route(topic, "\(writer)_\(suffix)", label: "routes[\(routes.count)]")
                try writer.configure(&route, fields)
                if writer == .csv {
                    // A string in jsonb is a string, unless the route says that it is a document.
                    route.columns = documents(suffix == "binary").map { Route.Column(name: $0, decoding: .json) }
                }
                routes.append(route)
            }
        }
        try await scenario.load(routes)
        #expect(try scenario.deadLetters().map { "\($0.table): \($0.message)" } == [])
    }

    /// The one row of a table; nil, and an issue, where it has another number of them.
    private func row(_ columns: String, of table: String, in scenario: Scenario) throws -> QueryResult? {
        let result = try scenario.connection.query("SELECT \(columns) FROM \(table)")
        if result.rowCount == 1 { return result }
        Issue.record("\(table) has \(result.rowCount) rows")
        return nil
    }

    // MARK: What is nested

    /// A column of a value in a list, in a composite type, in an hstore or in JSON, and how the value is taken out again.
    private struct Wrapped {
        var column: String
        var type: String
        var value: FormatValue
        /// An SQL expression of the whole, of `$1` as the value's text.
        var whole: String
        /// What has to be the value.
        var part: String
        var sample: Sample
        var isBinary: Bool
    }

    private static func wrapped(_ samples: [Sample], hasHstore: Bool) -> [Wrapped] {
        samples.enumerated().flatMap { index, sample -> [Wrapped] in
            let value = FormatValue.nested(sample.value, literal: sample.literal)
            let type = sample.type
            let said = "CAST($1 AS text)::\(type)"
            func made(_ kind: String, _ of: String, _ value: FormatValue, _ whole: String, _ part: String) -> Wrapped {
                let isBinary = index < binary.count && kind != "c" && kind != "h"
                return Wrapped(
                    column: "\(kind)\(index)", type: of, value: value, whole: whole,
                    part: part.replacing("@", with: "\(kind)\(index)"), sample: sample, isBinary: isBinary)
            }
            let composite = made("c", "wrap\(index)", .map([("v", value)]), "ROW(\(said))::wrap\(index)", "(@).v")
            switch sample.value {
            case .list, .map: return [composite]
            default: break
            }
            let list = made("a", type + "[]", .list([value, value]), "ARRAY[\(said), \(said)]", "@[2]")
            // In both of these bytes are text of one kind or another.
            if case .bytes = sample.value { return [composite, list] }
            let json = made(
                "j", "jsonb", .map([("v", value)]), "jsonb_build_object('v', $1::text)", "(@ ->> 'v')::\(type)")
            guard hasHstore else { return [composite, list, json] }
            return [
                composite, list, json,
                made("h", "hstore", .map([("k", value)]), "hstore('k', $1)", "(@ -> 'k')::\(type)"),
            ]
        }
    }

    @Test("each value within a list, a composite type, an hstore or JSON lands exactly, from every format")
    func nested() async throws {
        let server = try TestDatabase.shared().connect()
        let samples = Self.binary + Self.other.filter { server.makes($0.type) }
        let all = Self.wrapped(samples, hasHstore: server.makes("hstore"))
        let tables = MessageWriter.allCases.flatMap { writer in
            [("\(writer)_binary", all.filter(\.isBinary)), ("\(writer)_text", all)]
        }
        let definitions =
            samples.enumerated().map { "CREATE TYPE wrap\($0) AS (v \($1.type))" }
            + tables.map { name, columns in
                "CREATE TABLE \(name) (" + columns.map { "\($0.column) \($0.type)" }.joined(separator: ", ") + ")"
            }
        try await Scenario.with(Self.types + definitions.joined(separator: ";")) { scenario in
            let fields = try all.map { wrapped in
                let whole = try scenario.connection.query(
                    "SELECT (\(wrapped.whole))::text", [.text(wrapped.sample.literal)])
                return FormatField(
                    name: wrapped.column, value: wrapped.value, literal: try #require(whole.string(0, 0)))
            }
            try await load(fields, in: scenario) { isBinary in
                all.filter { $0.type == "jsonb" && (!isBinary || $0.isBinary) }.map(\.column)
            }
            for (name, columns) in tables {
                let parts = columns.map { "(\($0.part))::text" }.joined(separator: ", ")
                guard let result = try row(parts, of: name, in: scenario) else { continue }
                for (index, wrapped) in columns.enumerated() {
                    let expected = try scenario.connection.query(
                        "SELECT CAST($1 AS text)::\(wrapped.sample.type)::text", [.text(wrapped.sample.literal)])
                    #expect(
                        result.string(0, index) == expected.string(0, 0),
                        "\(wrapped.sample.type) \(wrapped.sample.literal) as \(wrapped.type) in \(name)")
                }
            }
        }
    }

    // MARK: What does not fit

    @Test("what a column cannot hold is a dead letter that names it, for the same reason from every format")
    func refusals() async throws {
        let edges: [(sample: Sample, reason: String)] = [
            (Sample("int8", .unsigned(.max), "18446744073709551615"), "out_of_range"),
            (Sample("int8", .unsigned(1 << 63), "9223372036854775808"), "out_of_range"),
            (Sample("int4", .int(1 << 31), "2147483648"), "out_of_range"),
            (Sample("int2", .int(-32769), "-32769"), "out_of_range"),
            (Sample("numeric(4,2)", .decimal("12345", scale: 1), "1234.5"), "out_of_range"),
            (Sample("float4", .double(1e39), "1e39"), "out_of_range"),
            (Sample("varchar(3)", .text("abcd"), "abcd"), "too_long"),
            (Sample("text", .text("a\0b"), "a\0b"), "nul"), (Sample("uuid", .text("x"), "x"), "bad_syntax"),
            (Sample("jsonb", .map([("a b", .text("\0"))]), #"{"a b": "\u0000"}"#), "nul"),
            (Sample("int4[]", .list([.int(1), .int(1 << 31)]), "{1,2147483648}"), "out_of_range"),
        ]
        // Each in a table of its own, so that one that is refused hides no other; and once more where COPY is text.
        let tables = edges.indices.map { "CREATE TABLE e\($0) (c\($0) \(edges[$0].sample.type))" }
        let asText = edges.indices.map { "CREATE TABLE t\($0) (c\($0) \(edges[$0].sample.type), other inet)" }
        try await Scenario.with((tables + asText).joined(separator: ";")) { scenario in
            let fields = edges.enumerated().map { index, edge in
                FormatField(name: "c\(index)", value: edge.sample.value, literal: edge.sample.literal)
            }
            var routes: [Route] = []
            var writers: [String: MessageWriter] = [:]
            for writer in MessageWriter.allCases {
                let topic = try scenario.topic([TestMessage(key: nil, bytes: try writer.message(fields))])
                writers[topic] = writer
                for (index, edge) in edges.enumerated() {
                    for table in ["e\(index)", "t\(index)"] {
                        var route = Route(topic, table, label: "routes[\(routes.count)]")
                        try writer.configure(&route, fields)
                        if writer == .csv, edge.sample.type == "jsonb" {
                            route.columns = [Route.Column(name: "c\(index)", decoding: .json)]
                        }
                        routes.append(route)
                    }
                }
            }
            try await scenario.load(routes) { $0.deadLetters.maxShare = 1 }
            let found = try scenario.deadLetters().map { letter in
                "\(writers[letter.topic].map { "\($0)" } ?? "") \(letter.table).\(letter.column ?? "") \(letter.reason)"
            }
            let expected = MessageWriter.allCases.flatMap { writer in
                edges.enumerated().flatMap { index, edge in
                    ["e", "t"].map { "\(writer) \($0)\(index).c\(index) \(edge.reason)" }
                }
            }
            #expect(Set(found).symmetricDifference(expected).sorted() == [])
            #expect(found.count == expected.count)
        }
    }
}
