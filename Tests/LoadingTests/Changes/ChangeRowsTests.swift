import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Rows of change events")
struct ChangeRowsTests {
    private let table = Table.made(
        [.made("id", .int4, isNotNull: true), .made("customer_name"), .made("address", .inet)], key: ["id"])

    private func route(
        _ form: EnvelopeOptions.Form = .debezium, mode: Route.Mode = .upsert, columns: [Route.Column]? = nil
    ) -> Route {
        var route = Route.made(mode: mode, names: .snakeCase, columns: columns)
        route.envelopeOptions = EnvelopeOptions(form: form)
        return route
    }

    private func batch(_ messages: [(key: String?, value: String?)], _ route: Route) throws -> Batch {
        try Batch.filled(messages, for: Target.made(route, table))
    }

    /// Rows and deletions in the order of their messages.
    private func effects(_ batch: Batch) -> [String] {
        batch.sections.flatMap { section in
            section.rows.map { row in
                let text = String(decoding: section.buffer.bytes[row.start..<row.end].dropLast(), as: UTF8.self)
                return (row.message, (section.kind == .rows ? "" : "-") + text.replacing("\t", with: "|"))
            }
        }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    private static let source = #""source":{"lsn":7,"table":"t"},"ts_ms":5"#

    @Test(
        "creations, reads and updates are rows of what is after, deletions go by the message's key or by what was before"
    )
    func whole() throws {
        let key = #"{"id":1}"#
        let batch = try batch(
            [
                (key, #"{"before":null,"after":{"id":1,"customerName":"a"},\#(Self.source),"op":"c"}"#),
                (key, #"{"before":{"id":1},"after":{"id":1,"customerName":"b"},\#(Self.source),"op":"u"}"#),
                (key, #"{"before":{"id":9},"after":null,\#(Self.source),"op":"d"}"#),
                (key, nil),
                (nil, #"{"before":{"id":2},"after":null,\#(Self.source),"op":"d"}"#),
                (#"{"other":1}"#, #"{"before":{"id":3},"after":null,\#(Self.source),"op":"d"}"#),
                ("4", #"{"before":null,"after":null,\#(Self.source),"op":"d"}"#),
                (nil, #"{"before":null,"after":{"id":5},\#(Self.source),"op":"r"}"#),
            ], route())
        #expect(effects(batch) == [#"1|a|\N"#, #"1|b|\N"#, "-1", "-1", "-2", "-3", "-4", #"5|\N|\N"#])
        #expect(batch.deadLetters.isEmpty)
        #expect(batch.settled == batch.messages.count)
    }

    @Test("events without schema, with it and as Connect's keys write them are one")
    func withSchema() throws {
        let row = #"{"type":"struct","optional":true,"fields":[{"type":"int32","field":"id"}],"field":"after"}"#
        let schema = #"{"type":"struct","fields":[\#(row),{"type":"string","field":"op"}],"optional":false}"#
        let keySchema = #"{"type":"struct","fields":[{"type":"int32","field":"id"}],"optional":false}"#
        let batch = try batch(
            [
                (nil, #"{"schema":\#(schema),"payload":{"after":{"id":1},"op":"c"}}"#),
                (
                    #"{"schema":\#(keySchema),"payload":{"id":1}}"#,
                    #"{"schema":\#(schema),"payload":{"after":null,"source":{},"op":"d"}}"#
                ),
                (#"{"schema":\#(keySchema),"payload":{"id":1}}"#, #"{"schema":null,"payload":null}"#),
            ], route())
        #expect(effects(batch) == [#"1|\N|\N"#, "-1", "-1"])
        #expect(batch.deadLetters.isEmpty)
    }

    @Test("rows that a transformation has taken out of their envelope are rows, and deletions where they say so")
    func unwrapped() throws {
        let batch = try batch(
            [
                (nil, #"{"id":1,"customer_name":"a","__op":"c","__deleted":"false"}"#),
                (#"{"id":1}"#, #"{"id":1,"customer_name":"a","__deleted":"true"}"#),
                (nil, #"{"id":2,"customer_name":null,"__deleted":true}"#), (#"{"id":2}"#, nil),
            ], route())
        #expect(effects(batch) == [#"1|a|\N"#, "-1", "-2", "-2"])
        #expect(batch.deadLetters.isEmpty)
    }

    @Test("what is no row's is passed over and settled, and a heartbeat is told from a row without fields")
    func skipped() throws {
        let batch = try batch(
            [
                (nil, #"{\#(Self.source),"op":"m","message":{}}"#), (nil, #"{"ts_ms":1}"#),
                (nil, #"{"status":"BEGIN","id":"5","ts_ms":1,"event_count":null,"data_collections":null}"#),
                (nil, #"{"other":1}"#),
            ], route())
        #expect(effects(batch).isEmpty)
        #expect(batch.deadLetters.map(\.message) == [3])
        #expect(batch.settled == 4)
        #expect(batch.operations[.skipped, target: 0] == 3)
    }

    @Test("an event that says nothing that can be done is a dead letter with its own reason, and shows no value")
    func refused() throws {
        let batch = try batch(
            [
                (nil, #"{"after":{"id":1},"op":"secret"}"#), (nil, #"{"after":null,"source":{},"op":"u"}"#),
                (#"{"other":"secret"}"#, #"{"before":null,"after":null,"source":{},"op":"d"}"#),
                (nil, #"{"after":{"id":"secret"},"op":"c"}"#),
            ], route())
        #expect(batch.deadLetters.map(\.reason) == [.unknownOperation, .noRow, .missingField, .badSyntax])
        #expect(batch.deadLetters.allSatisfy { !$0.explanation.contains("secret") })
        #expect(effects(batch).isEmpty)
    }

    @Test("where rows are only added a deletion is a dead letter, or passed over by choice")
    func appending() throws {
        let deletion = #"{"before":{"id":1},"after":null,"op":"d"}"#
        var route = route(mode: .insert)
        #expect(try batch([(nil, deletion)], route).deadLetters.map(\.reason) == [.tombstone])
        route.onTombstone = .skip
        let skipped = try batch([(nil, deletion)], route)
        #expect(skipped.deadLetters.isEmpty && effects(skipped).isEmpty)
    }

    @Test("a column may take what was done, what was before and where it comes from, null where there is none")
    func aside() throws {
        let columns = [
            Route.Column(name: "customer_name", source: .operation),
            Route.Column(name: "address", source: .origin(FieldPath(["table"]))),
        ]
        let events =
            [
                (nil, #"{"before":{"id":4},"after":{"id":1},\#(Self.source),"op":"c"}"#),
                (nil, #"{"id":2,"__op":"r","__source_table":"u"}"#), (nil, #"{"id":3}"#),
            ] as [(key: String?, value: String?)]
        #expect(
            effects(try batch(events, route(columns: columns))) == ["1|c|t", "2|r|u", #"3|u|\N"#])
        let before = [Route.Column(name: "customer_name", source: .before(FieldPath(["id"])))]
        #expect(effects(try batch(events, route(columns: before))) == [#"1|4|\N"#, #"2|\N|\N"#, #"3|\N|\N"#])
    }

    @Test("an envelope of the route's own names its places and words")
    func own() throws {
        var route = route()
        route.envelopeOptions = EnvelopeOptions()
        route.envelopeOptions.operation = FieldPath(["kind"])
        route.envelopeOptions.after = FieldPath(["row"])
        route.envelopeOptions.update = ["put"]
        route.envelopeOptions.delete = ["gone", "lost"]
        route.envelopeOptions.skip = ["ping"]
        let batch = try batch(
            [
                (nil, #"{"kind":"put","row":{"id":1}}"#), (nil, #"{"kind":"gone","row":{"id":2}}"#),
                ("3", #"{"kind":"lost"}"#), (nil, #"{"kind":"ping"}"#), (nil, #"{"kind":"create","row":{"id":4}}"#),
            ], route)
        #expect(effects(batch) == [#"1|\N|\N"#, "-2", "-3"])
        #expect(batch.deadLetters.map(\.reason) == [.unknownOperation])
    }
}
