import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("MessagePack, CBOR and CSV in rows")
struct ItemFormatTests {
    private static func type(_ oid: UInt32, _ name: String) -> PostgresType {
        PostgresType(oid: oid, name: name, formatted: name)
    }

    private static let array = PostgresType(oid: 1007, name: "_int4", formatted: "int4[]", shape: .array(of: .int4))
    private static let pair = PostgresType(
        oid: 90001, name: "pair", formatted: "pair",
        shape: .composite(attributes: [.init(name: "a", type: .int4), .init(name: "b", type: .text)]))

    private static let columns: [Table.Column] = [
        .made("id", .int8), .made("total", .numeric), .made("at", type(1184, "timestamptz")),
        .made("raw", type(17, "bytea")),
        .made("tags", array), .made("doc", .jsonb), .made("both", pair), .made("h", type(90002, "hstore")),
        .made("none"), .made("all", .jsonb), .made("bytes", type(17, "bytea")),
    ]

    private func built(
        _ format: MessageFormat, _ columns: [Table.Column], _ messages: [(key: [UInt8]?, value: [UInt8]?)]
    ) throws -> Batch {
        let route = Route.made(
            columns: [
                .init(name: "all", source: .value), .init(name: "bytes", source: .value),
            ].filter { column in columns.contains { $0.name == column.name } })
        return Batch.built(messages, try .made(route, .made(columns)), format: format)
    }

    private static func text(_ text: String, _ short: UInt8) -> [UInt8] { [short + UInt8(text.utf8.count)] + text.utf8 }

    @Test("a message of MessagePack is a row, and all of it a document")
    func messagePack() throws {
        func text(_ text: String) -> [UInt8] { Self.text(text, 0xA0) }
        let nested = [0x82] + text("a") + [7] + text("b") + text("x")
        let message =
            [0x88] + text("id") + [0xD3, 0, 0, 0, 1, 0, 0, 0, 0] + text("total") + text("1.50")
            + text("at") + [0xD6, 0xFF, 0, 0, 0, 1] + text("raw") + [0xC4, 2, 0, 0xFF]
            + text("tags") + [0x92, 1, 0xC0] + text("doc") + nested + text("both") + nested + text("h") + nested
        let batch = try built(.messagePack, Self.columns, [(nil, message)])
        #expect(batch.deadLetters.isEmpty, "\(batch.deadLetters)")
        let named = try #require(batch.lines.first)
        // The columns that the route names come first.
        let row = Array(named[2...] + named[..<2])
        #expect(
            row[..<9] == [
                "4294967296", "1.50", "1970-01-01 00:00:01+00", #"\\x00ff"#, #"{"1",NULL}"#, #"{"a":7,"b":"x"}"#,
                #"("7","x")"#, #""a"=>"7","b"=>"x""#, #"\N"#,
            ])
        #expect(row[9].contains(#""tags":[1,null],"doc":{"a":7,"b":"x"}"#))
        #expect(row[10] == #"\\x"# + message.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
        let bad = try built(.messagePack, Array(Self.columns.dropLast(2)), [(nil, [0x81]), (nil, [7])])
        #expect(bad.deadLetters.map(\.reason) == [.badSyntax, .notAnObject])
        #expect(
            bad.deadLetters.map(\.explanation) == [
                "the message is no MessagePack (it ends too early), at byte 1",
                "the message is MessagePack, but no map",
            ])
    }

    @Test("a message of CBOR is a row, and all of it a document")
    func cbor() throws {
        func text(_ text: String) -> [UInt8] { Self.text(text, 0x60) }
        let nested = [0xA2] + text("a") + [7] + text("b") + text("x")
        let message =
            [0xBF] + text("id") + [0x1B, 0, 0, 0, 1, 0, 0, 0, 0] + text("total") + [0xC4, 0x82, 0x21, 0x18, 150]
            + text("at") + [0xC1, 1] + text("raw") + [0x42, 0, 0xFF] + text("tags") + [0x9F, 1, 0xF6, 0xFF]
            + text("doc") + nested + text("both") + nested + text("h") + nested + [0xFF]
        let batch = try built(.cbor, Self.columns, [(nil, message)])
        #expect(batch.deadLetters.isEmpty, "\(batch.deadLetters)")
        let named = try #require(batch.lines.first)
        // The columns that the route names come first.
        let row = Array(named[2...] + named[..<2])
        #expect(
            row[..<9] == [
                "4294967296", "150e-2", "1970-01-01 00:00:01+00", #"\\x00ff"#, #"{"1",NULL}"#, #"{"a":7,"b":"x"}"#,
                #"("7","x")"#, #""a"=>"7","b"=>"x""#, #"\N"#,
            ])
        #expect(row[9].contains(#""total":1.50,"at":"1970-01-01T00:00:01Z""#))
    }

    @Test("a record of CSV is a row, all of it a document for jsonb and the line that it is for text")
    func csv() throws {
        var dialect = CSVDialect()
        dialect.fields = ["id", "total", "at", "none"]
        let columns: [Table.Column] = [
            .made("id", .int8), .made("total", .numeric), .made("at", Self.type(1184, "timestamptz")), .made("none"),
            .made("all", .jsonb), .made("bytes", .text), .made("x", .inet),
        ]
        let line = #"7,1.50,"2024-01-01T00:00:00Z","#
        let batch = try built(.csv(dialect), columns, [(nil, Array(line.utf8)), (nil, Array("7,8".utf8))])
        #expect(
            batch.lines == [
                [
                    #"{"id":"7","total":"1.50","at":"2024-01-01T00:00:00Z","none":null}"#, line, "7", "1.50",
                    "2024-01-01 00:00:00+00", #"\N"#, #"\N"#,
                ]
            ])
        #expect(
            batch.deadLetters.map(\.explanation) == [
                "the message is a record of CSV with 2 fields, and 4 are named, at byte 3"
            ])
        #expect(batch.deadLetters.map(\.reason) == [.badSyntax])
    }

    @Test("keys in MessagePack and CBOR have fields, or are a value that finds a row to delete")
    func keys() throws {
        let cases: [(MessageFormat, [UInt8], [UInt8])] = [
            (.messagePack, [0x81] + Self.text("id", 0xA0) + [5], [0xCD, 1, 0]),
            (.cbor, [0xA1] + Self.text("id", 0x60) + [5], [0x19, 1, 0]),
        ]
        let target = try Target.made(
            .made(mode: .upsert, key: ["id"]), .made([.made("id", .int8), .made("x", .inet)], key: ["id"]))
        for (format, record, plain) in cases {
            let batch = Batch.built(
                [(record, nil), (plain, nil), ([0xC1], nil)], target, format: .json, keyFormat: format)
            #expect(batch.lines == [["5"], ["256"]])
            #expect(batch.deadLetters.count == 1)
        }
    }
}
