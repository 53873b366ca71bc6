import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// A batch whose rows are copied while the one before is not committed yet.
@Suite("Head starts")
struct HeadStartTests {
    /// Rows that the server takes only once the test lets go of a lock: `held` says which row waits for which lock, and what
    /// becomes of it then.
    private struct Gate {
        private let connection: Connection
        private let oid: Int64

        init(_ scenario: LedgerScenario, held: [Int: Bool]) throws {
            connection = try Connection(scenario.options.connectionOptions("gate"))
            oid = try connection.query("SELECT 'events'::regclass::oid::bigint").int(0, 0) ?? 0
            let oid = oid
            let cases = held.map { id, isTaken in
                "IF n = \(id) THEN PERFORM pg_advisory_xact_lock_shared(\(oid), \(id)); RETURN \(isTaken); END IF;"
            }
            try connection.execute(
                """
                CREATE FUNCTION passes(n int) RETURNS bool LANGUAGE plpgsql AS
                  $$ BEGIN \(cases.joined(separator: " ")) RETURN true; END $$;
                ALTER TABLE events ADD CHECK (passes(id));
                """)
            for id in held.keys { try connection.execute("SELECT pg_advisory_lock(\(oid), \(id))") }
        }

        func open(_ id: Int) throws { try connection.execute("SELECT pg_advisory_unlock(\(oid), \(id))") }
    }

    private static func with(
        mode: Route.Mode = .insert, maxRows: Int = 5, isolation: isolated (any Actor)? = #isolation,
        _ body: (LedgerScenario) async throws -> Void
    ) async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: mode) { scenario in
            scenario.options.batch = BatchPolicy(maxRows: maxRows, maxDelay: .seconds(60))
            // Nothing is given up because the test is slow.
            scenario.options.database.lockSilence = .seconds(60)
            scenario.options.database.lockTimeout = .seconds(60)
            scenario.options.database.statementTimeout = .seconds(120)
            try await body(scenario)
        }
    }

    /// Waits until a transaction has done what it can, and waits for its turn.
    ///
    /// - Parameter last: what its last statement is like.
    private func waitUntilCopied(_ scenario: LedgerScenario, last: String = "COPY%") async throws {
        let observer = try Connection(scenario.options.connectionOptions("observer"))
        try await eventually("the next batch is ahead") {
            try observer.query(
                """
                SELECT 1 FROM pg_stat_activity
                WHERE application_name LIKE $1 AND state = 'idle in transaction' AND query LIKE $2
                """, [.text("loader \(scenario.options.group) writer%"), .text(last)]
            ).rowCount == 1
        }
    }

    @Test("a batch's rows are copied while the one before is still at its own, and both are in once, in their turn")
    func parallel() async throws {
        try await Self.with { scenario in
            let gate = try Gate(scenario, held: [3: true])
            try scenario.produce(15)
            scenario.options.untilEnd = true
            let loader = try scenario.start()
            try await waitUntilCopied(scenario)
            #expect(try scenario.ids() == [])
            #expect(try scenario.position() == 0)
            try gate.open(3)
            try await loader.waitForEnd()
            #expect(try scenario.ids() == Array(0..<15))
            #expect(loader.statistics.snapshot.rows == 15)
            #expect(loader.statistics.snapshot.batches == 3)
            #expect(try scenario.group() == scenario.marked(15))
        }
    }

    @Test("a batch that was copied before its turn is fenced like any other, and nothing of it is in")
    func fenced() async throws {
        try await Self.with { scenario in
            let gate = try Gate(scenario, held: [3: true, 8: true])
            try scenario.produce(15)
            let loader = try scenario.start()
            try await scenario.waitUntilBlocked(loaders: 2)
            try gate.open(3)
            try await eventually("the first batch is in") { try scenario.position() == 5 }
            // Another member has loaded what waits; what is copied does not hold it up.
            try scenario.setPosition(10)
            try gate.open(8)
            try await eventually("the rest is loaded") { try scenario.position() == 15 }
            try await loader.finish()
            #expect(loader.statistics.snapshot.fences == 1)
            #expect(try scenario.ids() == Array(0..<5) + Array(10..<15))
        }
    }

    @Test("what was copied behind a batch that the server refuses is taken back, and comes again in its turn")
    func refused() async throws {
        try await Self.with { scenario in
            let gate = try Gate(scenario, held: [3: false])
            try scenario.produce(15)
            scenario.options.untilEnd = true
            let loader = try scenario.start()
            try await waitUntilCopied(scenario)
            try gate.open(3)
            try await loader.waitForEnd()
            #expect(try scenario.ids() == Array(0..<3) + Array(4..<15))
            #expect(loader.statistics.snapshot.deadLetters.values.reduce(0, +) == 1)
            #expect(try scenario.group() == scenario.marked(15))
        }
    }

    @Test("a row that the batch before has as well is refused as if that batch had been in")
    func conflicting() async throws {
        try await Self.with { scenario in
            try scenario.connection.execute("CREATE UNIQUE INDEX ON events (id)")
            for batch in 0..<40 {
                // Each batch repeats the last row of the one before.
                let ids = batch == 0 ? Array(0..<5) : Array(batch * 4..<batch * 4 + 5)
                try scenario.broker.produce(
                    ids.map { TestMessage(partition: 0, value: #"{"id": \#($0)}"#) }, to: scenario.topic)
            }
            scenario.options.deadLetters.maxShare = 1
            let loaded = try await scenario.load()
            #expect(try scenario.ids() == Array(0..<161))
            #expect(loaded.deadLetters.values.reduce(0, +) == 39)
        }
    }

    @Test("a loader that is stopped while a batch is copied leaves nothing of it, and the next one loads it")
    func stopped() async throws {
        try await Self.with { scenario in
            let gate = try Gate(scenario, held: [3: true])
            try scenario.produce(15)
            scenario.options.shutdownTimeout = .seconds(2)
            let loader = try scenario.start()
            try await waitUntilCopied(scenario)
            try await loader.finish()
            #expect(try scenario.ids() == [])
            try gate.open(3)
            #expect(try await scenario.load().rows == 15)
            #expect(try scenario.ids() == Array(0..<15))
        }
    }

    @Test("a session that ends while its rows wait for their turn is no outage, and they are loaded over another")
    func terminated() async throws {
        try await Self.with { scenario in
            let gate = try Gate(scenario, held: [3: true])
            try scenario.produce(15)
            scenario.options.untilEnd = true
            let loader = try scenario.start()
            // The first batch's session must not be idle when the others are ended.
            try await scenario.waitUntilBlocked()
            try await waitUntilCopied(scenario)
            _ = try scenario.connection.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name LIKE $1 AND state = 'idle in transaction'
                """, [.text("loader \(scenario.options.group) writer%")])
            try gate.open(3)
            try await loader.waitForEnd()
            #expect(try scenario.ids() == Array(0..<15))
            #expect(loader.statistics.snapshot.outageCounts.isEmpty)
            #expect(try scenario.group() == scenario.marked(15))
        }
    }

    // MARK: Rows with a key

    @Test(
        "the keys of an upsert are asked for while the batch before is at its rows; it locks no row until its turn, and a row that somebody else adds meanwhile becomes what the messages say",
        arguments: [Route.Mode.upsert, .ignore])
    func keysAhead(mode: Route.Mode) async throws {
        try await Self.with(mode: mode, maxRows: 2500) { scenario in
            let gate = try Gate(scenario, held: [3: true])
            try scenario.produce(7500)
            scenario.options.untilEnd = true
            let loader = try scenario.start()
            // All of its keys are new, so that nothing has to go by way of a stage.
            try await waitUntilCopied(scenario, last: "SELECT s.%")
            try scenario.connection.execute(
                "SET lock_timeout = '20s'; INSERT INTO events (id, at) VALUES (2600, -1)")
            try gate.open(3)
            try await loader.waitForEnd()
            #expect(try scenario.ids() == Array(0..<7500))
            let overtaken = try scenario.connection.query("SELECT at FROM events WHERE id = 2600")
            #expect(overtaken.int(0, 0) == (mode == .upsert ? 2600 : -1))
            #expect(loader.statistics.snapshot.rows == 7500)
            #expect(try scenario.group() == scenario.marked(7500))
        }
    }

    @Test(
        "whatever keys batches that follow each other have in common, deletions among them, the last message of each counts"
    )
    func lastCounts() async throws {
        try await Self.with(mode: .upsert, maxRows: 2500) { scenario in
            var random = SeededGenerator.random(for: "keys ahead")
            var last: [Int: Int] = [:]
            let messages = (0..<20_000).map { offset in
                let id = Int.random(in: 0..<4000, using: &random) + offset / 4
                let isDeletion = Int.random(in: 0..<10, using: &random) == 0
                last[id] = isDeletion ? nil : offset
                return TestMessage(partition: 0, key: "\(id)", value: isDeletion ? nil : #"{"id": \#(id)}"#)
            }
            try scenario.broker.produce(messages, to: scenario.topic)
            #expect(try await scenario.load().messages == 20_000)
            let found = try scenario.connection.query("SELECT id, at FROM events")
            var rows: [Int: Int] = [:]
            for row in 0..<found.rowCount { rows[Int(found.int(row, 0) ?? -1)] = Int(found.int(row, 1) ?? -1) }
            #expect(rows == last)
        }
    }

    @Test("a session that ends while an upsert waits for its turn is no outage, and the rows are loaded over another")
    func terminatedAhead() async throws {
        try await Self.with(mode: .upsert) { scenario in
            let gate = try Gate(scenario, held: [3: true])
            try scenario.produce(15)
            scenario.options.untilEnd = true
            let loader = try scenario.start()
            // The first batch's session must not be idle when the others are ended.
            try await scenario.waitUntilBlocked()
            try await waitUntilCopied(scenario)
            _ = try scenario.connection.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name LIKE $1 AND state = 'idle in transaction'
                """, [.text("loader \(scenario.options.group) writer%")])
            try gate.open(3)
            try await loader.waitForEnd()
            #expect(try scenario.ids() == Array(0..<15))
            #expect(loader.statistics.snapshot.outageCounts.isEmpty)
        }
    }
}
