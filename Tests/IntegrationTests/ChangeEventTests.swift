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
}
