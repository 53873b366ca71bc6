import Kafka
import Logging
import Postgres

/// Gathers what `StartPosition` decides from, and writes down what it decided, before a message is taken.
package struct StartSettling {
    let ledger: Ledger
    let options: LoadingOptions
    let consumer: Consumer
    let targets: [Target]
    let logger: Logger
    /// What the group subscribes to; none where a start is no start of the group's.
    var subscriptions: [Route.TopicPattern] = []
    /// Nothing has been read since the program has begun with them.
    var isBeginning = false
    /// Positions that were found to be another log's, by a message before them.
    var strangers: [TopicPartition: Stranger] = [:]
    /// Positions at which nothing more comes before the end of what is loaded again.
    var reached: [TopicPartition: Int64] = [:]
    /// Says whose lock is in the way.
    var locks: LockWatch?
    /// Asked between the calls that may have to wait, so that a stop does not wait for all of them.
    let isStopping: () -> Bool

    package init(
        ledger: Ledger, options: LoadingOptions, consumer: Consumer, targets: [Target], logger: Logger,
        subscriptions: [Route.TopicPattern] = [], isBeginning: Bool = false,
        strangers: [TopicPartition: Stranger] = [:],
        reached: [TopicPartition: Int64] = [:], locks: LockWatch? = nil, isStopping: @escaping () -> Bool
    ) {
        self.ledger = ledger
        self.options = options
        self.consumer = consumer
        self.targets = targets
        self.logger = logger
        self.subscriptions = subscriptions
        self.isBeginning = isBeginning
        self.strangers = strangers
        self.reached = reached
        self.locks = locks
        self.isStopping = isStopping
    }

    package struct Result {
        package var mark: LedgerMark
        package var offsets: [TopicPartition: Int64] = [:]
        package var watermarks: [TopicPartition: Watermarks] = [:]
        /// What the message before each position must be.
        var last: [TopicPartition: LastMessage] = [:]
        /// What an earlier one must be.
        var proven: [TopicPartition: LastMessage] = [:]
        /// Partitions that do not go on to their end.
        var detours: [TopicPartition: Detour] = [:]
        var resets = 0
    }

    /// A position that was found to be another log's.
    package struct Stranger: Sendable {
        var position: Int64
        /// The first offset of which a message may be loaded of the log as it is now.
        var from: Int64
    }

    static let timeout: Duration = .seconds(10)

    /// Another member wrote a position while this one decided; to be read again.
    package struct Overtaken: Error {}

    /// A stop was requested; nothing begins any more.
    struct Stopped: Error {}

    private func goOn() throws {
        if isStopping() { throw Stopped() }
    }

    /// What is known before anything is decided.
    private struct Known {
        var ledger: [TopicPartition: Ledger.Position]
        var groups: [TopicPartition: CommittedOffset] = [:]
        var watermarks: [TopicPartition: Watermarks] = [:]
        /// All partitions to decide on: those that are wanted, and those whose beginning is written along with theirs.
        var asked: [TopicPartition]
        /// Topics that have appeared since the group has begun.
        var newTopics: Set<String> = []
        /// Subscriptions with which the group begins now.
        var begun: [Route.TopicPattern] = []
        /// What the group loads where, as far as the ledger does not say so yet.
        var unnoted: [String] = []
    }

    /// Finds out where partitions begin, writes that into the ledger as far as it has to be, and puts the mark where it is missing.
    ///
    /// - Parameter wanted: none where a group that has been given nothing only has to begin with its subscriptions.
    package func settle(_ wanted: [TopicPartition]) throws -> Result {
        do {
            return try decide(wanted)
        } catch let error as PostgresError {
            try goOn()  // It was the stop that ended the connection.
            throw error
        }
    }

    private func decide(_ wanted: [TopicPartition]) throws -> Result {
        // The group is not served meanwhile, and what is asked here is small: no answer for some seconds is none.
        let patience = min(options.database.statementTimeout, Self.timeout)
        let connection = try Connection(
            options.connectionOptions("ledger", statements: patience), isGivenUp: isStopping)
        defer { connection.close() }
        // What is only read waits for no lock longer than what is written.
        connection.lockPatience = min(options.database.lockTimeout, Self.timeout)
        locks?.watch(connection)
        guard let mark = try Ledger.mark(on: connection) else {
            throw LoadingError(
                .database, "loader.ledger has no row, so this database has no identity",
                mend: .position(.identify(topics: try ledger.loadedTopics(on: connection))))
        }
        let known = try gather(wanted, on: connection)
        let starts = try decide(known, Set(wanted), mark, on: connection)
        // A topic whose beginning could not be written now must not be taken for a new one later.
        let undecided = Set(known.asked.filter { starts[$0] == nil }.map(\.topic))
        let begun = known.begun.filter { pattern in !undecided.contains { pattern.matches($0) } }
        let memories = begun.map { LedgerMemory.topic(of: $0) } + known.unnoted
        try goOn()
        do {
            // The group is not served while this waits.
            let patience = min(options.database.lockTimeout, Self.timeout)
            guard try ledger.write(starts, memories: memories, lockTimeout: patience, on: connection) else {
                throw Overtaken()
            }
        } catch let error as PostgresError {
            HungWriters(options).end(after: error, on: connection)
            throw error
        }
        let written =
            starts.values.contains { $0.step == .insert }
            ? try ledger.positions(of: Set(wanted.map(\.topic)).sorted(), on: connection) : [:]
        return try conclude(wanted, starts, known, written, mark)
    }

    private func gather(_ wanted: [TopicPartition], on connection: Connection) throws -> Known {
        let topics = Set(wanted.map(\.topic)).sorted()
        let notes = topics.flatMap { topic in
            targets.filter { $0.route.topics.contains { $0.matches(topic) } }
                .map { LedgerMemory.loaded(topic, into: $0.name) }
        }
        let rows = try ledger.states(of: topics + notes, on: connection)
        var known = Known(ledger: rows.filter { !LedgerMemory.isMemory($0.key.topic) }, asked: wanted)
        let noted = Set(rows.keys.map(\.topic))
        known.unnoted = Array(Set(notes).subtracting(noted)).sorted()
        let seen = Set(known.ledger.keys.map(\.topic))
        var unseen = Set(topics).subtracting(seen)
        // Only where a group without a position would not begin at the first message does it matter what is new.
        if options.autoOffsetReset != .earliest, isBeginning || !unseen.isEmpty {
            let rows = try ledger.topics(on: connection)
            known.begun = subscriptions.filter { !LedgerMemory.hasBegun($0, rows) }
            known.newTopics = unseen.filter { LedgerMemory.isNew($0, subscriptions, rows) }
            unseen.subtract(known.newTopics)
        }
        // The first member to see a topic writes where all of its partitions begin, also those it was not given. So a
        // partition without a position is new, whichever member gets it, and whatever `latest` means a minute later. Nor
        // may a topic that was there when the group began be taken for a new one.
        if !unseen.isEmpty || !known.newTopics.isEmpty || !known.begun.isEmpty {
            try goOn()
            let counts = try consumer.topics(timeout: Self.timeout)
            let begin = counts.keys.filter { topic in known.begun.contains { $0.matches(topic) } }
            let all = unseen.union(known.newTopics).union(begin).flatMap { topic in
                (0..<Int32(counts[topic] ?? 0)).map { TopicPartition(topic: topic, partition: $0) }
            }
            known.asked = Set(wanted).union(all).sorted()
        }
        try goOn()
        known.groups = known.asked.isEmpty ? [:] : try consumer.committed(known.asked, timeout: Self.timeout)
        try goOn()
        known.watermarks = try consumer.watermarks(known.asked, timeout: Self.timeout)
        try goOn()
        let beyond = known.asked.filter {
            known.watermarks.isBeyondEnd(known.ledger[$0]?.next, of: $0)
                || known.watermarks.isBeyondEnd(known.ledger[$0]?.detour?.resume, of: $0)
                || known.watermarks.isBeyondEnd(known.groups[$0]?.offset, of: $0)
        }
        try known.watermarks.findLogEnds(of: beyond, properties: options.consumerProperties, timeout: Self.timeout)
        return known
    }

    private func decide(
        _ known: Known, _ mine: Set<TopicPartition>, _ mark: LedgerMark, on connection: Connection
    ) throws -> [TopicPartition: StartPosition] {
        var starts: [TopicPartition: StartPosition] = [:]
        var lost: [TopicPartition: Int64] = [:]
        var mixed: [TopicPartition: Int64] = [:]
        var failure: LoadingError?
        let seen = Set(known.ledger.keys.map(\.topic))
        for partition in known.asked {
            guard let watermarks = known.watermarks[partition] else {
                // What is wrong with another member's partition is that member's to say.
                guard mine.contains(partition) else { continue }
                throw KafkaError(
                    code: .timedOut, operation: "reading the watermarks", reason: "no leader answers",
                    topic: partition.topic, partition: partition.partition)
            }
            let position = known.ledger[partition]
            let facts = StartPosition.Facts(
                partition: partition, ledger: position?.next, group: known.groups[partition], watermarks: watermarks,
                isNew: seen.contains(partition.topic) || known.newTopics.contains(partition.topic),
                loss: position.flatMap { loss(of: partition, $0) },
                detour: position.flatMap { detour(of: partition, $0) },
                hasReachedEnd: position != nil && reached[partition] == position?.next)
            let rules = StartPosition.Rules(
                mark: mark, offsetReset: options.autoOffsetReset, onLostOffsets: options.onLostOffsets,
                replayDoubles: options.target(doubledBy: partition.topic, among: targets) != nil)
            do {
                starts[partition] = try StartPosition.decide(facts, rules)
            } catch {
                guard mine.contains(partition) else { continue }
                failure = failure ?? error
                if error.code == .lostOffsets, let position, facts.isLedgers {
                    lost[partition] = position.next
                    mixed[partition] = facts.mixed?.lowerBound
                }
            }
        }
        if let failure {
            try stillHolds(known, mine, on: connection)
            // By the next start the topic may hold the position again, and others' messages would be skipped.
            try ledger.remember(lost: lost, mixed: mixed, on: connection)
            throw failure
        }
        return starts
    }

    /// A stop must not rest on what has been overtaken: between the look at the ledger and that at the group another member may have
    /// begun with the partition, whose mark would look like one without a position.
    private func stillHolds(
        _ known: Known, _ mine: Set<TopicPartition>, on connection: Connection
    ) throws {
        let now = try ledger.positions(of: Set(mine.map(\.topic)).sorted(), on: connection)
        guard mine.allSatisfy({ now[$0] == known.ledger[$0]?.next }) else { throw Overtaken() }
    }

    private func loss(of partition: TopicPartition, _ position: Ledger.Position) -> StartPosition.Loss? {
        if strangers[partition]?.position == position.next { return .anotherLog }
        return position.isLost ? .remembered : nil
    }

    private func detour(of partition: TopicPartition, _ position: Ledger.Position) -> Detour? {
        guard let stranger = strangers[partition], stranger.position == position.next else { return position.detour }
        return Detour(until: stranger.from, resume: stranger.position)
    }

    private func conclude(
        _ wanted: [TopicPartition], _ starts: [TopicPartition: StartPosition], _ known: Known,
        _ written: [TopicPartition: Int64], _ mark: LedgerMark
    ) throws -> Result {
        var result = Result(mark: mark, watermarks: known.watermarks)
        var marks: [CommittedOffset] = []
        for partition in wanted {
            guard let start = starts[partition] else { continue }
            let offset = start.step == .insert ? written[partition] ?? start.offset : start.offset
            result.offsets[partition] = offset
            result.detours[partition] = start.detour
            if start.needsMark {
                marks.append(CommittedOffset(partition: partition, offset: offset, metadata: mark.metadata))
            }
            switch start.step {
            case .reset(let from), .skip(let from):
                // The same step again after a crash changes nothing, and is none.
                guard from != start.offset else { continue }
                result.resets += 1
                logger.notice(
                    "the position was moved",
                    metadata: [
                        "at": "\(partition)", "from": .stringConvertible(from), "to": .stringConvertible(start.offset),
                        "because": start.needsMark && known.groups[partition]?.offset == start.offset
                            ? "the group was reset" : "the position was lost",
                    ])
            case .resume(let from):
                logger.notice(
                    "what was to be loaded again is in; on from where the partition stood before",
                    metadata: [
                        "at": "\(partition)", "from": .stringConvertible(from), "to": .stringConvertible(start.offset),
                    ])
            case .none:
                let last = known.ledger[partition]?.last
                if let last, last.offset >= known.watermarks[partition]?.low ?? 0 { result.last[partition] = last }
                result.proven[partition] = known.ledger[partition]?.proven ?? last
            case .insert: break
            }
        }
        // Before the first message: a crash after the first batch would else look like another reset, and load twice.
        if result.resets > 0 { try Failpoint.adoptedReset.passToBrokers() }
        try consumer.commit(marks, timeout: Self.timeout)
        return result
    }

    /// Without a ledger only the group's offsets count.
    static func withoutLedger(
        _ wanted: [TopicPartition], options: LoadingOptions, consumer: Consumer
    ) throws -> ([TopicPartition: Int64], [TopicPartition: Watermarks]) {
        let groups = try consumer.committed(wanted, timeout: timeout)
        var watermarks = try consumer.watermarks(wanted, timeout: timeout)
        let beyond = wanted.filter { watermarks.isBeyondEnd(groups[$0]?.offset, of: $0) }
        try watermarks.findLogEnds(of: beyond, properties: options.consumerProperties, timeout: timeout)
        var offsets: [TopicPartition: Int64] = [:]
        for partition in wanted {
            offsets[partition] = try StartPosition.withoutLedger(
                partition, group: groups[partition]?.offset, watermarks[partition] ?? Watermarks(low: 0, high: 0),
                options)
        }
        return (offsets, watermarks)
    }
}
