import Testing

@testable import Loading

@Suite("Handing batches over")
struct HandoffTests {
    /// A class, because `#expect` changes nothing that it is given by value.
    private final class Desk {
        var handoff = Handoff<Int, String>(givenUp: { "\($0) is given up" })

        init(_ jobs: Int...) { for job in jobs { handoff.submit(job) } }

        func build() -> Int? { handoff.beginBuilding() }
        func built() { handoff.built() }
        func load() -> Int? { handoff.beginLoading() }
        func end(_ outcome: String, isSuccess: Bool = true) { handoff.end(with: outcome, isSuccess: isSuccess) }
        func abandon() -> Bool { handoff.abandon() }
        func letNextBegin() { handoff.letNextBegin() }
        func copy() -> Int? { handoff.beginCopying() }
        func copied() { handoff.copied() }
        func holdNextBack() -> Int? { handoff.holdNextBack() }

        /// The first is being loaded, the second is built.
        static func behind() -> Desk {
            let desk = Desk(1, 2)
            _ = desk.build()
            desk.built()
            _ = desk.load()
            _ = desk.build()
            desk.built()
            return desk
        }
        var outcomes: [String] {
            var all: [String] = []
            while let next = handoff.takeOutcome() { all.append(next) }
            return all
        }
    }

    @Test("a batch is built while the one before is loaded, and loaded when that one is in")
    func chain() {
        let desk = Desk(1, 2)
        #expect(desk.load() == nil)
        #expect(desk.build() == 1)
        #expect(desk.build() == nil, "one at a time")
        desk.built()
        #expect(desk.load() == 1)
        #expect(desk.build() == 2)
        desk.built()
        #expect(desk.load() == nil, "the one before is not in")
        desk.end("1 is in")
        #expect(desk.load() == 2)
        desk.end("2 is in")
        #expect(desk.load() == nil)
        #expect(desk.outcomes == ["1 is in", "2 is in"])
        #expect(desk.handoff.isEmpty)
    }

    @Test("behind a batch that is not in nothing is loaded, whether it was built or not", arguments: [0, 1, 2])
    func failure(stage: Int) {
        let desk = Desk(1)
        _ = desk.build()
        desk.built()
        _ = desk.load()
        desk.handoff.submit(2)
        if stage > 0 { #expect(desk.build() == 2) }
        if stage > 1 { desk.built() }
        desk.end("1 is fenced", isSuccess: false)
        if stage == 1 {
            // Somebody is at it: it is not given back under his hands.
            #expect(desk.handoff.isBuildingGivenUp)
            #expect(desk.outcomes == ["1 is fenced"])
            desk.built()
            #expect(desk.outcomes == ["2 is given up"])
        } else {
            #expect(desk.outcomes == ["1 is fenced", "2 is given up"])
        }
        #expect(desk.load() == nil)
        #expect(desk.handoff.isEmpty)
    }

    @Test("what comes once a failure is known is loaded: its sender knows where to go on")
    func afterFailure() {
        let desk = Desk(1)
        _ = desk.build()
        desk.built()
        _ = desk.load()
        desk.end("1 is fenced", isSuccess: false)
        #expect(desk.outcomes == ["1 is fenced"])
        desk.handoff.submit(2)
        #expect(desk.build() == 2)
        desk.built()
        #expect(desk.load() == 2)
        #expect(!desk.handoff.isLoadingGivenUp)
    }

    @Test(
        "what comes before its sender has heard of a failure is given up with it: it would go in without what is before it"
    )
    func beforeFailureIsHeard() {
        let desk = Desk(1)
        _ = desk.build()
        desk.built()
        _ = desk.load()
        desk.end("1 is refused", isSuccess: false)
        desk.handoff.submit(2)
        #expect(desk.build() == nil)
        #expect(desk.load() == nil)
        #expect(desk.outcomes == ["1 is refused", "2 is given up"])
        desk.handoff.submit(3)
        #expect(desk.build() == 3)
        #expect(desk.handoff.violation == nil)
    }

    @Test("what is done out of its turn is noted, and nothing is done for it")
    func outOfTurn() {
        for wrong in [
            { (desk: Desk) in desk.built() }, { $0.copied() }, { $0.end("1 is in") }, { $0.handoff.submit(3) },
        ] {
            let desk = Desk(1, 2)
            wrong(desk)
            #expect(desk.handoff.violation?.invariant == .handover)
        }
    }

    @Test("giving up takes everything along, in order, even if the first gets in all the same")
    func abandonment() {
        let desk = Desk(1, 2)
        _ = desk.build()
        desk.built()
        _ = desk.load()
        #expect(desk.abandon())
        #expect(desk.handoff.isLoadingGivenUp)
        #expect(desk.outcomes.isEmpty, "the second does not overtake the first")
        #expect(desk.build() == nil || desk.handoff.isBuildingGivenUp)
        if desk.handoff.isBuildingGivenUp { desk.built() }
        desk.end("1 is in")
        #expect(desk.outcomes == ["1 is in", "2 is given up"])
        #expect(!desk.abandon())
        desk.handoff.submit(3)
        #expect(desk.build() == 3)
        desk.built()
        #expect(desk.load() == 3)
        #expect(!desk.handoff.isLoadingGivenUp)
    }

    @Test("what nobody has begun with is given back at once")
    func untouched() {
        let desk = Desk(1, 2)
        #expect(desk.abandon())
        #expect(desk.outcomes == ["1 is given up", "2 is given up"])
    }

    @Test("rows are copied before their turn only where the one before lets them, once, and loaded behind it")
    func headStart() {
        let desk = Desk.behind()
        #expect(desk.copy() == nil, "nobody has let it")
        desk.letNextBegin()
        #expect(desk.copy() == 2)
        #expect(desk.copy() == nil, "one at a time")
        desk.end("1 is in")
        #expect(desk.load() == nil, "it is being copied")
        #expect(!desk.handoff.isCopyingGivenUp)
        desk.copied()
        #expect(desk.load() == 2)
        desk.handoff.submit(3)
        _ = desk.build()
        desk.built()
        #expect(desk.copy() == nil, "each has to let the next one")
        desk.end("2 is in")
        #expect(desk.load() == 3)
        #expect(desk.outcomes == ["1 is in", "2 is in"])
    }

    @Test("a head start is taken back before the batch in front of it is tried again, and not taken a second time")
    func holdBack() {
        let desk = Desk.behind()
        #expect(desk.holdNextBack() == 2, "nobody is at it")
        desk.letNextBegin()
        #expect(desk.copy() == 2)
        #expect(desk.holdNextBack() == nil, "somebody is at it")
        #expect(desk.handoff.isCopyingGivenUp)
        desk.copied()
        #expect(desk.holdNextBack() == 2)
        #expect(!desk.handoff.isCopyingGivenUp)
        desk.letNextBegin()
        #expect(desk.copy() == nil, "once is enough")
        desk.end("1 is in")
        #expect(desk.load() == 2)
    }

    @Test("behind a batch that is not in a head start is given up, and the batch comes back once nobody is at it")
    func headStartBehindFailure() {
        let desk = Desk.behind()
        desk.letNextBegin()
        #expect(desk.copy() == 2)
        desk.end("1 is fenced", isSuccess: false)
        #expect(desk.handoff.isCopyingGivenUp)
        #expect(desk.outcomes == ["1 is fenced"])
        desk.copied()
        #expect(desk.outcomes == ["2 is given up"])
        #expect(desk.handoff.isEmpty)
    }
}
