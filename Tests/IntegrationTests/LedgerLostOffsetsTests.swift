import Kafka
import Loading
import TestSupport
import Testing

/// The position points at what the partition no longer holds, or does not hold yet.
@Suite("Ledger: lost offsets")
struct LedgerLostOffsetsTests {
    private let broker: Broker

    init() throws { broker = try Broker.sharedReal() }

    /// Two of ten messages are loaded, and the first five deleted.
    private func deleteUnread(_ scenario: LedgerScenario) async throws {
        try scenario.produce(2)
        try await scenario.load()
        try scenario.produce(8)
        try broker.withAdmin { admin in
            _ = try admin.deleteRecords(before: [scenario.place(0): 5], timeout: .seconds(30))
        }
    }

    @Test("deleted unread messages stop the loader, with the figures and the ways on")
    func deletedStops() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try await deleteUnread(scenario)
            let failure = try await scenario.failure()
            #expect(failure?.code == .lostOffsets)
            #expect(failure?.message.contains("\(scenario.place(0))@2") == true)
            #expect(failure?.message.contains("3 unread messages are gone") == true)
            #expect(failure?.mend.contains("--to-earliest") == true && failure?.mend.contains("--to-latest") == true)
            #expect(try scenario.ids() == [0, 1])
            #expect(try scenario.position() == 2)
            // The way on with Kafka's own tool: `--reset-offsets --to-earliest`.
            try scenario.setGroup(5)
            #expect(try await scenario.load().messages == 5)
            #expect(try scenario.ids() == [0, 1, 5, 6, 7, 8, 9])
        }
    }

    @Test(
        "after deleted messages it goes on where `on_lost_offsets` says, and counts it",
        arguments: [(LoadingOptions.OnLostOffsets.earliest, [0, 1, 5, 6, 7, 8, 9]), (.latest, [0, 1])])
    func deletedGoesOn(_ goOn: LoadingOptions.OnLostOffsets, _ ids: [Int]) async throws {
        try await LedgerScenario.with(broker) { scenario in
            try await deleteUnread(scenario)
            scenario.options.onLostOffsets = goOn
            #expect(try await scenario.load().positionResets == 1)
            #expect(try scenario.ids() == ids)
            #expect(try scenario.position() == 10)
            #expect(try scenario.group() == scenario.marked(10))
            #expect(try await scenario.load().positionResets == 0)
        }
    }

    @Test("unread messages that are deleted under a running loader stop it")
    func deletedWhileRunning() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(10)
            // One fetch brings all there is, and the next comes only when nearly all of it is taken.
            scenario.options.properties["queued.min.messages"] = "1"
            scenario.options.batch.maxRows = 1
            try scenario.connection.execute("BEGIN; LOCK TABLE events IN SHARE MODE")
            let loader = try scenario.start()
            try await scenario.waitUntilBlocked()
            try scenario.produce(10)
            try broker.withAdmin { admin in
                _ = try admin.deleteRecords(before: [scenario.place(0): 15], timeout: .seconds(30))
            }
            try scenario.connection.execute("COMMIT")
            let failure = await #expect(throws: LoadingError.self) { try await loader.waitForEnd() }
            #expect(failure?.code == .lostOffsets)
            #expect(failure?.message.contains("\(scenario.place(0))@10") == true)
            #expect(try scenario.position() == 10)
        }
    }

    @Test("a position beyond the end stops the loader")
    func beyondTheEnd() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(3)
            try scenario.setPosition(8)
            let failure = try await scenario.failure()
            #expect(failure?.code == .lostOffsets)
            #expect(failure?.message.contains("@8 lies outside 0…3") == true)
            #expect(try scenario.ids().isEmpty && scenario.position() == 8)
        }
    }

    @Test(
        "a topic that was deleted and created anew goes on where `on_lost_offsets` says",
        arguments: [(LoadingOptions.OnLostOffsets.earliest, [0, 1, 2, 3, 4, 5, 6]), (.latest, [0, 1, 2, 3, 4])])
    func recreated(_ goOn: LoadingOptions.OnLostOffsets, _ ids: [Int]) async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            broker.deleteTopic(scenario.topic)
            try broker.createTopic(scenario.topic, partitions: 1)
            try scenario.produce(2)
            #expect(try await scenario.failure()?.code == .lostOffsets)
            scenario.options.onLostOffsets = goOn
            #expect(try await scenario.load().positionResets == 1)
            #expect(try scenario.ids() == ids)
            #expect(try scenario.position() == 2)
            #expect(try scenario.group() == scenario.marked(2))
        }
    }
}
