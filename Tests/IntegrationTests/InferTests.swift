import Foundation
import Kafka
import Postgres
import RegistryMock
import TestSupport
import Testing

@testable import Loader

/// `loader infer`: what it prints is run, and what it was printed from is loaded.
@Suite("Infer")
struct InferTests {
    /// Runs the program in a directory of its own.
    private func run(
        _ arguments: [String], in directory: URL, _ environment: [String: String]
    ) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = try builtProgram("loader")
        process.arguments = arguments
        process.currentDirectoryURL = directory
        process.environment = environment.withInheritance
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.runWithoutBlockedSignals()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    /// Infers from messages, migrates, checks, loads, and hands over a connection to look at what came of it.
    private func infer(
        _ messages: [TestMessage], _ options: [String] = [], environment more: [String: String] = [:],
        rows query: String, _ expected: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let broker = try Broker.sharedMock()
        let topic = Broker.randomName("topic")
        try broker.createTopic(topic, partitions: 2)
        try broker.produce(messages, to: topic)
        let directory = FileManager.default.temporaryDirectory.appending(path: "loader-infer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try PostgresServer.shared().withDatabase { url in
            let environment = [
                "KAFKA_BROKERS": broker.bootstrapServers, "DATABASE_URL": url, "LOADER_HTTP_LISTEN": "off",
                "LOADER_KAFKA_PROPERTIES_SESSION_TIMEOUT_MS": "10000",
            ].merging(more) { $1 }
            let steps = [
                ["infer", "--topic", topic, "--table", "public.inferred", "--write"] + options,
                ["migrate", "up", "--built-in"], ["migrate", "up"], ["check"], ["run", "--until-end"],
            ]
            for step in steps {
                let (status, output) = try run(step, in: directory, environment)
                try #require(status == 0, "\(step): \(output)", sourceLocation: sourceLocation)
            }
            let connection = try Connection(ConnectionOptions(url: url))
            try connection.execute("SET TimeZone = 'UTC'")
            let letters = try connection.query("SELECT reason, column_name FROM loader.dead_letters")
            #expect(letters.rowCount == 0, sourceLocation: sourceLocation)
            let found = try connection.query(query)
            let rows = (0..<found.rowCount).map { row in
                (0..<found.columnCount).map { found.string(row, $0) ?? "∅" }.joined(separator: "|")
            }
            #expect(rows == expected, sourceLocation: sourceLocation)
        }
    }

    @Test("a topic keyed by its id, with every type, awkward names, objects and tombstones")
    func everyType() throws {
        let uuid = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
        func value(_ id: Int, _ more: String = "") -> String {
            #"""
            {"orderId": "o\#(id)", "Select": \#(id), "price": 12.50, "big": 9223372036854775807, "huge": 18446744073709551616,
             "ok": true, "uid": "\#(uuid)", "day": "2026-02-28", "seenAt": "2026-02-28T12:00:00.123456+02:00",
             "local": "2026-02-28 12:00:00", "createdAt": 1767225600123, "zip": "01234", "tags": ["a", {"b": 1}],
             "customer": {"id": 7, "full name": "Ä", "deep": {"x": [1]}}, "a.b": 1, "$x": 2, "null only": null\#(more)}
            """#
        }
        try infer(
            [
                TestMessage(key: "o1", value: value(1)), TestMessage(key: "o2", value: value(2, #", "extra": 1.5"#)),
                TestMessage(key: "o3", value: value(3)), TestMessage(key: "o3", value: nil),
            ],
            rows: """
                SELECT order_id, "select", price, big, huge, ok, uid, day, seen_at, local, created_at, zip, tags,
                  customer_id, customer_full_name, customer_deep, a_b, x, null_only, extra
                FROM inferred ORDER BY order_id
                """,
            [
                "o1|1|12.50|9223372036854775807|18446744073709551616|t|\(uuid)|2026-02-28|2026-02-28 10:00:00.123456+00|"
                    + #"2026-02-28 12:00:00|2026-01-01 00:00:00.123+00|01234|["a", {"b": 1}]|7|Ä|{"x": [1]}|1|2|∅|∅"#,
                "o2|2|12.50|9223372036854775807|18446744073709551616|t|\(uuid)|2026-02-28|2026-02-28 10:00:00.123456+00|"
                    + #"2026-02-28 12:00:00|2026-01-01 00:00:00.123+00|01234|["a", {"b": 1}]|7|Ä|{"x": [1]}|1|2|∅|1.5"#,
            ])
    }

    @Test("a topic without a key: mixed kinds, U+0000, maps, fields that come and go")
    func withoutKey() throws {
        try infer(
            [
                TestMessage(
                    value: #"{"n": 1, "mixed": 1, "note": "a\u0000b", "map": {"k1": 1}, "when": "2026-02-30"}"#),
                TestMessage(value: #"{"n": 2, "mixed": "x", "map": {"k2": 1}, "map2": {}, "either": {"a": 1}}"#),
                TestMessage(value: #"{"n": 3, "mixed": true, "map": {"k3": 1}, "map2": {"z": 1}, "either": "b"}"#),
                TestMessage(value: #"{"n": 4, "map": {"k4": 1}}"#),
                TestMessage(key: "t", value: nil),
            ],
            rows: #"SELECT n, mixed, note, map, "when", either FROM inferred ORDER BY n"#,
            [
                #"1|1|a\#u{FFFD}b|{"k1": 1}|2026-02-30|∅"#, #"2|x|∅|{"k2": 1}|∅|{"a": 1}"#,
                #"3|true|∅|{"k3": 1}|∅|"b""#,
                #"4|∅|∅|{"k4": 1}|∅|∅"#,
            ])
    }

    @Test("a key that is a JSON object, with its tombstone; objects kept whole")
    func objectKey() throws {
        try infer(
            [
                TestMessage(
                    partition: 0, key: #"{"nr": 1, "shop": "b"}"#, value: #"{"nr": 1, "shop": "b", "c": {"x": 1}}"#),
                TestMessage(
                    partition: 0, key: #"{"nr": 1, "shop": "c"}"#, value: #"{"nr": 1, "shop": "c", "c": {"x": 2}}"#),
                TestMessage(partition: 0, key: #"{"nr": 1, "shop": "b"}"#, value: nil),
            ], ["--nested", "jsonb"], rows: "SELECT nr, shop, c FROM inferred", [#"1|c|{"x": 2}"#])
    }

    @Test("lists within lists become a table of each level, whose foreign keys hold while messages change and go")
    func nestedLists() throws {
        func order(_ id: Int, _ items: String) -> TestMessage {
            TestMessage(
                partition: 0, key: "\(id)",
                value: #"{"id": \#(id), "lines": [\#(items)]}"#)
        }
        try infer(
            [
                order(
                    1, #"{"sku_id": "a", "options": [{"code": "x"}, {"code": "x"}]}, {"sku_id": "b", "options": []}"#),
                order(2, #"{"sku_id": "a", "options": [{"code": "y", "price": 1.5}]}, {"sku_id": "c"}"#),
                order(1, #"{"sku_id": "b", "options": [{"code": "z"}]}"#),
                order(3, #"{"sku_id": "a", "options": [{"code": "y"}]}"#),
                TestMessage(partition: 0, key: "3", value: nil),
            ], ["--nested", "tables"],
            rows: """
                SELECT l.id, l.sku_id, o.position, o.code, o.price FROM inferred AS i JOIN inferred_lines AS l USING (id)
                LEFT JOIN inferred_lines_options AS o USING (id, sku_id) ORDER BY 1, 2, 3
                """, ["1|b|0|z|∅", "2|a|0|y|1.5", "2|c|∅|∅|∅"])
    }

    @Test("documents of Debezium's connector for MongoDB become columns of the types that they say")
    func documents() throws {
        func event(_ operation: String, _ id: String, _ document: String?) -> TestMessage {
            func quoted(_ text: String) -> String { "\"" + text.replacing("\"", with: "\\\"") + "\"" }
            return TestMessage(
                partition: 0, key: "{\"id\": \(quoted(id))}",
                value:
                    "{\"before\": null, \"after\": \(document.map(quoted) ?? "null"), \"source\": {\"connector\": \"mongodb\"}, "
                    + "\"op\": \"\(operation)\", \"ts_ms\": 1}")
        }
        let documents = (1...3).map { number in
            event(
                "c", #"{"$oid": "a\#(number)"}"#,
                #"{"_id": {"$oid": "a\#(number)"}, "born": {"$date": \#(number)}, "visits": {"$numberLong": "\#(number)"}, "#
                    + #""photo": {"$binary": {"base64": "AQI=", "subType": "00"}}, "home": {"city": "B", "since": {"$date": 0}}, "tags": [{"$numberInt": "7"}]}"#
            )
        }
        try infer(
            documents + [
                event("u", #"{"$oid": "a1"}"#, #"{"_id": {"$oid": "a1"}, "visits": {"$numberLong": "9"}}"#),
                event("d", #"{"$oid": "a2"}"#, nil),
                TestMessage(partition: 0, key: #"{"id": "{\"$oid\": \"a2\"}"}"#, value: nil),
            ],
            rows:
                "SELECT id, born, visits, pg_typeof(visits), photo, home_city, home_since, tags FROM inferred ORDER BY id",
            [
                "a1|∅|9|integer|∅|∅|∅|∅",
                #"a3|1970-01-01 00:00:00.003+00|3|integer|\x0102|B|1970-01-01 00:00:00+00|[7]"#,
            ])
    }

    @Test("messages of Canal's say the types and the key of their columns, whose values are texts")
    func canal() throws {
        let rows = (1...3).map { id in
            #"{"id":"\#(id)","code":"00\#(id)","price":"1.5\#(id)","at":"2026-01-31 09:30:00","doc":"{\"a\":\#(id)}","raw":"\u0001\u00e9"}"#
        }
        let types =
            #"{"id":"bigint(20) unsigned","code":"varchar(8)","price":"decimal(9,2)","at":"datetime","doc":"json","raw":"blob"}"#
        try infer(
            [
                TestMessage(
                    partition: 0, key: nil,
                    value:
                        #"{"database":"shop","table":"t","type":"INSERT","isDdl":false,"pkNames":["id"],"mysqlType":\#(types),"data":[\#(rows.joined(separator: ","))],"old":null}"#
                )
            ],
            rows: "SELECT id, pg_typeof(id), code, price, at, doc->>'a', raw FROM inferred ORDER BY id",
            (1...3).map { #"\#($0)|numeric|00\#($0)|1.5\#($0)|2026-01-31 09:30:00|\#($0)|\x01e9"# })
    }

    @Test(
        "lists of objects become tables of their own, one within the other, whose rows are those of each message's last version",
        arguments: [true, false])
    func childTables(hasIDs: Bool) throws {
        var random = SeededGenerator.random(for: "tables of elements")
        var last: [Int: String] = [:]
        var messages: [TestMessage] = []
        for number in 0..<300 {
            // Each is there at first, and what is deleted has the last word often enough.
            let id = number < 40 ? number : Int.random(in: 0..<40, using: &random)
            if number >= 40, Int.random(in: 0..<10, using: &random) == 0 {
                last[id] = nil
                messages.append(TestMessage(partition: Int32(id % 2), key: "\(id)", value: nil))
                continue
            }
            let skus = (0..<8).shuffled(using: &random).prefix(Int.random(in: 0...4, using: &random))
            let items = skus.map { sku in
                let options = (0..<Int.random(in: 0...2, using: &random)).map { "{\"code\":\($0)}" }.joined(
                    separator: ",")
                let more = Bool.random(using: &random) ? ",\"note\":\"n\(number)\"" : ""
                return
                    "{\"\(hasIDs ? "sku" : "what")\":\"s\(hasIDs ? sku : sku % 2)\",\"qty\":\(number),\"price\":\(sku).25,"
                    + "\"maker\":{\"name\":\"m\(sku)\"},\"options\":[\(options)]\(more)}"
            }
            let value = "{\"id\":\(id),\"at\":\"2026-01-01T00:00:00Z\",\"items\":[\(items.joined(separator: ","))]}"
            last[id] = value
            messages.append(TestMessage(partition: Int32(id % 2), key: "\(id)", value: value))
        }
        let bodies = last.sorted { $0.key < $1.key }.map { "(\($0.key), '\($0.value)'::jsonb)" }.joined(separator: ", ")
        let (element, column) = hasIDs ? ("sku", "sku") : ("what", "position, what")
        let expected = """
            SELECT id, \(hasIDs ? "" : "n - 1, ")e->>'\(element)', (e->>'qty')::numeric, (e->>'price')::numeric, e->'maker',
              e->>'note' FROM raw, jsonb_array_elements(body->'items') WITH ORDINALITY AS t (e, n)
            """
        let found = "SELECT id, \(column), qty::numeric, price::numeric, maker, note FROM inferred_items"
        let expectedOptions = """
            SELECT id, n - 1, m - 1, (o->>'code')::int FROM raw, jsonb_array_elements(body->'items') WITH ORDINALITY AS t (e, n),
              jsonb_array_elements(e->'options') WITH ORDINALITY AS u (o, m)
            """
        let foundOptions = "SELECT id, position, options_position, code::int FROM inferred_items_options"
        try infer(
            messages, ["--nested", "tables"],
            rows: """
                WITH raw (id, body) AS (VALUES \(bodies)), lacking AS ((\(expected)) EXCEPT (\(found))),
                  superfluous AS ((\(found)) EXCEPT (\(expected))),
                  options AS (((\(expectedOptions)) EXCEPT (\(foundOptions))) UNION ALL ((\(foundOptions)) EXCEPT (\(expectedOptions))))
                SELECT (SELECT count(*) FROM lacking), (SELECT count(*) FROM superfluous), (SELECT count(*) FROM options),
                  (SELECT count(*) > 0 FROM inferred_items_options),
                  (SELECT count(*) FROM inferred) = (SELECT count(*) FROM raw),
                  (SELECT count(*) FROM pg_constraint WHERE conrelid = 'inferred_items'::regclass AND contype = 'f'
                   AND confrelid = 'inferred'::regclass)
                """, ["0|0|0|t|t|1"])
    }

    @Test("a second --write for the same table writes no second migration: the same is said, another one is refused")
    func writtenTwice() throws {
        let broker = try Broker.sharedMock()
        let topic = Broker.randomName("topic")
        try broker.createTopic(topic, partitions: 1)
        try broker.produce([TestMessage(partition: 0, value: #"{"id": 1, "v": 2}"#)], to: topic)
        let directory = FileManager.default.temporaryDirectory.appending(path: "loader-infer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let environment = ["KAFKA_BROKERS": broker.bootstrapServers]
        func write(_ more: String...) throws -> (status: Int32, output: String) {
            try run(["infer", "--topic", topic, "--table", "things", "--write"] + more, in: directory, environment)
        }
        func files() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: directory.appending(path: "migrations").path())
        }
        #expect(try write().status == 0)
        let first = try files()
        #expect(first.count == 1)
        #expect(try write().status == 0)
        #expect(try files() == first)
        let other = try write("--key", "id")
        #expect(other.status == 78 && other.output.contains("rm migrations/\(first[0])"), "\(other.output)")
        #expect(try files() == first)
        try FileManager.default.removeItem(at: directory.appending(path: "migrations/\(first[0])"))
        #expect(try write("--key", "id").status == 0)
        #expect(try files() == first)
    }

    @Test("a topic that is not there is named with the nearest, and one without objects is refused; both with 78")
    func refusals() throws {
        let broker = try Broker.sharedMock()
        let topic = Broker.randomName("topic")
        try broker.createTopic(topic, partitions: 1)
        let directory = FileManager.default.temporaryDirectory
        let environment = ["KAFKA_BROKERS": broker.bootstrapServers]
        let wrong = try run(["infer", "--topic", topic + "x"], in: directory, environment)
        #expect(wrong.status == 78 && wrong.output.contains("did you mean \(topic)?"), "\(wrong.output)")
        let empty = try run(["infer", "--topic", topic], in: directory, environment)
        #expect(empty.status == 78 && empty.output.contains("has no messages"), "\(empty.output)")
        try broker.produce([TestMessage(partition: 0, value: "[1]")], to: topic)
        let scalar = try run(["infer", "--topic", topic], in: directory, environment)
        #expect(scalar.status == 78 && scalar.output.contains("not an object"), "\(scalar.output)")
        let another = Broker.randomName("topic")
        try broker.createTopic(another, partitions: 1)
        try broker.produce([TestMessage(partition: 0, key: nil, bytes: AvroMessage.framed(7, 1))], to: another)
        let framed = try run(["infer", "--topic", another], in: directory, environment)
        #expect(framed.status == 78 && framed.output.contains("none is configured"), "\(framed.output)")
    }

    @Test("a topic of Avro gets the types of its schemas, the newest first, and the key that its keys' schema names")
    func avro() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let keys = registry.register(
            #"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#, as: "orders-key")
        func schema(_ more: String) -> String {
            #"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},"#
                + #"{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}\#(more)]}"#
        }
        let old = registry.register(schema(""), as: "orders-value")
        let new = registry.register(
            schema(#",{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}}"#),
            as: "orders-value")
        let at = 1_767_225_600_000
        let messages =
            (1...40).map { number in
                TestMessage(
                    partition: 0, key: AvroMessage.framed(keys, number), bytes: AvroMessage.framed(old, number, at))
            }
            + (41...80).map { number in
                TestMessage(
                    partition: 0, key: AvroMessage.framed(keys, number),
                    bytes: AvroMessage.framed(new, number, at) + [4, 0x04, 0xD2])
            } + [TestMessage(partition: 0, key: AvroMessage.framed(keys, 7), bytes: nil)]
        try infer(
            messages, environment: ["LOADER_SCHEMA_REGISTRY_URL": registry.url],
            rows: """
                SELECT count(*), min(at), sum(price), (SELECT string_agg(format_type(atttypid, atttypmod)
                  || CASE WHEN attnotnull THEN ' not null' ELSE '' END, ', ' ORDER BY attnum) FROM pg_attribute
                  WHERE attrelid = 'inferred'::regclass AND attnum > 0) FROM inferred
                """,
            ["79|2026-01-01 00:00:00+00|493.60|bigint not null, timestamp with time zone not null, numeric(6,2)"])
    }

    /// The columns of the proposed table, with what is said of them.
    private static let columns = """
        SELECT attname, format_type(atttypid, atttypmod), attnotnull,
          split_part(col_description(attrelid, attnum), E'\\n', 1)
        FROM pg_attribute WHERE attrelid = 'inferred'::regclass AND attnum > 0 ORDER BY attnum
        """

    @Test(
        "a topic of JSON Schema gets its types, what must be there, and its words, and fields that no message has yet")
    func jsonSchema() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let schema = #"""
            {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["id", "at", "status"],
             "properties": {
                "id": {"type": "integer", "description": "Whose order it is", "connect.index": 0},
                "at": {"type": "string", "format": "date-time", "connect.index": 1},
                "price": {"oneOf": [{"type": "null"}, {"type": "number"}], "connect.index": 2},
                "status": {"$ref": "#/definitions/Status", "connect.index": 3},
                "tags": {"type": "array", "items": {"type": "string"}, "connect.index": 4},
                "shop": {"type": "object", "properties": {"city": {"type": ["string", "null"]}}, "connect.index": 5},
                "attrs": {"type": "object", "additionalProperties": {"type": "string"}, "connect.index": 6},
                "later": {"type": "boolean", "connect.index": 7}},
             "definitions": {"Status": {"type": "string", "enum": ["new", "paid"], "description": "Where it stands"}}}
            """#
        let id = registry.register(RegistryMock.Schema(schema, type: "JSON"), as: "orders-value")
        let messages = (1...80).map { number in
            TestMessage(
                partition: 0, key: Array("\(number)".utf8),
                bytes: [0] + withUnsafeBytes(of: Int32(id).bigEndian) { Array($0) }
                    + Array(
                        #"{"id": \#(number), "at": "2026-01-01T00:00:00Z", "price": 2.5, "status": "new", "tags": ["a"], "shop": {"city": "B"}, "attrs": {"x": "y"}}"#
                            .utf8))
        }
        try infer(
            messages, ["--no-values"], environment: ["LOADER_SCHEMA_REGISTRY_URL": registry.url], rows: Self.columns,
            [
                "id|bigint|t|Whose order it is", "at|timestamp with time zone|t|∅", "price|numeric|f|∅",
                "status|text|t|Where it stands", "tags|text[]|f|∅", "shop_city|text|f|∅", "attrs|jsonb|f|∅",
                "later|boolean|f|∅",
            ])
    }

    @Test("what a registered JSON Schema refers to, and what that refers to, says of fields what it would say itself")
    func jsonSchemaReferences() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.register(
            RegistryMock.Schema(
                #"{"$defs": {"Code": {"type": "string", "format": "uuid", "description": "Which"}}}"#, type: "JSON"),
            as: "codes")
        registry.register(
            RegistryMock.Schema(
                #"{"type": "object", "required": ["code"], "properties": {"code": {"$ref": "code.json#/$defs/Code"}}}"#,
                type: "JSON", references: [.init(name: "code.json", subject: "codes", version: 1)]),
            as: "shops")
        let id = registry.register(
            RegistryMock.Schema(
                #"{"type": "object", "required": ["id", "shop"], "properties": {"id": {"type": "integer"}, "shop": {"$ref": "shop.json"}, "gone": {"$ref": "gone.json"}}}"#,
                type: "JSON",
                references: [
                    .init(name: "shop.json", subject: "shops", version: 1),
                    .init(name: "gone.json", subject: "gone", version: 1),
                ]), as: "orders-value")
        let messages = (1...80).map { number in
            TestMessage(
                partition: 0, key: Array("\(number)".utf8),
                bytes: [0] + withUnsafeBytes(of: Int32(id).bigEndian) { Array($0) }
                    + Array(
                        #"{"id": \#(number), "shop": {"code": "00000000-0000-0000-0000-0000000000\#(number + 10)"}, "gone": 1}"#
                            .utf8))
        }
        // What is nowhere takes nothing from the others.
        try infer(
            messages, ["--no-values"], environment: ["LOADER_SCHEMA_REGISTRY_URL": registry.url], rows: Self.columns,
            ["id|bigint|t|∅", "shop_code|uuid|t|Which", "gone|jsonb|f|∅"])
    }

    @Test(
        "--message-indexes says how a topic's messages say which one of their schema they are, and the route says it, too"
    )
    func messageIndexes() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let text = """
            syntax = "proto3"; package shop;
            message Other { string name = 1; }
            message Order { int64 id = 1; /* Who buys */ optional string customer = 2; uint32 count = 3; }
            """
        let id = registry.register(RegistryMock.Schema(text, type: "PROTOBUF"), as: "orders-value")
        // One number follows, and it is 1: the second message. In zigzag both would be -1.
        let head = [0] + withUnsafeBytes(of: Int32(id).bigEndian) { Array($0) } + [1, 1]
        let messages = (1...80).map { number in
            TestMessage(
                partition: 0, key: nil,
                bytes: head + [0x08, UInt8(number), 0x12, 1, UInt8(ascii: "A"), 0x18, UInt8(number)])
        }
        try infer(
            messages, ["--message-indexes", "plain", "--key", "id"],
            environment: ["LOADER_SCHEMA_REGISTRY_URL": registry.url],
            rows: "SELECT count(*), sum(id), min(customer), sum(count) FROM inferred", ["80|3240|A|3240"])
        let refused = try run(
            ["infer", "--topic", "any", "--message-indexes", "plain"], in: FileManager.default.temporaryDirectory,
            ["KAFKA_BROKERS": "127.0.0.1:1"])
        #expect(refused.status == 64 && refused.output.contains("of the kind confluent"), "\(refused.output)")
    }

    @Test("--message says which of a file's messages of Protobuf a topic has, and one that the file has not is refused")
    func protobufMessage() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "shop-\(UUID().uuidString).proto")
        defer { try? FileManager.default.removeItem(at: file) }
        try """
        syntax = "proto3"; package shop;
        message Other { string name = 1; }
        message Order { int64 id = 1; /* Who buys */ optional string customer = 2; uint32 count = 3; }
        """.write(to: file, atomically: true, encoding: .utf8)
        let messages = (1...80).map { number in
            TestMessage(
                partition: 0, key: nil, bytes: [0x08, UInt8(number), 0x12, 1, UInt8(ascii: "A"), 0x18, UInt8(number)])
        }
        let options = ["--format", "protobuf", "--schema", file.path(), "--key", "id"]
        try infer(
            messages, options + ["--message", "shop.Order"],
            rows: "SELECT count(*), sum(id), min(customer), sum(count), pg_typeof(min(count)) FROM inferred",
            ["80|3240|A|3240|bigint"])
        for (more, words) in [
            (["--message", "shop.Absent"], "--message must be one of the file's messages: shop.Other, shop.Order."),
            ([], "--message must be one of the file's messages"),
        ] {
            let refused = try run(
                ["infer", "--topic", "any"] + options + more, in: FileManager.default.temporaryDirectory,
                ["KAFKA_BROKERS": "127.0.0.1:1"])
            #expect(refused.status == 64 && refused.output.contains(words), "\(refused.output)")
        }
    }
}
