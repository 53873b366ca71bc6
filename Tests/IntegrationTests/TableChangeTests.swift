import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("A table that changes while it is loaded")
struct TableChangeTests {
    @Test(
        "a default of the role or the database changes nothing: a change of the table is noticed in any isolation level"
    )
    func defaults() async throws {
        let schema = "CREATE TABLE t (id int, at int, words text[]);"
        try await Scenario.with(schema) { scenario in
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 1, "at": 1}"#)])
            var options = scenario.options([Route(topic, "t")])
            let defaults = [
                "default_transaction_isolation=serializable", "default_transaction_read_only=on",
                "default_transaction_deferrable=on", "array_nulls=off", "exit_on_error=on", "row_security=off",
            ].map { "-c " + $0 }.joined(separator: " ")
            options.database.url +=
                (options.database.url.contains("?") ? "&" : "?") + "options="
                + (defaults.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")
                + "%20-c%20search_path%3D\(scenario.schema.name)"
            let run = try LoaderRun(options)
            try await eventually("the first row is in") {
                try run.hasEnded || scenario.rows("SELECT id FROM t") == ["1"]
            }
            // Four bytes for four bytes: in a snapshot of before the change a number would be taken for a date.
            try scenario.connection.execute("ALTER TABLE t ALTER at TYPE date USING '2000-01-01'::date + at")
            try scenario.produce(
                [TestMessage(key: nil, value: #"{"id": 2, "at": "2024-01-31", "words": [null, "x"]}"#)], to: topic)
            try await eventually("the second row is in") {
                try run.hasEnded || scenario.rows("SELECT count(*) FROM t") == ["2"]
            }
            try await run.finish()
            #expect(
                try scenario.rows("SELECT id, at, words FROM t ORDER BY id")
                    == ["1|2000-01-02|∅", "2|2024-01-31|{NULL,x}"])
        }
    }

    @Test("a change of a type that a column is made of is noticed")
    func types() async throws {
        let schema = """
            CREATE TYPE place AS (street text, city text);
            CREATE TABLE t (id int, at place[]);
            """
        try await Scenario.with(schema) { scenario in
            func message(_ id: Int) -> TestMessage {
                TestMessage(key: nil, value: #"{"id": \#(id), "at": [{"street": "s", "city": "c", "house": "h"}]}"#)
            }
            let topic = try scenario.topic([message(1)])
            let run = try LoaderRun(scenario.options([Route(topic, "t")]))
            try await eventually("the first row is in") { try scenario.rows("SELECT id FROM t") == ["1"] }
            try scenario.connection.execute(
                "ALTER TYPE place DROP ATTRIBUTE street, ADD ATTRIBUTE house text, ADD ATTRIBUTE street text")
            try scenario.produce([message(2)], to: topic)
            try await eventually("the second row is in") {
                try run.hasEnded || scenario.rows("SELECT count(*) FROM t") == ["2"]
            }
            try await run.finish()
            #expect(
                try scenario.rows("SELECT (at[1]).city, (at[1]).house, (at[1]).street FROM t WHERE id = 2") == ["c|h|s"]
            )
        }
    }

    @Test("a batch goes along with one change after the other while it is loaded")
    func severalChanges() async throws {
        // Each statement waits within its transaction, so that the type changes behind the rows that were built for it.
        let schema = """
            CREATE TYPE mood AS ENUM ('calm');
            CREATE TABLE t (id int, mood mood);
            CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext(TG_TABLE_SCHEMA)); RETURN NULL; END $$;
            CREATE TRIGGER pause BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION pause();
            """
        try await Scenario.with(schema) { scenario in
            let connection = scenario.connection
            try connection.execute("SELECT pg_advisory_lock(hashtext('\(scenario.schema.name)'))")
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 1, "mood": "calm"}"#)])
            let run = try LoaderRun(scenario.options([Route(topic, "t")]))
            for mood in ["second", "third", "fourth"] {
                try await eventually("the batch waits") {
                    try run.hasEnded
                        || scenario.rows(
                            """
                            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                                AND objid::bigint = hashtext('\(scenario.schema.name)')::bigint & 4294967295
                            """) == ["1"]
                }
                try connection.execute("ALTER TYPE mood ADD VALUE '\(mood)'")
                // Behind the batch in the queue, and so there again before its next try.
                try connection.execute(
                    "SELECT pg_advisory_unlock(hashtext('\(scenario.schema.name)'))")
                if mood != "fourth" {
                    try connection.execute("SELECT pg_advisory_lock(hashtext('\(scenario.schema.name)'))")
                }
            }
            try await eventually("the row is in") { try run.hasEnded || scenario.rows("SELECT id FROM t") == ["1"] }
            try await run.finish()
            #expect(try scenario.rows("SELECT id, mood FROM t") == ["1|calm"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("the catalog is read again, the rows are built again, and none is lost, doubled or garbled")
    func changes() async throws {
        let tables = """
            CREATE TYPE mood AS ENUM ('calm');
            CREATE TABLE t (id int, at bigint, code int, short varchar(2), must text NOT NULL, unused int, mood mood);
            CREATE TABLE u (id int PRIMARY KEY, at timestamp);
            """
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic()
            let run = try LoaderRun(
                scenario.options([
                    Route(topic, "t", columns: nil),
                    Route(
                        topic, "u", mode: .upsert,
                        columns: [.init("id", "id"), .init("at", "at", unit: .milliseconds, zone: "Europe/Berlin")]),
                ]))
            var id = 0
            func load(_ members: String) async throws {
                id += 1
                try scenario.produce([TestMessage(key: nil, value: #"{"id": \#(id), \#(members)}"#)], to: topic)
                let position = id
                try await eventually("message \(id) is loaded") {
                    try run.hasEnded
                        || scenario.connection.query(
                            "SELECT FROM loader.positions WHERE consumer_group = $1 AND next_offset = $2",
                            [.text(scenario.group), .int64(Int64(position))]
                        ).rowCount == 1
                }
                if run.hasEnded { try await run.waitForEnd() }
            }
            try await load(#""at": 1700000000000, "code": 65, "must": "m""#)
            // Eight bytes for eight bytes: nothing but the catalog can tell what a clock showed from a moment.
            try scenario.connection.execute(
                """
                ALTER TABLE u ALTER at TYPE timestamptz USING at AT TIME ZONE 'Europe/Berlin';
                ALTER TABLE t ALTER code TYPE text, ALTER short TYPE varchar(10), ALTER must DROP NOT NULL,
                  DROP unused, ADD added text;
                ALTER TYPE mood ADD VALUE 'glad';
                """)
            try await load(
                #""at": 1700000000000, "code": 1094861636, "short": "longer", "must": null, "added": "x", "mood": "glad""#
            )
            #expect(
                try scenario.rows("SELECT id, at, code, short, must, added, mood FROM t ORDER BY id")
                    == ["1|1700000000000|65|∅|m|∅|∅", "2|1700000000000|1094861636|longer|∅|x|glad"])
            #expect(
                try scenario.rows("SELECT * FROM u ORDER BY id")
                    == ["1|2023-11-14 22:13:20+00", "2|2023-11-14 22:13:20+00"])
            #expect(try scenario.deadLetters().map(\.message) == [])
            // What a route names must be there: this stops the loader, which says what to mend.
            try scenario.connection.execute("ALTER TABLE u DROP at")
            let error = await #expect(throws: LoadingError.self) { try await load(#""at": 1"#) }
            #expect(error?.code == .setup)
            #expect(error?.problems.map(\.code) == [.missingColumn])
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["2"])
        }
    }
}
