import Foundation
import Kafka
import Loading
import Postgres
import Records
import TestSupport
import Testing

/// Changes as they come from several partitions and topics, late and again, loaded by several writers in small batches.
@Suite("Changes out of order")
struct ChangesOutOfOrderTests {
    private static func route(_ topics: [String], _ table: String) -> Route {
        var route = Route(
            topics: topics.map { .name($0) }, table: TableName(schema: nil, name: table), mode: .upsert, key: ["id"],
            onTombstone: .mark, columns: [.init(name: "v", source: .key(FieldPath(["v"])))])
        route.newer = ["v"]
        route.mark = "gone"
        return route
    }

    /// Messages of few keys in a random order and some of them twice, and what their rows are to be in the end.
    private static func messages(
        _ count: Int, keys: Int, _ random: inout SeededGenerator
    ) -> (messages: [TestMessage], rows: [String]) {
        var last: [Int: String] = [:]
        var messages: [TestMessage] = []
        for number in 1...count {
            let id = Int.random(in: 1...keys, using: &random)
            let key = #"{"id": \#(id), "v": \#(number)}"#
            let isDeletion = Int.random(in: 0..<5, using: &random) == 0
            // What a marked row keeps depends on what was there when the mark came; so only the mark counts.
            last[id] = isDeletion ? "\(id)|∅|\(number)|t" : "\(id)|a\(number)|\(number)|f"
            let value = isDeletion ? nil : #"{"id": \#(id), "a": "a\#(number)"}"#
            messages.append(TestMessage(key: key, value: value))
            if Int.random(in: 0..<10, using: &random) == 0 { messages.append(TestMessage(key: key, value: value)) }
        }
        return (messages, last.sorted { $0.key < $1.key }.map(\.value))
    }

    @Test("whatever way and however often messages come, each row ends as its newest message says", arguments: [1, 2])
    func newest(writers: Int) async throws {
        var random = SeededGenerator.random(for: "changes out of order")
        try await Scenario.with(
            "CREATE TABLE t (id int PRIMARY KEY, a text CHECK (a <> 'bad'), v bigint, gone boolean)"
        ) { scenario in
            let (made, rows) = Self.messages(3000, keys: 40, &random)
            var messages = made
            for _ in 0..<30 {
                messages.append(TestMessage(key: #"{"id": 1, "v": 99999}"#, value: #"{"id": 1, "a": "bad"}"#))
            }
            messages.shuffle(using: &random)
            for index in messages.indices { messages[index].partition = Int32.random(in: 0..<3, using: &random) }
            let half = messages.count / 2
            let topics = [
                try scenario.topic(Array(messages[..<half]), partitions: 3),
                try scenario.topic(Array(messages[half...]), partitions: 3),
            ]
            let route = Self.route(topics, "t")
            // The second time another group loads all of it again.
            for again in [false, true] {
                var scenario = scenario
                if again { scenario.group = Broker.randomName("group") }
                try await scenario.load([route]) {
                    $0.batch.maxRows = 100
                    $0.writers = writers
                }
                let found = try scenario.rows(
                    "SELECT id, CASE WHEN gone THEN NULL ELSE a END, v, gone FROM t ORDER BY id")
                #expect(found == rows, "again \(again), seed \(random.seed)")
                #expect(try scenario.deadLetters().count == 30)
                _ = try scenario.connection.query(
                    "DELETE FROM loader.dead_letters WHERE consumer_group = $1", [.text(scenario.group)])
            }
        }
    }

    @Test("changes of some columns leave what they do not say, through bad neighbours, small batches and a second time")
    func patches() async throws {
        var random = SeededGenerator.random(for: "patches of a topic")
        try await Scenario.with(
            "CREATE TABLE t (id int PRIMARY KEY, a text CHECK (a <> 'bad'), b int, c text NOT NULL DEFAULT 'new')"
        ) { scenario in
            var rows: [Int: [String]] = [:]
            var messages: [TestMessage] = []
            for number in 0..<2000 {
                let id = Int.random(in: 1...30, using: &random)
                if Int.random(in: 0..<12, using: &random) == 0 {
                    messages.append(TestMessage(key: "\(id)", value: nil))
                    rows[id] = nil
                    continue
                }
                var members = [#""id": \#(id)"#]
                if Int.random(in: 0..<40, using: &random) == 0 {
                    // It says nothing else: a later `a` of the same batch replaces the bad one, and the rest of it would be in.
                    messages.append(TestMessage(key: "\(id)", value: #"{"id": \#(id), "a": "bad"}"#))
                    continue
                }
                var row = rows[id] ?? ["∅", "∅", "new"]
                if Bool.random(using: &random) {
                    (row[0], members) = ("a\(number)", members + [#""a": "a\#(number)""#])
                }
                if Bool.random(using: &random) { (row[1], members) = ("∅", members + [#""b": null"#]) }
                if Int.random(in: 0..<3, using: &random) == 0 { (row[2], members) = ("c", members + [#""c": "c""#]) }
                rows[id] = row
                messages.append(TestMessage(key: "\(id)", value: "{\(members.joined(separator: ", "))}"))
            }
            var route = Route(try scenario.topic(messages), "t", mode: .upsert)
            route.absent = .keep
            for again in [false, true] {
                var scenario = scenario
                if again { scenario.group = Broker.randomName("group") }
                try await scenario.load([route]) { $0.batch.maxRows = 60 }
                let found = try scenario.rows("SELECT id, a, b, c FROM t ORDER BY id")
                let expected = rows.sorted { $0.key < $1.key }.map { "\($0.key)|\($0.value.joined(separator: "|"))" }
                #expect(found == expected, "again \(again), seed \(random.seed)")
                _ = try scenario.connection.query(
                    "DELETE FROM loader.dead_letters WHERE consumer_group = $1", [.text(scenario.group)])
            }
        }
    }

    @Test("a history has each message once beside the current row, however often the topic is loaded")
    func history() async throws {
        try await Scenario.with(
            """
            CREATE TABLE now (id int PRIMARY KEY, a text);
            CREATE TABLE history (id int, a text, p int, o bigint, UNIQUE (p, o))
            """
        ) { scenario in
            var messages: [TestMessage] = []
            var expected: [String] = []
            for number in 0..<300 {
                let id = number % 7
                let value = number % 11 == 3 ? nil : #"{"id": \#(id), "a": "\#(number)"}"#
                if value != nil { expected.append("\(number)") }
                messages.append(TestMessage(partition: Int32(id % 2), key: "\(id)", value: value))
            }
            let topic = try scenario.topic(messages, partitions: 2)
            let history = Route(
                topics: [.name(topic)], table: TableName(schema: nil, name: "history"), mode: .history,
                columns: [.init(name: "p", source: .partition), .init(name: "o", source: .offset)])
            for again in [false, true] {
                var scenario = scenario
                if again { scenario.group = Broker.randomName("group") }
                try await scenario.load([Route(topic, "now", mode: .upsert), history]) { $0.batch.maxRows = 40 }
                #expect(try scenario.deadLetters().isEmpty)
                let rows = try scenario.rows("SELECT a FROM history ORDER BY a::int")
                #expect(rows == expected)
            }
        }
    }
}
