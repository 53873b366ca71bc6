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
        desk.handoff.submit(2)
        #expect(desk.build() == 2)
        desk.built()
        #expect(desk.load() == 2)
        #expect(!desk.handoff.isLoadingGivenUp)
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
}
