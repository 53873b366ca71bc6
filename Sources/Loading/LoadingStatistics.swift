import Kafka
import Synchronization

/// What the pipeline has done and where it stands, for logs, metrics and probes. Safe from any thread.
///
/// It is written once a batch, never once a message.
public final class LoadingStatistics: Sendable {
    public enum Outage: Sendable, Hashable { case database, brokers, deadLetterTopic }

    public struct PartitionState: Sendable, Hashable {
        /// The next offset to load.
        public var position: Int64
        /// The high watermark as last heard.
        public var end: Int64
        public var lag: Int64 { max(0, end - position) }

        public init(position: Int64, end: Int64) {
            self.position = position
            self.end = end
        }
    }

    public struct Snapshot: Sendable {
        public var messages = 0
        public var rows = 0
        public var bytes = 0
        public var batches = 0
        /// By reason, as they stand in the table.
        public var deadLetters: [String: Int] = [:]
        public var rebalances = 0
        public var fences = 0
        public var positionResets = 0
        /// By class: `away`, `conflict`, `data`.
        public var retries: [String: Int] = [:]
        public var partitions: [TopicPartition: PartitionState] = [:]
        public var outages: Set<Outage> = []
        /// Whether the group has answered and every partition it gave has its position.
        public var isAssigned = false
        /// When the consumer's loop last turned.
        public var lastTurn: ContinuousClock.Instant?

        public init() {}

        public var lag: Int64 { partitions.values.reduce(0) { $0 + $1.lag } }
        public var deadLetterCount: Int { deadLetters.values.reduce(0, +) }
    }

    private let state = Mutex(Snapshot())

    public init() {}

    public var snapshot: Snapshot { state.withLock { $0 } }

    func update(_ body: (inout Snapshot) -> Void) { state.withLock { body(&$0) } }

    func retried(_ failure: FailureClass) { state.withLock { $0.retries[failure.rawValue, default: 0] += 1 } }

    func outage(_ outage: Outage, isOver: Bool) {
        state.withLock { state in
            if isOver { state.outages.remove(outage) } else { state.outages.insert(outage) }
        }
    }
}
