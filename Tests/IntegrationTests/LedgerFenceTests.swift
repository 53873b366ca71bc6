import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// Two writers that both believe that a partition is theirs.
@Suite("Ledger: the fence")
struct LedgerFenceTests {
    @Test("a batch whose partition somebody else has moved meanwhile is dropped whole, and nothing is doubled or lost")
    func overtaken() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 2) { scenario in
            try scenario.produce(10)
            try scenario.produce(5, to: 1)
            try scenario.setPosition(0)
            try scenario.setPosition(0, partition: 1)
            // The other writer is in the midst of its transaction when the loader reads where it stands.
            try scenario.connection.execute("BEGIN")
            try scenario.setPosition(4)
            try scenario.connection.execute("INSERT INTO events SELECT i, 0, i FROM generate_series(0, 3) AS i")
            let loader = try scenario.start()
            try await scenario.waitUntilBlocked()
            try scenario.connection.execute("COMMIT")
            try await eventually("the rest is loaded") {
                let (first, second) = (try scenario.position(), try scenario.position(1))
                return first == 10 && second == 5
            }
            try await loader.finish()
            #expect(loader.statistics.snapshot.fences == 1)
            // Only what the other had not: a dropped batch is not counted.
            #expect(loader.statistics.snapshot.rows == 11)
            #expect(try scenario.ids() == Array(0..<15))
            #expect(try scenario.group() == scenario.marked(10))
        }
    }

    @Test(
        "a member that fell asleep in the midst of COPY keeps its heir waiting for no longer than statement_timeout",
        arguments: [false, true])
    func asleepInCopy(isReset: Bool) async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(5)
            try scenario.setPosition(0)
            // To begin behind a reset, the heir has to write the position before it loads anything.
            if isReset { try scenario.setGroup(2) }
            let expected = Array((isReset ? 2 : 0)..<5)
            scenario.options.database.statementTimeout = .seconds(1)
            scenario.options.database.lockTimeout = .seconds(1)
            let zombie = try Connection(scenario.options.connectionOptions("writer 0"))
            try zombie.execute("BEGIN; SET LOCAL statement_timeout = '1s'")
            _ = try zombie.query(
                "UPDATE loader.positions SET next_offset = 3 WHERE consumer_group = $1", [.text(scenario.options.group)]
            )
            let loader = try scenario.start()
            // The server cancels no statement that waits for its client's data, and the client sends nothing.
            let failure = #expect(throws: PostgresError.self) {
                _ = try zombie.copyIn("COPY events FROM STDIN") { (_: borrowing CopyInStream) throws(PostgresError) in
                    let deadline = ContinuousClock.now + .seconds(30)
                    while loader.statistics.snapshot.rows < expected.count, ContinuousClock.now < deadline {
                        usleep(10_000)
                    }
                }
            }
            #expect(failure?.code == .connectionLost)
            try await loader.finish()
            #expect(loader.statistics.snapshot.fences == 0)
            #expect(try scenario.ids() == expected)
            #expect(try scenario.position() == 5)
        }
    }

    @Test("a position that was taken away while its batch was loading is a fence too, not a new beginning")
    func positionDeleted() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(5)
            try scenario.setPosition(0)
            try scenario.setGroup(0, metadata: scenario.mark)
            try scenario.connection.execute("BEGIN")
            try scenario.setPosition(nil)
            let loader = try scenario.start()
            try await scenario.waitUntilBlocked()
            try scenario.connection.execute("COMMIT")
            let failure = await #expect(throws: LoadingError.self) { try await loader.waitForEnd() }
            #expect(failure?.code == .lostPosition)
            #expect(loader.statistics.snapshot.fences == 1)
            #expect(try scenario.ids().isEmpty)
        }
    }

    /// Two clusters that hold the same messages, to the millisecond, under the same names: neither knows of the other's group, so both give the
    /// same partitions to their loader, for as long as both run.
    @Test("two loaders that both have all partitions load every message once")
    func twoOwners() async throws {
        let other = try Broker(mockBrokers: 1)
        try await LedgerScenario.with(try Broker.sharedMock(), partitions: 3) { scenario in
            try other.createTopic(scenario.topic, partitions: 3)
            let messages = (0..<3000).map {
                TestMessage(partition: Int32($0 % 3), value: #"{"id": \#($0)}"#, timestamp: 1_000_000_000_000)
            }
            try scenario.broker.produce(messages, to: scenario.topic)
            try other.produce(messages, to: scenario.topic)
            scenario.options.untilEnd = true
            scenario.options.batch.maxRows = 50
            var otherOptions = scenario.options
            otherOptions.brokers = other.bootstrapServers
            // Both read the same positions and begin the same batch before either gets through.
            try scenario.connection.execute("BEGIN; LOCK TABLE events IN SHARE MODE")
            let loaders = [try LoaderRun(scenario.options), try LoaderRun(otherOptions)]
            try await scenario.waitUntilBlocked(loaders: 2)
            try scenario.connection.execute("COMMIT")
            for loader in loaders { try await loader.waitForEnd() }
            #expect(try scenario.ids() == Array(0..<3000))
            #expect(try (0..<3).map { try scenario.position($0) } == [1000, 1000, 1000])
            let statistics = loaders.map(\.statistics.snapshot)
            #expect(statistics.reduce(0) { $0 + $1.fences } >= 1)
            #expect(statistics.reduce(0) { $0 + $1.rows } == 3000)
        }
    }
}
