import Kafka
import Loading
import Postgres
import Records
import TestSupport
import Testing

@Suite("Change events")
struct ChangeEventTests {
    private static let table = "CREATE TABLE customers (id bigint PRIMARY KEY, name text, email text)"

    private func route(_ topic: String, _ configure: (inout Route) throws -> Void = { _ in }) rethrows -> Route {
        var route = Route(topic, "customers", mode: .upsert)
        route.envelopeOptions.form = .debezium
        try configure(&route)
        return route
    }

    private func message(_ key: String?, _ value: [UInt8]?) -> TestMessage {
        TestMessage(key: key.map { Array($0.utf8) }, bytes: value)
    }

    private func json(_ key: String?, _ value: String?) -> TestMessage { message(key, value.map { Array($0.utf8) }) }

    private let rows = "SELECT id, name, email FROM customers ORDER BY id"

    @Test(
        "a topic of Debezium's, whole events and unwrapped ones, with tombstones behind deletions, ends as its source")
    func json() async throws {
        try await Scenario.with(Self.table) { scenario in
            let topic = try scenario.topic([
                json(#"{"id":1}"#, #"{"before":null,"after":{"id":1,"name":"a","email":null},"source":{},"op":"r"}"#),
                json(#"{"id":2}"#, #"{"before":null,"after":{"id":2,"name":"b"},"source":{},"op":"c"}"#),
                json(#"{"id":3}"#, #"{"before":null,"after":{"id":3,"name":"c"},"source":{},"op":"c"}"#),
                json(nil, #"{"ts_ms":7}"#),
                json(#"{"id":2}"#, #"{"before":{"id":2},"after":{"id":2,"name":"B"},"source":{},"op":"u"}"#),
                json(#"{"id":3}"#, #"{"before":{"id":3},"after":null,"source":{},"op":"d"}"#), json(#"{"id":3}"#, nil),
                json(#"{"id":4}"#, #"{"id":4,"name":"d","__deleted":"false"}"#),
                json(#"{"id":5}"#, #"{"id":5,"name":"e","__op":"c"}"#),
                json(#"{"id":5}"#, #"{"id":5,"name":"e","__deleted":"true"}"#),
                // A key that changes, and one that was never there.
                json(#"{"id":1}"#, #"{"before":{"id":1},"after":null,"source":{},"op":"d"}"#),
                json(#"{"id":6}"#, #"{"before":null,"after":{"id":6,"name":"a"},"source":{},"op":"c"}"#),
                json(nil, #"{"before":{"id":77},"after":null,"source":{},"op":"d"}"#),
            ])
            let snapshot = try await scenario.load([try route(topic)])
            #expect(try scenario.rows(rows) == ["2|B|∅", "4|d|∅", "6|a|∅"])
            #expect(try scenario.deadLetters().isEmpty)
            #expect(snapshot.routes.first?.operations[.skipped] == 1)
        }
    }

    @Test("the same events in Avro and in Protobuf come to the same rows")
    func schemas() async throws {
        let row =
            #"{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"name","type":["null","string"]}]}"#
        let avro = try AvroSchema(
            """
            {"type":"record","name":"Envelope","fields":[{"name":"before","type":["null",\(row)]},{"name":"after","type":["null","Value"]},
            {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":["null","long"]}]}},{"name":"op","type":"string"}]}
            """)
        func value(_ id: UInt8, _ name: String) -> [UInt8] {
            [2, id * 2, 2, UInt8(name.utf8.count * 2)] + Array(name.utf8)
        }
        func avroEvent(_ before: [UInt8]?, _ after: [UInt8]?, _ operation: String) -> [UInt8] {
            (before ?? [0]) + (after ?? [0]) + [2, 14, 2] + Array(operation.utf8)
        }
        let proto = """
            syntax = "proto3";
            message Envelope { Value before = 1; Value after = 2; Source source = 3; string op = 4; }
            message Value { int64 id = 1; string name = 2; } message Source { int64 lsn = 1; }
            """
        func inner(_ number: UInt8, _ id: UInt8, _ name: String) -> [UInt8] {
            let fields = [8, id, 18, UInt8(name.utf8.count)] + Array(name.utf8)
            return [number << 3 | 2, UInt8(fields.count)] + fields
        }
        func protoEvent(_ parts: [UInt8], _ operation: String) -> [UInt8] {
            parts + [26, 2, 8, 7, 34, 1] + Array(operation.utf8)
        }
        try await Scenario.with(Self.table) { scenario in
            let messages = try [
                scenario.topic([
                    message(nil, avroEvent(nil, value(1, "a"), "c")), message(nil, avroEvent(nil, value(2, "b"), "r")),
                    message(nil, avroEvent(nil, value(2, "B"), "u")), message(#"{"id":1}"#, avroEvent(nil, nil, "d")),
                    message(nil, avroEvent(nil, value(3, "c"), "c")), message(nil, avroEvent(value(3, "c"), nil, "d")),
                ]),
                scenario.topic([
                    message(nil, protoEvent(inner(2, 1, "a"), "c")), message(nil, protoEvent(inner(2, 2, "b"), "r")),
                    message(nil, protoEvent(inner(2, 2, "B"), "u")), message(#"{"id":1}"#, protoEvent([], "d")),
                    message(nil, protoEvent(inner(2, 3, "c"), "c")), message(nil, protoEvent(inner(1, 3, "c"), "d")),
                ]),
            ]
            let formats: [(inout Route) throws -> Void] = [
                { route in
                    route.format = .avro
                    route.schemaFile = .init(path: "e.avsc", content: .avro(avro))
                },
                { route in
                    route.format = .protobuf
                    route.schemaMessage = "Envelope"
                    let schema = try ProtobufSchema(.text(Array(proto.utf8)), named: "e.proto")
                    route.schemaFile = .init(path: "e.proto", content: .protobuf(schema))
                },
            ]
            for (topic, format) in zip(messages, formats) {
                let route = try route(topic) { route in
                    try format(&route)
                    route.columns = [Route.Column("email", "$source.lsn")]
                }
                try await scenario.load([route])
                #expect(try scenario.deadLetters().map(\.message) == [])
                #expect(try scenario.rows(rows) == ["2|B|7"])
                try scenario.connection.execute("TRUNCATE customers")
            }
        }
    }

    @Test("a value that was not sent stays what it was, in each form, and its row must be there")
    func unavailable() async throws {
        let columns =
            "t text, b bytea, j jsonb, ts text[], bs bytea[], n bigint[], u uuid[]"
        try await Scenario.with("CREATE TABLE customers (id bigint PRIMARY KEY, \(columns))") { scenario in
            let numbers = UnavailableValue.debezium.utf8.map { "\($0)" }.joined(separator: ",")
            let placeholders = [
                "t": #""__debezium_unavailable_value""#, "b": #""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#,
                "j": #""__debezium_unavailable_value""#, "ts": #"["__debezium_unavailable_value"]"#,
                "bs": #"["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]"#, "n": "[\(numbers)]",
                "u": #"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#,
            ]
            let values = [
                "t": #""old""#, "b": #""AAE=""#, "j": #""{\"a\": 1}""#, "ts": #"["x","y"]"#, "bs": #"["AQ=="]"#,
                "n": "[1,2]",
                "u": #"["00000000-0000-0000-0000-000000000001"]"#,
            ]
            // All sets of columns that are not sent: 64 of six columns beside the one that changes.
            let names = placeholders.keys.filter { $0 != "t" }.sorted()
            func event(_ id: Int, _ fields: [String: String], _ operation: String) -> TestMessage {
                let row = ([(key: "id", value: "\(id)")] + fields.sorted { $0.key < $1.key }).map {
                    "\"\($0.key)\":\($0.value)"
                }
                return json(
                    #"{"id":\#(id)}"#,
                    #"{"before":null,"after":{\#(row.joined(separator: ","))},"source":{},"op":"\#(operation)"}"#)
            }
            var messages = (0..<64).map { event($0, values, "c") }
            let first = messages
            messages = (0..<64).map { set in
                var fields = values
                fields["t"] = #""new""#
                for (place, name) in names.enumerated() where set >> place & 1 == 1 {
                    fields[name] = placeholders[name]
                }
                return event(set, fields, "u")
            }
            messages.append(event(100, placeholders, "u"))
            let topic = try scenario.topic(first)
            let route = try route(topic)
            try await scenario.load([route])
            try scenario.produce(messages, to: topic)
            try await scenario.load([route])
            let found = try scenario.rows(
                "SELECT count(*), count(DISTINCT (t, b, j, ts, bs, n, u)), min(t), min(b::text), min(j::text), min(ts::text), min(bs::text), "
                    + "min(n::text), min(u::text) FROM customers")
            #expect(
                found == [
                    #"64|1|new|\x0001|{"a": 1}|{x,y}|{"\\x01"}|{1,2}|{00000000-0000-0000-0000-000000000001}"#
                ])
            #expect(try scenario.deadLetters().map(\.reason) == ["unavailable_value"])
        }
    }

    @Test("a source that is emptied empties its table, in its place among the events, also one that others refer to")
    func truncate() async throws {
        let tables = Self.table + "; CREATE TABLE notes (id bigint PRIMARY KEY REFERENCES customers ON DELETE CASCADE)"
        try await Scenario.with(tables) { scenario in
            func event(_ id: Int) -> TestMessage { json(nil, #"{"after":{"id":\#(id)},"source":{},"op":"c"}"#) }
            let truncation = json(nil, #"{"before":null,"after":null,"source":{},"op":"t"}"#)
            let topic = try scenario.topic([event(1), event(2), truncation, event(3)])
            var stopping = try route(topic)
            await #expect(throws: LoadingError.self) { try await scenario.load([stopping]) }
            #expect(try scenario.rows(rows) == [])
            stopping.onTruncate = .truncate
            let snapshot = try await scenario.load([stopping])
            #expect(try scenario.rows("SELECT id FROM customers ORDER BY id") == ["3"])
            #expect(snapshot.routes.first?.operations[.truncation] == 1)
            try scenario.connection.execute("DROP TABLE notes")
            try scenario.produce([event(4), truncation, event(5), event(6)], to: topic)
            try await scenario.load([stopping])
            #expect(try scenario.rows("SELECT id FROM customers ORDER BY id") == ["5", "6"])
            stopping.onTruncate = .ignore
            try scenario.produce([truncation, event(7)], to: topic)
            try await scenario.load([stopping])
            #expect(try scenario.rows("SELECT id FROM customers ORDER BY id") == ["5", "6", "7"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("a truncation empties no history: it is a row there, where the loader does not stop at it or pass over it")
    func truncateHistory() async throws {
        let tables = """
            \(Self.table); CREATE TABLE history (id bigint, name text, op text, at timestamptz, until timestamptz, p int, o bigint,
            PRIMARY KEY (p, o)); CREATE INDEX ON history (id, at)
            """
        try await Scenario.with(tables) { scenario in
            func event(_ id: Int, _ name: String, _ operation: String = "c") -> TestMessage {
                json(nil, #"{"after":{"id":\#(id),"name":"\#(name)"},"source":{},"op":"\#(operation)"}"#)
            }
            let truncation = json(nil, #"{"before":null,"after":null,"source":{},"op":"t"}"#)
            let topic = try scenario.topic([event(1, "a"), event(2, "b"), truncation, event(1, "c")])
            var history = route(topic) { route in
                (route.table.name, route.mode) = ("history", .history)
                route.columns = [
                    Route.Column("at", "$timestamp"), Route.Column("op", "$op"), Route.Column("p", "$partition"),
                    Route.Column("o", "$offset"),
                ]
                (route.validity.key, route.validity.from, route.validity.to) = (["id"], "at", "until")
            }
            await #expect(throws: LoadingError.self) { try await scenario.load([history]) }
            history.onTruncate = .truncate
            let current = route(topic) { $0.onTruncate = .truncate }
            let expected = ["1|a|c|0", "2|b|c|0", "∅|∅|t|∅", "1|c|c|∅"]
            let found = """
                SELECT h.id, h.name, h.op, CASE WHEN h.until = e.at THEN 0 END FROM history AS h, history AS e WHERE e.op = 't' ORDER BY h.o
                """
            let snapshot = try await scenario.load([current, history])
            #expect(try scenario.rows(found) == expected)
            #expect(snapshot.routes.map { $0.operations[.truncation, default: 0] } == [1, 0])
            #expect(snapshot.routes.last?.operations[.row] == 4)
            #expect(try scenario.rows(rows) == ["1|c|∅"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("JSON without a schema is read by the column, as the connector is set to write it")
    func types() async throws {
        let columns = """
            d date, t3 time(3), t6 time, s3 timestamp(3), s6 timestamp, z timestamptz, i interval, n numeric(9,2), v numeric, b bytea,
            j jsonb, bits bit(12), flag bit(1), ds date[], ns numeric(5,1)[], p point
            """
        let common =
            #""d":20000,"z":"2024-01-02T03:04:05.6Z","b":"AP8=","j":"{\"a\":[1]}","bits":"BQk=","flag":true,"ds":[0,1],"p":{"x":1.5,"y":2,"wkb":"","srid":null}"#
        let precise = #""n":"AJY=","v":{"scale":3,"value":"Ag=="},"ns":["DA=="]"#
        let written: [(SourceWriting.Temporal, SourceWriting.Decimals?, String)] = [
            (.adaptive, nil, #""t3":1,"t6":2000,"s3":86400001,"s6":86400000002,"i":7000000,\#(precise)"#),
            (
                .adaptiveTimeMicroseconds, .precise,
                #""t3":1000,"t6":2000,"s3":86400001,"s6":86400000002,"i":7000000,\#(precise)"#
            ),
            (
                .connect, .string,
                #""t3":1,"t6":2,"s3":86400001,"s6":86400000,"i":"PT7S","n":"1.50","v":"0.002","ns":["1.2"]"#
            ),
            (
                .microseconds, .precise,
                #""t3":1000,"t6":2000,"s3":86400001000,"s6":86400000002,"i":7000000,\#(precise)"#
            ),
            (
                .nanoseconds, nil,
                #""t3":1000000,"t6":2000000,"s3":86400001000000,"s6":86400000002000,"i":7000000,"n":1.5,"v":0.002,"ns":[1.2]"#
            ),
            (
                .isostring, nil,
                #""t3":"00:00:00.001Z","t6":"00:00:00.002Z","s3":"1970-01-02T00:00:00.001Z","s6":"1970-01-02T00:00:00.000002Z","i":7000000,\#(precise)"#
            ),
        ]
        try await Scenario.with("CREATE TABLE types (id int PRIMARY KEY, \(columns))") { scenario in
            for (number, (temporal, decimals, fields)) in written.enumerated() {
                let topic = try scenario.topic([
                    json(nil, #"{"before":null,"after":{"id":\#(number),\#(common),\#(fields)},"source":{},"op":"c"}"#)
                ])
                var route = Route(topic, "types", mode: .upsert)
                route.envelopeOptions.form = .debezium
                (route.temporal, route.decimals) = (temporal, decimals)
                // A zone moves no time that has none.
                route.timeZone = "+05:00"
                try await scenario.load([route])
            }
            #expect(try scenario.deadLetters().map { "\($0.column ?? ""): \($0.message)" } == [])
            for row in try scenario.rows("SELECT * FROM types ORDER BY id") {
                let values = row.split(separator: "|").map(String.init)
                let isConnect = values[0] == "2"
                #expect(
                    Array(values.dropFirst()) == [
                        "2024-10-04", "00:00:00.001", "00:00:00.002", "1970-01-02 00:00:00.001",
                        isConnect ? "1970-01-02 00:00:00" : "1970-01-02 00:00:00.000002", "2024-01-02 03:04:05.6+00",
                        "00:00:07",
                        "1.50", "0.002", #"\x00ff"#, #"{"a": [1]}"#, "100100000101", "1", "{1970-01-01,1970-01-02}",
                        "{1.2}",
                        "(1.5,2)",
                    ], "\(row)")
            }
        }
    }

    @Test("what cannot be told of a number is a dead letter that says so, and shows no value")
    func untold() async throws {
        try await Scenario.with("CREATE TABLE types (id int PRIMARY KEY, n numeric(9,2), v numeric, s timestamp)") {
            scenario in
            func event(_ field: String) -> TestMessage {
                json(nil, #"{"after":{"id":1,\#(field)},"source":{},"op":"c"}"#)
            }
            let topic = try scenario.topic([
                event(#""n":"1234""#), event(#""v":"AJY=""#), event(#""s":1000"#), event(#""n":"12.34""#),
                event(#""v":"7.5""#),
            ])
            var route = Route(topic, "types", mode: .upsert)
            route.envelopeOptions.form = .debezium
            try await scenario.load([route]) { $0.deadLetters.maxShare = 1 }
            let letters = try scenario.deadLetters()
            #expect(letters.map(\.column) == ["n", "v", "s"] && letters.allSatisfy { $0.reason == "wrong_type" })
            #expect(letters[0].message.contains("two") || letters[0].message.contains("another"))
            #expect(letters[1].message.contains("scale"))
            #expect(letters.allSatisfy { !$0.message.contains("1234") && !$0.message.contains("AJY") })
        }
    }

    @Test(
        "a collection of MongoDB's, whose changes are whole documents or what has changed of them, ends as its source")
    func mongoDB() async throws {
        try await Scenario.with(
            "CREATE TABLE people (_id text PRIMARY KEY, name text, born timestamptz, tags text[], home jsonb)"
        ) { scenario in
            func quoted(_ text: String) -> String { "\"" + text.replacing("\"", with: "\\\"") + "\"" }
            func event(_ id: String, _ op: String, _ after: String?, _ more: String = "") -> TestMessage {
                json(
                    #"{"id":\#(quoted(#"{"$oid":"\#(id)"}"#))}"#,
                    #"{"before":null,"after":\#(after.map(quoted) ?? "null"),"source":{},"op":"\#(op)"\#(more)}"#)
            }
            func patch(_ id: String, _ updated: String, _ removed: String = "null") -> TestMessage {
                event(
                    id, "u", nil,
                    #","updateDescription":{"updatedFields":\#(quoted(updated)),"removedFields":\#(removed)}"#)
            }
            let topic = try scenario.topic([
                event(
                    "a", "r",
                    #"{"_id":{"$oid":"a"},"name":"Ann","born":{"$date":{"$numberLong":"0"}},"tags":["x",{"$symbol":"y"}],"home":{"zip":{"$numberInt":"1"}}}"#
                ),
                event("b", "c", #"{"_id":{"$oid":"b"},"name":"Bob","home":{"zip":2}}"#),
                patch("a", #"{"name":"Anna","tags":["z"]}"#), patch("b", #"{"home":{"zip":3}}"#, #"["name"]"#),
                event("c", "c", #"{"_id":{"$oid":"c"}}"#), event("c", "d", nil),
                json(#"{"id":\#(quoted(#"{"$oid":"c"}"#))}"#, nil), patch("gone", #"{"name":"?"}"#),
                patch("a", #"{"home.zip":4}"#),
            ])
            var route = Route(topic, "people", mode: .upsert)
            route.envelopeOptions.form = .mongodb
            try await scenario.load([route]) { $0.deadLetters.maxShare = 1 }
            #expect(
                try scenario.rows("TABLE people ORDER BY _id") == [
                    #"a|Anna|1970-01-01 00:00:00+00|{z}|{"zip": 1}"#, #"b|∅|∅|∅|{"zip": 3}"#,
                ])
            #expect(try scenario.deadLetters().map(\.reason) == ["unavailable_value", "no_row"])
        }
    }

    @Test("MongoDB's documents in Avro, and in Connect's JSON with its schema, come to the same rows as without")
    func mongoDBSchemas() async throws {
        let optional = { (type: String, name: String) in #"{"name":"\#(name)","type":["null",\#(type)],"default":null}"#
        }
        let change =
            #"{"type":"record","name":"Change","fields":[\#(optional(#"{"type":"array","items":"string"}"#, "removedFields")),"#
            + optional(#""string""#, "updatedFields") + "]}"
        let avro = try AvroSchema(
            #"{"type":"record","name":"Envelope","fields":[\#(optional(#""string""#, "before")),\#(optional(#""string""#, "after")),"#
                + #"\#(optional(change, "updateDescription")),{"name":"op","type":"string"}]}"#)
        func text(_ value: String) -> [UInt8] {
            let count = value.utf8.count << 1
            return (count < 128 ? [UInt8(count)] : [UInt8(count & 127 | 128), UInt8(count >> 7)]) + Array(value.utf8)
        }
        func quoted(_ text: String) -> String { "\"" + text.replacing("\"", with: "\\\"") + "\"" }
        func key(_ id: String) -> String { #"{"id":\#(quoted(#"{"$oid":"\#(id)"}"#))}"# }
        // What each event says: of which document, what was done, the document, what is updated and what removed.
        let events: [(id: String, op: String, after: String?, updated: String?, removed: String?)] = [
            (
                "a", "c",
                #"{"_id":{"$oid":"a"},"name":"Ann","born":{"$date":{"$numberLong":"0"}},"home":{"zip":{"$numberInt":"1"}}}"#,
                nil, nil
            ),
            ("b", "r", #"{"_id":{"$oid":"b"},"name":"Bob"}"#, nil, nil),
            ("a", "u", nil, #"{"home":{"zip":2}}"#, "name"),
            ("b", "d", nil, nil, nil),
        ]
        let strings = #"{"type":"string","optional":true}"#
        func field(_ name: String, _ schema: String) -> String {
            schema.dropLast() + #","field":"\#(name)"}"#
        }
        let described =
            #"{"type":"struct","optional":true,"fields":[\#(field("removedFields", #"{"type":"array","optional":true,"items":\#(strings)}"#)),"#
            + field("updatedFields", strings) + "]}"
        let schema =
            #"{"type":"struct","fields":[\#(field("before", strings)),\#(field("after", strings)),\#(field("updateDescription", described)),"#
            + field("op", strings) + "]}"
        try await Scenario.with("CREATE TABLE people (_id text PRIMARY KEY, name text, born timestamptz, home jsonb)") {
            scenario in
            let inAvro = events.map { event in
                var bytes: [UInt8] = [0]
                func append(optional value: String?) {
                    bytes.append(value == nil ? 0 : 2)
                    if let value { bytes += text(value) }
                }
                append(optional: event.after)
                bytes.append(event.updated == nil ? 0 : 2)
                if let updated = event.updated {
                    // A list of one name, or of none.
                    bytes.append(2)
                    if let removed = event.removed {
                        bytes.append(2)
                        bytes += text(removed)
                    }
                    bytes.append(0)
                    append(optional: updated)
                }
                return message(key(event.id), bytes + text(event.op))
            }
            let inJSON = events.map { event in
                let change = event.updated.map { updated in
                    #"{"removedFields":[\#(event.removed.map(quoted) ?? "")],"updatedFields":\#(quoted(updated))}"#
                }
                let payload =
                    #"{"before":null,"after":\#(event.after.map(quoted) ?? "null"),"updateDescription":\#(change ?? "null"),"op":"\#(event.op)"}"#
                return json(
                    #"{"schema":{"type":"struct","fields":[\#(field("id", strings))]},"payload":\#(key(event.id))}"#,
                    #"{"schema":\#(schema),"payload":\#(payload)}"#)
            }
            for (messages, isAvro) in [(inAvro, true), (inJSON, false)] {
                var route = Route(try scenario.topic(messages), "people", mode: .upsert)
                route.envelopeOptions.form = .mongodb
                if isAvro {
                    route.format = .avro
                    route.schemaFile = .init(path: "e.avsc", content: .avro(avro))
                }
                try await scenario.load([route])
                #expect(try scenario.deadLetters().map(\.message) == [])
                #expect(
                    try scenario.rows("TABLE people ORDER BY _id") == [#"a|∅|1970-01-01 00:00:00+00|{"zip": 2}"#],
                    "\(isAvro)")
                try scenario.connection.execute("TRUNCATE people")
            }
        }
    }

    @Test("shapes go in as PostGIS has them, MySQL's sets into arrays, and bits of any number by their bytes")
    func shapes() async throws {
        // `POINT(1 2)`, its bytes the least significant first, and the most significant first.
        let little = "AQEAAAAAAAAAAADwPwAAAAAAAABA"
        let big = "AAAAAAE/8AAAAAAAAEAAAAAAAAAA"
        try await Scenario.with(
            "CREATE TABLE shapes (id int PRIMARY KEY, t text, b bytea, s text[], v varbit(10), w varbit)"
        ) { scenario in
            func event(_ id: Int, _ fields: String) -> TestMessage {
                json(nil, #"{"after":{"id":\#(id),\#(fields)},"source":{},"op":"c"}"#)
            }
            let topic = try scenario.topic([
                event(
                    1,
                    #""t":{"wkb":"\#(little)","srid":4326},"b":{"wkb":"\#(big)","srid":4326},"s":"a,b c","v":"BQI=","w":"BQ==""#
                ),
                event(2, #""t":{"x":1,"y":2,"wkb":"\#(little)","srid":null},"b":{"wkb":"\#(little)"},"s":"","v":null"#),
                event(3, #""t":"plain","b":"AQ==","s":["x,y"],"v":"AQ==""#), event(4, #""s":"{p,q}""#),
                event(5, #""t":{"wkb":"AQ=="}"#),
            ])
            var route = Route(topic, "shapes", mode: .upsert)
            route.envelopeOptions.form = .debezium
            try await scenario.load([route]) { $0.deadLetters.maxShare = 1 }
            let point = "000000000000f03f0000000000000040"
            #expect(
                try scenario.rows("SELECT * FROM shapes ORDER BY id") == [
                    #"1|0101000020e6100000\#(point)|\x0020000001000010e63ff00000000000004000000000000000|{a,"b c"}|1000000101|00000101"#,
                    #"2|0101000000\#(point)|\x0101000000\#(point)|{}|∅|∅"#, #"3|plain|\x01|{"x,y"}|0000000001|∅"#,
                    "4|∅|∅|{p,q}|∅|∅",
                ])
            #expect(try scenario.deadLetters().map { "\($0.offset) \($0.column ?? "")" } == ["4 t"])
        }
    }
}
