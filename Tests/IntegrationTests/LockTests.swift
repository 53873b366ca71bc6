import Foundation
import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

@testable import Loader

/// A lock that another session holds is a state of its own, and is told by name.
@Suite("Locks")
struct LockTests {
    /// What stands in the way, how it is let go, and what is said of it.
    struct Obstacle: CustomTestStringConvertible, Sendable {
        var name: String
        var take: @Sendable (Scenario) -> String
        var release = "COMMIT"
        var place: String
        var isPrepared = false
        var testDescription: String { name }
    }

    static let obstacles: [Obstacle] = [
        Obstacle(name: "the table", take: { _ in "LOCK TABLE t" }, place: "t"),
        Obstacle(name: "a row", take: { _ in "UPDATE t SET v = v WHERE id = 1" }, place: "t"),
        Obstacle(name: "a new key", take: { _ in "INSERT INTO t VALUES (2, 0)" }, release: "ROLLBACK", place: "t"),
        Obstacle(
            name: "a position",
            take: { "UPDATE loader.positions SET next_offset = next_offset WHERE consumer_group = '\($0.group)'" },
            place: "loader.positions"),
    ]

    private func options(_ scenario: Scenario, _ topic: String) -> LoadingOptions {
        var options = scenario.options([Route(topic, "t", mode: .upsert)])
        options.database.lockSilence = .milliseconds(300)
        return options
    }

    private static let table = "CREATE TABLE t (id int PRIMARY KEY, v int DEFAULT 7); INSERT INTO t VALUES (1, 0)"

    private func told(_ run: LoaderRun) -> [LogRecorder.Line] {
        run.log.lines.filter { $0.message.hasPrefix("waiting for a lock") }
    }

    @Test(
        "whoever holds a lock that a writer needs is told with what ends it, once, and so is its end; nothing is away",
        arguments: obstacles)
    func writer(obstacle: Obstacle) async throws {
        try await Scenario.with(Self.table) { scenario in
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 1, "v": 1}"#)])
            var options = options(scenario, topic)
            // Shorter than the wait: a statement that is ended for it is the same wait.
            options.database.lockTimeout = .seconds(1)
            let run = try LoaderRun(options)
            try await eventually("the first is in") { run.statistics.snapshot.rows == 1 }
            let other = try scenario.schema.connect()
            try other.execute("SET application_name = 'a tool of hers'; BEGIN; \(obstacle.take(scenario))")
            try scenario.produce(
                [1, 2].map { TestMessage(key: nil, value: #"{"id": \#($0), "v": 2}"#) }, to: topic)
            try await eventually("the lock is told") { !run.statistics.snapshot.lockWaits.isEmpty }
            try await eventually("the server has ended a statement for it") {
                run.statistics.snapshot.retries["busy", default: 0] > 1
            }
            let pid = try #require(other.query("SELECT pg_backend_pid()").string(0, 0))
            let status = ServiceStatus(run.statistics.snapshot)
            #expect(run.statistics.snapshot.outageCounts.isEmpty)
            guard case .locked(let places) = status.condition else {
                Issue.record("\(status.condition)")
                return
            }
            #expect(places.count == 1)
            let place = try #require(places.first)
            #expect(place.place.hasSuffix(obstacle.place), "\(place)")
            #expect(
                place.holder.contains("pid \(pid) (a tool of hers, ") && place.holder.contains("idle in transaction"))
            #expect(place.mend.words.contains("SELECT pg_terminate_backend(\(pid));"))
            #expect(!status.isReady && status.obstacles.joined().contains("waiting for a lock on \(place.place)"))
            #expect(StatusDocument.State(status).title == "Waiting for a lock")
            try other.execute(obstacle.release)
            try await eventually("the rows are in") { run.statistics.snapshot.messages == 3 }
            #expect(run.statistics.snapshot.lockWaits.isEmpty)
            try await run.finish()
            #expect(told(run).count == 1, "\(run.log.lines)")
            #expect(told(run).first?.metadata["error"]?.contains(pid) == true)
            #expect(run.log.count(of: "no lock is waited for any more") == 1)
            #expect(!run.log.lines.contains { $0.message.contains("away; it is") || $0.message.contains("busy") })
            #expect(try scenario.rows("SELECT id, v FROM t ORDER BY id") == ["1|2", "2|2"])
        }
    }

    @Test("behind whom the holder waits itself is told, and that is whom to end")
    func chain() async throws {
        try await Scenario.with(Self.table) { scenario in
            let topic = try scenario.topic()
            let run = try LoaderRun(options(scenario, topic))
            let (reader, alter) = (try scenario.schema.connect(), try scenario.schema.connect())
            try reader.execute("SET application_name = 'report'; BEGIN; SELECT * FROM t")
            let changed = try await withThrowingTaskGroup(of: Void.self) { group in
                nonisolated(unsafe) let alter = alter
                group.addTask { try await onThread { _ = try alter.execute("ALTER TABLE t ADD w int") } }
                try await eventually("the change waits") {
                    try scenario.rows("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass")
                        == ["1"]
                }
                try scenario.produce([TestMessage(key: nil, value: #"{"id": 1, "v": 1}"#)], to: topic)
                try await eventually("the lock is told") { !run.statistics.snapshot.lockWaits.isEmpty }
                let place = try #require(run.statistics.snapshot.lockWaits.values.first)
                let pid = try #require(reader.query("SELECT pg_backend_pid()").string(0, 0))
                #expect(place.holder.contains(", which waits behind pid \(pid) (report, "), "\(place.holder)")
                #expect(place.mend.words.contains("pg_terminate_backend(\(pid))"))
                try reader.execute("COMMIT")
                try await group.waitForAll()
                return true
            }
            #expect(changed)
            try await eventually("the row is in") { run.statistics.snapshot.messages == 1 }
            try await run.finish()
        }
    }

    @Test("a lock on the ledger is told at the start, and while positions are read, and is no outage")
    func ledger() async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        try await Landing.with(broker: .sharedMock(), server: server, partitions: 2) { landing in
            try landing.produce(0..<10)
            var options = landing.options()
            options.database.lockSilence = .milliseconds(300)
            let other = try server.connect()
            for table in ["loader.ledger", "loader.positions"] {
                try other.execute("BEGIN; LOCK TABLE \(table)")
                let run = try LoaderRun(options)
                try await eventually("the lock is told") { !run.statistics.snapshot.lockWaits.isEmpty }
                #expect(run.statistics.snapshot.lockWaits.values.allSatisfy { $0.place == table })
                #expect(run.statistics.snapshot.outageCounts.isEmpty)
                try other.execute("COMMIT")
                try await landing.waitForRows(10)
                try await run.finish()
                #expect(run.statistics.snapshot.lockWaits.isEmpty && told(run).count == 1, "\(run.log.lines)")
            }
            try landing.expectExactlyOnce()
        }
    }

    @Test("status and check wait for no lock: they say which table is locked, and by whom")
    func commands() async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        try await Landing.with(broker: .sharedReal(), server: server, partitions: 1) { landing in
            try landing.produce(0..<10)
            try landing.schema.connect().execute("ALTER TABLE landed ADD made timestamptz DEFAULT now()")
            let other = try landing.schema.connect()
            let pid = try #require(other.query("SELECT pg_backend_pid()").string(0, 0))
            try other.execute("BEGIN; LOCK TABLE landed")
            let status = try await Command.run(["status"], landing.environment)
            #expect(status.status == 0 && status.output.contains("landed is locked by pid \(pid)"), "\(status)")
            let check = try await Command.run(["check"], landing.environment)
            #expect(check.status == 0 && check.output.contains("locked by pid \(pid)"), "\(check)")
            try other.execute("LOCK TABLE loader.positions, loader.ledger, loader.dead_letters")
            let ledger = try await Command.run(["status"], landing.environment)
            #expect(
                ledger.status == 69 && ledger.output.contains("loader.positions is locked by pid \(pid)"), "\(ledger)")
            let blind = try await Command.run(["check"], landing.environment)
            #expect(blind.status != 0 && blind.output.contains("loader.ledger"), "\(blind)")
            #expect(blind.output.contains("pg_terminate_backend(\(pid))"))
        }
    }

    @Test("a prepared transaction that holds a lock is named by its identifier, with the statement that ends it")
    func prepared() throws {
        let server = try PostgresServer(settings: ["max_prepared_transactions": "2"])
        let connection = try server.connect()
        try connection.execute("CREATE TABLE t (id int)")
        try connection.execute("BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'it''s hers'")
        let tables = [TableName(schema: nil, name: "t")]
        let lock = try #require(try LockWait.on(tables, on: connection).first)
        #expect(lock.who.contains("the prepared transaction 'it's hers'"))
        #expect(lock.mend.words.contains("ROLLBACK PREPARED 'it''s hers';"))
        try connection.execute("ROLLBACK PREPARED 'it''s hers'")
        #expect(try LockWait.on(tables, on: connection).isEmpty)
    }
}
