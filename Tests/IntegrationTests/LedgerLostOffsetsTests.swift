import Foundation
import Kafka
import Loading
import Operating
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
            #expect(
                failure?.mend.words.contains("--to-earliest") == true
                    && failure?.mend.words.contains("--to-latest") == true)
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

    // MARK: Another topic of the same name

    /// Five messages are loaded; then the topic is another, with this many.
    private func recreate(_ scenario: LedgerScenario, messages: Int) async throws {
        try scenario.produce(5)
        try await scenario.load()
        broker.deleteTopic(scenario.topic)
        try broker.createTopic(scenario.topic, partitions: 1)
        try scenario.produce(messages)
    }

    @Test(
        "a topic that was created anew and has reached the old position, or grown past it, stops every start until somebody decides",
        arguments: [5, 6, 9])
    func recreatedAndGrown(messages: Int) async throws {
        try await LedgerScenario.with(broker) { scenario in
            try await recreate(scenario, messages: messages)
            for _ in 0..<2 {
                let failure = try await scenario.failure()
                #expect(failure?.code == .lostOffsets)
                #expect(failure?.message.contains("\(scenario.place(0))@5") == true)
                #expect(failure?.mend.words.contains("--partitions 0 --to-earliest") == true)
                #expect(failure?.mend.words.contains("kafka.on_lost_offsets") == true)
            }
            #expect(try scenario.ids() == Array(0..<5))
            // `status` says so as well, and an append-only route needs no leave to load what it never had.
            let report = PositionReport.read(
                scenario.options, try Admin(properties: scenario.options.clientProperties))
            #expect(report.partitions.map(\.finding.code) == [.lostOffsets])
            let backfill = try Backfill(scenario.options, topic: scenario.topic, partitions: [0], to: .earliest)
            let moves = try backfill.plan(on: scenario.connection)
            #expect(moves.map(\.repeated) == [0])
            try backfill.check(moves, on: scenario.connection)
            try backfill.carryOut(moves, on: scenario.connection)
            #expect(try await scenario.load().messages == messages)
            #expect(try scenario.ids() == Array(0..<5 + messages))
        }
    }

    @Test("a topic that was created anew and has grown goes on where `on_lost_offsets` says", arguments: [false, true])
    func recreatedAndGoesOn(isEarliest: Bool) async throws {
        try await LedgerScenario.with(broker) { scenario in
            try await recreate(scenario, messages: 8)
            scenario.options.onLostOffsets = isEarliest ? .earliest : .latest
            #expect(try await scenario.load().positionResets == 1)
            #expect(try scenario.ids() == Array(0..<(isEarliest ? 13 : 5)))
            #expect(try scenario.position() == 8)
            #expect(try scenario.group() == scenario.marked(8))
        }
    }

    @Test(
        "a topic that was created anew under a running loader stops it, and its restart once the topic has grown",
        arguments: [2, 9])
    func recreatedWhileRunning(messages: Int) async throws {
        // One that is as long as the old one when it appears has to be missed before.
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            scenario.options.properties["topic.metadata.refresh.interval.ms"] = "200"
            let loader = try scenario.start()
            try await eventually("the first are loaded") { try scenario.position() == 5 }
            broker.deleteTopic(scenario.topic)
            if messages > 5 {
                try await eventually("the topic is missed") {
                    let seen = loader.statistics.snapshot
                    return seen.partitions.isEmpty || !seen.standstills.isEmpty
                }
            }
            try broker.createTopic(scenario.topic, partitions: 1)
            try scenario.produce(messages)
            let failure = await #expect(throws: LoadingError.self) { try await loader.waitForEnd(within: .seconds(60)) }
            #expect(failure?.code == .lostOffsets)
            try scenario.produce(8)
            #expect(try await scenario.failure()?.code == .lostOffsets)
            #expect(try scenario.ids() == Array(0..<5))
        }
    }

    // MARK: Another topic of the same name, at once

    /// A loader that is still busy with the 15 messages of each partition when their topic is another one, of 20, and goes over
    /// into that unless it notices before.
    private func goOver(_ scenario: LedgerScenario, partitions: Int32 = 1) async throws -> LoaderRun {
        scenario.options.batch.maxRows = 1
        // Nothing is fetched while something is left, so nothing tells that the topic was gone.
        scenario.options.properties["queued.min.messages"] = "1"
        for partition in 0..<partitions { try scenario.produce(5, to: partition) }
        let loader = try scenario.start()
        try await eventually("the first are loaded") {
            try (0..<partitions).allSatisfy { try scenario.position($0) == 5 }
        }
        try scenario.connection.execute("BEGIN; LOCK TABLE events IN SHARE MODE")
        for partition in 0..<partitions { try scenario.produce(10, to: partition) }
        try await scenario.waitUntilBlocked()
        try await eventually("the others are fetched") {
            loader.statistics.snapshot.buffers.queueMessages >= 8
        }
        broker.deleteTopic(scenario.topic)
        try broker.createTopic(scenario.topic, partitions: Int(partitions))
        for partition in 0..<partitions { try scenario.produce(20, to: partition) }
        try scenario.connection.execute("COMMIT")
        return loader
    }

    /// The ids of the topic before, those first of which must be in, and of the topic as it is now, each once.
    private func expectedIDs(loadedBefore: Int) -> [Int] { Array(0..<loadedBefore) + Array(15..<35) }

    @Test(
        "a topic that takes another one's place within moments, and is longer at once, stops a running loader, and the command that it names loads what was left out and nothing twice"
    )
    func replacedAtOnce() async throws {
        try await LedgerScenario.with(broker) { scenario in
            scenario.options.topicWatchInterval = .seconds(3)
            let loader = try await goOver(scenario)
            var failure = await #expect(throws: LoadingError.self) {
                try await loader.waitForEnd(within: .seconds(60))
            }
            let before = try scenario.ids().count { $0 < 15 }
            let position = try #require(try scenario.position())
            let isMixed = position > before
            for _ in 0..<3 {
                #expect(failure?.code == .lostOffsets)
                #expect(failure?.message.contains("\(scenario.place(0))@\(position)") == true)
                #expect(failure?.mend.words.contains("--partitions 0 --to-earliest") == true)
                #expect(failure?.mend.words.contains("--to-earliest --until-offset \(before)`") == isMixed)
                failure = try await scenario.failure()
            }
            if isMixed {
                #expect(failure?.message.contains("nothing before @\(before) is loaded") == true)
                let all = try Backfill(scenario.options, topic: scenario.topic, partitions: [0], to: .earliest)
                let moves = try all.plan(on: scenario.connection)
                #expect(moves.map(\.repeated) == [position - Int64(before)])
                #expect(throws: Backfill.Refusal.self) { try all.check(moves, on: scenario.connection) }
                // Nor does a reset by other tools double them.
                try scenario.setGroup(0)
                let refusal = try await scenario.failure()
                #expect(refusal?.code == .unsafeReplay)
                #expect(refusal?.mend.words.contains("--to-earliest --until-offset \(before)`") == true)
            }
            let backfill = try Backfill(
                scenario.options, topic: scenario.topic, partitions: [0], to: .earliest,
                until: isMixed ? .offset(Int64(before)) : nil)
            let moves = try backfill.plan(on: scenario.connection)
            #expect(moves.map(\.repeated) == [0])
            try backfill.check(moves, on: scenario.connection)
            try backfill.carryOut(moves, on: scenario.connection)
            try await scenario.load()
            try scenario.produce(1)
            #expect(try await scenario.load().messages == 1)
            #expect(try scenario.ids() == expectedIDs(loadedBefore: before) + [35])
        }
    }

    @Test("with on_lost_offsets: earliest it goes on by itself", arguments: [Route.Mode.upsert, .insert])
    func replacedAndGoesOn(mode: Route.Mode) async throws {
        try await LedgerScenario.with(broker, mode: mode) { scenario in
            scenario.options.topicWatchInterval = .seconds(3)
            scenario.options.onLostOffsets = .earliest
            let loader = try await goOver(scenario)
            try await eventually("it has ended or begun anew", within: .seconds(60)) {
                try loader.hasEnded || scenario.ids().contains(15) && scenario.position() == 20
            }
            if loader.hasEnded {
                // But not where what it has taken of the new topic would double.
                #expect(mode == .insert)
                let failure = await #expect(throws: LoadingError.self) { try await loader.waitForEnd() }
                #expect(failure?.code == .lostOffsets && failure?.mend.words.contains("--until-offset") == true)
                scenario.options.allowDuplicates = true
                try await scenario.load()
            } else {
                try await loader.finish()
            }
            let before = try scenario.ids().count { $0 < 15 }
            #expect(Set(try scenario.ids()) == Set(expectedIDs(loadedBefore: before)))
        }
    }

    @Test("what was loaded of another topic is noticed by the next loader, too, if the one that loaded it ends before")
    func replacedAndRestarted() async throws {
        try await LedgerScenario.with(broker, partitions: 3) { scenario in
            let first = try await goOver(scenario, partitions: 3)
            try await eventually("it has gone over", within: .seconds(60)) {
                try first.hasEnded || (0..<3).allSatisfy { try scenario.position($0) == 20 }
            }
            try? await first.finish()
            #expect(try await scenario.failure()?.code == .lostOffsets)
            let report = PositionReport.read(
                scenario.options, try Admin(properties: scenario.options.clientProperties))
            #expect(report.partitions.map(\.finding.code) == [.lostOffsets, .lostOffsets, .lostOffsets])
        }
    }

    @Test(
        "what a way back has loaded is not loaded twice where it leads beyond the topic's end, however far that grows"
    )
    func wayBackLost() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(3)
            try await scenario.load()
            // As a topic that was made anew leaves it: its rest is loaded, as the mend has said, and it is still too short.
            _ = try scenario.connection.query(
                """
                UPDATE loader.positions SET last_message = ARRAY[3, NULL, NULL, NULL, 3, 8]
                WHERE consumer_group = $1
                """, [.text(scenario.options.group)])
            func expectStop(repeated: Int64) async throws {
                let failure = try await scenario.failure()
                #expect(failure?.code == .lostOffsets && failure?.message.contains("go on at @8") == true)
                #expect(failure?.mend.words.contains("--to-offset 3\(repeated > 3 ? " --allow" : "`")") == true)
                let all = try Backfill(scenario.options, topic: scenario.topic, partitions: [0], to: .earliest)
                #expect(try all.plan(on: scenario.connection).map(\.repeated) == [repeated])
            }
            for _ in 0..<2 { try await expectStop(repeated: 3) }
            try scenario.produce(7)
            try await expectStop(repeated: 8)
            try scenario.setGroup(0)
            #expect(try await scenario.failure()?.code == .unsafeReplay)
            scenario.options.allowDuplicates = true
            try scenario.setGroup(3)
            #expect(try await scenario.load().messages == 7)
            #expect(try scenario.ids() == Array(0..<10))
        }
    }

    /// Apache Kafka 4 takes no time of more than an hour to come, unless it is told to; before, and elsewhere, any.
    private func brokersTake(_ timestamp: Int64) async throws -> Bool {
        try await broker.withTopic(partitions: 1) { topic in
            do {
                try broker.produce([TestMessage(value: "{}", timestamp: timestamp)], to: topic)
                return true
            } catch KafkaErrorCode.invalidTimestamp {
                return false
            }
        }
    }

    @Test(
        "no time that a producer gives, and nothing that is deleted, makes a running loader believe that its topic is another",
        arguments: [-1, 0, 100_000])
    func noFalseAlarmWhileRunning(hours: Int64) async throws {
        let timestamp = Int64(Date().timeIntervalSince1970 * 1000) + hours * 3_600_000
        guard try await brokersTake(timestamp) else { return }
        try await LedgerScenario.with(broker, partitions: 2) { scenario in
            scenario.options.topicWatchInterval = .milliseconds(20)
            let loader = try scenario.start()
            for count in 1...20 {
                for partition: Int32 in 0..<2 {
                    try broker.produce(
                        scenario.nextValues(1).map {
                            TestMessage(partition: partition, value: $0, timestamp: timestamp)
                        }, to: scenario.topic)
                }
                try await eventually("it is loaded") {
                    try (0..<2).allSatisfy { try scenario.position($0) == Int64(count) }
                }
                if count % 5 == 0 {
                    try broker.withAdmin { admin in
                        _ = try admin.deleteRecords(
                            before: [scenario.place(0): Int64(count) - (count % 2 == 0 ? 0 : 2)], timeout: .seconds(30))
                    }
                }
            }
            try await loader.finish()
            #expect(try scenario.ids() == Array(0..<40))
        }
    }

    @Test("a stop for a lost position is remembered where no message is known, until the group is reset")
    func remembered() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(3)
            try scenario.setPosition(8)
            #expect(try await scenario.failure()?.message.contains("@8 lies outside 0…3") == true)
            try scenario.produce(7)
            let again = try await scenario.failure()
            #expect(again?.code == .lostOffsets && again?.message.contains("nobody has decided since") == true)
            try scenario.setGroup(8)
            #expect(try await scenario.load().messages == 2)
            #expect(try await scenario.load().messages == 0)
        }
    }

    @Test(
        "no time that a producer gives, and nothing that is deleted, makes a topic look like another",
        arguments: [-1, 0, 100_000])
    func noFalseAlarm(hours: Int64) async throws {
        // Not so old that the broker's retention would take it.
        let timestamp = Int64(Date().timeIntervalSince1970 * 1000) + hours * 3_600_000
        guard try await brokersTake(timestamp) else { return }
        try await LedgerScenario.with(broker) { scenario in
            func produce(_ count: Int) throws {
                try broker.produce(
                    scenario.nextValues(count).map { TestMessage(partition: 0, value: $0, timestamp: timestamp) },
                    to: scenario.topic)
            }
            try produce(5)
            try await scenario.load()
            try scenario.deleteGroup()
            try produce(2)
            #expect(try await scenario.load().messages == 2)
            // The message that is known is gone, its offset is the first that is left, and nothing is left.
            for low: Int64 in [7, 8] {
                try produce(1)
                try broker.withAdmin { admin in
                    _ = try admin.deleteRecords(before: [scenario.place(0): low], timeout: .seconds(30))
                }
                #expect(try await scenario.load().messages == 1)
            }
            #expect(try await scenario.load().messages == 0)
            #expect(try scenario.ids() == Array(0..<9))
        }
    }

    @Test("what a loader of the version before has moved is not compared with what it did not write")
    func movedByTheVersionBefore() async throws {
        try await LedgerScenario.with(broker, mode: .upsert) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            try scenario.setPosition(3)
            #expect(try await scenario.load().messages == 2)
            #expect(try scenario.position() == 5)
        }
    }
}
