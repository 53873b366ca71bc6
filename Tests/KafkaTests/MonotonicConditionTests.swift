import Foundation
import Kafka
import Testing

@Suite("Waiting by a clock that nobody sets")
struct MonotonicConditionTests {
    private final class Shared: @unchecked Sendable {
        // Unchecked: touched only under `condition`.
        let condition = MonotonicCondition()
        var turn = 0
    }

    @Test("a wait ends when somebody changes what is waited for, and hands the lock to and fro")
    func pingPong() async {
        let shared = Shared()
        await withCheckedContinuation { continuation in
            Thread {
                for _ in 0..<500 {
                    shared.condition.withLock {
                        while shared.turn % 2 == 0 { shared.condition.wait() }
                        shared.turn += 1
                        shared.condition.broadcast()
                    }
                }
                continuation.resume()
            }.start()
            Thread {
                for _ in 0..<500 {
                    shared.condition.withLock {
                        while shared.turn % 2 == 1 {
                            guard shared.condition.wait(until: .now + .seconds(600)) else { return }
                        }
                        shared.turn += 1
                        shared.condition.broadcast()
                    }
                }
            }.start()
        }
        #expect(shared.condition.withLock { shared.turn } == 1000)
    }

    @Test(
        "a wait goes on until its moment, and no further",
        arguments: [Duration.nanoseconds(1), .microseconds(500), .milliseconds(20), .milliseconds(1001)])
    func deadline(after: Duration) {
        let condition = MonotonicCondition()
        let deadline = ContinuousClock.now + after
        condition.withLock { while condition.wait(until: deadline) {} }
        #expect(ContinuousClock.now >= deadline)
        #expect(!condition.withLock { condition.wait(until: deadline) })
    }
}
