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

    @Test("in a history each event is a row, a deletion by what was before")
    func history() throws {
        var route = route(
            mode: .history,
            columns: [
                Route.Column(name: "operation", source: .operation), Route.Column(name: "topic", source: .topic),
                Route.Column(name: "part", source: .partition), Route.Column(name: "place", source: .offset),
            ])
        route.onTombstone = .skip
        let places = ["topic", "part", "place"]
        let table = Table.made(
            [
                .made("id", .int4), .made("customer_name"), .made("operation"), .made("topic"), .made("part", .int4),
                .made("place", .int8), .made("address", .inet),
            ], key: places)
        let target = try Target.made(route, table)
        let batch = Batch.filled(
            [
                (nil, #"{"after":{"id":1,"customerName":"a"},"op":"c"}"#),
                (nil, #"{"before":{"id":1,"customerName":"a"},"after":null,"op":"d"}"#), (#"{"id":1}"#, nil),
            ], for: target)
        #expect(batch.deadLetters.map(\.explanation) == [])
        #expect(batch.lines.map { Array($0[3...5]).sorted() } == [["1", "a", "c"], ["1", "a", "d"]])
    }

    @Test("a column may take strings as they are, whatever the envelope's producer writes")
    func undecoded() throws {
        let table = Table.made(
            [.made("id", .int4, isNotNull: true), .made("customer_name", .jsonb), .made("address", .inet)], key: ["id"])
        var column = Route.Column(name: "customer_name")
        func effect(_ column: Route.Column) throws -> [String] {
            let target = try Target.made(route(columns: [column]), table)
            return effects(
                Batch.filled([(nil, #"{"after":{"id":1,"customer_name":"[1]"},"source":{},"op":"c"}"#)], for: target))
        }
        #expect(try effect(column) == [#"1|[1]|\N"#])
        column.saidDecoding = Decoding.none
        #expect(try effect(column) == [#"1|"[1]"|\N"#])
    }

    // MARK: Truncations

    @Test("in a history a truncation is a row of nothing but what its event says, and makes nothing void")
    func truncationOfHistory() throws {
        let table = Table.made(
            [
                .made("id", .int4), .made("op"), .made("lsn"), .made("address", .inet), .made("p", .int4),
                .made("o", .int8),
            ],
            uniqueIndexes: [.init(name: "places", columns: ["p", "o"], isPrimary: false)])
        var route = route(
            mode: .history,
            columns: [
                .init(name: "p", source: .partition), .init(name: "o", source: .offset),
                .init(name: "op", source: .operation), .init(name: "lsn", source: .origin(FieldPath(["lsn"]))),
            ])
        let messages: [(key: String?, value: String?)] = [
            (nil, #"{"after":{"id":1},\#(Self.source),"op":"c"}"#),
            (nil, #"{"before":null,"after":null,\#(Self.source),"op":"t"}"#), (nil, #"{"__op":"t","__source_lsn":9}"#),
        ]
        #expect(try Batch.filled(messages, for: Target.made(route, table)).truncations.count == 2)
        route.onTruncate = .truncate
        let batch = try Batch.filled(messages, for: Target.made(route, table))
        #expect(batch.truncations.isEmpty && batch.deadLetters.isEmpty && batch.settled == 3)
        #expect(
            batch.lines == [
                ["0", "0", "c", "7", "1", #"\N"#], ["0", "1", "t", "7", #"\N"#, #"\N"#],
                ["0", "2", "t", "9", #"\N"#, #"\N"#],
            ])
        route.onTruncate = .ignore
        #expect(try Batch.filled(messages, for: Target.made(route, table)).operations[.skipped, target: 0] == 2)
    }

    @Test("a row that a condition does not let through for what its event says of itself deletes none of the same key")
    func filteredByOrigin() throws {
        var route = route()
        let messages: [(key: String?, value: String?)] = [
            (nil, #"{"after":{"id":1},"source":{"table":"u"},"op":"c"}"#),
            (nil, #"{"after":{"id":2,"customerName":"a"},"source":{"table":"u"},"op":"r"}"#),
            (nil, #"{"after":{"id":3,"customerName":"b"},"source":{"table":"t"},"op":"u"}"#),
        ]
        route.condition = try RouteCondition("$source.table = 't' and customerName != 'b'")
        #expect(try effects(batch(messages, route)) == ["-3"])
        route.condition = try RouteCondition("$op != 'r'")
        #expect(try effects(batch(messages, route)) == [#"1|\N|\N"#, #"3|b|\N"#])
        route.condition = try RouteCondition("$source.table = 'u' or customerName = 'c'")
        let found = try effects(batch(messages, route))
        #expect(found == [#"1|\N|\N"#, #"2|a|\N"#, "-3"])
    }

    @Test("a condition that a truncation can answer decides about it as well")
    func filteredTruncation() throws {
        var route = route()
        route.onTruncate = .truncate
        let messages: [(key: String?, value: String?)] = [
            (nil, #"{"after":{"id":1},\#(Self.source),"op":"c"}"#), (nil, #"{"after":null,\#(Self.source),"op":"t"}"#),
        ]
        route.condition = try RouteCondition("$op != 't'")
        let filtered = try batch(messages, route)
        #expect(filtered.truncations.isEmpty && filtered.operations[.filtered, target: 0] == 1 && filtered.settled == 2)
        route.condition = try RouteCondition("id < 5")
        #expect(try batch(messages, route).truncations.count == 1)
    }

    @Test("what comes before a truncation of the same table is void, and what comes behind it is not")
    func truncation() throws {
        var route = route()
        route.onTruncate = .truncate
        let truncation = #"{"before":null,"after":null,"source":{},"op":"t"}"#
        func row(_ id: Int) -> String { #"{"after":{"id":\#(id)},"op":"c"}"# }
        let batch = try batch(
            [(nil, row(1)), (nil, truncation), (nil, row(2)), (nil, truncation), (nil, row(3)), ("4", nil)], route)
        let target = try Target.made(route, table)
        let selection = RowSelection(batch: batch, target: target)
        #expect(selection.truncates && selection.rows.map(\.message) == [4, 5])
        let first = RowSelection(batch: batch, target: target, messages: 0..<3)
        #expect(first.truncates && first.rows.map(\.message) == [2])
        let last = RowSelection(batch: batch, target: target, messages: 4..<6)
        #expect(!last.truncates && last.rows.map(\.message) == [4, 5])
        #expect(batch.operations[.truncation, target: 0] == 2 && batch.settled == 6)
        route.onTruncate = .ignore
        let ignoring = try self.batch([(nil, row(1)), (nil, truncation)], route)
        #expect(!RowSelection(batch: ignoring, target: target).truncates)
        #expect(ignoring.operations[.skipped, target: 0] == 1)
    }

    // MARK: Values that were not sent

    private func columnsLeftOut(_ batch: Batch, _ target: Target) -> [[String]] {
        guard let section = batch.sections.first(where: { $0.kind == .rows }) else { return [] }
        return section.rows.map { row in
            target.columns.compactMap { column in
                column.omissionBit.flatMap { section.omissions.contains(row.omission, $0) ? column.name : nil }
            }
                + (target.needsRowBit.map { section.omissions.contains(row.omission, $0) } == true
                    ? ["needs its row"] : [])
        }
    }

    @Test("a value that was not sent is left out, in a row that needs one that is there")
    func unavailable() throws {
        let batch = try batch(
            [
                (
                    nil,
                    #"{"after":{"id":1,"customerName":"__debezium_unavailable_value","address":"10.0.0.1"},"op":"u"}"#
                ),
                (nil, #"{"after":{"id":2,"customerName":"x","address":"10.0.0.1"},"op":"u"}"#),
                (nil, #"{"id":3,"customer_name":"__debezium_unavailable_value","address":null}"#),
            ], route())
        let target = try Target.made(route(), table)
        #expect(
            columnsLeftOut(batch, target) == [
                ["customer_name", "needs its row"], [], ["customer_name", "needs its row"],
            ])
        #expect(effects(batch) == ["1|10.0.0.1", "2|x|10.0.0.1", #"3|\N"#])
        var other = route()
        other.envelopeOptions.unavailable = "hex:6e6f"
        let another = try self.batch([(nil, #"{"after":{"id":1,"customerName":"no"},"op":"u"}"#)], other)
        #expect(columnsLeftOut(another, target) == [["customer_name", "needs its row"]])
    }

    @Test("of what a row was before it is NULL, and counted")
    func unavailableBefore() throws {
        let before = [Route.Column(name: "customer_name", source: .before(FieldPath(["name"])))]
        let event = #"{"before":{"id":1,"name":"__debezium_unavailable_value"},"after":{"id":1},"op":"u"}"#
        let batch = try batch([(nil, event)], route(columns: before))
        #expect(effects(batch) == [#"1|\N|\N"#])
        #expect(batch.nulledValues.count == 1 && batch.deadLetters.isEmpty)
    }

    @Test("where rows are only added such a value is NULL and counted, and a dead letter where it may not be")
    func unavailableInsert() throws {
        let message = #"{"after":{"id":1,"customerName":"__debezium_unavailable_value"},"op":"u"}"#
        let batch = try batch([(nil, message)], route(mode: .insert))
        #expect(effects(batch) == [#"1|\N|\N"#])
        #expect(batch.nulledValues.count == 1)
        let strict = Table.made([.made("id", .int4), .made("customer_name", isNotNull: true)], key: ["id"])
        let refusing = try Batch.filled([(nil, message)], for: Target.made(route(mode: .insert), strict))
        #expect(refusing.deadLetters.map(\.reason) == [.unavailable] && refusing.nulledValues.isEmpty)
        let byName = Table.made([.made("customer_name"), .made("id", .int4)], key: ["customer_name"])
        let keyed = try Batch.filled([(nil, message)], for: Target.made(route(), byName))
        #expect(keyed.deadLetters.map(\.reason) == [.unavailable])
    }

    @Test("the events of other programs come to rows and deletions, and say where they come from")
    func others() throws {
        let from = [Route.Column(name: "customer_name", source: .origin(FieldPath(["xid"])))]
        let maxwell = try batch(
            [
                (nil, #"{"type":"insert","xid":7,"data":{"id":1}}"#),
                (nil, #"{"type":"delete","xid":8,"data":{"id":1}}"#),
                (nil, #"{"type":"table-drop","table":"t"}"#),
            ], route(.maxwell, columns: from))
        #expect(effects(maxwell) == [#"1|7|\N"#, "-1"])
        let dms = try batch(
            [
                (nil, #"{"data":{"id":1,"customer_name":"a"},"metadata":{"operation":"load"}}"#),
                (nil, #"{"data":{"id":1},"metadata":{"operation":"delete"}}"#),
            ], route(.dms))
        #expect(effects(dms) == [#"1|a|\N"#, "-1"])
        let goldenGate = try batch(
            [
                (nil, #"{"op_type":"I","after":{"ID":1,"CUSTOMER_NAME":"a"}}"#),
                (nil, #"{"op_type":"D","before":{"ID":1}}"#),
            ],
            route(.goldengate))
        #expect(effects(goldenGate) == [#"1|a|\N"#, "-1"])
        #expect((maxwell.deadLetters + dms.deadLetters + goldenGate.deadLetters).isEmpty)
    }
}
