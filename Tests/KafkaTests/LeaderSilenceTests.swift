import Testing

@testable import Kafka

@Suite("Silence of brokers that a member needs")
struct LeaderSilenceTests {
    private static let rebalanceTime = Duration.seconds(345)
    private var silence = LeaderSilence(rebalanceTime: rebalanceTime, isCutOff: false)
    private let start = ContinuousClock.now

    private mutating func note(
        leader: Bool = false, coordinator: Bool = false, isAnyoneThere: Bool = true, wasReminded: Bool = false,
        after: Int
    ) {
        silence.note(
            leader: leader, coordinator: coordinator, isAnyoneThere: isAnyoneThere, wasReminded: wasReminded,
            at: start + .seconds(after))
    }

    @Test("a coordinator that lets its member wait for a rebalance is no outage and not gone, however often asked")
    mutating func rebalance() {
        for second in stride(from: 0, to: 344, by: 4) {
            note(coordinator: true, after: second)
            #expect(!silence.isCutOff && !silence.isGroupLost)
        }
        note(after: 344)
        note(coordinator: true, after: 348)
        #expect(!silence.isCutOff && !silence.isGroupLost, "another rebalance is another wait")
    }

    @Test("a coordinator that is silent for longer than a rebalance may take is an outage, and looked for anew")
    mutating func goneForGood() {
        note(coordinator: true, after: 0)
        note(coordinator: true, after: 345)
        #expect(silence.isCutOff && silence.isGroupLost)
        note(after: 346)
        #expect(!silence.isCutOff && !silence.isGroupLost)
    }

    @Test("a client that was sent back to where it began looks for a coordinator that stays silent within a minute")
    mutating func behindReminder() {
        note(leader: true, coordinator: true, isAnyoneThere: false, wasReminded: true, after: 0)
        note(coordinator: true, wasReminded: true, after: 100)
        note(coordinator: true, wasReminded: true, after: 159)
        #expect(!silence.isGroupLost, "members that have died are waited for")
        note(coordinator: true, wasReminded: true, after: 160)
        #expect(silence.isCutOff && silence.isGroupLost)
        var short = LeaderSilence(rebalanceTime: .seconds(12), isCutOff: false)
        for second in [0, 12] {
            short.note(
                leader: false, coordinator: true, isAnyoneThere: true, wasReminded: true, at: start + .seconds(second))
        }
        #expect(short.isGroupLost, "no longer than a rebalance may take")
    }

    @Test("a leader that is silent four times in a row is an outage until all answer, and no loss of the group")
    mutating func leader() {
        for question in 0..<3 { note(leader: true, after: question) }
        note(after: 3)
        for question in 4..<7 { note(leader: true, after: question) }
        #expect(!silence.isCutOff, "one that restarts answers in between")
        note(leader: true, after: 8)
        #expect(silence.isCutOff && !silence.isGroupLost)
        note(coordinator: true, after: 9)
        #expect(silence.isCutOff, "not all answer yet")
        note(after: 10)
        #expect(!silence.isCutOff)
    }

    @Test("where no broker answers, silence is another outage, and counts for nothing here")
    mutating func nobody() {
        for second in stride(from: 0, to: 1000, by: 100) {
            note(leader: true, coordinator: true, isAnyoneThere: false, after: second)
        }
        #expect(!silence.isCutOff && !silence.isGroupLost)
    }

    @Test("a new client takes what was silent to the one before for silent until it answers")
    mutating func inherited() {
        silence = LeaderSilence(rebalanceTime: Self.rebalanceTime, isCutOff: true)
        note(coordinator: true, after: 0)
        #expect(silence.isCutOff)
        note(after: 1)
        #expect(!silence.isCutOff)
    }
}
