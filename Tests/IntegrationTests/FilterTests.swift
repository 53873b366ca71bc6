import Foundation
import Kafka
import Loading
import Logging
import Postgres
import Records
import TestSupport
import Testing

@Suite("Filters")
struct FilterTests {
    private static func value(_ key: Int, _ random: inout SeededGenerator) -> String {
        var fields = ["\"id\":\(key)"]
        func add(_ name: String, _ values: [String?]) {
            if let value = values[Int.random(in: values.indices, using: &random)] {
                fields.append("\"\(name)\":\(value)")
            }
        }
        add("status", ["\"paid\"", "\"sent\"", "\"void\"", "null", nil])
        add("amount", ["9.99", "10", "10.000", "1e1", "12345678901234567890.5", "null", nil])
        add("note", ["\"xyz\"", "\"a x b\"", "\"\"", nil])
        return "{\(fields.joined(separator: ","))}"
    }

    @Test(
        "a table with a filter holds those of the last messages that PostgreSQL itself would find by it, whatever the batches",
        arguments: [100_000, 17])
    func asPostgres(batchRows: Int) async throws {
        var random = SeededGenerator.random(for: "filtered messages")
        let tables = """
            CREATE TABLE every (id int PRIMARY KEY, body jsonb);
            CREATE TABLE few (id int PRIMARY KEY, status text, amount numeric, note text);
            CREATE TABLE seen (id int, status text);
            """
        try await Scenario.with(tables) { scenario in
            let messages = (0..<900).map { _ in
                let key = Int.random(in: 1...80, using: &random)
                let isDeletion = Int.random(in: 0..<12, using: &random) == 0
                return TestMessage(
                    partition: Int32(key % 2), key: String(key), value: isDeletion ? nil : Self.value(key, &random))
            }
            let topic = try scenario.topic(messages, partitions: 2)
            var routes = [
                Route(topic, "every", mode: .upsert, columns: [Route.Column("body", "$value")]),
                Route(topic, "few", mode: .upsert, label: "routes[1]"),
                Route(topic, "seen", label: "routes[2]"),
            ]
            routes[1].condition = try RouteCondition(
                "status in ('paid', 'sent') and not (amount < 10 or note like '%x%')")
            routes[2].condition = try RouteCondition("$key in ('1', '2') and status is not null")
            routes[2].onTombstone = .skip
            let result = try await scenario.load(routes) { $0.batch.maxRows = batchRows }
            #expect(result.deadLetterCount == 0)
            let expected = try scenario.rows(
                """
                SELECT id, body->>'status', body->>'amount', body->>'note' FROM every
                WHERE body->>'status' IN ('paid', 'sent')
                  AND NOT (coalesce((body->>'amount')::numeric < 10, false) OR coalesce(body->>'note' LIKE '%x%', false))
                ORDER BY id
                """)
            #expect(try scenario.rows("SELECT id, status, amount, note FROM few ORDER BY id") == expected)
            #expect(!expected.isEmpty)
            let figures = result.routes[1].operations
            #expect((figures[.filtered] ?? 0) > 0)
            #expect((figures[.row] ?? 0) + (figures[.filtered] ?? 0) == messages.count { $0.value != nil })
            let seen = messages.count { message in
                let text = message.value.map { String(decoding: $0, as: UTF8.self) } ?? ""
                let key = message.key.map { String(decoding: $0, as: UTF8.self) } ?? ""
                return ["1", "2"].contains(key) && text.contains("\"status\":\"")
            }
            #expect(try scenario.rows("SELECT count(*) FROM seen") == ["\(seen)"])
        }
    }

    @Test(
        "the rows of an order that leaves the filter are deleted, and those of its parent, whatever the batches",
        arguments: [100_000, 7])
    func elements(batchRows: Int) async throws {
        var random = SeededGenerator.random(for: "filtered orders")
        let tables = """
            CREATE TABLE every (id int PRIMARY KEY, body jsonb);
            CREATE TABLE orders (id int PRIMARY KEY, status text);
            CREATE TABLE items (order_id int REFERENCES orders, sku text, line int, PRIMARY KEY (order_id, sku));
            CREATE TABLE kept (order_id int, sku text, PRIMARY KEY (order_id, sku));
            """
        try await Scenario.with(tables) { scenario in
            let messages = (0..<500).map { _ in
                let id = Int.random(in: 1...30, using: &random)
                guard Int.random(in: 0..<12, using: &random) > 0 else { return TestMessage(key: "\(id)", value: nil) }
                let status = ["\"paid\"", "\"void\"", "null"][Int.random(in: 0..<3, using: &random)]
                let items = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    "{\"sku\":\"\(Int.random(in: 0..<5, using: &random))\"}"
                }
                return TestMessage(
                    key: "\(id)",
                    value: "{\"id\":\(id),\"status\":\(status),\"items\":[\(items.joined(separator: ","))]}")
            }
            let topic = try scenario.topic(messages)
            var routes = [
                Route(topic, "every", mode: .upsert, columns: [Route.Column("body", "$value")]),
                Route(topic, "orders", mode: .upsert, label: "routes[1]"),
                Route(
                    topic, "items", mode: .upsert,
                    columns: [Route.Column("order_id", "$parent.id"), Route.Column("line", "$index")],
                    label: "routes[2]"),
                Route(
                    topic, "kept", mode: .upsert, columns: [Route.Column("order_id", "$parent.id")], label: "routes[3]"),
            ]
            for route in 1...3 { routes[route].condition = try RouteCondition("status = 'paid'") }
            for route in 2...3 { routes[route].each = ElementPath(parsing: "items") }
            routes[3].onFiltered = .keep
            for _ in 0..<2 {
                let result = try await scenario.load(routes) { $0.batch.maxRows = batchRows }
                #expect(try scenario.deadLetters().map(\.message) == [])
                let expected = try scenario.rows(
                    """
                    SELECT DISTINCT ON (1, 2) id, e->>'sku', n - 1 FROM every, jsonb_array_elements(body->'items') WITH ORDINALITY AS t (e, n)
                    WHERE body->>'status' = 'paid' ORDER BY 1, 2, n DESC
                    """)
                #expect(try scenario.rows("SELECT order_id, sku, line FROM items ORDER BY 1, 2") == expected)
                #expect(!expected.isEmpty && (result.routes[2].operations[.filtered] ?? 0) > 0)
                #expect(try scenario.rows("SELECT count(*) > \(expected.count) FROM kept") == ["t"])
                try scenario.produce(messages.reversed(), to: topic)
            }
        }
    }

    @Test("a value that a filter cannot compare is a dead letter, and its replay goes by the filter as it is by then")
    func deadLetters() async throws {
        try await Scenario.with("CREATE TABLE paid (id int PRIMARY KEY, status text)") { scenario in
            let topic = try scenario.topic([
                TestMessage(key: "1", value: #"{"id":1,"status":"paid"}"#),
                TestMessage(key: "2", value: #"{"id":2,"status":7}"#),
            ])
            var route = Route(topic, "paid", mode: .upsert)
            route.condition = try RouteCondition("status = 'paid'")
            try await scenario.load([route])
            let letter = try #require(try scenario.deadLetters().first)
            #expect(letter.reason == "wrong_type")
            #expect(letter.message == "the condition compares status with a text, and it is number")
            #expect(try scenario.rows("SELECT id FROM paid") == ["1"])
            func replay() async throws -> DeadLetterReplay.Outcome {
                let options = scenario.options([route])
                return try await onThread {
                    let logger = Logger(label: "replay") { _ in SwiftLogNoOpLogHandler() }
                    var filter = DeadLetterFilter()
                    filter.group = options.group
                    return try DeadLetterReplay(options, logger: logger).run(filter)
                }
            }
            #expect(try await replay().failed == 1)
            route.condition = try RouteCondition("id != 2 and status = 'paid'")
            #expect(try await replay().failed == 0)
            #expect(try scenario.deadLetters().isEmpty)
            #expect(try scenario.rows("SELECT id FROM paid") == ["1"])
        }
    }
}
