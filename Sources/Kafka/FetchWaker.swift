import CRdKafka
import Foundation

/// Keeps librdkafka before 2.2 fetching while its local queue runs full.
///
/// When that queue is full, the broker's thread sleeps for up to a second unless an operation wakes it. Asking for a
/// partition's watermarks is one, harmless and cheap; so this thread asks the leader of each partition in turn, every
/// 20 ms while there is a backlog, and sleeps without a timer when there is none.
final class FetchWaker: @unchecked Sendable {
    // Unchecked: `state` is touched only under `condition`, and the client's handle is thread-safe by librdkafka's
    // contract and outlives the thread: the client is destroyed only after `waitForEnd` has said that the thread has ended.
    private struct State {
        var partitions: [TopicPartition] = []
        var isActive = false
        var isStopped = false
        var hasEnded = false
    }

    private let client: OpaquePointer
    private let condition = NSCondition()
    private var state = State()

    init(client: OpaquePointer) {
        self.client = client
        let thread = Thread { [self] in run() }
        thread.name = "fetch-waker"
        thread.stackSize = 256 << 10
        thread.start()
    }

    var partitions: [TopicPartition] {
        get { condition.withLock { state.partitions } }
        set { change { $0.partitions = newValue } }
    }

    var isActive: Bool {
        get { condition.withLock { state.isActive } }
        set { change { $0.isActive = newValue } }
    }

    /// Asks the thread to end.
    func stop() { change { $0.isStopped = true } }

    /// Waits until the thread has ended after `stop()`.
    ///
    /// - Returns: false if it has not in time: with the brokers away its question goes without an answer for a minute,
    ///   whatever its own timeout says. Then the client must not be destroyed.
    func waitForEnd(until deadline: ContinuousClock.Instant) -> Bool {
        let deadline = Date(timeIntervalSinceNow: Double((deadline - .now).milliseconds) / 1000)
        return condition.withLock {
            while !state.hasEnded, condition.wait(until: deadline) {}
            return state.hasEnded
        }
    }

    private func change(_ body: (inout State) -> Void) {
        condition.withLock {
            body(&state)
            condition.broadcast()
        }
    }

    private func run() {
        var turn = 0
        while true {
            let next: TopicPartition? = condition.withLock {
                while !state.isStopped, !state.isActive || state.partitions.isEmpty { condition.wait() }
                if !state.isStopped { _ = condition.wait(until: Date(timeIntervalSinceNow: 0.02)) }
                if state.isStopped || state.partitions.isEmpty { return nil }
                turn = (turn + 1) % state.partitions.count
                return state.partitions[turn]
            }
            guard let next else {
                if condition.withLock({ state.isStopped }) { break }
                continue
            }
            var low: Int64 = 0
            var high: Int64 = 0
            rd_kafka_query_watermark_offsets(client, next.topic, next.partition, &low, &high, 1000)
        }
        condition.withLock {
            state.hasEnded = true
            condition.broadcast()
        }
    }
}
