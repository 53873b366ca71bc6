import Foundation
import Kafka
import Synchronization

/// What the pipeline has done and where it stands, for logs, metrics, probes and the status page. Safe from any thread.
///
/// It is written once a batch, never once a message, and no thread runs for it.
public final class LoadingStatistics: Sendable {
    /// What can be away.
    public enum Outage: String, Sendable, Hashable, CaseIterable {
        case database, brokers
        case deadLetterTopic = "dead_letter_topic"
    }

    public enum Phase: Sendable, Equatable {
        /// The start-up check, or joining the group.
        case starting
        case running
        /// On the way out, and why.
        case stopping(String)
    }

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

        /// A position says that its partition goes as far at least.
        mutating func move(to position: Int64) {
            self.position = position
            end = max(end, position)
        }
    }

    /// Why a batch was tried again.
    public struct RetryCause: Sendable, Hashable {
        public var failure: FailureClass
        /// The SQLSTATE's first two characters; `none` where nobody answered.
        public var sqlStateClass: String

        public init(_ failure: FailureClass, sqlStateClass: String = "none") {
            self.failure = failure
            self.sqlStateClass = sqlStateClass
        }
    }

    /// A column in which `on_error: null` puts NULL in the place of what it cannot hold.
    public struct NulledColumn: Sendable, Hashable {
        /// `routes[0]`.
        public var route: String
        public var table: String
        public var column: String

        public init(route: String, table: String, column: String) {
            self.route = route
            self.table = table
            self.column = column
        }
    }

    /// What waits in memory.
    public struct Buffers: Sendable, Hashable {
        /// Messages, and ends of partitions, that librdkafka has fetched and nobody has taken.
        public var queueMessages = 0
        /// Bytes of the batches that fill or load: messages and encoded rows.
        public var batchBytes = 0

        public init(queueMessages: Int = 0, batchBytes: Int = 0) {
            self.queueMessages = queueMessages
            self.batchBytes = batchBytes
        }
    }

    /// How it stood at one moment, for the curves of the status page.
    public struct Sample: Sendable, Equatable {
        public var time: Date
        public var messages: Int
        public var lag: Int64
    }

    public struct Snapshot: Sendable {
        public var phase = Phase.starting
        public var messages = 0
        public var rows = 0
        public var bytes = 0
        public var batches = 0
        /// By reason, as they stand in the table.
        public var deadLetters: [String: Int] = [:]
        /// Values that became NULL; columns in which none has, yet, are there with 0.
        public var nulledValues: [NulledColumn: Int] = [:]
        public var rebalances = 0
        public var fences = 0
        public var positionResets = 0
        public var retryCauses: [RetryCause: Int] = [:]
        public var partitions: [TopicPartition: PartitionState] = [:]
        public var buffers = Buffers()
        /// What is away, and since when.
        public var outagesSince: [Outage: Date] = [:]
        public var outageCounts: [Outage: Int] = [:]
        /// Whether the group has answered and every partition it gave has its position.
        public var isAssigned = false
        /// What is not loaded for a reason of its own.
        public var standstills: [Standstill] = []
        /// When the consumer's loop last turned.
        public var lastTurn: ContinuousClock.Instant?
        public var lastCommit: Date?
        /// When the end began, whatever its reason.
        public var stoppingSince: ContinuousClock.Instant?
        /// Spans that a receiver of traces has taken.
        public var spansDelivered = 0
        /// Spans that none has taken in time.
        public var spansDropped = 0

        public var batchMessages = Histogram.messages
        public var wait = Histogram.seconds
        public var decode = Histogram.seconds
        public var copy = Histogram.seconds
        public var commit = Histogram.seconds

        public private(set) var pace = Pace()
        /// The newest last.
        public private(set) var recentBatches: [BatchRecord] = []
        /// The newest last.
        public private(set) var incidents: [Incident] = []
        /// The newest last; not more than ten minutes.
        public private(set) var history: [Sample] = []
        /// How far all positions have moved since the process began.
        private var offsets: Int64 = 0
        /// Who cannot go on for each outage. It is over when nobody is left.
        fileprivate var waiting: [Outage: Set<String>] = [:]

        public init() {}

        public var lag: Int64 { partitions.values.reduce(0) { $0 + $1.lag } }
        public var deadLetterCount: Int { deadLetters.values.reduce(0, +) }
        public var outages: Set<Outage> { Set(outagesSince.keys) }
        /// By class: `away`, `busy`, `conflict`, `data`, `setup`.
        public var retries: [String: Int] {
            retryCauses.reduce(into: [:]) { $0[$1.key.failure.rawValue, default: 0] += $1.value }
        }

        /// - Parameter offsets: how far the batch has moved its positions.
        public mutating func count(_ batch: BatchRecord, offsets: Int64) {
            messages += batch.messages
            rows += batch.rows
            bytes += batch.bytes
            batches += 1
            lastCommit = batch.time
            self.offsets += offsets
            batchMessages.observe(Double(batch.messages))
            wait.observe(batch.wait)
            decode.observe(batch.decode)
            if let seconds = batch.copy { copy.observe(seconds) }
            if let seconds = batch.commit { commit.observe(seconds) }
            if recentBatches.count == Self.recent { recentBatches.removeFirst() }
            recentBatches.append(batch)
        }

        /// Takes in how it stands now.
        ///
        /// - Parameter maxDelay: how long a message may wait for its batch to fill.
        public mutating func look(maxDelay: Duration, at now: ContinuousClock.Instant = .now, time: Date = Date()) {
            let lag = lag
            pace.look(
                messages: messages, offsets: offsets, lag: isAssigned ? lag : nil, maxDelay: maxDelay, at: now)
            // An idle loop turns every five seconds, give or take a little.
            if let last = history.last, time.timeIntervalSince(last.time) < 4.5 { return }
            if history.count == Self.samples { history.removeFirst() }
            history.append(Sample(time: time, messages: messages, lag: lag))
        }

        /// Keeps an incident; the same again is counted.
        public mutating func note(_ incident: Incident) {
            var incident = incident
            if let same = incidents.lastIndex(where: { $0.summary == incident.summary && $0.code == incident.code }) {
                incident.count += incidents.remove(at: same).count
            } else if incidents.count == Self.recent {
                incidents.removeFirst()
            }
            incidents.append(incident)
        }

        /// Batches and incidents that are kept.
        private static let recent = 20
        private static let samples = 120
    }

    private let state = Mutex(Snapshot())

    public init() {}

    public var snapshot: Snapshot { state.withLock { $0 } }

    /// The reasons that dead letters can have.
    public static let deadLetterReasons = DeadLetter.Reason.allCases.map(\.rawValue)

    func update(_ body: (inout Snapshot) -> Void) { state.withLock { body(&$0) } }

    func retried(_ failure: FailureClass, _ sqlStateClass: String?) {
        let cause = RetryCause(failure, sqlStateClass: sqlStateClass ?? "none")
        state.withLock { $0.retryCauses[cause, default: 0] += 1 }
    }

    public func countSpans(delivered: Int = 0, dropped: Int = 0) {
        update { state in
            state.spansDelivered += delivered
            state.spansDropped += dropped
        }
    }

    /// Keeps an incident without logging it.
    public func note(_ incident: Incident) { state.withLock { $0.note(incident) } }

    /// Notes that something is away, or back, for one of those who need it.
    ///
    /// - Parameter party: who says so; the outage is over when the last of those who noticed it has seen its end.
    public func outage(_ outage: Outage, for party: String = "the loader", isOver: Bool) {
        state.withLock { state in
            if isOver {
                state.waiting[outage]?.remove(party)
                if state.waiting[outage]?.isEmpty ?? true { state.outagesSince[outage] = nil }
            } else {
                state.waiting[outage, default: []].insert(party)
                guard state.outagesSince[outage] == nil else { return }
                state.outagesSince[outage] = Date()
                state.outageCounts[outage, default: 0] += 1
            }
        }
    }
}
