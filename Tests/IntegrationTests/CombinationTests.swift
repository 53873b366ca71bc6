import Foundation
import Kafka
import Postgres
import TestSupport
import Testing

/// Change events, elements, filters, patches, versions and tables by name, together, as somebody configures them.
@Suite("Combinations of what routes can do")
struct CombinationTests {
    /// Loads messages by routes, and hands over what is there then.
    ///
    /// - Parameters:
    ///   - routes: YAML, with `TOPIC` for the topic.
    ///   - batches: loaded one behind the other.
    private func load(
        _ tables: String, _ routes: String, _ batches: [[TestMessage]], letters: [String] = [],
        _ queries: [(String, [String])], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await Walk.with(tables: tables) { walk in
            for name in ["KAFKA_TOPIC", "LOADER_TABLE"] { walk.environment[name] = nil }
            let yaml = "routes:\n" + routes.replacing("TOPIC", with: walk.topic) + "\n"
            try yaml.write(to: walk.directory.appending(path: "loader.yaml"), atomically: true, encoding: .utf8)
            for batch in batches {
                try walk.broker.produce(batch, to: walk.topic)
                try await walk.go()
            }
            let found = try walk.owner.query("SELECT reason FROM loader.dead_letters ORDER BY id")
            #expect((0..<found.rowCount).map { found.string($0, 0) } == letters, sourceLocation: sourceLocation)
            for (query, expected) in queries {
                let rows = try walk.owner.query(
                    "SELECT concat_ws('|', VARIADIC array(SELECT coalesce(v, '-') FROM (SELECT (json_each_text(to_json(r))).*) AS e(k, v))) FROM (\(query)) AS r"
                )
                #expect(
                    (0..<rows.rowCount).map { rows.string($0, 0) } == expected, "\(query)",
                    sourceLocation: sourceLocation)
            }
        }
    }

    /// A change as Debezium writes it, without a schema.
    private func change(
        _ operation: String, before: String? = nil, after: String? = nil, lsn: Int = 0, key: String
    ) -> TestMessage {
        let parts = [
            #""before":\#(before ?? "null")"#, #""after":\#(after ?? "null")"#,
            #""source":{"connector":"postgresql","schema":"public","table":"orders","lsn":\#(lsn)}"#,
            #""op":"\#(operation)""#, #""ts_ms":1767225600000"#,
        ]
        return TestMessage(partition: 0, key: #"{"id":\#(key)}"#, value: "{" + parts.joined(separator: ",") + "}")
    }

    private func tombstone(_ key: String) -> TestMessage {
        TestMessage(partition: 0, key: #"{"id":\#(key)}"#, value: nil)
    }

    @Test("a change that takes a row out of the filter deletes it, and one that brings it back writes it")
    func filteredReplica() async throws {
        try await load(
            "CREATE TABLE orders (id int PRIMARY KEY, status text)",
            "  - { topic: TOPIC, table: public.orders, mode: upsert, envelope: debezium, where: status != 'test' }",
            [
                [
                    change("c", after: #"{"id":1,"status":"new"}"#, key: "1"),
                    change("c", after: #"{"id":2,"status":"test"}"#, key: "2"),
                    change("c", after: #"{"id":3,"status":"new"}"#, key: "3"),
                ],
                [
                    change("u", after: #"{"id":1,"status":"test"}"#, key: "1"),
                    change("u", after: #"{"id":2,"status":"paid"}"#, key: "2"),
                    change("d", before: #"{"id":3,"status":"new"}"#, key: "3"), tombstone("3"),
                ],
            ], [("SELECT * FROM orders ORDER BY id", ["2|paid"])])
    }

    @Test(
        "an order's items within a change are a set beside the order: changed, gone with it, in an order that the reference bears"
    )
    func elementsOfChanges() async throws {
        func order(_ id: Int, _ items: String) -> String { #"{"id":\#(id),"total":"1.50","items":\#(items)}"# }
        try await load(
            """
            CREATE TABLE orders (id int PRIMARY KEY, total numeric(8,2));
            CREATE TABLE items (id int REFERENCES orders, sku text, n int, PRIMARY KEY (id, sku));
            """,
            """
              - { topic: TOPIC, table: public.items, mode: upsert, envelope: debezium, each: items, columns: { id: $parent.id } }
              - { topic: TOPIC, table: public.orders, mode: upsert, envelope: debezium }
            """,
            [
                [
                    change("c", after: order(1, #"[{"sku":"a","n":1},{"sku":"b","n":2}]"#), key: "1"),
                    change("c", after: order(2, #"[{"sku":"c","n":3}]"#), key: "2"),
                ],
                [
                    change("u", after: order(1, #"[{"sku":"b","n":5},{"sku":"d","n":4}]"#), key: "1"),
                    change("d", before: order(2, "[]"), key: "2"), tombstone("2"),
                ],
            ],
            [
                ("SELECT id FROM orders ORDER BY id", ["1"]),
                ("SELECT * FROM items ORDER BY sku", ["1|b|5", "1|d|4"]),
            ])
    }

    @Test(
        "an older change, of a row or of its deletion, changes nothing, and one whose large value is unknown keeps it")
    func versionsOfChanges() async throws {
        let unknown = "__debezium_unavailable_value"
        try await load(
            "CREATE TABLE orders (id int PRIMARY KEY, note text, lsn bigint, deleted boolean)",
            """
              - topic: TOPIC
                table: public.orders
                mode: upsert
                envelope: debezium
                newer: lsn
                on_tombstone: mark
                mark: deleted
                columns: { lsn: $source.lsn }
            """,
            [
                [
                    change("c", after: #"{"id":1,"note":"long"}"#, lsn: 10, key: "1"),
                    change("u", after: #"{"id":1,"note":"\#(unknown)"}"#, lsn: 12, key: "1"),
                    change("u", after: #"{"id":1,"note":"older"}"#, lsn: 11, key: "1"),
                    change("c", after: #"{"id":2,"note":"x"}"#, lsn: 10, key: "2"),
                ],
                [
                    change("d", before: #"{"id":1,"note":"x"}"#, lsn: 9, key: "1"),
                    change("d", before: #"{"id":2,"note":"x"}"#, lsn: 20, key: "2"),
                    change("u", after: #"{"id":2,"note":"late"}"#, lsn: 15, key: "2"),
                    change("u", after: #"{"id":3,"note":"\#(unknown)"}"#, lsn: 1, key: "3"),
                ],
            ], letters: ["unavailable_value"],
            [
                (
                    "SELECT id, note, lsn, coalesce(deleted, false) AS deleted FROM orders ORDER BY id",
                    ["1|long|12|false", "2|x|20|true"]
                )
            ])
    }

    @Test(
        "a table of changes beside the table of rows: each change once, also behind a replay, and each version until when"
    )
    func historyBesideRows() async throws {
        let events = [
            change("c", after: #"{"id":1,"note":"a"}"#, lsn: 1, key: "1"),
            change("u", before: #"{"id":1,"note":"a"}"#, after: #"{"id":1,"note":"b"}"#, lsn: 2, key: "1"),
            change("d", before: #"{"id":1,"note":"b"}"#, lsn: 3, key: "1"), tombstone("1"),
        ]
        try await load(
            """
            CREATE TABLE orders (id int PRIMARY KEY, note text);
            CREATE TABLE versions (part int, pos bigint, op text, id int, note text, since bigint, until bigint, PRIMARY KEY (part, pos));
            """,
            """
              - { topic: TOPIC, table: public.orders, mode: upsert, envelope: debezium }
              - topic: TOPIC
                table: public.versions
                mode: history
                envelope: debezium
                history: { key: [id], valid_from: since, valid_to: until }
                columns: { part: $partition, pos: $offset, op: $op, since: $source.lsn }
            """,
            [Array(events[..<1]), Array(events[1...])],
            [
                ("SELECT count(*) FROM orders", ["0"]),
                ("SELECT op, id, note, since FROM versions ORDER BY pos", ["c|1|a|1", "u|1|b|2", "d|1|b|3"]),
                ("SELECT until FROM versions ORDER BY pos LIMIT 2", ["2", "3"]),
            ])
    }

    @Test("tables by a name within the message hold the rows that a filter leaves, and unknown names are dead letters")
    func filteredTables() async throws {
        func event(_ type: String, _ id: Int, _ level: Int) -> TestMessage {
            TestMessage(partition: 0, key: "\(id)", value: #"{"type":"\#(type)","id":\#(id),"level":\#(level)}"#)
        }
        try await load(
            "CREATE SCHEMA events; CREATE TABLE events.click (id int, level int); CREATE TABLE events.view (id int)",
            "  - { topic: TOPIC, table: 'events.${type}', tables: [click, view], where: level >= 2 and type != 'noise' }",
            [
                [
                    event("click", 1, 2), event("view", 2, 3), event("click", 3, 1), event("noise", 4, 5),
                    event("other", 5, 5),
                ]
            ],
            letters: ["no_table"],
            [("SELECT * FROM events.click", ["1|2"]), ("SELECT * FROM events.view", ["2"])])
    }

    @Test("patches of elements change what they have, and leave what the set no longer has to be deleted")
    func patchesOfElements() async throws {
        func order(_ items: String) -> TestMessage {
            TestMessage(partition: 0, key: "o", value: #"{"id":"o","items":\#(items)}"#)
        }
        try await load(
            "CREATE TABLE items (id text, sku text, n int, note text, PRIMARY KEY (id, sku))",
            """
              - { topic: TOPIC, table: public.items, mode: upsert, each: items, absent: keep, columns: { id: $parent.id } }
            """,
            [
                [order(#"[{"sku":"a","n":1,"note":"x"},{"sku":"b","n":2,"note":"y"}]"#)],
                [order(#"[{"sku":"a","n":7},{"sku":"c","note":null}]"#)],
            ], [("SELECT * FROM items ORDER BY sku", ["o|a|7|x", "o|c|-|-"])])
    }
}
