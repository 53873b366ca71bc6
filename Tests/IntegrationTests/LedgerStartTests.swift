import Kafka
import Logging
import TestSupport
import Testing

@testable import Loading

/// Where a loader begins, for each state that the ledger and the group can be in: the table of `docs/delivery.md`.
@Suite("Ledger: where to begin")
struct LedgerStartTests {
    private let broker: Broker

    init() throws { broker = try Broker.sharedReal() }

    // MARK: Neither knows the partition

    @Test("a fresh group begins at the beginning with `earliest`")
    func freshEarliest() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            #expect(try await scenario.load().messages == 5)
            #expect(try scenario.ids() == Array(0..<5))
            #expect(try scenario.position() == 5)
            #expect(try scenario.group() == scenario.marked(5))
        }
    }

    @Test("a fresh group begins at the end with `latest`, and the next start loads what came in between")
    func freshLatest() async throws {
        try await LedgerScenario.with(broker) { scenario in
            scenario.options.autoOffsetReset = .latest
            try scenario.produce(5)
            #expect(try await scenario.load().messages == 0)
            #expect(try scenario.position() == 5)
            try scenario.produce(3)
            #expect(try await scenario.load().messages == 3)
            #expect(try scenario.ids() == [5, 6, 7])
        }
    }

    @Test("a fresh group with `error` stops before the first message")
    func freshError() async throws {
        try await LedgerScenario.with(broker) { scenario in
            scenario.options.autoOffsetReset = .error
            try scenario.produce(1)
            #expect(try await scenario.failure()?.code == .noPosition)
            #expect(try scenario.position() == nil)
        }
    }

    // MARK: Only the group knows it

    @Test("an older consumer's offsets are adopted, and carry the mark before the first message is taken")
    func adoption() async throws {
        try await LedgerScenario.with(broker, partitions: 2) { scenario in
            try scenario.produce(10)
            try scenario.produce(2, to: 1)
            try broker.commitAsPlainConsumer(4, of: scenario.place(0), group: scenario.options.group)
            #expect(try scenario.group()?.metadata == "")
            #expect(try await scenario.load().messages == 8)
            // The partition that the older consumer never committed begins as a fresh one.
            #expect(try scenario.ids() == Array(4..<12))
            #expect(try scenario.position() == 10)
            #expect(try scenario.group() == scenario.marked(10))
            #expect(try await scenario.load().messages == 0)
        }
    }

    @Test("a crash between the adoption's ledger row and its mark adopts again, even with an append-only table")
    func adoptionAfterCrash() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(10)
            try broker.commitAsPlainConsumer(4, of: scenario.place(0), group: scenario.options.group)
            try scenario.setPosition(4)
            let run = try await scenario.load()
            #expect(run.messages == 6)
            #expect(run.positionResets == 0)
            #expect(try scenario.ids() == Array(4..<10))
            #expect(try scenario.group() == scenario.marked(10))
        }
    }

    @Test("a crash between the first batch and its commit to the group loads nothing twice after an adoption")
    func crashAfterAdoption() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(10)
            try scenario.setGroup(4, metadata: scenario.mark)
            try scenario.setPosition(10)
            #expect(try await scenario.load().messages == 0)
            #expect(try scenario.group() == scenario.marked(10))
        }
    }

    // MARK: Only the ledger knows it

    @Test("a group that was deleted or has expired goes on where the ledger stands")
    func groupDeleted() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            try scenario.deleteGroup()
            #expect(try scenario.group() == nil)
            try scenario.produce(2)
            #expect(try await scenario.load().messages == 2)
            #expect(try scenario.ids() == Array(0..<7))
            #expect(try scenario.group() == scenario.marked(7))
        }
    }

    // MARK: Both know it

    @Test("a crash between the database's commit and the group's loads nothing twice")
    func crashBetweenCommits() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            // What such a crash leaves: the rows and the position are in, the group has not heard of it.
            try scenario.setGroup(3, metadata: scenario.mark)
            #expect(try await scenario.load().messages == 0)
            #expect(try scenario.ids() == Array(0..<10))
            #expect(try scenario.group() == scenario.marked(10))
        }
    }

    @Test("a database restored from a backup loads again what the backup had not")
    func databaseRestored() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            // What a backup of the time after four messages holds: rows and position go back together.
            try scenario.connection.execute("DELETE FROM events WHERE id >= 4")
            try scenario.setPosition(4)
            #expect(try await scenario.load().messages == 6)
            #expect(try scenario.ids() == Array(0..<10))
            #expect(try scenario.group() == scenario.marked(10))
        }
    }

    // MARK: Somebody else's mark

    @Test("a group that loads another database stops the start, and the message names both ledgers")
    func otherLedger() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            let other = "loader/1 4d3f0c1e-0000-4000-8000-00000000beef"
            try scenario.setGroup(3, metadata: other)
            for position in [nil, Int64(3)] {
                try scenario.setPosition(position)
                let failure = try await scenario.failure()
                #expect(failure?.code == .otherLedger)
                for part in [scenario.mark, other].map({ $0.dropFirst("loader/1 ".count) }) {
                    #expect(failure?.description.contains(part) == true)
                }
                #expect(try scenario.position() == position)
                #expect(try scenario.group()?.metadata == other)
            }
            #expect(try scenario.ids().isEmpty)
            // The way on with Kafka's own tool: `--reset-offsets --to-current`.
            try scenario.setGroup(3)
            #expect(try await scenario.load().messages == 2)
            #expect(try scenario.group() == scenario.marked(5))
        }
    }

    @Test("a ledger that lost its position stops, rather than load everything again or nothing")
    func lostPosition() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            try scenario.setPosition(nil)
            let failure = try await scenario.failure()
            #expect(failure?.code == .lostPosition)
            #expect(failure?.description.contains("\(scenario.place(0))@5") == true)
            #expect(try scenario.position() == nil)
            try scenario.setGroup(5)
            try scenario.produce(2)
            #expect(try await scenario.load().messages == 2)
            #expect(try scenario.ids() == Array(0..<7))
        }
    }

    // MARK: New partitions

    @Test("a partition that was added to the topic begins at its beginning, also with `latest`")
    func newPartition() async throws {
        try await LedgerScenario.with(broker) { scenario in
            scenario.options.autoOffsetReset = .latest
            try scenario.produce(5)
            try await scenario.load()
            try broker.addPartitions(to: scenario.topic, upTo: 3)
            try scenario.produce(4, to: 1)
            try scenario.produce(4, to: 2)
            #expect(try await scenario.load().messages == 8)
            #expect(try scenario.ids() == Array(5..<13))
        }
    }

    @Test("the first member to see a topic writes where all its partitions begin, also those that others are given")
    func latestOfAllPartitions() async throws {
        try await LedgerScenario.with(broker, partitions: 3) { scenario in
            scenario.options.autoOffsetReset = .latest
            for partition in 0..<Int32(3) { try scenario.produce(2, to: partition) }
            let options = scenario.options
            let given = scenario.place(0)
            let read = try await onThread {
                let consumer = try Consumer(properties: options.consumerProperties, queues: 1, wakeup: Wakeup())
                defer { consumer.close() }
                return try StartSettling(
                    ledger: Ledger(group: options.group), options: options, consumer: consumer, targets: [],
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                    isStopping: { false }
                ).settle([given]).offsets
            }
            #expect(read == [given: 2])
            #expect(try (0..<3).map { try scenario.position($0) } == [2, 2, 2])
            // So `latest` is the same moment for all of them, however late another member comes to its own.
            try scenario.produce(3, to: 1)
            #expect(try await scenario.load().messages == 3)
        }
    }

    @Test("a member that begins while another one looks is no lost position", arguments: 1...8)
    func overtakenWhileLooking(call: Int) async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(3)
            let (options, given) = (scenario.options, scenario.place(0))
            // The test waits for the thread, and touches it before and afterwards alone.
            nonisolated(unsafe) let other = scenario
            let code = try await onThread { () -> LoadingError.Code? in
                let consumer = try Consumer(properties: options.consumerProperties, queues: 1, wakeup: Wakeup())
                defer { consumer.close() }
                var calls = 0
                let starts = StartSettling(
                    ledger: Ledger(group: options.group), options: options, consumer: consumer, targets: [],
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                    isStopping: {
                        calls += 1
                        if calls == call {
                            try? other.setPosition(2)
                            try? other.setGroup(2, metadata: other.mark)
                        }
                        return false
                    })
                do { _ = try starts.settle([given]) } catch let error as LoadingError { return error.code } catch {}
                return nil
            }
            #expect(code == nil)
        }
    }

    // MARK: New topics of a running group

    /// Topics of a name that only this test's expression matches.
    private func withExpression(_ body: (LedgerScenario, (Int) throws -> String) async throws -> Void) async throws {
        try await LedgerScenario.with(broker) { scenario in
            let prefix = Broker.randomName("family")
            scenario.options.routes[0].topics = [.expression("^\(prefix)-")]
            scenario.options.autoOffsetReset = .latest
            scenario.options.properties["topic.metadata.refresh.interval.ms"] = "200"
            var topics: [String] = []
            defer { for topic in topics { broker.deleteTopic(topic) } }
            try await body(scenario) { number in
                let topic = "\(prefix)-\(number)"
                topics.append(topic)
                try broker.createTopic(topic, partitions: 1)
                try broker.produce(
                    (0..<3).map { TestMessage(partition: 0, value: #"{"id": \#(number * 10 + $0)}"#) }, to: topic)
                return topic
            }
        }
    }

    @Test("a topic that appears while a group with `latest` runs, or is stopped, loads from its beginning")
    func newTopic() async throws {
        try await withExpression { scenario, create in
            _ = try create(0)
            #expect(try await scenario.load().messages == 0, "the group's first start")
            _ = try create(1)
            let loader = try scenario.start()
            try await eventually("what came while it was stopped is loaded") { try scenario.ids() == [10, 11, 12] }
            _ = try create(2)
            try await eventually("what came while it runs is loaded") {
                try scenario.ids() == [10, 11, 12, 20, 21, 22]
            }
            try await loader.finish()
        }
    }

    @Test("a group with `latest` that began before there was any topic loads the first from its beginning")
    func firstTopic() async throws {
        try await withExpression { scenario, create in
            let loader = try scenario.start()
            let group = scenario.options.group
            try await eventually("the group has begun") {
                try Ledger(group: group).topics(on: scenario.connection).isEmpty == false
            }
            _ = try create(1)
            try await eventually("the first topic is loaded") { try scenario.ids() == [10, 11, 12] }
            try await loader.finish()
        }
    }

    // MARK: Bounded runs

    @Test("a bounded run leaves what comes after its end to the next run, and loses none of it")
    func boundedRun() async throws {
        try await LedgerScenario.with(broker) { scenario in
            scenario.options.batch.maxDelay = .seconds(2)
            scenario.options.untilEnd = true
            try scenario.produce(5)
            let loader = try scenario.start()
            try await eventually("it knows where to end") { loader.log.count(of: "loading") == 1 }
            try scenario.produce(3)
            try await loader.waitForEnd()
            #expect(loader.statistics.snapshot.messages == 5)
            #expect(try scenario.position() == 5)
            #expect(try await scenario.load().messages == 3)
            #expect(try scenario.ids() == Array(0..<8))
        }
    }
}
