import Foundation
import Kafka
import Loading
import Logging
import Postgres
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
