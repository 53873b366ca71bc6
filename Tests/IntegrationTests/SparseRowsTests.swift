import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Sparse rows")
struct SparseRowsTests {
    /// A table, and how its keys are written in messages and in SQL.
    private struct Kind: Sendable {
        var table: String
        var keyType: String
        /// More of the table's columns, all of which messages leave alone.
        var more = ""
        /// After the table was made.
        var then = ""
        var hasTombstones = true
        /// What a message has for the key, one of several ways to write it.
        var spelling: @Sendable (_ key: Int, inout SeededGenerator) -> String

        var needsICU: Bool { (keyType + then).contains("COLLATE ci") }
    }

    private static func either(_ words: [String], _ random: inout SeededGenerator) -> String {
        words.randomElement(using: &random) ?? ""
    }

    private static let kinds: [Kind] = [
        Kind(table: "by_int", keyType: "int") { key, random in either(["\(key)", "0\(key)"], &random) },
        Kind(table: "by_text", keyType: "text", more: ", x inet") { key, _ in "key\(key)" },
        Kind(table: "by_numeric", keyType: "numeric") { key, random in
            either(["\(key)", "\(key).0", "\(key).000"], &random)
        },
        Kind(table: "by_scaled", keyType: "numeric(6,2)") { key, random in
            either(["\(key)", "\(key).001", "\(key).004"], &random)
        },
        Kind(
            table: "by_numeric_in_text", keyType: "numeric", more: ", x inet"
        ) { key, random in
            either(["\(key)", "\(key).0", "\(key)0e-1"], &random)
        },
        Kind(table: "by_char", keyType: "char(8)") { key, random in either(["\(key)", "\(key)  "], &random) },
        Kind(table: "by_uuid_in_text", keyType: "uuid", more: ", x inet") { key, random in
            let id = "abcdef00-0000-4000-8000-0000000000" + (key < 10 ? "0\(key)" : "\(key)")
            return either([id, id.uppercased(), "{\(id)}"], &random)
        },
        Kind(table: "by_float", keyType: "float8") { key, random in either(["\(key)", "\(key).0", "\(key)e0"], &random)
        },
        Kind(table: "by_citext", keyType: "citext") { key, random in either(["key\(key)", "KEY\(key)"], &random) },
        Kind(table: "by_collation", keyType: "text COLLATE ci") { key, random in
            either(["key\(key)", "KEY\(key)", "Key\(key)"], &random)
        },
        Kind(
            table: "by_index", keyType: "text",
            then: """
                ALTER TABLE by_index DROP CONSTRAINT by_index_pkey;
                CREATE UNIQUE INDEX ON by_index (key COLLATE ci)
                """
        ) { key, random in either(["key\(key)", "KEY\(key)"], &random) },
        Kind(table: "by_inet", keyType: "inet") { key, random in either(["10.0.0.\(key)", "10.0.0.\(key)/32"], &random)
        },
        Kind(table: "by_interval", keyType: "interval") { key, random in
            either(["\(key) days", "\(key * 24):00:00"], &random)
        },
        Kind(
            table: "by_partition", keyType: "int",
            then: """
                DROP TABLE by_partition;
                CREATE TABLE by_partition (LIKE by_int INCLUDING ALL) PARTITION BY HASH (key);
                CREATE TABLE by_partition_0 PARTITION OF by_partition FOR VALUES WITH (MODULUS 2, REMAINDER 0);
                CREATE TABLE by_partition_1 PARTITION OF by_partition FOR VALUES WITH (MODULUS 2, REMAINDER 1)
                """
        ) { key, _ in "\(key)" },
        Kind(
            table: "by_trigger", keyType: "text",
            then: """
                CREATE TRIGGER fold BEFORE INSERT ON by_trigger FOR EACH ROW EXECUTE FUNCTION fold()
                """,
            hasTombstones: false
        ) { key, _ in "KEY\(key)" },
        Kind(
            table: "by_stamp", keyType: "int",
            then: "CREATE TRIGGER stamp BEFORE INSERT ON by_stamp FOR EACH ROW EXECUTE FUNCTION stamp()"
        ) { key, _ in "\(key)" },
    ]

    /// Columns with all kinds of defaults, and one without.
    private static let columns: [(name: String, definition: String, values: [String])] = [
        ("a", "text DEFAULT 'x'", ["\"1\"", "\"\"", "null"]),
        ("b", "int DEFAULT 7", ["5", "null"]),
        ("c", "numeric(8,2) NOT NULL DEFAULT 1", ["2.5", "3"]),
        ("d", "text NOT NULL DEFAULT lower('D')", ["\"d\\tx\"", "\"\\\\N\""]),
        ("e", "filled", ["\"e\""]),
        ("f", "date DEFAULT timestamptz '2020-02-02 00:00:00+00'", ["\"2021-01-01\"", "null"]),
        ("g", "text DEFAULT 5", ["\"g\"", "null"]),
        ("h", "text", ["\"h\"", "null"]),
        ("i", "int[] DEFAULT '{1,2}'", ["[3]", "null"]),
        ("j", "jsonb DEFAULT '{}'", ["{\"k\": null}", "null"]),
        ("k", "labels DEFAULT 'one'", ["\"two\"", "null"]),
        ("l", "boolean DEFAULT false", ["true", "null"]),
        ("m", "text DEFAULT concat('m')", ["\"\"", "\"m2\"", "null"]),
        ("n", "int NOT NULL DEFAULT length(concat('n'))", ["5", "6"]),
    ]

    private static let collation =
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"

    private static let setUp = """
        CREATE DOMAIN filled AS varchar(5) DEFAULT 'dom' NOT NULL CHECK (VALUE <> '');
        CREATE TYPE labels AS ENUM ('one', 'two');
        CREATE FUNCTION fold() RETURNS trigger LANGUAGE plpgsql
          AS 'BEGIN NEW.key := lower(NEW.key); RETURN NEW; END';
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql
          AS 'BEGIN NEW.a := coalesce(NEW.a, '''') || ''!''; RETURN NEW; END';
        """

    private static func definition(_ kind: Kind, table: String) -> String {
        let columns = columns.map { ", \($0.name) \($0.definition)" }.joined()
        let then = kind.then.replacing(kind.table, with: table)
        return "CREATE TABLE \(table) (key \(kind.keyType) PRIMARY KEY\(columns)\(kind.more)); \(then);"
    }

    /// One message as one statement, as a user would write it.
    private static func statement(
        _ kind: Kind, key: String, given: [(name: String, value: String)]?, mode: Route.Mode,
        absent: Route.Absent = .byDefault
    ) -> String {
        let table = "model_\(kind.table)"
        let collation = kind.table == "by_index" ? " COLLATE ci" : ""
        let type = kind.keyType.replacing(" COLLATE ci", with: "")
        guard let given else { return "DELETE FROM \(table) WHERE key\(collation) = '\(key)'::\(type)" }
        var lacking: [String] = []
        switch absent {
        // A column without a default is null where a message lacks it.
        case .byDefault: lacking = ["h"]
        case .null: lacking = columns.filter { $0.values.contains("null") }.map(\.name)
        case .keep: break
        }
        let all =
            given
            + lacking.filter { name in !given.contains { $0.name == name } }.map { (name: $0, value: "null") }
        let values = all.map { name, value in
            if value == "null" { return "NULL" }
            if name == "j" { return "'\(value)'" }
            if value.hasPrefix("[") { return "'{\(value.dropFirst().dropLast())}'" }
            return value.hasPrefix("\"")
                ? "E'\(value.dropFirst().dropLast())'" : value
        }
        let names = (["key"] + all.map(\.name)).joined(separator: ", ")
        let into = "INSERT INTO \(table) (\(names)) "
        let row = (["'\(key)'::\(type)"] + values).joined(separator: ", ")
        let insert = into + "VALUES (\(row))"
        switch mode {
        case .insert: return insert
        case .ignore, .history: return insert + " ON CONFLICT (key) DO NOTHING"
        case .upsert:
            let updates = all.map { "\($0.name) = EXCLUDED.\($0.name)" }.joined(separator: ", ")
            let onConflict = " ON CONFLICT (key\(collation)) DO " + (all.isEmpty ? "NOTHING" : "UPDATE SET \(updates)")
            guard absent == .keep else { return insert + onConflict }
            // A change of a row first, and only if there is none a new one.
            let changes = (["key = key"] + zip(all, values).map { "\($0.name) = \($1)" }).joined(separator: ", ")
            return
                "WITH known AS (UPDATE \(table) SET \(changes) WHERE key\(collation) = '\(key)'::\(type) RETURNING 1) "
                + into + "SELECT \(row) WHERE NOT EXISTS (SELECT FROM known)" + onConflict
        }
    }

    @Test(
        "whatever columns messages leave out, however they write their keys, the table is as if each had been a statement",
        arguments: [
            (Route.Mode.upsert, Route.Absent.byDefault, 100_000), (.upsert, .byDefault, 37),
            (.ignore, .byDefault, 100_000),
            (.upsert, .keep, 100_000), (.upsert, .keep, 37), (.upsert, .null, 100_000), (.ignore, .null, 100_000),
        ])
    func asIfOneByOne(mode: Route.Mode, absent: Route.Absent, batchRows: Int) async throws {
        var random = SeededGenerator.random(for: "sparse rows")
        let seed = random.seed
        let server = try TestDatabase.shared().connect()
        let hasCitext = (try? server.execute("CREATE EXTENSION IF NOT EXISTS citext")) != nil
        let hasICU = try server.hasICU
        let kinds = Self.kinds.filter { kind in
            // Of a new row and its changes within a batch the trigger sees one new row, and not the changes.
            (absent != .keep || kind.table != "by_stamp") && (hasCitext || kind.table != "by_citext")
                && (hasICU || !kind.needsICU)
        }
        let tables = kinds.map {
            Self.definition($0, table: $0.table) + Self.definition($0, table: "model_\($0.table)")
        }
        let setUp = (hasICU ? Self.collation : "") + Self.setUp
        try await Scenario.with(setUp + tables.joined()) { scenario in
            var routes: [Route] = []
            for kind in kinds {
                // A table that has some of the keys from before, and one that has none.
                let earlier = (0..<Int.random(in: 0...1, using: &random) * 10).map { _ in
                    Int.random(in: 1...20, using: &random)
                }
                for key in Set(earlier).sorted() {
                    let spelling = kind.spelling(key, &random)
                    let statement = Self.statement(
                        kind, key: spelling, given: [("a", "\"old\""), ("b", "1"), ("g", "null")], mode: .ignore)
                    try scenario.connection.execute(statement)
                    try scenario.connection.execute(statement.replacing("model_", with: ""))
                }
                var messages: [TestMessage] = []
                for _ in 0..<300 {
                    let spelling = kind.spelling(Int.random(in: 1...20, using: &random), &random)
                    var given: [(name: String, value: String)]?
                    if mode == .ignore || !kind.hasTombstones || Int.random(in: 0..<10, using: &random) > 1 {
                        let share: Double = [0.0, 0.2, 0.5, 1.0].randomElement(using: &random) ?? 0
                        var members: [(name: String, value: String)] = []
                        for column in Self.columns where Double.random(in: 0..<1, using: &random) < share {
                            members.append((column.name, Self.either(column.values, &random)))
                        }
                        given = members
                    }
                    let members = given?.map { ", \"\($0.name)\": \($0.value)" }.joined()
                    messages.append(
                        TestMessage(
                            key: #"{"key": "\#(spelling)"}"#,
                            value: members.map { #"{"key": "\#(spelling)"\#($0)}"# }))
                    try scenario.connection.execute(
                        Self.statement(kind, key: spelling, given: given, mode: mode, absent: absent))
                }
                var route = Route(try scenario.topic(messages), kind.table, mode: mode, key: ["key"])
                route.absent = absent
                routes.append(route)
            }
            let result = try await scenario.load(routes) { $0.batch.maxRows = batchRows }
            #expect(result.messages == 300 * kinds.count)
            #expect(try scenario.deadLetters().map { "\($0.table)@\($0.offset) \($0.message)" } == [])
            let compared = Self.columns.map { $0.name }.joined(separator: ", ")
            for kind in kinds {
                let found = try scenario.rows("SELECT key, \(compared) FROM \(kind.table) ORDER BY 1")
                let model = try scenario.rows("SELECT key, \(compared) FROM model_\(kind.table) ORDER BY 1")
                for (row, expected) in zip(found, model) where row != expected {
                    Issue.record("\(kind.table), seed \(seed): \(row), expected \(expected)")
                    break
                }
                #expect(found.count == model.count, "\(kind.table), seed \(seed)")
                #expect(found.count > 5)
            }
        }
    }

    /// Rows with a random half of `count` columns `c0…`, each by its own choice.
    private static func sparse(
        _ rows: Int, columns count: Int, _ random: inout SeededGenerator, more: (Int) -> String = { _ in "" }
    ) -> [TestMessage] {
        (0..<rows).map { row in
            let members = (0..<count).filter { _ in Bool.random(using: &random) }.map { ", \"c\($0)\": \"v\(row)\"" }
            return TestMessage(key: "\(row)", value: "{\"id\": \(row)\(members.joined())\(more(row))}")
        }
    }

    @Test(
        "however many sets of columns a batch has, it makes at most three temporary tables and a handful of statements",
        arguments: [Route.Mode.insert, .ignore, .upsert])
    func fewTemporaryTables(mode: Route.Mode) async throws {
        var random = SeededGenerator.random(for: "temporary tables")
        // `concat` is not immutable, so that only the server can fill these in.
        let columns = (0..<100).map { ", c\($0) text NOT NULL DEFAULT concat('d', \($0))" }.joined()
        try await Scenario.with(
            """
            CREATE TABLE wide (id int PRIMARY KEY\(columns));
            CREATE TABLE seen (batch bigint, tables bigint);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN
                INSERT INTO seen SELECT txid_current(), count(*) FROM pg_class
                  WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r';
                RETURN NULL;
              END $$;
            CREATE TRIGGER note AFTER INSERT ON wide FOR EACH STATEMENT EXECUTE FUNCTION note();
            INSERT INTO wide (id, c7) SELECT id, 'old' FROM generate_series(0, 1999, 2) AS id WHERE \(mode != .insert);
            TRUNCATE seen;
            """
        ) { scenario in
            var messages = Self.sparse(2000, columns: 100, &random)
            if mode == .upsert { messages += (0..<100).map { TestMessage(key: "\($0 * 3)", value: nil) } }
            let topic = try scenario.topic(messages)
            let result = try await scenario.load([Route(topic, "wide", mode: mode)])
            #expect(result.deadLetterCount == 0)
            #expect(try scenario.rows("SELECT max(tables) BETWEEN 1 AND 3 FROM seen") == ["t"])
            #expect(
                try scenario.rows("SELECT max(n) < 7 FROM (SELECT count(*) AS n FROM seen GROUP BY batch) AS s") == [
                    "t"
                ])
            let wrong = (0..<100).map { column in
                let kept = column == 7 ? "'old'" : "'d\(column)'"
                let old = mode == .insert ? "'d\(column)'" : "CASE id % 2 WHEN 0 THEN \(kept) ELSE 'd\(column)' END"
                return mode == .ignore
                    ? "c\(column) <> CASE id % 2 WHEN 0 THEN \(kept) ELSE c\(column) END"
                    : "c\(column) NOT IN ('v' || id, \(old))"
            }.joined(separator: " OR ")
            #expect(
                try scenario.rows("SELECT count(*), count(*) FILTER (WHERE \(wrong)) FROM wide")
                    == [mode == .upsert ? "1900|0" : "2000|0"])
        }
    }

    @Test("a default that fails is the fault of the rows that need it, and of no other; serials are taken row by row")
    func failingDefaults() async throws {
        var random = SeededGenerator.random(for: "failing defaults")
        let columns = (0..<70).map { ", c\($0) text DEFAULT 'd'" }.joined() + ", low int DEFAULT -1 CHECK (low >= 0)"
        let definition =
            "(id int PRIMARY KEY, n serial, i int GENERATED BY DEFAULT AS IDENTITY, bad int DEFAULT boom()\(columns), "
            + "worse int DEFAULT 1 / 0)"
        try await Scenario.with(
            """
            CREATE FUNCTION boom() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE ''no'' USING ERRCODE = ''P0009''; END';
            CREATE TABLE appended \(definition); CREATE TABLE upserted \(definition);
            """
        ) { scenario in
            // One row in 50 needs `bad`, another one `worse`, a third one `low`; one in three brings its own identity.
            let messages = Self.sparse(600, columns: 70, &random) { row in
                (row % 50 == 3 ? "" : ", \"bad\": 1") + (row % 50 == 7 ? "" : ", \"worse\": 1")
                    + (row % 50 == 11 ? "" : ", \"low\": 1")
                    + (row % 3 == 0 ? ", \"i\": \(row + 1000)" : "")
            }
            let topic = try scenario.topic(messages)
            try await scenario.load([Route(topic, "appended"), Route(topic, "upserted", mode: .upsert)])
            for table in ["appended", "upserted"] {
                let letters = try scenario.deadLetters().filter { $0.table == table }
                #expect(
                    letters.allSatisfy { $0.sqlState == [3: "P0009", 7: "22012", 11: "23514"][$0.offset % 50] }
                        && letters.count == 36, "\(table)")
                #expect(
                    try scenario.rows(
                        """
                        SELECT count(*), count(DISTINCT n), count(DISTINCT i), count(*) FILTER (WHERE i = id + 1000)
                          = count(*) FILTER (WHERE id % 3 = 0) FROM \(table)
                        """) == ["564|564|564|t"], "\(table)")
            }
        }
    }

    @Test(
        "a composite with a null in it is a value, and is not taken for one that was left out",
        arguments: [Route.Mode.insert, .ignore, .upsert])
    func composites(mode: Route.Mode) async throws {
        // So many sets of columns that rows with and without the composite share a statement.
        let more = (0..<5).map { ", c\($0) text DEFAULT 'd'" }.joined()
        try await Scenario.with(
            """
            CREATE TYPE address AS (street text, city text);
            CREATE TABLE t (id int PRIMARY KEY, a address DEFAULT ROW('street', 'city')\(more));
            """
        ) { scenario in
            for null in [false, true] {
                try scenario.connection.execute("TRUNCATE t")
                let topic = try scenario.topic(
                    (0..<96).map { id in
                        let given = (0..<5).filter { id >> $0 & 1 == 1 }.map { #", "c\#($0)": "x""# }.joined()
                        let a = [#", "a": "(s,)""#, "", null ? #", "a": null"# : ""][id % 3]
                        return TestMessage(key: nil, value: #"{"id": \#(id)\#(a)\#(given)}"#)
                    })
                try await scenario.load([Route(topic, "t", mode: mode)])
                #expect(
                    try scenario.rows("SELECT id % 3, a, count(*) FROM t GROUP BY 1, 2 ORDER BY 1")
                        == ["0|(s,)|32", "1|(street,city)|32", "2|\(null ? "∅" : "(street,city)")|32"])
            }
        }
    }

    @Test("a key that is always generated is loaded as it comes, and so is one that a route names")
    func alwaysIdentity() async throws {
        try await Scenario.with(
            """
            CREATE TABLE owned (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text DEFAULT 'x', w text DEFAULT 'y');
            CREATE TABLE routed (n int PRIMARY KEY, id bigint GENERATED ALWAYS AS IDENTITY, v text DEFAULT 'x');
            CREATE TABLE appended (id bigint GENERATED ALWAYS AS IDENTITY (START 1000), v text DEFAULT 'x',
                                   w text DEFAULT 'y', x text DEFAULT 'z');
            """
        ) { scenario in
            let topic = try scenario.topic(
                [
                    #"{"id": 101, "n": 1, "v": "a"}"#, #"{"id": 102, "n": 2, "w": "b"}"#, #"{"id": 103, "n": 3}"#,
                    #"{"id": 104, "n": 4, "v": "c", "w": "d"}"#, #"{"id": 201, "n": 1, "v": "e"}"#,
                ].map { TestMessage(key: nil, value: $0) })
            let some = try scenario.topic(
                ["{}", #"{"id": 5}"#, #"{"v": "a"}"#, #"{"w": "a", "id": 6}"#, #"{"x": "a", "v": "b"}"#].map {
                    TestMessage(key: nil, value: $0)
                })
            let result = try await scenario.load([
                Route(topic, "owned", mode: .upsert),
                Route(topic, "routed", mode: .upsert, columns: [.init("n", "n"), .init("id", "id"), .init("v", "v")]),
                Route(
                    some, "appended",
                    columns: [.init("id", "id"), .init("v", "v"), .init("w", "w"), .init("x", "x")]),
            ])
            // What has none of the fields is no row.
            #expect(result.deadLetterCount == 1)
            #expect(
                try scenario.rows("SELECT * FROM owned ORDER BY 1")
                    == ["101|a|y", "102|x|b", "103|x|y", "104|c|d", "201|e|y"])
            // In a batch the last message of a key counts; a later batch would find the identity as it is.
            #expect(
                try scenario.rows("SELECT * FROM routed ORDER BY 1") == ["1|201|e", "2|102|x", "3|103|x", "4|104|c"])
            #expect(
                try scenario.rows("SELECT v, w, x, id < 1000 FROM appended ORDER BY 1, 2, 3, 4")
                    == ["a|y|z|f", "b|y|a|f", "x|a|z|t", "x|y|z|t"])
        }
    }

    @Test("as many columns as a table can have, with a key that has more than one spelling")
    func widest() async throws {
        let columns = (1..<1600).map { ", c\($0) boolean" }.joined()
        try await Scenario.with("CREATE TABLE widest (id numeric PRIMARY KEY\(columns))") { scenario in
            let topic = try scenario.topic(
                [#"{"id": 1.0, "c1": true}"#, #"{"id": 1, "c1599": true}"#, #"{"id": 2}"#].map {
                    TestMessage(key: nil, value: $0)
                })
            let result = try await scenario.load([Route(topic, "widest", mode: .upsert)])
            #expect(result.deadLetterCount == 0)
            #expect(try scenario.rows("SELECT id, c1, c1599 FROM widest ORDER BY 1") == ["1.0|∅|t", "2|∅|∅"])
        }
    }
}
