import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Bad data")
struct BadDataTests {
    /// A message that must not load, between two that must.
    private struct BadMessage {
        var name: String
        /// Nil: `members` are laid over a message that would load.
        var value: [UInt8]?
        var members: String = ""
        var reason: String
        var sqlState: String?
        var column: String?

        init(
            _ name: String, _ members: String, _ reason: String, sqlState: String? = nil, column: String? = nil
        ) {
            (self.name, self.members, self.reason) = (name, members, reason)
            (self.sqlState, self.column) = (sqlState, column)
        }

        init(_ name: String, bytes: [UInt8], _ reason: String) {
            (self.name, value, self.reason) = (name, bytes, reason)
        }

        func message(id: Int) -> [UInt8] {
            // Of a name that comes twice the last one counts.
            value
                ?? Array(
                    (#"{"id": \#(id), "req": "r", "must": 1"# + (members.isEmpty ? "" : ", ") + members + "}").utf8)
        }
    }

    private static let bad = [
        BadMessage("invalid JSON", bytes: Array(#"{"id": 1, "#.utf8), "invalid_json"),
        BadMessage("an empty value", bytes: [], "invalid_json"),
        BadMessage("a scalar", bytes: Array("42".utf8), "not_an_object"),
        BadMessage("an array", bytes: Array(#"[{"id": 1}]"#.utf8), "not_an_object"),
        BadMessage("null", bytes: Array("null".utf8), "not_an_object"),
        BadMessage(
            "invalid UTF-8", bytes: Array(#"{"req": ""#.utf8) + [0xC3, 0x28] + Array(#""}"#.utf8), "invalid_utf8"),
        BadMessage(
            "nesting 10,000 deep",
            bytes: Array((String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)).utf8),
            "too_deep"),
        BadMessage("the wrong type", #""small": true"#, "wrong_type", column: "small"),
        BadMessage("a fraction for an integer", #""small": 1.5"#, "wrong_type", column: "small"),
        BadMessage("no number", #""small": "abc""#, "bad_syntax", column: "small"),
        BadMessage("a number out of range", #""small": 32768"#, "out_of_range", column: "small"),
        BadMessage("too great a decimal", #""amount": 100000"#, "out_of_range", column: "amount"),
        BadMessage("a required field that is null", #""must": null"#, "missing_field", column: "must"),
        BadMessage("not null", #""req": null"#, "null_in_not_null", column: "req"),
        BadMessage("U+0000 in text", #""req": "a\u0000b""#, "nul", column: "req"),
        BadMessage("U+0000 in jsonb", #""doc": {"a": ["\u0000"]}"#, "nul", column: "doc"),
        BadMessage("too long for varchar", #""name": "123456""#, "too_long", column: "name"),
        BadMessage("no zone", #""at": "2024-01-01T00:00:00""#, "missing_zone", column: "at"),
        BadMessage("no month 13", #""at": "2024-13-01T00:00:00Z""#, "bad_syntax", column: "at"),
        BadMessage(
            "an unknown label", #""mood": "furious""#, "refused_by_server", sqlState: "22P02",
            column: "mood"),
        BadMessage("a domain's check", #""even": 3"#, "refused_by_server", sqlState: "23514", column: "even"),
        BadMessage("a check", #""amount": -1"#, "refused_by_server", sqlState: "23514"),
        BadMessage("unique", #""uniq": 1"#, "refused_by_server", sqlState: "23505"),
        BadMessage("unique, within the batch", #""uniq": 2"#, "refused_by_server", sqlState: "23505"),
        BadMessage("no such parent", #""parent": -1"#, "refused_by_server", sqlState: "23503"),
        BadMessage("no such parent, asked at once", #""owner": -1"#, "refused_by_server", sqlState: "23503"),
        BadMessage("an exclusion", #""slot": 10"#, "refused_by_server", sqlState: "23P01"),
        BadMessage("a trigger's RAISE", #""req": "raise""#, "refused_by_server", sqlState: "P0001"),
        BadMessage("a trigger's own SQLSTATE", #""req": "raise own""#, "refused_by_server", sqlState: "MY001"),
        BadMessage("a division in a trigger", #""req": "divide""#, "refused_by_server", sqlState: "22012"),
        BadMessage(
            "too large for an index", #""keyword": "\#(incompressible)""#, "refused_by_server", sqlState: "54000"),
    ]

    /// A kilobyte is what the server can compress away.
    private static let incompressible = {
        var random = SeededGenerator(seed: 1)
        return String(
            (0..<12_000).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789".randomElement(using: &random) ?? "a" })
    }()

    private static func table(_ name: String) -> String {
        """
        CREATE TABLE \(name) (
          id int PRIMARY KEY, small int2, name varchar(5), mood mood, amount numeric(6,2) CHECK (amount >= 0),
          req text NOT NULL, must int, doc jsonb, at timestamptz, even even, uniq int UNIQUE, keyword text,
          parent int REFERENCES \(name) DEFERRABLE INITIALLY DEFERRED, owner int REFERENCES owners, slot int,
          EXCLUDE USING btree (slot WITH =));
        CREATE INDEX ON \(name) (keyword);
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON \(name) FOR EACH ROW EXECUTE FUNCTION refuse();
        """
    }

    private static let schema = """
        CREATE TYPE mood AS ENUM ('calm', 'glad');
        CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
        CREATE TABLE owners (id int PRIMARY KEY);
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.req = 'raise' THEN RAISE EXCEPTION 'not this one'; END IF;
          IF NEW.req = 'raise own' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = 'MY001'; END IF;
          IF NEW.req = 'divide' THEN NEW.small := 1 / 0; END IF;
          RETURN NEW;
        END $$;
        """

    private static let columns: [Route.Column] =
        [
            "id", "small", "name", "mood", "amount", "req", "doc", "at", "even", "uniq", "keyword", "parent", "owner",
            "slot",
        ].map { Route.Column($0, $0) } + [Route.Column("must", "must", required: true)]

    @Test("each kind of bad message lands in the dead letters alone, byte for byte, in every mode")
    func eachKindAlone() async throws {
        let tables = ["inserted", "ignored", "upserted"]
        try await Scenario.with(Self.schema + tables.map(Self.table).joined()) { scenario in
            let headers = [
                Header(name: "h", value: Array("1".utf8)), Header(name: "h", value: nil),
                Header(name: "bin", value: [0, 0xFF]), Header(name: "empty", value: []),
            ]
            var messages: [TestMessage] = []
            // A child comes before its parent, and both load.
            let firsts = [#""uniq": 1, "slot": 10"#, #""uniq": 2"#, #""parent": 1001"#]
            for (index, bad) in Self.bad.enumerated() {
                let members = index < firsts.count ? firsts[index] : ""
                let good = BadMessage("good", members, "").message(id: index * 10)
                messages.append(TestMessage(key: Array("\(index)".utf8), bytes: good, timestamp: 1_700_000_000_000))
                messages.append(
                    TestMessage(
                        key: index % 3 == 0 ? nil : [0xFF, 0, UInt8(index)], bytes: bad.message(id: index * 10 + 1),
                        headers: index % 2 == 0 ? headers : [], timestamp: 1_700_000_000_001 + Int64(index)))
            }
            for id in [1000, 1001] {
                messages.append(TestMessage(key: nil, bytes: BadMessage("good", "", "").message(id: id)))
            }
            let topic = try scenario.topic(messages)
            let modes: [Route.Mode] = [.insert, .ignore, .upsert]
            let routes = zip(tables, modes).map { table, mode in
                Route(topic, table, mode: mode, key: mode == .insert ? nil : ["id"], columns: Self.columns)
            }
            let result = try await scenario.load(routes)
            #expect(result.messages == messages.count)
            let good = Self.bad.indices.map { String($0 * 10) } + ["1000", "1001"]
            let letters = try scenario.deadLetters()
            for table in tables {
                #expect(try scenario.rows("SELECT id FROM \(table) ORDER BY id") == good, "\(table)")
                #expect(try scenario.rows("SELECT parent FROM \(table) WHERE id = 20") == ["1001"])
                let own = letters.filter { $0.table == table }
                #expect(own.map(\.offset) == Self.bad.indices.map { Int64($0 * 2 + 1) }, "\(table)")
                for letter in own {
                    let bad = Self.bad[Int(letter.offset) / 2]
                    let sent = messages[Int(letter.offset)]
                    #expect(letter.reason == bad.reason, "\(bad.name) in \(table): \(letter.message)")
                    #expect(letter.sqlState == bad.sqlState, "\(bad.name) in \(table): \(letter.message)")
                    #expect(letter.column == bad.column, "\(bad.name) in \(table)")
                    #expect(letter.topic == topic && letter.partition == 0)
                    // A row of the same table may still have come, so it was tried again, at the end at the latest.
                    let tries = bad.name == "no such parent" ? 2...3 : 1...1
                    #expect(tries.contains(letter.attempts), "\(bad.name) in \(table)")
                    #expect(letter.timestamp == sent.timestamp)
                    #expect(letter.key == sent.key, "\(bad.name)")
                    #expect(letter.value == sent.value, "\(bad.name)")
                    #expect(letter.headers == sent.headers, "\(bad.name)")
                    if letter.column != nil || letter.sqlState != nil {
                        #expect(letter.message.contains(table), "\(letter.message)")
                    }
                }
            }
        }
    }

    @Test("hundreds of bad rows in one batch are found one by one, and rows that wait for one further on still load")
    func hundredsOfBadRows() async throws {
        let tables = """
            CREATE TABLE parents (id int PRIMARY KEY, v int CHECK (v <> 3));
            CREATE TABLE inserted (id int PRIMARY KEY, v int CHECK (v <> 3), parent int REFERENCES parents);
            CREATE TABLE upserted (id int PRIMARY KEY, v int CHECK (v <> 3),
                                   parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
            """
        try await Scenario.with(tables) { scenario in
            let count = 3000
            let children = try scenario.topic(
                (0..<count).map { id in
                    // Of every hundred the last has no parent; of every seven one breaks the check.
                    TestMessage(
                        key: nil,
                        value: #"{"id": \#(id), "v": \#(id % 7), "parent": \#(id % 100 == 99 ? -id : id / 100)}"#)
                }
                    // The state that counts of a row that had to wait for its parent is its last one.
                    + [TestMessage(key: nil, value: #"{"id": 0, "v": 100, "parent": 0}"#)])
            let parents = try scenario.topic(
                (0..<count / 100).map { TestMessage(key: nil, value: #"{"id": \#($0), "v": 1}"#) }
                    + [TestMessage(key: nil, value: #"{"id": 999, "v": 3}"#)])
            // The children's routes stand first, so their parents come later in the transaction.
            let result = try await scenario.load([
                Route(children, "inserted"), Route(children, "upserted", mode: .upsert), Route(parents, "parents"),
            ])
            #expect(result.messages == count + 1 + count / 100 + 1)
            let good = (0..<count).filter { $0 % 7 != 3 && $0 % 100 != 99 }
            #expect(
                try scenario.rows("SELECT count(*), sum(id) FROM inserted") == ["\(good.count)|\(good.reduce(0, +))"])
            #expect(
                try scenario.rows("SELECT count(*), sum(id) FROM upserted") == ["\(good.count)|\(good.reduce(0, +))"])
            #expect(try scenario.rows("SELECT v FROM upserted WHERE id = 0") == ["100"])
            #expect(try scenario.rows("SELECT count(*) FROM parents") == ["\(count / 100)"])
            let letters = try scenario.deadLetters()
            for table in ["inserted", "upserted"] {
                let own = letters.filter { $0.table == table && $0.offset < count }
                #expect(own.count == count - good.count, "\(table)")
                #expect(own.allSatisfy { $0.sqlState == ($0.offset % 7 == 3 ? "23514" : "23503") }, "\(table)")
            }
        }
    }

    @Test("a row without a partition is a dead letter, and its neighbours find theirs")
    func noPartitionForRow() async throws {
        let tables = """
            CREATE TABLE parted (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
            CREATE TABLE parted_2024 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
            CREATE TABLE parted_2025 PARTITION OF parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
            CREATE TABLE parted_upserted (LIKE parted INCLUDING ALL) PARTITION BY RANGE (day);
            CREATE TABLE parted_upserted_2024 PARTITION OF parted_upserted
              FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
            CREATE TABLE parted_upserted_2025 PARTITION OF parted_upserted
              FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
            """
        try await Scenario.with(tables) { scenario in
            let days = ["2024-05-05", "1999-01-01", "2025-06-06", "2024-07-07"]
            let topic = try scenario.topic(
                days.enumerated().map { TestMessage(key: nil, value: #"{"id": \#($0), "day": "\#($1)"}"#) })
            try await scenario.load([Route(topic, "parted"), Route(topic, "parted_upserted", mode: .upsert)])
            for table in ["parted", "parted_upserted"] {
                #expect(try scenario.rows("SELECT id FROM \(table)_2024 ORDER BY id") == ["0", "3"])
                #expect(try scenario.rows("SELECT id FROM \(table)_2025") == ["2"])
            }
            let letters = try scenario.deadLetters()
            #expect(
                letters.map { "\($0.table)@\($0.offset) \($0.sqlState ?? "")" } == [
                    "parted@1 23514", "parted_upserted@1 23514",
                ])
        }
    }

    @Test(
        "a message of 50 MB loads, or is a dead letter of 50 MB, and its neighbours load",
        .timeLimit(.minutes(2 * Int(testTimeScale.rounded(.up)))))
    func fiftyMegabytes() async throws {
        try await Scenario.with("CREATE TABLE large (id int PRIMARY KEY, v text)") { scenario in
            let text = String(repeating: "0123456789", count: 5_000_000)
            let values = [
                #"{"id": 1}"#, #"{"id": 2, "v": "\#(text)"}"#, #"{"id": "x", "v": "\#(text)"}"#, #"{"id": 4}"#,
            ]
            let topic = try scenario.topic()
            let producer = try Producer(
                properties: scenario.broker.properties([
                    ("compression.type", "lz4"), ("message.max.bytes", "100000000"),
                ]))
            let delivery = Delivery()
            for value in values {
                try producer.produce(topic: topic, partition: 0, key: nil, value: Array(value.utf8), in: delivery)
            }
            try producer.confirm(delivery, within: .seconds(60))
            let result = try await scenario.load([Route(topic, "large")])
            #expect(result.messages == 4)
            #expect(
                try scenario.rows("SELECT id, length(v) FROM large ORDER BY id") == ["1|∅", "2|50000000", "4|∅"])
            #expect(
                try scenario.connection.query(
                    """
                    SELECT reason, column_name, length(value) FROM loader.dead_letters WHERE consumer_group = $1
                    """, [.text(scenario.group)]
                ).string(0, 2) == String(values[2].utf8.count))
        }
    }
}
