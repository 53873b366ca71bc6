import Foundation
import Kafka
import Logging
import Postgres

/// Loads dead letters through today's routes, each exactly once: in the transaction that brings its rows in, a letter
/// leaves the table, or the position moves past it in its topic.
public final class DeadLetterReplay {
    /// What became of the letters.
    public struct Outcome: Sendable, Equatable {
        /// In their tables, and dead letters no more.
        public var loaded = 0
        /// Overtaken by a later message of their key: they count as loaded and overwritten.
        public var overtaken = 0
        /// Bad as before, or in another way.
        public var failed = 0
        /// No route takes their topic, or several could have been meant.
        public var unrouted = 0
        /// Whether a later message of their key was loaded cannot be known: Kafka has deleted what came behind them.
        public var unknown = 0
        /// Copies of letters that were dealt with before.
        public var repeated = 0
        /// What failed again, the first of them.
        public var failures: [Failure] = []

        package static let failuresShown = 20

        public init(
            loaded: Int = 0, overtaken: Int = 0, failed: Int = 0, unrouted: Int = 0, unknown: Int = 0,
            repeated: Int = 0, failures: [Failure] = []
        ) {
            self.loaded = loaded
            self.overtaken = overtaken
            self.failed = failed
            self.unrouted = unrouted
            self.unknown = unknown
            self.repeated = repeated
            self.failures = failures
        }
    }

    public struct Failure: Sendable, Equatable {
        public var partition: TopicPartition
        public var offset: Int64
        public var table: String
        public var reason: String
        public var column: String?
        public var sqlState: String?
        public var explanation: String

        package init(
            partition: TopicPartition, offset: Int64, table: String, reason: String, column: String?, sqlState: String?,
            explanation: String
        ) {
            self.partition = partition
            self.offset = offset
            self.table = table
            self.reason = reason
            self.column = column
            self.sqlState = sqlState
            self.explanation = explanation
        }
    }

    public struct Refusal: Error, Sendable, CustomStringConvertible {
        public var message: String
        public var mend: Mend

        package init(message: String, mend: Mend) {
            self.message = message
            self.mend = mend
        }
        public var description: String { message }
    }

    package let options: LoadingOptions
    /// Load them even where a later message of their key is in the table.
    private let overwrites: Bool
    /// Find out what would happen, and roll it back.
    package let isDryRun: Bool
    package let logger: Logger
    package let connection: Connection
    package var builders = ReplayBuilders([])
    /// For which of each target's rows a loader waits.
    private(set) var waits: [ParentWait] = []
    private var reader: PartitionReader?
    private let isGivenUp: () -> Bool
    package var outcome = Outcome()

    /// For a question to the brokers.
    package static let timeout = Duration.seconds(15)
    /// Without anything new for so long, the brokers count as away.
    private static let patience = Duration.seconds(60)

    /// Messages that may be read while a loader waits, and how often it is tried to get there before.
    private static let smallRest: Int64 = 10_000
    private static let readings = 5

    /// - Parameters:
    ///   - role: how it introduces itself to the server.
    ///   - isGivenUp: asked while it waits for servers.
    package init(
        _ options: LoadingOptions, overwrites: Bool = false, isDryRun: Bool = false, role: String, logger: Logger,
        isGivenUp: @escaping () -> Bool
    ) throws(PostgresError) {
        self.isGivenUp = isGivenUp
        self.options = options
        self.overwrites = overwrites
        self.isDryRun = isDryRun
        self.logger = logger
        connection = try Connection(options.connectionOptions(role), isGivenUp: isGivenUp)
    }

    /// Reads the routes' tables as they are now.
    package func readRoutes() throws {
        var targets = try FittingTables(options, on: connection).targets
        waits = targets.map(\.wait)
        // What fails now has failed again. A letter that waits goes on waiting, by the table; no other begins to.
        for index in targets.indices { targets[index].wait = ParentWait() }
        builders = ReplayBuilders(targets)
    }

    // MARK: One batch

    /// Loads entries in one transaction.
    ///
    /// - Parameters:
    ///   - group: whose letters they are.
    ///   - ranges: how far this moves the positions in the topic that they come from.
    ///   - topic: that topic.
    package func load(
        _ entries: [ReplayEntry], group: String, unrouted: [ReplayStep.Unrouted] = [],
        ranges: [Batch.PartitionRange] = [], topic: String? = nil
    ) throws {
        var attempt = 0
        while true {
            let later = try laterMessages(entries, group: group)
            let step = ReplayStep(
                entries: entries, unrouted: unrouted, builders: builders, later: later, group: group, options: options,
                ranges: ranges, isDryRun: isDryRun)
            // What fails again goes back to where it came from; a topic cannot be rolled back.
            let sink = LoadingOptions.DeadLetters(
                table: options.deadLetters.table,
                topic: options.deadLetters.table == nil && !isDryRun ? topic : nil)
            let letters = try sink.topic.map { topic in
                TopicLetters(topic: topic, try LetterProducer(options), patience: .seconds(60)) { false }
            }
            let transaction = BatchTransaction(
                batch: step.batch, targets: builders.targets, connection: connection, ledger: nil,
                database: options.database,
                deadLetters: DeadLetterSink(group: group, options: sink, topic: letters),
                mayReject: { _, _ in nil }, replay: step,
                // What may have been a bad moment has had its chances then; it stays a letter.
                isJudging: attempt >= Evidence.triesWithComparison)
            do throws(TransactionFailure) {
                var care: Care? = Care()
                _ = try transaction.run(care: &care)
                step.count(into: &outcome)
                return
            } catch {
                if let cause = step.failure { throw cause }
                switch error {
                case .fenced where step.isDone:
                    step.count(into: &outcome)
                    return
                case .fenced: throw Overtaken()
                case .tableChanged where attempt < 3:
                    try readRoutes()
                case .postgres(let error, false) where FailureClass(error) == .conflict && attempt < 10: break
                case .refused(let error) where Suspicion(error) == .perhaps && attempt < 10: break
                case .postgres(let error, _), .refused(let error): throw error
                case .deadLetterTopic(let error): throw error
                case .deadLetterTable(let error, _): throw error
                case .violated(let violation): throw LoadingError.violated(violation)
                case .tableChanged, .tooManyDeadLetters:
                    throw Refusal(message: "a table is being changed", mend: .letters(.changing))
                }
                attempt += 1
            }
        }
    }

    /// Somebody else reads the same topic of dead letters.
    package struct Overtaken: Error {}

    /// Reads what was loaded behind the letters, before the transaction begins: inside it only little is left to read.
    private func laterMessages(_ entries: [ReplayEntry], group: String) throws -> LaterMessages? {
        let needed = entries.contains { entry in entry.routes.contains { builders.targets[$0].isOrderedByArrival } }
        guard needed, !overwrites else { return nil }
        let later = LaterMessages(try messages(), builders.targets, builders)
        let known = try connection.query("SELECT to_regclass('loader.positions') IS NOT NULL").bool(0, 0) ?? false
        try later.look(for: entries) { offsets in
            guard let name = options.deadLetters.table else { return [:] }
            return try DeadLetterTable(name, on: connection).places(group: group, from: offsets)
        }
        if options.delivery == .exactlyOnce, known {
            // A loader goes on meanwhile: until little is left, because what is left is read while it has to wait.
            for _ in 0..<Self.readings {
                let positions = try Ledger(group: group).positions(
                    of: Array(Set(later.partitions.map(\.topic))), on: connection)
                let rest = later.distance(to: positions)
                try later.read(to: positions)
                if rest < Self.smallRest { break }
            }
        } else {
            let offsets = try Admin(properties: options.clientProperties).committedOffsets(
                ofGroup: options.group, partitions: later.partitions, timeout: Self.timeout)
            try later.read(to: Dictionary(offsets.map { ($0.partition, $0.offset) }, uniquingKeysWith: { $1 }))
        }
        return later
    }

    /// What reads messages again, without being a member of a group.
    package func messages() throws(KafkaError) -> PartitionReader {
        if let reader { return reader }
        let made = try PartitionReader(
            properties: options.consumerProperties, patience: .each(Self.patience), mayBeGone: false,
            isGivenUp: isGivenUp)
        reader = made
        return made
    }
}

/// What a replay does within its batch's transaction, before and behind the rows.
package final class ReplayStep {
    /// A message that no route takes, and why.
    package struct Unrouted {
        var message: KeptMessage
        var attempts: Int32
        var explanation: String

        package init(message: KeptMessage, attempts: Int32, explanation: String) {
            self.message = message
            self.attempts = attempts
            self.explanation = explanation
        }
    }

    let batch = Batch()
    private let entries: [ReplayEntry]
    private let unrouted: [Unrouted]
    private let builders: ReplayBuilders
    private let later: LaterMessages?
    private let group: String
    private let options: LoadingOptions
    private let ranges: [Batch.PartitionRange]
    private let isDryRun: Bool

    /// For each message of the batch its entry, or the one that no route takes.
    private enum Origin {
        case entry(Int)
        case unrouted(Int)
    }

    private var origins: [Origin] = []
    /// Entries in the batch.
    private var taken: [Int] {
        origins.compactMap { if case .entry(let index) = $0 { index } else { nil } }
    }
    private var overtaken: [Int] = []
    private var unknown: [Int] = []
    private var repeated = 0
    private var letters: [DeadLetter] = []
    /// Everything is done, and was rolled back on purpose.
    private(set) var isDone = false
    /// Why it could not even begin.
    private(set) var failure: (any Error)?

    init(
        entries: [ReplayEntry], unrouted: [Unrouted], builders: ReplayBuilders, later: LaterMessages?, group: String,
        options: LoadingOptions, ranges: [Batch.PartitionRange], isDryRun: Bool
    ) {
        self.entries = entries
        self.unrouted = unrouted
        self.builders = builders
        self.later = later
        self.group = group
        self.options = options
        self.ranges = ranges
        self.isDryRun = isDryRun
    }

    /// Takes the letters, and fills the batch with those that are still to be loaded.
    ///
    /// - Returns: false if somebody else was faster.
    func begin(on connection: Connection) throws(TransactionFailure) -> Bool {
        do throws(PostgresError) {
            if !ranges.isEmpty, try !Ledger(group: replayGroup(options.group)).advance(ranges, on: connection) {
                return false
            }
            // First the positions, then the letters: the order in which a loader locks them.
            if let later, options.delivery == .exactlyOnce {
                // While their rows are locked no loader gets further: what is read now is all that was loaded behind.
                let positions = try Ledger(group: group).lockedPositions(of: later.partitions, on: connection)
                do { try later.read(to: positions) } catch {
                    failure = error
                    return false
                }
            }
            var claimed: Set<Int64> = []
            if let name = options.deadLetters.table {
                let rows = entries.compactMap { entry in entry.row.map { (id: $0, attempts: entry.attempts) } }
                if !rows.isEmpty { claimed = try DeadLetterTable(name, on: connection).claim(rows) }
            }
            fill(claimed)
            return true
        } catch {
            throw .postgres(error, commitSent: false)
        }
    }

    private func fill(_ claimed: Set<Int64>) {
        batch.began = Int64(Date().timeIntervalSince1970 * 1_000_000)
        var ranges: [TopicPartition: Int32] = [:]
        func range(_ message: KeptMessage) -> Int32 {
            if let known = ranges[message.partition] { return known }
            let range = batch.addRange(of: message.partition, expected: message.offset)
            ranges[message.partition] = range
            return range
        }
        for (index, entry) in entries.enumerated() {
            if let row = entry.row, !claimed.contains(row) {
                repeated += 1
                continue
            }
            var routes = entry.routes
            var verdicts: Set<LaterMessages.Verdict> = []
            if let later {
                routes.removeAll { route in
                    let verdict = later.verdict(entry, route: route)
                    if verdict != .latest { verdicts.insert(verdict) }
                    return verdict != .latest
                }
            }
            if verdicts.contains(.unknown), entry.row != nil {
                unknown.append(index)
                continue
            }
            if verdicts.contains(.unknown) {
                // Its topic is read once; so it has to go somewhere.
                let message = batch.keep(entry.message, range: range(entry.message))
                for route in entry.routes {
                    batch.deadLetters.append(
                        DeadLetter(
                            message: message, target: route, reason: .orderUnknown,
                            explanation: "Kafka has deleted messages behind it, so a later one of its key may be loaded"
                        ))
                }
                origins.append(.entry(index))
                continue
            }
            if routes.isEmpty {
                overtaken.append(index)
                continue
            }
            builders.add(entry.message, routes, range: range(entry.message), to: batch)
            origins.append(.entry(index))
        }
        for (index, entry) in unrouted.enumerated() {
            let message = batch.keep(entry.message, range: range(entry.message))
            batch.deadLetters.append(
                DeadLetter(
                    message: message, target: DeadLetter.noTarget, reason: .noRoute, explanation: entry.explanation))
            origins.append(.unrouted(index))
        }
    }

    /// Takes the letters that are loaded out of their table. What failed again is written by then.
    func end(_ letters: [DeadLetter], on connection: Connection) throws(TransactionFailure) {
        self.letters = letters
        if let name = options.deadLetters.table {
            // What failed again stands under the table it failed for: mostly that of before, which its row keeps.
            var stays: Set<Int> = []
            for letter in letters where letter.target != DeadLetter.noTarget {
                guard case .entry(let index) = origins[letter.message] else { continue }
                if builders.targets[letter.target].name.description == entries[index].table { stays.insert(index) }
            }
            let gone = (taken + overtaken).filter { !stays.contains($0) }.compactMap { entries[$0].row }
            do throws(PostgresError) {
                try DeadLetterTable(name, on: connection).remove(gone)
            } catch {
                throw .postgres(error, commitSent: false)
            }
        }
        if isDryRun {
            isDone = true
            throw .fenced
        }
    }

    /// How often a message of the batch was tried, this time included.
    func attempts(of message: Int) -> Int32 {
        switch origins[message] {
        case .entry(let index): entries[index].attempts + 1
        case .unrouted(let index): unrouted[index].attempts + 1
        }
    }

    func count(into outcome: inout DeadLetterReplay.Outcome) {
        let failed = Set(letters.filter { $0.target != DeadLetter.noTarget }.map(\.message)).count
        outcome.loaded += taken.count - failed
        outcome.failed += failed
        outcome.overtaken += overtaken.count
        outcome.unknown += unknown.count
        outcome.repeated += repeated
        outcome.unrouted += unrouted.count
        for letter in letters where outcome.failures.count < DeadLetterReplay.Outcome.failuresShown {
            guard letter.target != DeadLetter.noTarget else { continue }
            let (partition, offset) = batch.coordinates(of: letter.message)
            outcome.failures.append(
                DeadLetterReplay.Failure(
                    partition: partition, offset: offset, table: builders.targets[letter.target].name.description,
                    reason: letter.reason.rawValue, column: letter.column, sqlState: letter.sqlState?.rawValue,
                    explanation: letter.explanation))
        }
    }
}

/// The group under which a replay keeps its position in a topic of dead letters.
package func replayGroup(_ group: String) -> String { group + "-dead-letters" }
