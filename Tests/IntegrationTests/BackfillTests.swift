import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

/// `loader backfill`, without its command line.
@Suite("Backfill")
struct BackfillTests {
    private func move(
        _ scenario: LedgerScenario, _ destination: Backfill.Destination, partitions: [Int32]? = nil
    ) throws -> [Backfill.Move] {
        let backfill = try Backfill(
            scenario.options, topic: scenario.topic, partitions: partitions, to: destination)
        let moves = try backfill.plan(on: scenario.connection)
        try backfill.check(moves, on: scenario.connection)
        try backfill.carryOut(moves, on: scenario.connection)
        return moves
    }

    @Test("back to an offset: ledger and group follow, and the messages from there on are loaded again")
    func backToAnOffset() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 2, mode: .upsert) { scenario in
            try scenario.produce(10)
            try scenario.produce(4, to: 1)
            try await scenario.load()
            try scenario.connection.execute("DELETE FROM events")
            let moves = try move(scenario, .offset(6), partitions: [0])
            #expect(moves.map(\.repeated) == [4])
            #expect(try scenario.position() == 6)
            #expect(try scenario.group() == scenario.marked(6))
            #expect(try scenario.position(1) == 4, "the other partition stays")
            try await scenario.load()
            #expect(try scenario.ids() == Array(6..<10))
        }
    }

    @Test("to the latest: what is there is skipped, what comes is loaded")
    func toTheLatest() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(5)
            try scenario.setPosition(0)
            let moves = try move(scenario, .latest)
            #expect(moves.map(\.skipped) == [5])
            try scenario.produce(2)
            try await scenario.load()
            #expect(try scenario.ids() == [5, 6])
        }
    }

    @Test("a group that loads another database is taken over")
    func takeOver() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(3)
            try scenario.setGroup(2, metadata: "loader/1 00000000-0000-0000-0000-000000000000")
            _ = try move(scenario, .earliest)
            #expect(try scenario.group() == scenario.marked(0))
            try await scenario.load()
            #expect(try scenario.ids() == [0, 1, 2])
        }
    }

    @Test("a route that only appends is not loaded again, unless doubles are allowed; nothing moves")
    func appendIsRefused() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(3)
            try scenario.setPosition(3)
            let refusal = #expect(throws: Backfill.Refusal.self) { try move(scenario, .shift(-2)) }
            #expect(refusal?.code == .unsafeReplay)
            #expect(try scenario.position() == 3)
            scenario.options.allowDuplicates = true
            #expect(try move(scenario, .shift(-2)).map(\.to) == [1])
        }
    }

    @Test("a running group is refused, and its members are named")
    func runningGroup() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(1)
            let loader = try scenario.start()
            try await eventually("the first message is loaded") { try scenario.position() == 1 }
            let refusal = #expect(throws: Backfill.Refusal.self) { try move(scenario, .earliest) }
            #expect(refusal?.code == .activeGroup)
            #expect(refusal?.message.contains("loader") == true)
            try await loader.finish()
        }
    }
}
