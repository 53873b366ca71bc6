import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// Somebody sets the group's offsets with another Kafka client, which empties their metadata: the documented backfill.
@Suite("Ledger: resets of the group")
struct LedgerResetTests {
    private let broker: Broker

    init() throws { broker = try Broker.sharedReal() }

    @Test("a reset backwards loads again from there, and once only", arguments: [Route.Mode.upsert, .ignore])
    func backwards(mode: Route.Mode) async throws {
        try await LedgerScenario.with(broker, mode: mode) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.setGroup(3)
            try scenario.connection.execute("DELETE FROM events WHERE id = 5; UPDATE events SET part = 99 WHERE id = 7")
            let run = try await scenario.load()
            #expect(run.messages == 7)
            #expect(run.positionResets == 1)
            #expect(try scenario.ids() == Array(0..<10))
            let part = try scenario.connection.query("SELECT part FROM events WHERE id = 7").int(0, 0)
            #expect(part == (mode == .upsert ? 0 : 99))
            #expect(try scenario.group() == scenario.marked(10))
            #expect(try await scenario.load().messages == 0)
        }
    }

    @Test("a reset forwards leaves out what lies between, also with an append-only table")
    func forwards() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            try scenario.produce(5)
            try scenario.setGroup(8)
            let run = try await scenario.load()
            #expect(run.messages == 2)
            #expect(run.positionResets == 1)
            #expect(try scenario.ids() == [0, 1, 2, 3, 4, 8, 9])
            #expect(try scenario.position() == 10)
            #expect(try scenario.group() == scenario.marked(10))
        }
    }

    @Test("a reset backwards of an append-only table is refused, and changes nothing")
    func insertRefused() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.setGroup(3)
            let failure = try await scenario.failure()
            #expect(failure?.code == .unsafeReplay)
            #expect(failure?.message.contains("7 messages") == true)
            #expect(try scenario.ids() == Array(0..<10))
            #expect(try scenario.position() == 10)
            #expect(try scenario.group()?.metadata == "")
        }
    }

    @Test("a reset backwards of an append-only table doubles its rows where that is allowed")
    func insertAllowed() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(4)
            try await scenario.load()
            try scenario.setGroup(2)
            scenario.options.allowDuplicates = true
            #expect(try await scenario.load().messages == 2)
            #expect(try scenario.ids() == [0, 1, 2, 2, 3, 3])
            // Without another reset the permission alone doubles nothing.
            #expect(try await scenario.load().messages == 0)
        }
    }

    @Test("a crash between the ledger's reset and the mark repeats the step with nothing loaded")
    func crashBeforeTheMark() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.connection.execute("DELETE FROM events WHERE id >= 3")
            // What such a crash leaves: the ledger follows already, the group has no mark yet.
            try scenario.setPosition(3)
            try scenario.setGroup(3)
            let run = try await scenario.load()
            #expect(run.messages == 7)
            #expect(run.positionResets == 0)
            #expect(try scenario.ids() == Array(0..<10))
            #expect(try scenario.group() == scenario.marked(10))
        }
    }

    @Test("the ledger and the mark are in before the first message is loaded, so that no crash repeats a reset")
    func markBeforeTheFirstBatch() async throws {
        try await LedgerScenario.with(broker, mode: .upsert) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.setGroup(3)
            // Nobody can load while somebody holds the table.
            try scenario.connection.execute("BEGIN; LOCK TABLE events IN SHARE MODE")
            let loader = try scenario.start()
            try await scenario.waitUntilBlocked()
            #expect(try scenario.position() == 3)
            #expect(try scenario.group() == scenario.marked(3))
            #expect(loader.statistics.snapshot.rows == 0)
            try scenario.connection.execute("COMMIT")
            try await eventually("all is loaded again") { loader.statistics.snapshot.rows == 7 }
            try await loader.finish()
            #expect(try scenario.ids() == Array(0..<10))
        }
    }

    @Test("one partition's reset leaves the others where they are")
    func onePartition() async throws {
        try await LedgerScenario.with(broker, partitions: 2, mode: .upsert) { scenario in
            try scenario.produce(5)
            try scenario.produce(5, to: 1)
            try await scenario.load()
            try scenario.setGroup(1, partition: 1)
            #expect(try await scenario.load().messages == 4)
            #expect(try scenario.position() == 5 && scenario.position(1) == 5)
        }
    }
}
