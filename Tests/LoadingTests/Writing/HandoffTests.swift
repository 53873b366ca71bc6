import Testing

@testable import Loading

@Suite("Handing batches over")
struct HandoffTests {
    /// A class, because `#expect` changes nothing that it is given by value.
    private final class Desk {
        var handoff = Handoff<Int, String>()

        init() { handoff.begin(1) }

        var job: Int? { handoff.job }
        func withdraw() -> Bool { handoff.withdraw() }
        func abandon() -> Bool { handoff.abandon() }
        func takeOutcome() -> String? { handoff.takeOutcome() }
    }

    private let desk = Desk()

    @Test("what is offered is begun with when the batch before it is in, and the outcomes come in order")
    func chain() {
        desk.handoff.offer(2)
        #expect(desk.job == 1)
        desk.handoff.end(with: "1 is in", isSuccess: true)
        #expect(desk.job == 2)
        desk.handoff.end(with: "2 is in", isSuccess: true)
        #expect(desk.job == nil)
        #expect(desk.takeOutcome() == "1 is in")
        #expect(desk.takeOutcome() == "2 is in")
        #expect(desk.takeOutcome() == nil)
    }

    @Test("what is offered is not begun with when the batch before it is not in")
    func failure() {
        desk.handoff.offer(2)
        desk.handoff.end(with: "1 is fenced", isSuccess: false)
        #expect(desk.job == nil)
        #expect(!desk.withdraw())
        #expect(desk.takeOutcome() == "1 is fenced")
    }

    @Test("an offer that comes when the batch before has just ended holds if that one is in", arguments: [true, false])
    func late(isSuccess: Bool) {
        desk.handoff.end(with: "1", isSuccess: isSuccess)
        desk.handoff.offer(2)
        #expect(desk.job == (isSuccess ? 2 : nil))
        #expect(!desk.withdraw())
        #expect(desk.takeOutcome() == "1")
    }

    @Test("an offer can be taken back until it is begun with, and not after")
    func withdrawal() {
        desk.handoff.offer(2)
        #expect(desk.withdraw())
        desk.handoff.end(with: "1", isSuccess: true)
        #expect(desk.job == nil)
        _ = desk.takeOutcome()
        desk.handoff.begin(2)
        desk.handoff.offer(3)
        desk.handoff.end(with: "2", isSuccess: true)
        #expect(!desk.withdraw())
        #expect(desk.job == 3)
    }

    @Test("a batch that is given up takes the offer with it, even if it gets in all the same")
    func abandonment() {
        desk.handoff.offer(2)
        #expect(desk.abandon())
        desk.handoff.end(with: "1", isSuccess: true)
        #expect(desk.job == nil)
        #expect(!desk.abandon())
        _ = desk.takeOutcome()
        desk.handoff.begin(3)
        #expect(!desk.handoff.isAbandoned)
    }
}
