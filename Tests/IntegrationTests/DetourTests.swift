import Foundation
import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

/// A backfill with an end: what lies before it is loaded again, and then the partition goes on where it stood.
@Suite("Backfill with an end")
struct DetourTests {
    private func move(
        _ scenario: LedgerScenario, to offset: Int64, until end: Int64, partitions: [Int32]? = nil
    ) throws -> [Backfill.Move] {
        let backfill = try Backfill(
            scenario.options, topic: scenario.topic, partitions: partitions, to: .offset(offset), until: .offset(end))
        let moves = try backfill.plan(on: scenario.connection)
        try backfill.check(moves, on: scenario.connection)
        try backfill.carryOut(moves, on: scenario.connection)
        return moves
    }

    private func environment(_ scenario: LedgerScenario) -> [String: String] {
        [
            "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.options.group,
            "KAFKA_TOPIC": scenario.topic, "DATABASE_URL": scenario.options.database.url,
            "LOADER_TABLE": "events", "LOADER_ROUTES_0_COLUMNS_ID": "id", "LOADER_ROUTES_0_COLUMNS_PART": "$partition",
            "LOADER_ROUTES_0_COLUMNS_AT": "$offset", "LOADER_BATCH_MAX_ROWS": "1", "LOADER_HTTP_LISTEN": "off",
        ]
    }

    @Test("a stretch whose rows were deleted is loaded again, and what was loaded behind it is not")
    func stretch() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.connection.execute("DELETE FROM events WHERE id BETWEEN 3 AND 5")
            let refusal = #expect(throws: Backfill.Refusal.self) { try move(scenario, to: 3, until: 6) }
            #expect(refusal?.code == .unsafeReplay, "the loader does not know that the rows are gone")
            scenario.options.allowDuplicates = true
            let moves = try move(scenario, to: 3, until: 6)
            #expect(moves.map(\.repeated) == [3] && moves.map(\.skipped) == [0])
            #expect(moves.map(\.detour) == [Detour(until: 6, resume: 10)])
            #expect(try scenario.position() == 3)
            #expect(try scenario.group() == scenario.marked(3))
            scenario.options.allowDuplicates = false
            try scenario.produce(2)
            let run = try await scenario.load()
            #expect(run.messages == 5)
            #expect(try scenario.ids() == Array(0..<12))
            #expect(try scenario.position() == 12)
            #expect(try scenario.group() == scenario.marked(12))
            #expect(try await scenario.load().messages == 0)
        }
    }

    @Test("the end may lie at the topic's end, and what comes while it runs is loaded once")
    func whileRunning() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.connection.execute("DELETE FROM events WHERE id < 4")
            scenario.options.allowDuplicates = true
            _ = try move(scenario, to: 0, until: 4)
            let loader = try scenario.start()
            try await eventually("it stands where it stood before") { try scenario.position() == 10 }
            try scenario.produce(3)
            try await eventually("what came is loaded") { try scenario.position() == 13 }
            try await eventually("nothing is left") { loader.statistics.snapshot.lag == 0 }
            try await loader.finish()
            #expect(try scenario.ids() == Array(0..<13))
        }
    }

    @Test(
        "killed before the end, at it and behind it, it goes on where it was",
        arguments: [
            ("before-commit=crash@2", Int64(4)), ("before-group-commit=crash@4", 6), ("before-commit=crash@4", 10),
        ])
    func killed(failpoint: String, position: Int64) async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.connection.execute("DELETE FROM events WHERE id BETWEEN 3 AND 5")
            scenario.options.allowDuplicates = true
            _ = try move(scenario, to: 3, until: 6)
            scenario.options.allowDuplicates = false
            // With an id of its own a member that comes again takes the place of the one that was killed, at once.
            let member = scenario.options.group + "-member"
            scenario.options.properties["group.instance.id"] = member
            try scenario.produce(3)
            let killed = try await Command.run(
                ["run", "--until-end"],
                environment(scenario).merging(
                    ["LOADER_FAILPOINTS": failpoint, "LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID": member]
                ) { $1 })
            #expect(killed.status == SIGKILL, "\(killed.errors)")
            #expect(try scenario.position() == position)
            try await scenario.load()
            #expect(try scenario.ids() == Array(0..<13))
            #expect(try scenario.position() == 13)
        }
    }

    @Test("of several partitions each goes its own way: back and on, to its end, or it stays")
    func partitions() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 3) { scenario in
            try scenario.produce(10)
            try scenario.produce(4, to: 1)
            try await scenario.load()
            scenario.options.allowDuplicates = true
            let moves = try move(scenario, to: 2, until: 6)
            #expect(moves.map(\.detour) == [Detour(until: 6, resume: 10), nil, nil])
            #expect(moves.map(\.stays) == [false, false, true])
            #expect(moves.map(\.repeated) == [4, 2, 0])
            #expect(try (0..<3).map { try scenario.position($0) } == [2, 2, 0])
            scenario.options.allowDuplicates = false
            try await scenario.load()
            #expect(try scenario.ids() == (Array(0..<14) + [2, 3, 4, 5, 12, 13]).sorted())
            #expect(try (0..<3).map { try scenario.position($0) } == [10, 4, 0])
        }
    }

    @Test("an end behind a transaction's own record is reached although no message lies before it")
    func controlRecord() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            let producer = try TransactionalProducer(scenario.broker, id: scenario.options.group)
            try producer.begin()
            try producer.produce(scenario.nextValues(3), to: scenario.place(0))
            try producer.commit()
            try scenario.produce(4)
            try await scenario.load()
            #expect(try scenario.position() == 8)
            try scenario.connection.execute("DELETE FROM events WHERE id < 3")
            scenario.options.allowDuplicates = true
            _ = try move(scenario, to: 0, until: 4)
            scenario.options.allowDuplicates = false
            try await scenario.load()
            #expect(try scenario.ids() == Array(0..<7))
            #expect(try scenario.position() == 8)
        }
    }

    @Test("an end that is not behind where to, and one of a partition that was never loaded, change nothing")
    func nothing() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(5)
            #expect(throws: Backfill.Refusal.self) { try move(scenario, to: 0, until: 3) }
            #expect(try scenario.position() == nil)
            try await scenario.load()
            for (to, until) in [(Int64(3), Int64(3)), (4, 2)] {
                let refusal = #expect(throws: Backfill.Refusal.self) { try move(scenario, to: to, until: until) }
                #expect(refusal?.code == .nothing)
            }
            #expect(try scenario.position() == 5)
            let both = ["--to-offset", "4", "--until-offset", "2"]
            let run = try await Command.run(
                ["backfill", "--topic", scenario.topic, "--yes"] + both, environment(scenario))
            #expect(run.status == 64)
        }
    }

    @Test("mode upsert refuses an end before what was loaded, and takes one behind it")
    func upsert() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            let refusal = #expect(throws: Backfill.Refusal.self) { try move(scenario, to: 3, until: 6) }
            #expect(refusal?.code == .olderState)
            #expect(try scenario.position() == 10)
            #expect(try move(scenario, to: 3, until: 100).map(\.detour) == [nil])
            #expect(try await scenario.load().messages == 7)
        }
    }

    @Test("a second backfill, and a reset of the group by another tool, replace it and know what is loaded ahead")
    func replaced() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            scenario.options.allowDuplicates = true
            _ = try move(scenario, to: 3, until: 6)
            // The second comes back to where the group stood first, not to where the first has set it.
            let second = try move(scenario, to: 4, until: 7)
            #expect(second.map(\.detour) == [Detour(until: 7, resume: 10)])
            #expect(second.map(\.repeated) == [1] && second.map(\.skipped) == [1])
            scenario.options.allowDuplicates = false
            // Ahead of the position, and loaded all the same.
            try scenario.setGroup(8)
            let failure = try await scenario.failure()
            #expect(failure?.code == .unsafeReplay && failure?.message.contains("2 messages") == true)
            #expect(failure?.mend.words.contains("--to-offset 4 --until-offset 7") == true)
            scenario.options.allowDuplicates = true
            try await scenario.load()
            #expect(try scenario.ids() == (Array(0..<10) + [8, 9]).sorted())
        }
    }

    @Test("status shows what is loaded again and counts only that and what is new")
    func status() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            scenario.options.allowDuplicates = true
            _ = try move(scenario, to: 3, until: 6)
            try scenario.produce(1)
            let status = try await Command.run(["status", "--json"], environment(scenario))
            let partition = (try status.json()["partitions"] as? [[String: Any]])?.first
            #expect(partition?["finding"] as? String == "loading_again")
            #expect((partition?["message"] as? String)?.contains("up to @6, and goes on from @10") == true)
            #expect(partition?["lag"] as? Int == 4)
        }
    }

    @Test("on_lost_offsets: earliest loads what retention has left of it, and nothing twice", arguments: [4, 7])
    func retention(low: Int) async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(10)
            try await scenario.load()
            try scenario.connection.execute("DELETE FROM events WHERE id < 6")
            scenario.options.allowDuplicates = true
            _ = try move(scenario, to: 0, until: 6)
            scenario.options.allowDuplicates = false
            try scenario.broker.withAdmin { admin in
                _ = try admin.deleteRecords(before: [scenario.place(0): Int64(low)], timeout: .seconds(30))
            }
            let failure = try await scenario.failure()
            #expect(failure?.code == .lostOffsets)
            #expect(failure?.mend.words.contains("--until-offset 6") == (low < 6))
            scenario.options.onLostOffsets = .earliest
            try await scenario.load()
            #expect(try scenario.ids() == Array(min(low, 6)..<10))
            #expect(try scenario.position() == 10)
        }
    }
}
