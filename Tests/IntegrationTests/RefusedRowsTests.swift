import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// Batches in which the server refuses many rows, so that they go in one by one within it.
@Suite("Many refused rows")
struct RefusedRowsTests {
    private static let canBounce =
        ProcessInfo.processInfo.environment["DATABASE_URL"] == nil
        && FileManager.default.isExecutableFile(atPath: "/usr/sbin/pgbouncer")

    private static let tables = """
        CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v >= 0), seconds float8 NOT NULL DEFAULT 0);
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(NEW.seconds); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow();
        """

    private func messages(_ count: Int, seconds: Double = 0) -> [TestMessage] {
        (0..<count).map { id in
            TestMessage(key: nil, value: #"{"id": \#(id), "v": \#(id % 3 == 0 ? -1 : 1), "seconds": \#(seconds)}"#)
        }
    }

    private func check(_ scenario: Scenario, count: Int) throws {
        let letters = try scenario.deadLetters()
        let refused: [Int64] = (0..<Int64(count)).filter { $0.isMultiple(of: 3) }
        #expect(letters.map(\.offset) == refused)
        #expect(letters.allSatisfy { $0.sqlState == "23514" && $0.reason == "refused_by_server" })
        #expect(try scenario.rows("SELECT count(*) FROM t WHERE v = 1") == ["\(count - letters.count)"])
    }

    @Test(
        "batch for batch they are dead letters, behind PgBouncer in transaction mode as well", .enabled(if: canBounce))
    func pooled() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let bouncer = try PgBouncer(to: TestDatabase.shared())
            let count = 3000
            let topic = try scenario.topic(messages(count))
            let route = Route(
                topics: [.name(topic)], table: TableName(schema: scenario.schema.name, name: "t"), mode: .upsert,
                key: ["id"])
            try await scenario.load([route]) { options in
                options.database.url = bouncer.url(scenario.schema.url)
                options.batch.maxRows = 700
                options.deadLetters.maxShare = 1
            }
            try check(scenario, count: count)
            withExtendedLifetime(bouncer) {}
        }
    }

    @Test("what takes too long together goes in smaller transactions, and only what is refused is a dead letter")
    func tooMuch() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let count = 450
            let topic = try scenario.topic(messages(count, seconds: 0.004))
            var options = scenario.options([Route(topic, "t", mode: .upsert)])
            options.database.statementTimeout = .seconds(1)
            options.deadLetters.maxShare = 1
            options.untilEnd = true
            let run = try LoaderRun(options)
            try await run.waitForEnd()
            try check(scenario, count: count)
            #expect(run.statistics.snapshot.outageCounts.isEmpty)
        }
    }
}
