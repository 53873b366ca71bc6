import Testing

@testable import Loader

@Suite("Watchdog")
struct WatchdogTests {
    private static let start = ContinuousClock.now

    @Test("a thread that turns is left alone, however long")
    func turning() {
        var looks = Watchdog.Looks(patience: .seconds(300))
        #expect(looks.interval == .seconds(5))
        for look in 0..<200 { #expect(looks.look(at: Self.start + .seconds(look / 10)) == .turns) }
    }

    @Test("one that stands still is told of once, and is stuck when its time is over; a turn in between begins anew")
    func still() {
        var looks = Watchdog.Looks(patience: .seconds(300))
        func findings(_ count: Int, _ turn: Int) -> [Watchdog.Looks.Finding] {
            (0..<count).map { _ in looks.look(at: Self.start + .seconds(turn)) }.filter { $0 != .turns }
        }
        #expect(findings(60, 0) == [.standsStill(.seconds(60))])
        #expect(findings(60, 1) == [.standsStill(.seconds(60))])
        #expect(findings(1, 1) == [.isStuck])
        var early = Watchdog.Looks(patience: .seconds(300))
        #expect((0..<61).map { _ in early.look(at: nil) }.last == .isStuck, "it does not even come to its first turn")
    }
}
