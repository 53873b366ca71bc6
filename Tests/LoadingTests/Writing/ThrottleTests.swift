import Kafka
import LoadingFixtures
import Testing

@testable import Loading

@Suite("Throttles")
struct ThrottleTests {
    @Test("messages wait until those before them are paid for, and time in which none came is not made up for")
    func gate() {
        var gate = ThrottleGate(Throttle(messagesPerSecond: 100))
        let start = ContinuousClock.now
        #expect(gate.pass(100, at: start) == .zero)
        #expect(gate.pass(50, at: start + .milliseconds(400)) == .milliseconds(600))
        #expect(gate.pass(10, at: start + .milliseconds(1000)) == .milliseconds(500))
        #expect(gate.pass(10, at: start + .seconds(10)) == .zero)
        #expect(gate.pass(10, at: start + .seconds(10)) == .milliseconds(100))
    }

    @Test("however batches are cut, no more than the rate goes in any time, but for the first")
    func rate() {
        var gate = ThrottleGate(Throttle(messagesPerSecond: 1000))
        var now = ContinuousClock.now
        let start = now
        var loaded = 0
        for size in [1, 1000, 17, 500, 999, 3, 250] {
            now += max(.zero, gate.pass(size, at: now))
            // What went before had its time.
            #expect(Double(loaded) <= (now - start).inSeconds * 1000 + 0.001)
            loaded += size
        }
    }

    @Test("a batch waits as long as the slowest of its routes asks, and one of other topics does not")
    func routes() throws {
        var slow = Route.made()
        slow.throttle = Throttle(messagesPerSecond: 2)
        var fast = Route.made()
        fast.throttle = Throttle(messagesPerSecond: 1000)
        var other = Route.made()
        other.topics = [.name("other")]
        other.throttle = Throttle(messagesPerSecond: 1)
        let statistics = LoadingStatistics()
        statistics.begin([slow, fast, other, .made()])
        let throttles = RouteThrottles([slow, fast, other, .made()], statistics)
        let batch = Batch.holding([(nil, [1]), (nil, [1])])
        let now = ContinuousClock.now
        #expect(throttles.wait(for: batch, at: now) == .zero)
        #expect(statistics.snapshot.routes.allSatisfy { $0.notes.isEmpty })
        #expect(throttles.wait(for: batch, at: now) == .seconds(1))
        #expect(statistics.snapshot.routes.map(\.notes.count) == [1, 1, 0, 0])
        #expect(throttles.wait(for: batch, at: now + .seconds(60)) == .zero)
        #expect(statistics.snapshot.routes[0].notes.allSatisfy { $0.over != nil })
        #expect(RouteThrottles([.made()], statistics).isEmpty)
    }

    @Test("batches are no larger than what the slowest route may load in a second")
    func batches() {
        var slow = Route.made()
        slow.throttle = Throttle(messagesPerSecond: 0.5)
        var options = LoadingOptions(brokers: "", group: "g", routes: [.made(), slow])
        #expect(Member.Rules(options, mark: "").batch.maxRows == 1)
        options.routes[1].throttle = Throttle(messagesPerSecond: 5000)
        #expect(Member.Rules(options, mark: "").batch.maxRows == 5000)
        options.routes[1].throttle = nil
        #expect(Member.Rules(options, mark: "").batch.maxRows == options.batch.maxRows)
    }
}
