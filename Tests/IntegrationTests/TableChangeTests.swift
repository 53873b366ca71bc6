import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("A table that changes while it is loaded")
struct TableChangeTests {
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
