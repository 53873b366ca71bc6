import Testing

@testable import Loading

@Suite("Backoff")
struct BackoffTests {
    @Test("waits double from 100 ms to 10 s and stay there")
    func doubling() {
        var backoff = Backoff()
        let waits = (0..<10).map { _ in backoff.next(random: 1) }
        #expect(
            waits == [
                .milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1600),
                .milliseconds(3200), .milliseconds(6400), .seconds(10), .seconds(10), .seconds(10),
            ])
        #expect(backoff.attempts == 10)
    }

    @Test("after days of trying the wait is still 10 s")
    func forEver() {
        var backoff = Backoff()
        for _ in 0..<100_000 { _ = backoff.next() }
        let wait = backoff.next(random: 1)
        #expect(wait == .seconds(10))
    }

    @Test("jitter falls in the upper half of the interval, so a fleet spreads and nobody hammers")
    func jitter() {
        for _ in 0..<1000 {
            var backoff = Backoff()
            let wait = backoff.next()
            #expect(wait >= .milliseconds(50) && wait <= .milliseconds(100))
        }
        var lowest = Backoff()
        let wait = lowest.next(random: 0)
        #expect(wait == .milliseconds(50))
    }

    @Test("a success begins anew")
    func reset() {
        var backoff = Backoff()
        for _ in 0..<5 { _ = backoff.next() }
        backoff.reset()
        #expect(backoff.attempts == 0)
        let wait = backoff.next(random: 1)
        #expect(wait == .milliseconds(100))
    }
}
