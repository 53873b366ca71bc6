import Foundation

/// A thread beside the consumer's, for questions to the brokers that wait for their answers, and the lock of what both
/// threads share.
///
/// Whoever destroys the client calls `stop()` and `waitForEnd(until:)` first.
final class ClientThread: @unchecked Sendable {
    // Unchecked: both flags are touched only under `condition`.
    private let condition = MonotonicCondition()
    private var isStopped = false
    private var hasEnded = false

    /// Runs `turn` again and again, until it is stopped.
    func start(_ name: String, turn: @escaping @Sendable () -> Void) {
        let thread = Thread { [self] in
            while !condition.withLock({ isStopped }) { turn() }
            condition.withLock {
                hasEnded = true
                condition.broadcast()
            }
        }
        thread.name = name
        thread.stackSize = 256 << 10
        thread.start()
    }

    /// Reads or changes what is shared; who sleeps looks at it again.
    func locked<Result>(_ body: () -> Result) -> Result {
        condition.withLock {
            defer { condition.broadcast() }
            return body()
        }
    }

    /// Sleeps while there is nothing to do, without a timer; only on the thread itself.
    ///
    /// - Returns: false when it is time to end.
    func sleep(while isIdle: () -> Bool) -> Bool {
        condition.withLock {
            while !isStopped, isIdle() { condition.wait() }
            return !isStopped
        }
    }

    /// Sleeps for so many seconds; only on the thread itself.
    ///
    /// - Returns: false when it is time to end.
    @discardableResult
    func pause(_ seconds: Double) -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        return condition.withLock {
            while !isStopped, condition.wait(until: end) {}
            return !isStopped
        }
    }

    /// Whether it is time to end, for a turn that takes long.
    var isStopping: Bool { condition.withLock { isStopped } }

    /// Asks the thread to end.
    func stop() { locked { isStopped = true } }

    /// Waits until the thread has ended after `stop()`.
    ///
    /// - Returns: false if it has not in time: with the brokers away a question may go without an answer for a minute,
    ///   whatever its own timeout says. Then the client must not be destroyed.
    func waitForEnd(until deadline: ContinuousClock.Instant) -> Bool {
        condition.withLock {
            while !hasEnded, condition.wait(until: deadline) {}
            return hasEnded
        }
    }
}
