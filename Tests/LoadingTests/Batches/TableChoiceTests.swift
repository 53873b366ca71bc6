import Kafka
import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Tables by name")
struct TableChoiceTests {
    /// A route that chooses among tables of these names, as it is compiled.
    private func targets(
        _ parts: [TableTemplate.Part], _ names: [String] = ["a", "b", "c_1"], list: TableList? = nil,
        mode: Route.Mode = .insert,
        condition: String? = nil
    ) throws -> [Target] {
        var route = Route.made(mode: mode, onTombstone: mode == .upsert ? nil : .skip)
        let template = TableTemplate(schema: "events", parts: parts, text: "${x}")
        (route.template, route.tables, route.table) = (template, list ?? TableList(names), template.name)
        route.condition = try condition.map { try RouteCondition($0) }
        return try ([names[0]] + names).enumerated().map { index, name in
            var table = Table.made([.made("id", .int4, isNotNull: true)], key: ["id"])
            table.name = TableName(schema: "events", name: name)
            var target = try Target.compile(route, index: index, table: table).get()
            if index > 0 { target.routePlace = 0 }
            return target
        }
    }

    private func part(_ text: String) throws -> TableTemplate.Part { try #require(TableTemplate.part(text)) }

    private func chosen(_ batch: Batch, _ targets: [Target], _ kind: Batch.Section.Kind = .rows) -> [String] {
        batch.sections.filter { $0.kind == kind }.flatMap { section in
            section.rows.map { ($0.message, targets[section.target].name.name) }
        }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    private func build(
        _ messages: [(key: String?, value: String?)], _ targets: [Target], headers: [(String, String)] = []
    ) -> Batch {
        let batch = Batch.holding(
            messages.map { ($0.key.map { Array($0.utf8) }, $0.value.map { Array($0.utf8) }) }, headers: headers)
        var builders = RowBuilders(targets)
        // Also counts that each message is settled once, however many tables there are.
        builders.build(batch)
        return batch
    }

    @Test("a field, a header, the key and the topic choose, and what stands beside them belongs to the name")
    func sources() throws {
        let field = try targets([part("kind")])
        let byField = build(
            [(nil, #"{"id":1,"kind":"b"}"#), (nil, #"{"id":2,"kind":"a"}"#), (nil, #"{"id":3,"kind":"c_1"}"#)], field)
        #expect(chosen(byField, field) == ["b", "a", "c_1"])
        let joined = try targets([.text("c_"), part("n")])
        #expect(chosen(build([(nil, #"{"id":1,"n":1}"#)], joined), joined) == ["c_1"])
        let header = try targets([part("headers.type")])
        let batch = build([(nil, #"{"id":1}"#)], header, headers: [("type", "x"), ("type", "b")])
        #expect(chosen(batch, header) == ["b"])
        let key = try targets([part("key.kind")])
        #expect(chosen(build([(#"{"kind":"b"}"#, #"{"id":1}"#)], key), key) == ["b"])
        let topic = try targets([part("topic")], ["orders"])
        #expect(chosen(build([(nil, #"{"id":1}"#)], topic), topic) == ["orders"])
        let whole = try targets([part("key")])
        #expect(chosen(build([("a", #"{"id":1}"#)], whole), whole) == ["a"])
    }

    @Test("parts of a topic's name stand between its dots, from 1")
    func topicParts() throws {
        let name = TopicName()
        func part(_ number: Int, _ topic: String) -> String? {
            name.part(number, of: topic).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect((1...4).map { part($0, "shop.public.orders") } == ["shop", "public", "orders", nil])
        #expect(part(1, "orders") == "orders")
        #expect((1...3).map { part($0, ".a.") } == [nil, "a", nil])
        #expect(TableTemplate.part("topic.0") == nil)
        #expect(TableTemplate.part("$offset") == nil)
    }

    @Test("what names no table of the route is the dead letter no_table, whose log shows no value")
    func noTable() throws {
        let targets = try targets([part("kind")])
        let batch = build(
            [
                (nil, #"{"id":1,"kind":"secret"}"#), (nil, #"{"id":1}"#), (nil, #"{"id":1,"kind":null}"#),
                (nil, #"{"id":1,"kind":""}"#),
                (nil, #"{"id":1,"kind":true}"#), (nil, #"{"id":1,"kind":"\#(String(repeating: "a", count: 64))"}"#),
                (nil, #"{"id":1,"kind":"A"}"#), (nil, #"{"id":1,"kind":"a\"; DROP TABLE a; --"}"#),
            ], targets)
        #expect(batch.deadLetters.map(\.reason) == Array(repeating: .noTable, count: 8))
        #expect(batch.deadLetters.allSatisfy { $0.target == 0 })
        #expect(batch.deadLetters[0].explanation == "the message names no table that can be loaded among a, b, c_1")
        #expect(batch.deadLetters[0].words == "the message names no table that can be loaded among a, b, c_1: secret")
        #expect(batch.deadLetters[1].explanation == "the message has no kind, which a table's name is made of")
        #expect(batch.sections.allSatisfy { $0.rows.isEmpty })
        #expect(!batch.missesTable)
    }

    @Test("only a name that a pattern takes is worth a look for a table that was made since")
    func misses() throws {
        let targets = try targets([part("kind")], ["log_1"], list: TableList(["log_*"]))
        #expect(!build([(nil, #"{"id":1,"kind":"other"}"#)], targets).missesTable)
        #expect(build([(nil, #"{"id":1,"kind":"log_2"}"#)], targets).missesTable)
        #expect(!build([(nil, #"{"id":1,"kind":"log_1"}"#)], targets).missesTable)
    }

    @Test("a pattern takes what stands for its stars, and nothing else")
    func patterns() {
        func takes(_ pattern: String, _ name: String) -> Bool { TableList([pattern]).takes(name) }
        #expect(
            takes("t*", "t") && takes("t*", "t1") && takes("*", "") && takes("*_1", "a_b_1") && takes("a*b*c", "aXbYbc")
        )
        #expect(!takes("t*", "at") && !takes("*_1", "a_12") && !takes("a*b*c", "ac") && !takes("t", "t1"))
    }

    @Test("tombstones choose by their key, and what is filtered deletes in the table that it would be in")
    func deletions() throws {
        let byKey = try targets([part("kind")], mode: .upsert)
        let batch = build([(#"{"id":1,"kind":"b"}"#, nil), ("plain", nil)], byKey)
        #expect(chosen(batch, byKey, .tombstones) == ["b"])
        #expect(batch.deadLetters.map(\.reason) == [.noTable])
        let filtered = try targets([part("kind")], mode: .upsert, condition: "on = true")
        let rows = build(
            [
                (nil, #"{"id":1,"kind":"b","on":true}"#), (nil, #"{"id":1,"kind":"b","on":false}"#),
                (nil, #"{"id":1,"kind":"none","on":false}"#),
            ], filtered)
        #expect(chosen(rows, filtered) == ["b"])
        #expect(chosen(rows, filtered, .tombstones) == ["b"])
        #expect(rows.deadLetters.isEmpty)
        #expect(rows.operations[.filtered, target: 0] == 2)
    }
}
