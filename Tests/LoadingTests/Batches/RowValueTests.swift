import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Values of a row")
struct RowValueTests {
    private static let timestamptz = PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamp with time zone")
    private static let bytea = PostgresType(oid: 17, name: "bytea", formatted: "bytea")

    /// What becomes of messages in a table that is copied as text, so that it can be read.
    private func batch(
        _ values: [String?], key: String? = nil, headers: [(String, String)] = [], timestamp: Int64 = 0,
        _ columns: [Table.Column], primaryKey: [String] = [], _ route: Route = .made()
    ) throws -> Batch {
        let target = try Target.made(route, .made(columns + [.made("net", .inet)], key: primaryKey))
        return Batch.filled(values.map { (key, $0) }, for: target, headers: headers, timestamp: timestamp)
    }

    private func from(_ name: String, _ source: ColumnSource, decoding: Decoding = .none) -> Route.Column {
        Route.Column(name: name, source: source, decoding: decoding)
    }

    // MARK: Sources

    @Test("a message's own time that its microseconds cannot hold, or PostgreSQL, is out of range and no other year")
    func absurdTimestamp() throws {
        let route = Route.made(onNoFields: .load, columns: [from("at", .timestamp)])
        for time in [1_700_000_000_000_000_000, Int64.max, Int64.min + 1, 9_300_000_000_000_000] as [Int64] {
            for type in [Self.timestamptz, .int8, .text] {
                let batch = try batch(["{}"], timestamp: time, [.made("at", type)], route)
                let overflows = time.multipliedReportingOverflow(by: 1000).overflow
                guard overflows || type == Self.timestamptz || type == .text else { continue }
                #expect(batch.deadLetters.map(\.reason) == [.outOfRange], "\(time) into \(type.formatted)")
            }
        }
        let good = try batch(["{}"], timestamp: 1_700_000_000_000, [.made("at", Self.timestamptz)], route)
        #expect(good.lines == [["2023-11-14 22:13:20+00", #"\N"#]])
    }

    @Test("a key, value and header of JSON are that JSON in json and jsonb; what is none is a dead letter")
    func jsonOfSources() throws {
        let columns = ["k", "v", "h"].map { Table.Column.made($0, .jsonb) }
        let route = Route.made(
            rest: .none,
            columns: [from("k", .key(nil)), from("v", .value), from("h", .header("ctx")), from("net", .header("no"))])
        func rows(_ value: String, _ key: String, _ header: String) throws -> Batch {
            try batch([value], key: key, headers: [("ctx", header)], columns, route)
        }
        #expect(
            try rows(#"[1]"#, #"{"a": 1}"#, #"{"tenant": "x"}"#).lines
                == [[#"{"a": 1}"#, "[1]", #"{"tenant": "x"}"#, #"\N"#]])
        #expect(try rows("1", "null", #""text""#).lines == [[#"\N"#, "1", #""text""#, #"\N"#]])
        #expect(try rows("\u{FEFF}{}", "\u{FEFF}1", "true").lines == [["1", "{}", "true", #"\N"#]])
        for (value, key, header, column) in [
            ("1", "1", "abc", "h"), ("1", "abc", "1", "k"), ("{", "1", "1", "v"), ("1", "1,2", "1", "k"),
            ("1", "1", "", "h"), ("1", "1] , [1", "1", "k"),
        ] {
            let letters = try rows(value, key, header).deadLetters
            #expect(letters.map(\.reason) == [.badSyntax])
            #expect(letters.map(\.column) == [column])
        }
    }

    @Test("strings and headers are decoded where the column says so")
    func decoding() throws {
        let columns: [Table.Column] = [.made("doc", .jsonb), .made("raw", Self.bytea), .made("h", Self.bytea)]
        let route = Route.made(columns: [
            Route.Column(name: "doc", decoding: .json), Route.Column(name: "raw", decoding: .base64),
            from("h", .header("h"), decoding: .hex),
        ])
        let good = try batch(
            [#"{"doc":"{\"name\": [1, \"Peng\"]}","raw":"AP8BAg=="}"#], headers: [("h", "00ff")], columns, route)
        #expect(good.lines == [[#"{"name": [1, "Peng"]}"#, #"\\x00ff0102"#, #"\\x00ff"#, #"\N"#]])
        let bad = try batch(
            [#"{"doc":"{\"name\""}"#, #"{"raw":"%"}"#, #"{"doc":"1 2"}"#, #"{"doc":""}"#], columns, route)
        #expect(bad.deadLetters.map(\.reason) == [.badSyntax, .badSyntax, .badSyntax, .badSyntax])
        #expect(bad.deadLetters.map(\.column) == ["doc", "raw", "doc", "doc"])
    }

    @Test("epochs in strings and headers are read by the unit")
    func epochs() throws {
        let route = Route.made(columns: [
            Route.Column(name: "a", epochUnit: .milliseconds),
            Route.Column(name: "h", source: .header("ts"), epochUnit: .milliseconds),
        ])
        let batch = try batch(
            [#"{"a":"1706702400123"}"#, #"{"a":1706702400123}"#], headers: [("ts", "1706702400000")],
            [.made("a", Self.timestamptz), .made("h", Self.timestamptz)], route)
        let row = ["2024-01-31 12:00:00.123+00", "2024-01-31 12:00:00+00", #"\N"#]
        #expect(batch.lines == [row, row])
    }

    // MARK: Messages without fields

    @Test("a message with none of the routed fields is a dead letter, unless the route loads such")
    func noFields() throws {
        let columns: [Table.Column] = [.made("id", .int4), .made("name", default: "'x'")]
        let values = [#"{"orderId":1}"#, "{}", #"{"id":null}"#, #"{"name":"a"}"#]
        let refused = try batch(values, columns)
        #expect(refused.deadLetters.map(\.reason) == [.noFields, .noFields])
        #expect(refused.deadLetters.map(\.message) == [0, 1])
        #expect(refused.sections.map(\.rows.count).reduce(0, +) == 2)
        let loaded = try batch(values, columns, .made(onNoFields: .load))
        #expect(loaded.deadLetters.isEmpty)
        // That the key is not there says less.
        let keyed = try batch(
            ["{}", #"{"name":"a"}"#], [.made("id", .int4), .made("name")], primaryKey: ["id"], .made(mode: .upsert))
        #expect(keyed.deadLetters.map(\.reason) == [.noFields, .null])
    }

    @Test("a key's fields are fields, and what stands in no message's fields is none")
    func fieldsOfTheKey() throws {
        let columns: [Table.Column] = [.made("id", .int4), .made("name"), .made("nr", .int8)]
        let byKey = Route.made(columns: [from("id", .key(FieldPath(["id"]))), from("nr", .offset)])
        #expect(try batch(["{}"], key: #"{"id":7}"#, columns, byKey).lines == [["7", "0", #"\N"#, #"\N"#]])
        #expect(try batch(["{}"], key: #"{"x":7}"#, columns, byKey).deadLetters.map(\.reason) == [.noFields])
        #expect(try batch(["{}"], key: "7", columns, byKey).deadLetters.map(\.reason) == [.noFields])
        // A route that takes no field at all has none to miss.
        let coordinates = Route.made(rest: .none, columns: [from("nr", .offset), from("name", .value)])
        #expect(try batch(["{}"], columns, coordinates).deadLetters.isEmpty)
    }

    // MARK: Names

    @Test("a column whose name PostgreSQL has cut takes the field of the whole name")
    func cutNames() throws {
        let long = "a_rather_long_name_of_a_field_that_an_upstream_service_has_chosen_for_it"
        let umlauts = String(repeating: "ü", count: 40)
        let columns: [Table.Column] = [.made(String(long.prefix(63))), .made(String(umlauts.prefix(31)))]
        let batch = try batch(
            [
                #"{"\#(long)":"a","\#(umlauts)":"b"}"#, #"{"\#(long.prefix(63))":"own","\#(long)":"other"}"#,
                #"{"\#(long)":"first","\#(long)2":"last"}"#, #"{"\#(long.prefix(62))":"shorter"}"#,
            ], columns)
        #expect(batch.lines == [["a", "b", #"\N"#], ["own", #"\N"#, #"\N"#], ["last", #"\N"#, #"\N"#]])
        #expect(batch.deadLetters.map(\.reason) == [.noFields])
    }

    @Test("in snake case a column takes the fields that are spelled otherwise, its own name before all")
    func snakeCase() throws {
        let columns: [Table.Column] = [.made("customer_name"), .made("id", .int4), .made("http_status2", .int4)]
        func lines(_ values: [String], _ route: Route = .made(names: .snakeCase)) throws -> [[String]] {
            try batch(values, columns, route).lines.map { Array($0.prefix(3)) }
        }
        #expect(
            try lines([
                #"{"customerName":"a","ID":1,"HTTPStatus2":5}"#, #"{"CustomerName":"b"}"#, #"{"customer-name":"c"}"#,
                #"{"CUSTOMER_NAME":"d"}"#, #"{"customer_name":"own","customerName":"x"}"#,
                #"{"customerName":"x","customer_name":"own"}"#, #"{"customerName":"x","CustomerName":"last"}"#,
            ]) == [
                ["a", "1", "5"], ["b", #"\N"#, #"\N"#], ["c", #"\N"#, #"\N"#], ["d", #"\N"#, #"\N"#],
                ["own", #"\N"#, #"\N"#], ["own", #"\N"#, #"\N"#], ["last", #"\N"#, #"\N"#],
            ])
        // An expression is what it says, also where its name is a column's.
        let route = Route.made(names: .snakeCase, columns: [from("id", .field(FieldPath(["customer_name"])))])
        #expect(try lines([#"{"customerName":"a","customer_name":"7"}"#], route) == [["7", "7", #"\N"#]])
        #expect(try lines([#"{"customerName":"a"}"#], route) == [[#"\N"#, "a", #"\N"#]])
        #expect(try batch([#"{"customerName":"a"}"#], columns).deadLetters.map(\.reason) == [.noFields])
    }

    @Test("two routes of a topic each find fields in their own way")
    func namesOfEachRoute() throws {
        let table = Table.made([.made("customer_name"), .made("net", .inet)])
        let exact = try Target.compile(.made(onNoFields: .load), index: 0, table: table).get()
        let snake = try Target.compile(.made(names: .snakeCase), index: 1, table: table).get()
        let batch = Batch.filled([(nil, #"{"customerName":"a"}"#)], for: [exact, snake])
        #expect(batch.lines.map { $0[0] }.sorted() == [#"\N"#, "a"])
    }

    // MARK: Tombstones

    @Test("null and empty values are tombstones where the route says so, and else the letter says what came")
    func tombstoneForms() throws {
        let columns: [Table.Column] = [.made("id", .int4), .made("v")]
        let values: [String?] = ["null", "", nil, " null\n", "nullx"]
        let route = Route.made(mode: .upsert, tombstones: [.jsonNull, .empty])
        let deleted = try batch(values, key: "7", columns, primaryKey: ["id"], route)
        #expect(deleted.deadLetters.map(\.reason) == [.invalidJSON])
        #expect(deleted.lines.map { $0[0] } == ["7", "7", "7", "7"])
        #expect(deleted.sections.filter { $0.kind == .tombstones }.map(\.rows.count) == [4])
        let one = try batch(values, key: "7", columns, primaryKey: ["id"], .made(mode: .upsert, tombstones: [.empty]))
        #expect(one.deadLetters.map(\.reason) == [.notAnObject, .notAnObject, .invalidJSON])
        let none = try batch(values, key: "7", columns, primaryKey: ["id"], .made(mode: .upsert))
        #expect(none.deadLetters.map(\.reason) == [.notAnObject, .invalidJSON, .notAnObject, .invalidJSON])
        #expect(none.deadLetters[0].explanation == "the message is JSON null")
        #expect(none.deadLetters[1].explanation == "the message is empty")
    }

    // MARK: What is no JSON

    @Test("a byte order mark is passed over")
    func byteOrderMark() throws {
        #expect(try batch(["\u{FEFF}{\"id\":4}"], [.made("id", .int4)]).lines == [["4", #"\N"#]])
    }

    @Test(
        "the letter says what a value is that is no JSON object, by its first bytes",
        arguments: [
            ([0, 0, 0, 0, 7, 2, 6, 0x61], "schema id 7, as of Avro or Protobuf"),
            ([0, 0, 0, 1, 2] + Array("{\"id\":2}".utf8), "schema id 258, and JSON behind it"),
            ([1] + Array(repeating: 9, count: 20), "01 and a schema's GUID"),
            ([3, 0] + Array(repeating: 9, count: 20), "AWS Glue"),
            ([0xC3, 1] + Array(repeating: 9, count: 12), "single-object"),
            ([0x4F, 0x62, 0x6A, 1, 4], "Avro file"), ([0x1F, 0x8B, 8, 0], "gzip"),
            ([0x28, 0xB5, 0x2F, 0xFD, 1], "zstd"),
            ([0xFF, 0xFE, 0x7B, 0], "UTF-16"), ([0x7B, 0, 0x22, 0], "UTF-16"),
            ([8, 0x96, 1, 0x12], "begins with byte 08"),
            (Array("{\"id\":7}\n{\"id\":8}\n".utf8), "several JSON texts"),
            (Array("{\"id\":7}".utf8) + [0], "zero byte"),
            (Array("[{\"id\":1}]".utf8), "an array"), (Array("\"{}\"".utf8), "written as JSON twice?"),
            (Array("{'id': 1}".utf8), "is not valid JSON, at byte 1"),
        ] as [([UInt8], String)])
    func foreignPayloads(value: [UInt8], words: String) throws {
        let target = try Target.made(.made(), .made([.made("id", .int4)]))
        let batch = Batch()
        let builder = RowBuilder(plan: MessagePlan(targets: [0], of: [target], format: .json), targets: [target])
        let range = batch.addRange(of: .init(topic: "t", partition: 0), expected: 0)
        let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
        let place = value.withUnsafeBytes { batch.append(value: $0, key: noKey, offset: 0, range: range) }
        builder.build(place, in: batch)
        #expect(batch.deadLetters.count == 1)
        #expect(batch.deadLetters.first?.explanation.contains(words) == true, "\(batch.deadLetters)")
    }
}
