import Foundation
import Kafka
import Postgres
import Synchronization

/// What the pipeline has done and where it stands, for logs, metrics, probes and the status page. Safe from any thread.
///
/// It is written once a batch, never once a message, and no thread runs for it.
public final class LoadingStatistics: Sendable {
    /// What can be away.
    public enum Outage: String, Sendable, Hashable, CaseIterable {
        case database, brokers
        case deadLetterTopic = "dead_letter_topic"
        case schemaRegistry = "schema_registry"
        /// Whoever gives the tokens that the brokers want.
        case tokens
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
        /// Messages ahead of the position that are loaded already, by a backfill with an end.
        public var loadedAhead: Int64
        public var lag: Int64 { max(0, end - position - loadedAhead) }

        public init(position: Int64, end: Int64, loadedAhead: Int64 = 0) {
            self.position = position
            self.end = end
            self.loadedAhead = loadedAhead
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
        /// Messages that are taken and not loaded yet.
        public var batchMessages = 0
        /// Bytes of the batches that fill or load: messages and encoded rows.
        public var batchBytes = 0

        public init(queueMessages: Int = 0, batchMessages: Int = 0, batchBytes: Int = 0) {
            self.queueMessages = queueMessages
            self.batchMessages = batchMessages
            self.batchBytes = batchBytes
        }
    }

    /// The database that answers.
    public struct Database: Sendable, Equatable {
        /// `shop on db1:5432`
        public var place: String
        public var version: String

        public init(place: String, version: String) {
            self.place = place
            self.version = version
        }
    }

    /// Rows that are tried again, because what they refer to may still come.
    public struct ParentWaits: Sendable, Hashable {
        /// Of this member's partitions, as last looked.
        public var waiting = 0
        /// Since the process began: in their tables, overtaken by a later message of their key, and given up.
        public var loaded = 0
        public var overtaken = 0
        public var givenUp = 0

        public init() {}
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
        /// By table, column and reason. What comes after the first `letterKinds` of them is in no kind.
        public private(set) var letters: [LetterKind: LetterFigure] = [:]
        /// In the order of the configuration.
        public package(set) var routes: [RouteFigures] = []
        /// The one that answered last; nil before one has.
        public var database: Database?
        /// Letters that are none yet: what is given up of them counts in `deadLetters`.
        public var parentWaits = ParentWaits()
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
        public var standstills: [Standstill] = [] { didSet { endStandstills(before: oldValue) } }
        /// Locks that other sessions hold, by who waits for them: a writer, whoever reads the positions, the start.
        public var lockWaits: [String: LockedPlace] = [:]
        /// Until when the token for the brokers is good; nil: there is none, or nobody says.
        public internal(set) var tokenEnd: Date?
        /// The certificates that were shown last.
        public internal(set) var certificates: [ShownCertificate.Role: ShownCertificate] = [:]
        /// How often somebody began to wait for a lock.
        public var lockWaitCount = 0
        /// Where messages and routes drift apart, in the order of the routes.
        public var drift: [RouteDrift] = []
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
        /// Up to an hour.
        public private(set) var history = History()
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
            for index in routes.indices { routes[index].rate.look(routes[index].messages, at: now) }
            history.add(History.Sample(time: time, messages: messages, deadLetters: deadLetterCount, lag: lag))
        }

        /// Takes in what a batch adds to each route and kind of dead letter.
        mutating func count(_ tally: BatchTally, at time: Date) {
            for (index, share) in tally.routes.enumerated() where routes.indices.contains(index) {
                routes[index].add(share, at: time)
            }
            for (kind, figure) in tally.letters { count(figure, of: kind) }
        }

        /// Counts dead letters of a kind.
        public mutating func count(_ figure: LetterFigure, of kind: LetterKind) {
            deadLetters[kind.reason, default: 0] += figure.count
            if letters[kind] == nil, letters.count >= Self.letterKinds { return }
            letters[kind, default: figure.without].add(figure)
        }

        /// Messages and dead letters of the last ten minutes, or since the start.
        public func lately(at time: Date) -> (messages: Int, deadLetters: Int) {
            let before = history.sample(before: time - Self.latelySeconds)
            return (messages - (before?.messages ?? 0), deadLetterCount - (before?.deadLetters ?? 0))
        }

        /// Keeps an incident; the same again is counted.
        public mutating func note(_ incident: Incident) {
            var incident = incident
            // An outage that nobody has told of would never end.
            incident.causes = incident.causes.filter { cause in
                if case .outage(let outage) = cause { outagesSince[outage] != nil } else { true }
            }
            if let same = incidents.lastIndex(where: { $0.summary == incident.summary && $0.code == incident.code }) {
                incident.follow(incidents.remove(at: same))
            } else if incidents.count == Self.recent {
                incidents.remove(at: incidents.firstIndex { !$0.goesOn } ?? 0)
            }
            incidents.append(incident)
        }

        mutating func endIncidents(at time: Date = Date(), where isGone: (Incident.Cause) -> Bool) {
            for index in incidents.indices { incidents[index].end(at: time, where: isGone) }
        }

        private mutating func endStandstills(before: [Standstill]) {
            guard standstills != before else { return }
            let subjects = Set(standstills.map(\.subject))
            endIncidents { cause in
                if case .standstill(let subject) = cause { !subjects.contains(subject) } else { false }
            }
        }

        /// Batches and incidents that are kept.
        private static let recent = 20
        static let letterKinds = 200
        /// What `lately` means.
        public static let latelySeconds = 600.0
    }

    private let state = Mutex(Snapshot())

    public init() {}

    public var snapshot: Snapshot { state.withLock { $0 } }

    /// The reasons that dead letters can have.
    public static let deadLetterReasons = DeadLetter.Reason.allCases.filter { $0 != .waiting }.map(\.rawValue)

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

    /// Names the routes, so that they are shown before they have loaded anything.
    public func begin(_ routes: [Route]) {
        update { state in
            if state.routes.isEmpty { state.routes = routes.map { RouteFigures($0) } }
        }
    }

    /// Takes note of the server that answers.
    public func reached(_ connection: Connection) {
        // `17.2 (Debian 17.2-1.pgdg120+1)`
        let version = (connection.parameter("server_version") ?? "").prefix { $0 != " " }
        let database = Database(place: connection.place, version: String(version))
        update { $0.database = database }
        saw(connection.security)
    }

    /// Keeps an incident without logging it.
    public func note(_ incident: Incident) { state.withLock { $0.note(incident) } }

    /// Notes what somebody waits for; nil: for nothing any more.
    func waitsForLock(_ wait: LockWait?, _ party: String) {
        state.withLock { state in
            guard let wait else {
                state.lockWaits[party] = nil
                return
            }
            let before = state.lockWaits[party]
            if before == nil { state.lockWaitCount += 1 }
            state.lockWaits[party] = LockedPlace(wait, since: before?.since ?? Date())
        }
    }

    /// Notes that something is away, or back, for one of those who need it.
    ///
    /// - Parameter party: who says so; the outage is over when the last of those who noticed it has seen its end.
    public func outage(_ outage: Outage, for party: String = "the loader", isOver: Bool) {
        state.withLock { state in
            if isOver {
                state.waiting[outage]?.remove(party)
                guard state.waiting[outage]?.isEmpty ?? true, state.outagesSince[outage] != nil else { return }
                state.outagesSince[outage] = nil
                state.endIncidents { $0 == .outage(outage) }
            } else {
                state.waiting[outage, default: []].insert(party)
                guard state.outagesSince[outage] == nil else { return }
                state.outagesSince[outage] = Date()
                state.outageCounts[outage, default: 0] += 1
            }
        }
    }
}
