import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Modes")
struct ModesTests {
    /// A table whose key can be written in more than one way, and how to tell which number was meant.
    private struct KeyKind: Sendable {
        var table: String
        var definition: String
        /// As JSON, one of several ways to write the key.
        var spelling: @Sendable (_ key: Int, inout SeededGenerator) -> String
        /// SQL that gives the number back.
        var number: String
    }

    private static let kinds = [
        KeyKind(
            table: "by_int", definition: "id int PRIMARY KEY, v text, n int DEFAULT 7",
            spelling: { key, random in [String(key), "\"\(key)\""].randomElement(using: &random) ?? "" },
            number: "id"),
        KeyKind(
            table: "by_uuid_in_text", definition: "id uuid PRIMARY KEY, v text, n int DEFAULT 7, address inet",
            spelling: { key, random in
                let id = "abcdef00-0000-4000-8000-0000000000" + (key < 10 ? "0\(key)" : "\(key)")
                return "\"\(Bool.random(using: &random) ? id : id.uppercased())\""
            }, number: "right(id::text, 2)::int"),
        KeyKind(
            table: "by_numeric", definition: "id numeric PRIMARY KEY, v text, n int DEFAULT 7",
            spelling: { key, random in
                ["\(key)", "\(key).0", "\(key).00", "\"\(key).000\""].randomElement(using: &random) ?? ""
            }, number: "trunc(id)::int"),
        KeyKind(
            table: "by_char", definition: "id char(8) PRIMARY KEY, v text, n int DEFAULT 7",
            spelling: { key, random in
                "\"\(key)\(String(repeating: " ", count: Int.random(in: 0...4, using: &random)))\""
            },
            number: "id::int"),
        KeyKind(
            table: "by_citext", definition: "id citext PRIMARY KEY, v text, n int DEFAULT 7",
            spelling: { key, random in
                Bool.random(using: &random) ? "\"key-\(key)\"" : "\"KEY-\(key)\""
            }, number: "substr(id::text, 5)::int"),
        KeyKind(
            table: "by_two", definition: "part text, id int, v text, n int DEFAULT 7, PRIMARY KEY (part, id)",
            spelling: { key, _ in String(key) }, number: "id"),
    ]

    @Test(
        "whatever comes of a key, rows, partial rows and tombstones, the table ends as if they had come one by one",
        arguments: [100_000, 23])
    func upsertEndsInTheLastState(batchRows: Int) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let citext = (try? TestDatabase.shared().connect().execute("CREATE EXTENSION IF NOT EXISTS citext")) != nil
        let kinds = Self.kinds.filter { citext || !$0.definition.contains("citext") }
        let tables = kinds.map { "CREATE TABLE \($0.table) (\($0.definition))" }.joined(separator: ";")
        try await Scenario.with(tables) { scenario in
            var expected: [String: [String]] = [:]
            var routes: [Route] = []
            for kind in kinds {
                var state: [Int: (v: Int?, n: Int?)] = [:]
                var messages: [TestMessage] = []
                for step in 0..<400 {
                    let key = Int.random(in: 1...12, using: &random)
                    let spelling = kind.spelling(key, &random)
                    let isComposite = kind.table == "by_two"
                    let part = isComposite ? #""part": "p", "# : ""
                    var message = TestMessage(partition: Int32(key % 3), key: nil, value: nil)
                    let objectKey = "{\(part)\"id\": \(spelling)}"
                    let plainKey = spelling.replacing("\"", with: "")
                    let keys = isComposite ? [objectKey] : [objectKey, plainKey, spelling]
                    message.key = keys.randomElement(using: &random).map { Array($0.utf8) }
                    switch Int.random(in: 0..<10, using: &random) {
                    case 0..<3:
                        state[key] = nil
                    case 3..<6:
                        // `n` is left out: its default for a new row, what it was for an old one.
                        message.value = Array("{\(part)\"id\": \(spelling), \"v\": \"\(step)\"}".utf8)
                        state[key] = (step, state[key] == nil ? 7 : state[key]?.n)
                    case 6:
                        message.value = Array("{\(part)\"id\": \(spelling), \"v\": null, \"n\": null}".utf8)
                        state[key] = (nil, nil)
                    default:
                        message.value = Array("{\(part)\"id\": \(spelling), \"v\": \(step), \"n\": \(step)}".utf8)
                        state[key] = (step, step)
                    }
                    messages.append(message)
                }
                let topic = try scenario.topic(messages, partitions: 3)
                routes.append(Route(topic, kind.table, mode: .upsert))
                expected[kind.table] = state.sorted { $0.key < $1.key }.map { key, row in
                    "\(key)|\(row.v.map(String.init) ?? "∅")|\(row.n.map(String.init) ?? "∅")"
                }
            }
            let result = try await scenario.load(routes) { $0.batch.maxRows = batchRows }
            #expect(result.messages == 400 * kinds.count)
            #expect(result.deadLetterCount == 0)
            for kind in kinds {
                let found = try scenario.rows("SELECT \(kind.number), v, n FROM \(kind.table) ORDER BY 1")
                #expect(found == expected[kind.table], "\(kind.table), seed \(seed)")
            }
        }
    }

    @Test("insert appends, ignore keeps the first row of a key, upsert the last; tombstones do what the route says")
    func modesAndTombstones() async throws {
        let tables = """
            CREATE TABLE appended (id int, v text);
            CREATE TABLE kept (id int PRIMARY KEY, v text);
            CREATE TABLE kept_by_any (id int UNIQUE, v text UNIQUE);
            CREATE TABLE replaced (id int PRIMARY KEY, v text);
            CREATE TABLE second_unique (id int PRIMARY KEY, v text UNIQUE);
            CREATE TABLE all_key (a int, b text, PRIMARY KEY (a, b));
            CREATE TABLE by_message_key (id bigint PRIMARY KEY, v text);
            CREATE TABLE serials (id int PRIMARY KEY, v text, number serial, at timestamptz DEFAULT now(),
                                  tag text DEFAULT 'none', twice int GENERATED ALWAYS AS (id * 2) STORED,
                                  own bigint GENERATED ALWAYS AS IDENTITY);
            INSERT INTO kept VALUES (3, 'old');
            INSERT INTO replaced VALUES (3, 'old'), (4, 'old');
            INSERT INTO serials (id, v, number, at, tag) VALUES (3, 'old', 1000, '2000-01-01', 'old');
            """
        try await Scenario.with(tables) { scenario in
            func message(_ id: Int, _ v: String?) -> TestMessage {
                TestMessage(key: String(id), value: v.map { #"{"id": \#(id), "v": "\#($0)"}"# })
            }
            let topic = try scenario.topic([
                message(1, "a"), message(1, "b"), message(2, "c"), message(3, "d"), message(4, nil), message(2, nil),
            ])
            let values = try scenario.topic([message(1, "a"), message(2, "b"), message(3, "b"), message(1, "d")])
            let pairs = try scenario.topic(
                [#"{"a": 1, "b": "x"}"#, #"{"a": 1, "b": "x"}"#, #"{"a": 1, "b": "y"}"#, #"{"a": 2, "b": "x"}"#].map {
                    TestMessage(key: $0, value: $0)
                } + [TestMessage(key: #"{"a": 1, "b": "y"}"#, value: nil)])
            // A key column that is not named like the field it comes from.
            let byKey: [Route.Column] = [Route.Column("id", "$key"), Route.Column("v", "v")]
            var routes = [
                Route(topic, "appended"),
                Route(topic, "kept", mode: .ignore, onTombstone: .skip),
                Route(values, "kept_by_any", mode: .ignore),
                Route(topic, "replaced", mode: .upsert),
                Route(values, "second_unique", mode: .upsert),
                Route(pairs, "all_key", mode: .upsert),
                Route(topic, "by_message_key", mode: .upsert, columns: byKey),
                Route(topic, "serials", mode: .upsert, onTombstone: .deadLetter),
            ]
            routes[2].onTombstone = .skip
            let result = try await scenario.load(routes)
            #expect(result.messages == 15)
            #expect(try scenario.rows("SELECT * FROM appended") == ["1|a", "1|b", "2|c", "3|d"])
            #expect(try scenario.rows("SELECT * FROM kept ORDER BY 1") == ["1|a", "2|c", "3|old"])
            #expect(try scenario.rows("SELECT * FROM kept_by_any ORDER BY 1") == ["1|a", "2|b"])
            #expect(try scenario.rows("SELECT * FROM replaced ORDER BY 1") == ["1|b", "3|d"])
            #expect(try scenario.rows("SELECT * FROM second_unique ORDER BY 1") == ["1|d", "2|b"])
            #expect(try scenario.rows("SELECT * FROM all_key ORDER BY 1, 2") == ["1|x", "2|x"])
            #expect(try scenario.rows("SELECT * FROM by_message_key ORDER BY 1") == ["1|b", "3|d"])
            #expect(
                try scenario.rows(
                    """
                    SELECT id, v, number = 1000, at = '2000-01-01', tag, twice, own IS NOT NULL
                    FROM serials ORDER BY 1
                    """) == ["1|b|f|f|none|2|t", "2|c|f|f|none|4|t", "3|d|t|t|old|6|t"])
            let letters = try scenario.deadLetters()
            #expect(
                letters.filter { $0.reason == "tombstone" }.map { "\($0.table)@\($0.offset)" }
                    == ["appended@4", "serials@4", "appended@5", "serials@5"])
            #expect(letters.filter { $0.reason == "tombstone" }.allSatisfy { $0.value == nil && $0.key != nil })
            let refused = letters.filter { $0.reason != "tombstone" }
            #expect(refused.map { "\($0.table)@\($0.offset) \($0.sqlState ?? "")" } == ["second_unique@2 23505"])
        }
    }

    @Test(
        "large batches end the same whether few, most or none of their keys are there, or one turns up only by a trigger"
    )
    func largeBatches() async throws {
        // `every`: a key in so many is there already.
        let tables = [(name: "new", every: 5000), (name: "few", every: 3), (name: "known", every: 1)]
        var sql = """
            CREATE TABLE folded (id text, part int DEFAULT 1, v text, PRIMARY KEY (id, part));
            INSERT INTO folded VALUES ('k7', 1, 'old'), ('k9', 2, 'old');
            CREATE FUNCTION fold() RETURNS trigger LANGUAGE plpgsql
              AS 'BEGIN NEW.id := lower(NEW.id); RETURN NEW; END';
            CREATE TRIGGER fold BEFORE INSERT ON folded FOR EACH ROW EXECUTE FUNCTION fold();
            """
        for (name, every) in tables {
            for table in [name, name + "_kept"] {
                sql += "CREATE TABLE \(table) (id int PRIMARY KEY, v text, n int DEFAULT 7);"
                sql += "INSERT INTO \(table) SELECT id, 'old', 1 FROM generate_series(0, 3999, \(every)) AS id;"
            }
        }
        try await Scenario.with(sql) { scenario in
            let topic = try scenario.topic(
                (0..<4000).map { TestMessage(key: "\($0)", value: #"{"id": \#($0), "v": "v\#($0)"}"#) }
                    + [TestMessage(key: "1", value: #"{"id": 1, "v": "last"}"#)])
            let upper = try scenario.topic(
                (0..<4000).map { TestMessage(key: nil, value: #"{"id": "K\#($0)", "part": 1, "v": "v\#($0)"}"#) })
            let result = try await scenario.load(
                tables.flatMap {
                    [Route(topic, $0.name, mode: .upsert), Route(topic, $0.name + "_kept", mode: .ignore)]
                }
                    + [Route(upper, "folded", mode: .upsert)])
            #expect(result.deadLetterCount == 0)
            for (name, every) in tables {
                let upserted = try scenario.rows(
                    """
                    SELECT count(*), count(*) FILTER (WHERE v = CASE id WHEN 1 THEN 'last' ELSE 'v' || id END),
                      count(*) FILTER (WHERE n = CASE id % \(every) WHEN 0 THEN 1 ELSE 7 END) FROM \(name)
                    """)
                #expect(upserted == ["4000|4000|4000"], "\(name)")
                let kept = try scenario.rows(
                    """
                    SELECT count(*), count(*) FILTER (WHERE v = CASE id % \(every) WHEN 0 THEN 'old' ELSE 'v' || id END)
                    FROM \(name)_kept
                    """)
                #expect(kept == ["4000|4000"], "\(name)")
            }
            #expect(
                try scenario.rows(
                    "SELECT count(*), count(*) FILTER (WHERE v = 'v' || substr(id, 2)), min(id COLLATE \"C\") FROM folded"
                )
                    == ["4001|4000|k0"])
        }
    }

    @Test("a key that the table does not need cannot spoil a message, and a tombstone without one is a dead letter")
    func keysThatDoNotFit() async throws {
        try await Scenario.with(
            "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE loose (id int UNIQUE, v text)"
        ) { scenario in
            let topic = try scenario.topic([
                TestMessage(key: "{broken", value: #"{"id": 1, "v": "a"}"#),
                TestMessage(key: nil, value: nil),
                TestMessage(key: "{broken", value: nil),
                TestMessage(key: "word", value: nil),
                TestMessage(key: #"{"other": 1}"#, value: nil),
                TestMessage(key: nil, value: #"{"id": 2, "v": "b"}"#),
            ])
            try await scenario.load([
                Route(topic, "t", mode: .upsert), Route(topic, "loose", mode: .upsert, key: ["id"]),
            ])
            #expect(try scenario.rows("SELECT * FROM t ORDER BY 1") == ["1|a", "2|b"])
            #expect(try scenario.rows("SELECT * FROM loose ORDER BY 1") == ["1|a", "2|b"])
            let letters = try scenario.deadLetters()
            for table in ["t", "loose"] {
                #expect(
                    letters.filter { $0.table == table }.map { "\($0.offset) \($0.reason)" } == [
                        "1 missing_field", "2 invalid_json", "3 bad_syntax", "4 missing_field",
                    ], "\(table)")
            }
        }
    }
}
