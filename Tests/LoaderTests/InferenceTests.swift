import Foundation
import Kafka
import Loading
import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loader
@testable import Operating

@Suite("Inference")
struct InferenceTests {
    /// 2026-06-01.
    private static let now = Date(timeIntervalSince1970: 1_780_272_000)

    private typealias Message = (key: [UInt8]?, value: [UInt8]?)

    private func message(_ value: String?, key: String? = nil) -> Message {
        (key.map { Array($0.utf8) }, value.map { Array($0.utf8) })
    }

    private func propose(
        _ messages: [Message], _ reading: TopicProfile.Reading = .json, nesting: TableProposal.Nesting = .flatten,
        key: TableProposal.KeyChoice = .automatic
    ) throws -> TableProposal {
        try TableProposal(
            topic: "orders", table: TableName(schema: "public", name: "orders"),
            TopicProfile(Batch.holding(messages), reading), nesting: nesting, key: key, now: Self.now)
    }

    /// The type of the field `f` that has these values.
    private func type(_ values: String..., name: String = "f") throws -> TypeProposal? {
        try propose(values.map { message(#"{"\#(name)": \#($0)}"#) }).columns.first?.proposal
    }

    // MARK: Types

    @Test(
        "a field's values decide its type",
        arguments: [
            (["true", "null"], ColumnType.boolean), (["1", "-7"], .integer), (["1", "1000001"], .bigint),
            (["9223372036854775807"], .bigint), (["9223372036854775808"], .numeric), (["1.10", "2"], .numeric),
            (["1e3"], .numeric), (["\"a\""], .text), (["\"01234\""], .text), (["\"12.50\""], .text),
            (["\"7d444840-9dc0-11d1-b245-5ffdce74fad2\""], .uuid),
            (["\"7d444840-9dc0-11d1-b245-5ffdce74fad2\"", "\"x\""], .text), (["\"2026-02-28\""], .date),
            (["\"2026-02-30\""], .text),
            (["\"2026-02-28T12:00:00Z\"", "\"2026-02-28 12:00:00.123+02\""], .timestamptz),
            (["\"2026-02-28T12:00:00\""], .timestamp),
            (["\"2026-02-28T12:00:00\"", "\"2026-02-28T12:00:00Z\""], .text),
            (["[1]"], .jsonb), (["1", "\"a\""], .text), (["true", "1"], .text), (["1", "[1]"], .jsonb),
            (["{}"], .jsonb), (["null"], .text), (["\"\"", "\"2026-02-28\""], .text),
        ])
    func types(values: [String], expected: ColumnType) throws {
        let columns = try propose(values.map { message(#"{"f": \#($0)}"#) }).columns
        #expect(columns.map(\.proposal.type) == [expected])
    }

    @Test("a number is a time only if its name says so and all of them fit one unit; the route then has the unit")
    func epochs() throws {
        #expect(try type("1767225600", "1767225601", name: "created_at")?.unit == .seconds)
        #expect(try type("1767225600000", name: "createdAt")?.unit == .milliseconds)
        #expect(try type("1767225600000000", name: "ts")?.unit == .microseconds)
        #expect(try type("1767225600000000000", name: "time_ns")?.unit == .nanoseconds)
        #expect(try type("1767225600000", name: "amount")?.type == .bigint)
        #expect(try type("1767225600000", "0", name: "created_at")?.type == .bigint)
        #expect(try type("1767225600000", "1767225600", name: "created_at")?.unit == nil)
        #expect(try type("250", name: "time_ms")?.type == .integer)
    }

    @Test(
        "a few values that widen a type are said in the column's comment, and at the head of the migration",
        arguments: [
            ("f", "\"2026-02-28T12:00:00Z\"", "\"n/a\"", ColumnType.text, "timestamptz but for 4 of 2000 values"),
            ("f", "\"2026-02-28\"", "\"soon\"", .text, "date but for 4 of 2000 values"),
            ("f", "\"7d444840-9dc0-11d1-b245-5ffdce74fad2\"", "\"\"", .text, "uuid but for 4 of 2000 values"),
            (
                "createdAt", "1767225600000", "0", .bigint,
                "a number of milliseconds since 1970, but for 4 of 2000 values"
            ),
            (
                "createdAt", "1767225600000", "9999999999999", .bigint,
                "a number of milliseconds since 1970, but for some that lie beyond ten years from now"
            ),
            ("f", "12", "\"many\"", .text, "mixed: 1996 numbers, 4 strings"),
            ("f", "12", "{}", .jsonb, "mixed: 1996 numbers, 4 objects"),
            ("f", "\"2026-02-28\"", "\"2026-02-30\"", .text, "date but for 4 of 2000 values"),
        ])
    func widened(name: String, usual: String, odd: String, type: ColumnType, words: String) throws {
        let values = Array(repeating: usual, count: 1996) + Array(repeating: odd, count: 4)
        let proposal = try propose(values.map { message(#"{"\#(name)": \#($0)}"#) })
        #expect(proposal.columns.map(\.proposal.type) == [type])
        #expect(proposal.columns[0].proposal.reason == words)
        #expect(proposal.refused == 0)
        let head = "a few values have decided types: \(proposal.columns[0].name) is \(type.rawValue): \(words)."
        #expect(proposal.widenedWords?.hasPrefix(head) == true)
        let migration = proposal.migration().replacing("\n-- ", with: " ")
        #expect(migration.contains(head) && migration.contains("; " + words))
    }

    @Test("an identifier has room to grow")
    func identifiers() throws {
        #expect(try type("1", name: "id")?.type == .bigint)
        #expect(try type("1", name: "customerId")?.type == .bigint)
        #expect(try type("1", name: "count")?.type == .integer)
    }

    @Test("U+0000, which no column holds, is replaced by the route, and the comment says so")
    func nul() throws {
        let proposal = try propose([message(#"{"note": "a\u0000b"}"#), message(#"{"note": "c"}"#)])
        #expect(proposal.columns[0].proposal.replacesNul)
        #expect(proposal.route.contains("note: { from: note, on_nul: replace }"))
        #expect(proposal.migration().contains("U+0000"))
    }

    @Test("a few values that do not fit decide the type too, so that all load; the comment counts them")
    func outliers() throws {
        func comment(_ values: [String]) throws -> String? {
            try propose(values.map { message(#"{"f": \#($0)}"#) }).columns[0].proposal.reason
        }
        let ten = [String](repeating: "1", count: 40)
        #expect(try comment(ten + ["{}"]) == "mixed: 40 numbers, 1 objects")
        #expect(try comment(ten + ["1.5"]) == "bigint but for 1 of 41 values")
        #expect(try comment([#""2026-02-28""#, #""2026-02-30""#]) == "date but for 1 of 2 values")
    }

    @Test(
        "a column's type is what 999 of 1000 values fit; the comment and the summary say what the few others become",
        arguments: [
            // How many of what, among how many of what else: the type, and what is said of the few.
            (
                2997, "\"2026-02-28T12:00:00Z\"", 3, "\"soon\"", ColumnType.timestamptz,
                "3 strings that are no timestamptz"
            ),
            (6000, "12.5", 2, "{}", .numeric, "2 objects"),
            (6000, "7", 1, "\"n/a\"", .integer, "1 string that is no integer"),
            (2000, "\"2026-02-28\"", 1, "\"2026-02-30\"", .date, "1 string"),
            (2000, "true", 2, "[]", .boolean, "2 arrays"),
            // Too many, too few to judge by, and what the wider type takes without a loss.
            (1000, "12.5", 3, "{}", .jsonb, ""), (900, "12.5", 1, "{}", .jsonb, ""),
            (2000, "7", 1, "1.5", .numeric, ""), (2000, "\"a\"", 1, "7", .text, ""),
            (2000, "[]", 2, "7", .jsonb, ""),
        ])
    func nearlyAll(
        count: Int, usual: String, few: Int, odd: String, expected: ColumnType, words: String
    ) throws {
        let odd = [Message](repeating: message(#"{"f": \#(odd)}"#), count: few)
        let proposal = try propose([Message](repeating: message(#"{"f": \#(usual)}"#), count: count) + odd)
        let column = proposal.columns[0]
        #expect(column.proposal.type == expected)
        #expect(column.misfits.count == (words.isEmpty ? 0 : few))
        guard !words.isEmpty else { return #expect(proposal.refusedWords == nil) }
        #expect(column.misfits.words(column.proposal.type).hasPrefix(words))
        // Else `on_error: null` would be no way out.
        #expect(!column.isNotNull)
        let text = proposal.migration(showsValues: false)
        #expect(text.contains("\(few) of \(count + few) will be dead letters: \(words)"))
        #expect(text.contains(", the first at orders[0]@\(count)"))
        #expect(text.contains("-- \(few) of \(count + few) sampled messages will be dead letters (f: \(words)"))
        #expect(!text.contains("soon") && !text.contains("n/a") && !text.contains("02-30"))
    }

    @Test("a number named like a time is one if nearly all values are, and the comment counts the others")
    func nearlyAllEpochs() throws {
        let proposal = try propose(
            [Message](repeating: message(#"{"created_at": 1767225600000}"#), count: 2997)
                + [Message](repeating: message(#"{"created_at": 0}"#), count: 3))
        #expect(proposal.columns[0].proposal.unit == .milliseconds)
        #expect(proposal.columns[0].proposal.reason?.hasSuffix("but for 3 of 3000") == true)
    }

    // MARK: Schemas

    /// Orders in Avro, each value of a type of its own.
    private static let schema = """
        {"type": "record", "name": "Order", "fields": [
          {"name": "id", "type": "long", "doc": "The shop's number; it's never used twice."},
          {"name": "small", "type": {"type": "int", "connect.type": "int16"}},
          {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
          {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
          {"name": "day", "type": {"type": "int", "logicalType": "date"}},
          {"name": "score", "type": ["null", "double"]},
          {"name": "raw", "type": "bytes"},
          {"name": "tags", "type": {"type": "array", "items": "string"}},
          {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
            {"name": "name", "type": "string"}, {"name": "since", "type": ["null", "int"]}]}},
          {"name": "extra", "type": {"type": "map", "values": "string"}},
          {"name": "either", "type": ["string", "long"]}]}
        """

    private static func order(_ id: UInt8) -> [UInt8] {
        // Zigzag: an even number is twice the value.
        [2 * id, 4] + [4, 0x04, 0xD2] + [0x80, 0x80, 0xE2, 0xB3, 0xE0, 0x67] + [0xA0, 0x9C, 0x02] + [0]
            + [2, 0xFF] + [2, 2, 0x61, 0] + [2, 0x62, 2, 2] + [0] + [2, 14]
    }

    @Test("where messages have a schema, its types and its words are the columns', whatever the sample shows")
    func schema() throws {
        let schema = try AvroSchema(Self.schema)
        let reading = TopicProfile.Reading(.avro(schema), keys: .json)
        let messages = (1...40).map { (key: Array("\($0)".utf8) as [UInt8]?, value: Self.order(UInt8($0)) as [UInt8]?) }
        let proposal = try propose(messages, reading)
        #expect(proposal.profile.broken == 0 && proposal.refused == 0)
        #expect(
            proposal.columns.map { "\($0.name) \($0.proposal.sql)\($0.isNotNull ? " not null" : "")" } == [
                "id bigint not null", "small smallint not null", "total numeric(12,2) not null",
                "at timestamptz not null", "day date not null", "score double precision", "raw bytea not null",
                "tags text[] not null", "customer_name text not null", "customer_since integer", "extra jsonb not null",
                "either jsonb not null",
            ])
        #expect(proposal.key == ["id"], "the key is the number as text")
        let text = proposal.migration()
        #expect(text.contains("-- bytes (decimal(12,2)); always"))
        #expect(text.contains("COMMENT ON COLUMN public.orders.id IS 'The shop''s number; it''s never used twice.';"))
        #expect(proposal.route.contains("customer_name: customer.name"))
    }

    @Test("what cannot be read is counted, with the place and the words of the first")
    func unreadable() throws {
        let reading = TopicProfile.Reading(.framed(.json, nil), keys: .json)
        let framed: (key: [UInt8]?, value: [UInt8]?) = (nil, [0, 0, 0, 0, 7, 2])
        let proposal = try propose([message(#"{"a": 1}"#), framed, framed], reading)
        #expect(proposal.profile.broken == 2)
        #expect(
            proposal.migration().contains(
                "-- 2 more would be dead letters, the first, orders[0]@1, names schema 7 of a registry"))
    }

    // MARK: Names

    @Test("names become columns that PostgreSQL takes, each once, and the route leads back to the field")
    func names() throws {
        let long = String(repeating: "länge", count: 20)
        let fields = [
            "orderId", "order_id", "order-id", "select", "xmin", "1st", "größe", "a.b", "$x", "c\\d", "", "💥", long,
            long + "2",
        ]
        let members = fields.map { "\(jsonString($0)): 1" }.joined(separator: ", ")
        let proposal = try propose([message("{\(members)}")])
        let names = proposal.columns.map(\.name)
        #expect(
            Array(names.prefix(11))
                == [
                    "order_id", "order_id_2", "order_id_3", "select", "xmin_", "_1st", "größe", "a_b", "x", "c_d",
                    "field",
                ])
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.utf8.count <= 63 })
        #expect(proposal.unroutable == 1, "a field without a name")
        for column in proposal.columns {
            #expect(ColumnSource(column.source) == .field(FieldPath(column.path)), "\(column.source)")
        }
        #expect(proposal.migration().contains(#""select" "#) && proposal.migration().contains(#""größe" "#))
    }

    @Test("a YAML scalar is read back as it was, whatever it holds")
    func yaml() throws {
        for text in [
            "plain", "on", "null", "1", "a: b", "#x", "it's", "\"q\"", "${HOME}", "$${x}", "tab\there", "- x", "größe",
        ] {
            let yaml = """
                kafka: { brokers: b, group: \(TableProposal.yaml(text)) }
                postgres: { url: "host=x" }
                routes: [{ topic: t, table: t }]
                """
            #expect(try Configuration(ConfigurationSources(file: ("f", yaml))).loading.group == text)
        }
    }

    // MARK: Objects

    @Test("an object is flattened one level deep, unless it is asked for whole or its names are values")
    func nesting() throws {
        let messages = (0..<20).map {
            message(#"{"customer": {"id": \#($0), "address": {"city": "x"}}, "labels": {"k\#($0)": 1}}"#)
        }
        let flat = try propose(messages)
        #expect(flat.columns.map(\.name) == ["customer_id", "customer_address", "labels"])
        #expect(flat.columns.map(\.proposal.type) == [.bigint, .jsonb, .jsonb])
        #expect(flat.columns[0].source == "customer.id")
        #expect(try propose(messages, nesting: .jsonb).columns.map(\.name) == ["customer", "labels"])
        let sometimes = try propose([message(#"{"c": {"id": 1}}"#), message(#"{"c": "none"}"#)])
        #expect(sometimes.columns.map(\.proposal.type) == [.jsonb])
    }

    @Test("NOT NULL is what every one of many messages has, and the key")
    func nullability() throws {
        let few = try propose((0..<5).map { message(#"{"id": \#($0), "v": 1}"#) })
        #expect(few.columns.map(\.isNotNull) == [true, false])
        let many = try propose((0..<40).map { message(#"{"id": \#($0), "v": 1, "n": \#($0 == 3 ? "null" : "1")}"#) })
        #expect(many.columns.map(\.isNotNull) == [true, true, false])
    }

    // MARK: The key

    @Test("the message's key, where it equals a field: plain, as a JSON string, or as a JSON object")
    func messageKey() throws {
        let plain = try propose((0..<3).map { message(#"{"v": 1, "order_id": "o\#($0)"}"#, key: "o\($0)") })
        #expect(plain.key == ["order_id"] && plain.isKeyOfMessage && plain.mode == .upsert)
        #expect(plain.columns[0].name == "order_id", "the key leads")
        let number = try propose([message(#"{"id": 17}"#, key: "17")])
        #expect(number.key == ["id"])
        let quoted = try propose([message(#"{"id": "a"}"#, key: #""a""#)])
        #expect(quoted.key == ["id"])
        let object = try propose([
            message(#"{"region": "eu", "v": 1, "nr": 5}"#, key: #"{"nr": 5, "region": "eu"}"#),
            message(#"{"region": "us", "v": 1, "nr": 5}"#, key: #"{"nr": 5, "region": "us"}"#),
        ])
        #expect(object.key == ["nr", "region"])
        #expect(object.migration().contains("PRIMARY KEY (nr, region)"))
        let once = try propose([message(#"{"id": "a"}"#, key: "a"), message(#"{"id": "b"}"#, key: "c")])
        #expect(once.key == ["id"] && !once.isKeyOfMessage, "equal once is not equal")
    }

    @Test("else a field named like an id that never repeats, else none; and each time the reason")
    func otherKeys() throws {
        let unique = try propose((0..<3).map { message(#"{"v": \#($0), "event_id": \#($0)}"#, key: "k") })
        #expect(unique.key == ["event_id"])
        #expect(unique.onTombstone == .skip, "the message's key does not name the row")
        let repeated = try propose([message(#"{"id": 1}"#), message(#"{"id": 1}"#)])
        #expect(repeated.key.isEmpty && repeated.mode == .insert && repeated.onTombstone == nil)
        let tombstones = try propose([message(#"{"v": 1}"#), message(nil, key: "x")])
        #expect(tombstones.onTombstone == .skip)
        #expect(repeated.migration().contains("-- Key: no key"))
    }

    @Test("a key that repeats beside an id that does not is proposed with the doubt")
    func doubtfulKey() throws {
        let events = try propose((0..<4).map { message(#"{"customer": "c", "event_id": \#($0)}"#, key: "c") })
        #expect(events.key == ["customer"])
        #expect(events.keyReason.contains("--key event_id"))
    }

    @Test("a key that is asked for by field or column; one that is not there is refused with the nearest")
    func chosenKey() throws {
        let messages = [message(#"{"orderId": 1, "v": 2}"#)]
        #expect(try propose(messages, key: .columns(["orderId"])).key == ["order_id"])
        #expect(try propose(messages, key: .columns(["order_id"])).key == ["order_id"])
        #expect(try propose(messages, key: .none).key.isEmpty)
        let unknown = #expect(throws: TableProposal.UnknownKey.self) {
            try propose(messages, key: .columns(["orderid"]))
        }
        #expect(unknown?.near == "orderId")
    }

    // MARK: What is printed

    @Test("the statistics stand in the comments, values only where they are wanted")
    func comments() throws {
        let proposal = try propose(
            (0..<10).map { message(#"{"nr": \#($0), "p": \#($0).25\#($0 < 5 ? #", "t": "abc""# : "")}"#) }
                + [message(nil), message("{")])
        let text = proposal.migration()
        #expect(text.contains("always; all different; 0 to 9"))
        #expect(text.contains("0.25 to 9.25; up to 2 decimals"))
        #expect(text.contains("missing in 50 %; 1 distinct; 3 characters"))
        #expect(text.contains("from 10 messages") && text.contains("1 more were tombstones"))
        #expect(text.contains("1 more would be dead letters, the first, orders[0]@"))
        #expect(!proposal.migration(showsValues: false).contains("9.25"))
    }

    @Test("a route whose fields are named like the columns needs no list of them")
    func plainRoute() throws {
        let proposal = try propose([message(#"{"id": 1, "v": "x"}"#, key: "1")])
        #expect(proposal.route == "  - topic: orders\n    table: public.orders\n    mode: upsert\n")
        let configuration = try Configuration(
            ConfigurationSources(
                file: ("loader.yaml", proposal.configuration(group: "g")),
                environment: ["KAFKA_BROKERS": "b", "DATABASE_URL": "host=x"]))
        #expect(configuration.loading.routes.count == 1)
    }

    @Test("the migration is one that `loader migrate` reads, whatever a field is called")
    func migrationFile() throws {
        let proposal = try propose([message(#"{"a\n-- migrate:down\nDROP TABLE x;": 1, "b": 2}"#)])
        let file = try MigrationFile(name: "0002_orders.sql", contents: proposal.migration())
        #expect(file.name == "0002_orders.sql")
        #expect(proposal.migration().split(separator: "\n").count { $0 == "-- migrate:down" } == 1)
    }

    // MARK: Change events

    @Test(
        "of change events the row is what counts: its fields, its types, the key of both; deletions are no broken messages"
    )
    func changeEvents() throws {
        let changes = (1...40).map { id in
            message(
                #"{"before": null, "after": {"id": \#(id), "total": "1\#(id).50", "note": null}, "source": {"lsn": 7}, "#
                    + #""op": "\#(id % 2 == 0 ? "c" : "u")", "ts_ms": 1767225600000}"#, key: #"{"id": \#(id)}"#)
        }
        let deletion = message(
            #"{"before": {"id": 1}, "after": null, "source": {"lsn": 8}, "op": "d", "ts_ms": 1}"#, key: #"{"id": 1}"#)
        let proposal = try propose(changes + [deletion, message(nil, key: #"{"id": 1}"#)])
        #expect(proposal.columns.map(\.name) == ["id", "total", "note"])
        #expect(proposal.key == ["id"] && proposal.columns[0].isNotNull && proposal.columns[1].isNotNull)
        #expect(proposal.profile.withoutRow == 1 && proposal.profile.broken == 0 && proposal.profile.tombstones == 1)
        #expect(proposal.route.contains("    envelope: debezium\n") && !proposal.route.contains("on_tombstone"))
        #expect(!proposal.route.contains("columns:"))
        #expect(proposal.migration().contains("change events (debezium); 1 more have no row"))
    }

    @Test(
        "an envelope is told by its names, and what it adds to a row is no column",
        arguments: [
            (#"{"id": 1, "__deleted": "false", "__op": "u"}"#, "debezium", ["id"]),
            (#"{"database": "shop", "table": "t", "type": "insert", "ts": 1, "data": {"a": 1}}"#, "maxwell", ["a"]),
            (#"{"table": "S.T", "op_type": "I", "pos": "1", "after": {"A": 1}}"#, "goldengate", ["a"]),
            (
                #"{"database": "shop", "table": "t", "type": "INSERT", "isDdl": false, "data": [{"a": "1", "b": "x"}], "old": null}"#,
                "canal", ["a", "b"]
            ),
            (#"{"data": {"a": 1}, "metadata": {"record-type": "data", "operation": "insert"}}"#, "dms", ["a"]),
        ])
    func envelopes(value: String, name: String, columns: [String]) throws {
        let proposal = try propose([message(value), message(value)])
        #expect(proposal.profile.envelope?.name == name)
        #expect(proposal.columns.map(\.name) == columns)
    }

    @Test("messages that only look a little like it are rows")
    func noEnvelope() throws {
        let proposal = try propose([message(#"{"op": "+", "after": 3}"#), message(#"{"data": {}, "type": "x"}"#)])
        #expect(proposal.profile.envelope == nil)
        #expect(!proposal.route.contains("envelope"))
    }

    // MARK: Elements

    private func order(_ id: Int, _ items: String) -> Message {
        message(#"{"order_id": "o\#(id)", "total": 1, "items": [\#(items)]}"#, key: "o\(id)")
    }

    @Test(
        "arrays of objects become tables, if that is asked for: with the parent's key, an id of their own, and a reference"
    )
    func elements() throws {
        let orders = (1...40).map { order($0, #"{"sku_id": "a", "qty": 1}, {"sku_id": "b", "qty": 2, "gift": true}"#) }
        let plain = try propose(orders)
        #expect(plain.children.isEmpty && plain.columns.map(\.name) == ["order_id", "total", "items"])
        #expect(plain.migration().contains("Arrays of objects: items."))

        let proposal = try propose(orders, nesting: .tables)
        #expect(proposal.columns.map(\.name) == ["order_id", "total"])
        let child = try #require(proposal.children.first)
        #expect(child.table.description == "public.orders_items" && child.key == ["order_id", "sku_id"])
        #expect(child.columns.map(\.name) == ["order_id", "sku_id", "qty", "gift"])
        #expect(child.columns.map(\.isNotNull) == [true, true, true, false])
        let migration = proposal.migration()
        #expect(migration.contains("FOREIGN KEY (order_id) REFERENCES public.orders (order_id)\n"))
        let down = "DROP TABLE public.orders_items;\nDROP TABLE public.orders;\n"
        #expect(migration.hasSuffix(down))
        let route = """
              - topic: orders
                table: public.orders_items
                mode: upsert
                each: items
                columns:
                  order_id: $parent.order_id

            """
        #expect(proposal.route.hasSuffix(route))
    }

    @Test(
        "elements that no field tells apart are told apart by their place; without a key of the parent they stay jsonb")
    func places() throws {
        let orders = (1...3).map { order($0, #"{"sku": "a"}, {"sku": "a"}"#) }
        let child = try #require(try propose(orders, nesting: .tables).children.first)
        #expect(child.key == ["order_id", "position"])
        #expect(child.route.contains("position: $index"))
        let keyless = try propose(orders, nesting: .tables, key: TableProposal.KeyChoice.none)
        #expect(keyless.children.isEmpty && keyless.columns.contains { $0.name == "items" })
    }

    @Test("lists within lists become tables that refer to one another, each by the key of the one above and its own")
    func nestedElements() throws {
        let options = #"[{"code_id": "x", "tags": [{"t": 1}]}, {"code_id": "y"}]"#
        let orders = (1...3).map {
            order($0, #"{"qty": 1, "options": \#(options)}, {"qty": 1, "options": \#(options)}"#)
        }
        let proposal = try propose(orders, nesting: .tables)
        let tables = proposal.descendants
        #expect(tables.map(\.table.name) == ["orders_items", "orders_items_options"])
        #expect(tables.map(\.key) == [["order_id", "position"], ["order_id", "position", "code_id"]])
        #expect(tables[1].keyReason.contains("which no element of items has twice"))
        // What lies deeper stays a document.
        #expect(tables[1].columns.map { "\($0.name) \($0.proposal.sql)" }.last == "tags jsonb")
        let route = """
                each: items.options
                columns:
                  order_id: $parent.$parent.order_id
                  position: $parent.$index

            """
        #expect(proposal.route.hasSuffix(route), "\(proposal.route)")
        let reference =
            "FOREIGN KEY (order_id, position) REFERENCES public.orders_items (order_id, position)\n"
        #expect(proposal.migration().contains(reference))
        let down =
            "DROP TABLE public.orders_items_options;\nDROP TABLE public.orders_items;\nDROP TABLE public.orders;\n"
        #expect(proposal.migration().hasSuffix(down))
        let places = (1...3).map { order($0, #"{"qty": 1, "options": [{"a": 1}, {"a": 1}]}"#) }
        let inner = try #require(try propose(places, nesting: .tables).descendants.last)
        #expect(inner.key == ["order_id", "position", "options_position"])
    }

    @Test(
        "MySQL's types are those of columns with room for all that they hold; where they say nothing the values decide")
    func mySQLTypes() {
        let known = [
            "tinyint(1)", "smallint(5) unsigned", "int", "int(10) unsigned", "bigint(20) unsigned", "decimal(10,2)",
            "decimal(5)",
            "double", "varchar(20)", "varbinary(16)", "datetime(6)", "time", "date", "json", "year(4)", "mediumtext",
        ].map { MySQLTypes.content(of: $0).map { TypeProposal(declared: $0).sql } ?? "" }
        #expect(
            known == [
                "smallint", "integer", "integer", "bigint", "numeric", "numeric(10,2)", "numeric(5,0)",
                "double precision",
                "text", "bytea", "timestamp", "time", "date", "jsonb", "smallint", "text",
            ])
        #expect(MySQLTypes.content(of: "bit(1)") == nil && MySQLTypes.content(of: "geometry") == nil)
    }
}
