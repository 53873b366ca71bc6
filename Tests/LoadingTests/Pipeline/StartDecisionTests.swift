import Kafka
import Testing

@testable import Loading

/// Where partitions begin, once all is known of them.
@Suite("Where a group's partitions begin")
struct StartDecisionTests {
    private static let mark = LedgerMark(ledger: "ours")

    private func a(_ number: Int32) -> TopicPartition { TopicPartition(topic: "a", partition: number) }

    private func decision(
        _ wanted: [TopicPartition], rows: [TopicPartition: Ledger.Position] = [:], groups: [TopicPartition: Int64] = [:]
    ) -> StartDecision {
        var decision = StartDecision(wanted, rows: rows, strangers: [:], reached: [:])
        decision.groups = Dictionary(
            uniqueKeysWithValues: groups.map { ($0, CommittedOffset(partition: $0, offset: $1, metadata: "")) })
        for number in Int32(0)..<4 { decision.watermarks[a(number)] = Watermarks(low: 0, high: 10) }
        return decision
    }

    private func decide(
        _ decision: StartDecision, _ reset: LoadingOptions.OffsetReset = .earliest
    ) throws -> StartDecision.Verdict {
        try decision.decide(
            StartDecision.Rules(
                mark: Self.mark, offsetReset: reset, onLostOffsets: .stop, replayDoubles: { _ in false }))
    }

    @Test("a position that another member has written first stands, unless the group was set elsewhere meanwhile")
    func writtenMeanwhile() throws {
        let fresh = decision([a(0)])
        let starts = try decide(fresh).starts
        let conclusion = try fresh.conclude(starts, written: [a(0): 3], Self.mark)
        #expect(conclusion.offsets == [a(0): 3] && conclusion.marks.isEmpty)
        // With the mark beside 3, nobody would know any more that somebody has set it to 7.
        let set = decision([a(0)], groups: [a(0): 7])
        let adopted = try decide(set).starts
        #expect(adopted[a(0)]?.offset == 7)
        #expect(throws: StartSettling.Overtaken.self) {
            try set.conclude(adopted, written: [a(0): 3], Self.mark)
        }
        #expect(try set.conclude(adopted, written: [a(0): 7], Self.mark).marks.map(\.offset) == [7])
    }

    @Test("what somebody has set is committed once more before the ledger follows it, and nothing else is")
    func claims() throws {
        var reset = decision(
            [a(0), a(1), a(2)], rows: [a(0): .init(next: 5), a(1): .init(next: 5)], groups: [a(0): 2])
        reset.groups[a(1)] = CommittedOffset(partition: a(1), offset: 5, metadata: Self.mark.metadata)
        let starts = try decide(reset).starts
        #expect(starts.count == 3)
        #expect(reset.claims(starts) == [CommittedOffset(partition: a(0), offset: 2, metadata: "")])
    }

    @Test("who was overtaken is known by the version of the row, also where the position is the same")
    func overtaken() {
        var row = Ledger.Position(next: 5)
        row.version = 7
        let known = decision([a(0), a(1)], rows: [a(0): row])
        #expect(!known.isOvertaken(by: [a(0): row, a(2): Ledger.Position(next: 1)]))
        #expect(known.isOvertaken(by: [a(0): row, a(1): Ledger.Position(next: 0)]))
        row.version = 8
        #expect(known.isOvertaken(by: [a(0): row]))
    }

    @Test(
        "what was found out about a position does not count of another at the same offset, which somebody has reached since"
    )
    func strangerSince() throws {
        let former = LastMessage(offset: 4, timestamp: 0, fingerprint: 1)
        let later = LastMessage(offset: 4, timestamp: 0, fingerprint: 2)
        let stranger = StartSettling.Stranger(position: 5, from: 5, last: former)
        for (last, code) in [(former, LoadingError.Code?.some(.lostOffsets)), (later, nil), (nil, .lostOffsets)] {
            var decision = StartDecision(
                [a(0)], rows: [a(0): Ledger.Position(next: 5, last: last)], strangers: [a(0): stranger], reached: [:])
            decision.watermarks[a(0)] = Watermarks(low: 0, high: 9)
            #expect(try decide(decision).failure?.code == code)
        }
    }

    @Test("what was loaded on a way back is read again behind its end: the topic may have become another one meanwhile")
    func wayBackReadAgain() throws {
        let last = LastMessage(offset: 3, timestamp: 0, fingerprint: 1)
        let row = Ledger.Position(next: 4, last: last, detour: Detour(until: 4, resume: 9))
        let known = decision([a(0)], rows: [a(0): row])
        let conclusion = try known.conclude(decide(known).starts, written: [:], Self.mark)
        #expect(conclusion.offsets == [a(0): 9] && conclusion.proven == [a(0): last] && conclusion.last.isEmpty)
    }

    @Test("a topic that nobody has begun begins as a whole, and a partition that comes later at its beginning")
    func wholeTopics() throws {
        var first = decision([a(0)])
        first.note([], [.name("a")])
        #expect(first.concernsWholeTopics)
        first.include(["a": 2, "other": 3])
        #expect(first.asked == [a(0), a(1)])
        #expect(try decide(first, .latest).starts.mapValues(\.offset) == [a(0): 10, a(1): 10])
        let later = decision([a(2)], rows: [a(0): .init(next: 10), a(1): .init(next: 10)])
        #expect(!later.concernsWholeTopics)
        #expect(try decide(later, .latest).starts.mapValues(\.offset) == [a(2): 0])
    }

    @Test("what is wrong with another member's partition is that member's to say")
    func others() throws {
        var decision = decision([a(0)])
        decision.include(["a": 6])
        #expect(decision.asked.count == 6)
        let verdict = try decide(decision)
        #expect(Set(verdict.starts.keys) == [a(0), a(1), a(2), a(3)], "of the others no leader has answered")
        #expect(verdict.failure == nil)
        #expect(throws: KafkaError.self) { try decide(StartDecision([a(5)], rows: [:], strangers: [:], reached: [:])) }
    }
}
