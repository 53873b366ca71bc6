import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Constant defaults")
struct ConstantDefaultTests {
    /// Columns whose defaults are the same for each row, with another value as a message has it and as SQL has it. Binary
    /// COPY takes all of these types.
    private static let binary: [(definition: String, json: String, sql: String)] = [
        ("bigint DEFAULT 7", "8", "8"), ("smallint DEFAULT -1", "2", "2"), ("text DEFAULT ''", "\"o\"", "'o'"),
        ("text DEFAULT E'\\\\N\\t\\n|'", "null", "NULL"), ("text COLLATE \"C\" DEFAULT lower('D')", "\"o\"", "'o'"),
        ("text DEFAULT CASE WHEN false THEN 'x' END", "\"o\"", "'o'"), ("text DEFAULT 5", "\"o\"", "'o'"),
        ("varchar(9) DEFAULT 'x'", "\"o\"", "'o'"), ("char(4) DEFAULT 'ab'", "\"o\"", "'o'"),
        ("numeric(6,2) DEFAULT 1.005", "2.5", "2.5"), ("numeric DEFAULT 1.500", "2.50", "2.50"),
        ("float8 DEFAULT 0.1::float8 + 0.2::float8", "0.5", "0.5"), ("boolean NOT NULL DEFAULT false", "true", "true"),
        ("date DEFAULT '2024-02-01'", "\"2021-03-04\"", "'2021-03-04'"),
        ("time DEFAULT '10:00'", "\"11:00\"", "'11:00'"),
        ("timestamptz(0) DEFAULT '2024-02-01 10:00:00.7+02'", "\"2021-03-04T05:06:07Z\"", "'2021-03-04 05:06:07Z'"),
        ("uuid DEFAULT 'abcdef00-0000-4000-8000-000000000000'", "null", "NULL"),
        ("bytea DEFAULT '\\x00ff'", "\"o\"", "'o'"),
        ("jsonb DEFAULT '{\"a\": [1.0]}'", "[1]", "'[1]'"), ("int[] DEFAULT ARRAY[1, NULL]", "[3]", "'{3}'"),
        ("mood DEFAULT 'calm'", "\"glad\"", "'glad'"), ("code", "\"o\"", "'o'"),
    ]

    /// Of types that are copied as text.
    private static let text: [(definition: String, json: String, sql: String)] = [
        ("interval DEFAULT '-1 day +02:00'", "\"3 days\"", "'3 days'"),
        ("int4range DEFAULT '[1,3)'", "\"[5,6)\"", "'[5,6)'"), ("inet DEFAULT '10.0.0.1/8'", "null", "NULL"),
        ("address DEFAULT ROW('a \"\\ b', NULL)", "\"(a,b)\"", "'(a,b)'"),
        ("bit(3) DEFAULT B'101'", "\"111\"", "'111'"),
        ("tsvector DEFAULT 'a:1 b:2'", "\"c\"", "'c'"), ("timetz DEFAULT '10:00+02'", "null", "NULL"),
    ]

    private static let types = """
        CREATE DOMAIN code AS varchar(5) DEFAULT 'dom' NOT NULL CHECK (VALUE <> '');
        CREATE TYPE mood AS ENUM ('calm', 'glad');
        CREATE TYPE address AS (street text, city text);
        """

    /// Notes with each statement that inserts how many stages its transaction has.
    private static let noting = """
        CREATE TABLE seen (batch bigint, stages bigint);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN
            INSERT INTO seen SELECT txid_current(), count(*) FROM pg_class
              WHERE relnamespace = pg_my_temp_schema() AND relname LIKE 'loader_stage%';
            RETURN NULL;
          END $$;
        CREATE TRIGGER note AFTER INSERT ON wide FOR EACH STATEMENT EXECUTE FUNCTION note();
        """

    private static func statement(
        _ id: Int, _ given: [(name: String, sql: String)], _ mode: Route.Mode
    ) -> String {
        let names = (["id"] + given.map(\.name)).joined(separator: ", ")
        let insert = "INSERT INTO model (\(names)) VALUES (\((["\(id)"] + given.map(\.sql)).joined(separator: ", ")))"
        let updates = given.map { "\($0.name) = EXCLUDED.\($0.name)" }.joined(separator: ", ")
        return switch mode {
        case .insert: insert + ";"
        case .upsert where !given.isEmpty: insert + " ON CONFLICT (id) DO UPDATE SET \(updates);"
        case .ignore, .history, .upsert: insert + " ON CONFLICT (id) DO NOTHING;"
        }
    }

    @Test(
        "rows that leave them out are as the server would have made them, in both formats, and new ones need no stage",
        arguments: [Route.Mode.insert, .ignore, .upsert], [true, false])
    func asTheServer(mode: Route.Mode, isBinary: Bool) async throws {
        var random = SeededGenerator.random(for: "constant defaults")
        let columns = Self.binary + (isBinary ? [] : Self.text)
        let definitions = columns.enumerated().map { ", c\($0) \($1.definition)" }.joined()
        try await Scenario.with(
            """
            \(Self.types)
            CREATE TABLE wide (id int PRIMARY KEY\(definitions));
            CREATE TABLE model (id int PRIMARY KEY\(definitions));
            \(Self.noting)
            """
        ) { scenario in
            func messages(_ ids: Range<Int>) throws -> [TestMessage] {
                var statements = ""
                let messages = ids.map { id in
                    let given = columns.indices.filter { _ in Bool.random(using: &random) }
                    statements += Self.statement(id, given.map { ("c\($0)", columns[$0].sql) }, mode)
                    let members = given.map { ", \"c\($0)\": \(columns[$0].json)" }.joined()
                    return TestMessage(key: nil, value: "{\"id\": \(id)\(members)}")
                }
                try scenario.connection.execute(statements)
                return messages
            }
            func expectModel() throws {
                #expect(try scenario.deadLetters().map { "\($0.offset) \($0.message)" } == [])
                #expect(
                    try scenario.rows("SELECT (SELECT count(*) FROM wide) = (SELECT count(*) FROM model)") == ["t"])
                let wrong = "SELECT t::text FROM wide t EXCEPT SELECT t::text FROM model t ORDER BY 1 LIMIT 2"
                #expect(try scenario.rows(wrong) == [], "seed \(random.seed)")
            }
            let topic = try scenario.topic(messages(0..<3000))
            try await scenario.load([Route(topic, "wide", mode: mode)])
            try expectModel()
            #expect(try scenario.rows("SELECT count(*) > 0, max(stages) FROM seen") == ["t|0"])
            // Some that are there, and more that are not. In small batches, too, where nobody asks which is which.
            guard mode != .insert else { return }
            for (ids, batchRows) in [(2000..<6000, 100_000), (5500..<6500, 400)] {
                try scenario.produce(messages(ids), to: topic)
                try await scenario.load([Route(topic, "wide", mode: mode)]) { $0.batch.maxRows = batchRows }
                try expectModel()
            }
        }
    }

    @Test("beside a default that only the server knows, rows with and without that one are two statements")
    func besideOthers() async throws {
        var random = SeededGenerator.random(for: "constant defaults and others")
        let columns = (0..<20).map { ", c\($0) int DEFAULT \($0)" }.joined()
        try await Scenario.with(
            """
            CREATE TABLE wide (id int PRIMARY KEY, n serial, at timestamptz DEFAULT now()\(columns)); \(Self.noting)
            """
        ) { scenario in
            let messages = (0..<1000).map { id in
                let given = (0..<20).filter { _ in Bool.random(using: &random) }.map { ", \"c\($0)\": null" }.joined()
                let at = id % 3 == 0 ? ", \"at\": \"2020-01-01T00:00:00Z\"" : ""
                return TestMessage(key: nil, value: "{\"id\": \(id)\(at)\(given)}")
            }
            try await scenario.load([Route(try scenario.topic(messages), "wide")])
            #expect(try scenario.rows("SELECT max(stages), count(*) = 2 * count(DISTINCT batch) FROM seen") == ["0|t"])
            let right = (0..<20).map { "coalesce(c\($0), \($0)) = \($0)" }.joined(separator: " AND ")
            #expect(
                try scenario.rows(
                    """
                    SELECT count(*), count(DISTINCT n), count(*) FILTER (WHERE at < '2021-01-01'), bool_and(\(right)),
                      count(c7) BETWEEN 300 AND 700 FROM wide
                    """) == ["1000|1000|334|t|t"])
        }
    }

    @Test("no row gets the default of before a change, the column's or its domain's")
    func changes() async throws {
        let columns = (0..<5).map { ", c\($0) int DEFAULT 0" }.joined()
        try await Scenario.with(
            """
            CREATE DOMAIN code AS text DEFAULT 'old'; CREATE TYPE mood AS ENUM ('calm', 'glad');
            CREATE TABLE t (id int, a text DEFAULT 'old', d code, m mood DEFAULT 'calm'\(columns));
            """
        ) { scenario in
            // So many sets of columns that no statement is for one of them.
            func messages(_ first: Int) -> [TestMessage] {
                (first..<first + 32).map { id in
                    let given = (0..<5).filter { id >> $0 & 1 == 1 }.map { ", \"c\($0)\": 1" }.joined()
                    return TestMessage(key: nil, value: "{\"id\": \(id)\(given)}")
                }
            }
            let topic = try scenario.topic(messages(0))
            let run = try LoaderRun(scenario.options([Route(topic, "t")]))
            func load(_ count: Int) async throws -> [String] {
                try await eventually("\(count) rows are in") {
                    try run.hasEnded || scenario.rows("SELECT count(*) FROM t") == ["\(count)"]
                }
                return try scenario.rows("SELECT DISTINCT a, d, m FROM t WHERE id >= \(count - 32)")
            }
            #expect(try await load(32) == ["old|old|calm"])
            for (number, (change, expected)) in [
                ("ALTER TABLE t ALTER a SET DEFAULT 'new'", "new|old|calm"),
                ("ALTER DOMAIN code SET DEFAULT 'new'", "new|new|calm"),
                ("ALTER TYPE mood RENAME VALUE 'calm' TO 'still'", "new|new|still"),
                ("ALTER TABLE t ALTER a SET DEFAULT concat('a', 'new'), ALTER d DROP DEFAULT", "anew|new|still"),
                ("ALTER DOMAIN code DROP DEFAULT", "anew|∅|still"),
            ].enumerated() {
                try scenario.connection.execute(change)
                try scenario.produce(messages(32 * (number + 1)), to: topic)
                #expect(try await load(32 * (number + 2)) == [expected], "\(change)")
            }
            try await run.finish()
        }
    }

    @Test("a default is the same whatever settings the role or the database has")
    func settings() async throws {
        let columns = (0..<5).map { ", c\($0) int DEFAULT 0" }.joined()
        try await Scenario.with(
            """
            CREATE TABLE t (id int, a date DEFAULT '2024-02-01'::date + (random() * 0)::int, b date DEFAULT '2024-02-01',
              f float8 DEFAULT 0.1::float8 + 0.2::float8, i interval DEFAULT '-1 day +02:00',
              s text DEFAULT concat(E'a\\\\b')\(columns))
            """
        ) { scenario in
            let topic = try scenario.topic(
                (0..<64).map { id in
                    let given = (0..<5).filter { id >> $0 & 1 == 1 }.map { ", \"c\($0)\": 1" }.joined()
                    let more = id < 32 ? "" : #", "a": null, "s": null"#
                    return TestMessage(key: nil, value: "{\"id\": \(id)\(given)\(more)}")
                })
            try await scenario.load([Route(topic, "t")]) { options in
                let settings = [
                    "DateStyle=SQL\\,\\ DMY", "IntervalStyle=sql_standard", "extra_float_digits=0",
                    "standard_conforming_strings=off", "search_path=\(scenario.schema.name)",
                ].map { "-c " + $0 }.joined(separator: " ")
                options.database.url +=
                    (options.database.url.contains("?") ? "&" : "?") + "options="
                    + (settings.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")
            }
            #expect(
                try scenario.rows(
                    "SELECT DISTINCT a, b, f = 0.1::float8 + 0.2::float8, i, s FROM t WHERE id < 32")
                    == ["2024-02-01|2024-02-01|t|-1 days +02:00:00|a\\b"])
            #expect(try scenario.rows("SELECT count(*) FROM t WHERE a IS NULL AND s IS NULL") == ["32"])
        }
    }
}
