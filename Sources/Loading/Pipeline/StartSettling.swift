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
        /// The message before the position. Behind another the position is not the one that was found: somebody has decided since, and
        /// loaded on until there.
        var last: LastMessage
    }

    static let timeout: Duration = .seconds(10)

    /// Another member wrote a position while this one decided; to be read again.
    package struct Overtaken: Error {}

    /// A stop was requested; nothing begins any more.
    struct Stopped: Error {}

    private func goOn() throws {
        if isStopping() { throw Stopped() }
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
        let rules = StartDecision.Rules(
            mark: mark, offsetReset: options.autoOffsetReset, onLostOffsets: options.onLostOffsets,
            replayDoubles: { [options, targets] in options.target(doubledBy: $0, among: targets) != nil })
        let verdict = try known.decide(rules)
        if let failure = verdict.failure {
            // What another member has told the group since would look like what the ledger has lost.
            guard try !known.isOvertaken(by: ledger.states(of: Set(wanted.map(\.topic)).sorted(), on: connection))
            else {
                throw Overtaken()
            }
            // By the next start the topic may hold the position again, and others' messages would be skipped.
            try ledger.remember(lost: verdict.lost, on: connection)
            throw failure
        }
        let starts = verdict.starts
        let memories = known.memories(starts)
        try goOn()
        try consumer.commit(known.claims(starts), timeout: Self.timeout)
        try goOn()
        do {
            // The group is not served while this waits.
            let patience = min(options.database.lockTimeout, Self.timeout)
            guard
                try ledger.write(
                    starts, seen: known.ledger, memories: memories, lockTimeout: patience, on: connection)
            else {
                throw Overtaken()
            }
        } catch let error as PostgresError {
            HungWriters(options).end(after: error, on: connection)
            throw error
        }
        let written =
            starts.values.contains { $0.step == .insert }
            ? try ledger.positions(of: Set(wanted.map(\.topic)).sorted(), on: connection) : [:]
        return try conclude(known, known.conclude(starts, written: written, mark), mark)
    }

    private func gather(_ wanted: [TopicPartition], on connection: Connection) throws -> StartDecision {
        let topics = Set(wanted.map(\.topic)).sorted()
        let notes = topics.flatMap { topic in
            targets.filter { $0.route.topics.contains { $0.matches(topic) } }
                .map { LedgerMemory.loaded(topic, into: $0.name) }
        }
        var known = StartDecision(
            wanted, rows: try ledger.states(of: topics + notes, on: connection), notes: notes, strangers: strangers,
            reached: reached)
        // Only where a group without a position would not begin at the first message does it matter what is new.
        if options.autoOffsetReset != .earliest, isBeginning || !known.unseen.isEmpty {
            known.note(try ledger.topics(on: connection), subscriptions)
        }
        if known.concernsWholeTopics {
            try goOn()
            known.include(try consumer.topics(timeout: Self.timeout))
        }
        try goOn()
        known.groups = known.asked.isEmpty ? [:] : try consumer.committed(known.asked, timeout: Self.timeout)
        try goOn()
        known.watermarks = try consumer.watermarks(known.asked, timeout: Self.timeout)
        try goOn()
        try known.watermarks.findLogEnds(
            of: known.beyondEnds, properties: options.consumerProperties, timeout: Self.timeout)
        return known
    }

    private func conclude(
        _ known: StartDecision, _ conclusion: StartDecision.Conclusion, _ mark: LedgerMark
    ) throws -> Result {
        for move in conclusion.moves {
            let places: Logger.Metadata = [
                "at": "\(move.partition)", "from": .stringConvertible(move.from), "to": .stringConvertible(move.to),
            ]
            switch move.reason {
            case .groupWasReset, .positionWasLost:
                let why = move.reason == .groupWasReset ? "the group was reset" : "the position was lost"
                logger.notice("the position was moved", metadata: places.merging(["because": "\(why)"]) { $1 })
            case .loadedAgain:
                logger.notice(
                    "what was to be loaded again is in; on from where the partition stood before", metadata: places)
            }
        }
        if conclusion.resets > 0 { try Failpoint.adoptedReset.passToBrokers() }
        try consumer.commit(conclusion.marks, timeout: Self.timeout)
        return Result(
            mark: mark, offsets: conclusion.offsets, watermarks: known.watermarks, last: conclusion.last,
            proven: conclusion.proven, detours: conclusion.detours, resets: conclusion.resets)
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
