import Kafka
import Logging
import Postgres

/// Gathers what `StartPosition` decides from, and writes down what it decided, before a message is taken.
struct StartReader {
    let ledger: Ledger
    let options: LoadingOptions
    let consumer: Consumer
    let targets: [Target]
    let logger: Logger
    /// Asked between the calls that may have to wait, so that a stop does not wait for all of them.
    let isStopping: () -> Bool

    struct Result {
        var mark: LedgerMark
        var offsets: [TopicPartition: Int64]
        var watermarks: [TopicPartition: Watermarks]
        var resets: Int
    }

    static let timeout: Duration = .seconds(10)

    /// Another member wrote a position while this one decided; to be read again.
    struct Overtaken: Error {}

    /// A stop was requested; nothing begins any more.
    struct Stopped: Error {}

    private func goOn() throws {
        if isStopping() { throw Stopped() }
    }

    func read(_ wanted: [TopicPartition]) throws -> Result {
        let connection = try Connection(options.connectionOptions("ledger"))
        defer { connection.close() }
        guard let mark = try Ledger.mark(on: connection) else {
            throw LoadingError(
                .database, "loader.ledger has no row, so this database has no identity", mend: "run `loader migrate up`"
            )
        }
        let topics = Array(Set(wanted.map(\.topic))).sorted()
        let known = try ledger.positions(of: topics, on: connection)
        let seenTopics = Set(known.keys.map(\.topic))

        // The first member to see a topic writes where all of its partitions begin, also those it was not given. So a
        // partition without a position is new, whichever member gets it, and whatever `latest` means a minute later.
        let unseen = topics.filter { !seenTopics.contains($0) }
        var all = Set(wanted)
        if !unseen.isEmpty {
            try goOn()
            let counts = try consumer.topics(timeout: Self.timeout)
            for topic in unseen {
                for partition in 0..<(counts[topic] ?? 0) {
                    all.insert(TopicPartition(topic: topic, partition: Int32(partition)))
                }
            }
        }
        let asked = all.sorted()
        try goOn()
        let groups = try consumer.committed(asked, timeout: Self.timeout)
        try goOn()
        var watermarks = try consumer.watermarks(asked, timeout: Self.timeout)
        try goOn()
        let beyond = asked.filter {
            watermarks.isBeyondEnd(known[$0], of: $0) || watermarks.isBeyondEnd(groups[$0]?.offset, of: $0)
        }
        try watermarks.findLogEnds(of: beyond, properties: options.consumerProperties, timeout: Self.timeout)

        var starts: [TopicPartition: StartPosition] = [:]
        let mine = Set(wanted)
        for partition in asked {
            let rules = StartPosition.Rules(
                mark: mark, offsetReset: options.autoOffsetReset, onLostOffsets: options.onLostOffsets,
                replayDoubles: replayDoubles(partition.topic))
            let facts = StartPosition.Facts(
                partition: partition, ledger: known[partition], group: groups[partition],
                watermarks: watermarks[partition] ?? Watermarks(low: 0, high: 0),
                isNewPartition: seenTopics.contains(partition.topic))
            do {
                starts[partition] = try StartPosition.decide(facts, rules)
            } catch {
                // What is wrong with another member's partition is that member's to say.
                if mine.contains(partition) { throw error }
            }
        }
        try goOn()
        do {
            // The group is not served while this waits.
            let patience = min(options.database.lockTimeout, Self.timeout)
            guard try ledger.write(starts, lockTimeout: patience, on: connection) else { throw Overtaken() }
        } catch let error as PostgresError {
            HungWriters(options).end(asAsks: error, on: connection)
            throw error
        }
        var offsets: [TopicPartition: Int64] = [:]
        var resets = 0
        let written =
            starts.values.contains { $0.step == .insert } ? try ledger.positions(of: topics, on: connection) : [:]
        for (partition, start) in starts where mine.contains(partition) {
            offsets[partition] = start.step == .insert ? written[partition] ?? start.offset : start.offset
            switch start.step {
            case .reset(let from), .skip(let from):
                // The same step again after a crash changes nothing, and is none.
                guard from != start.offset else { continue }
                resets += 1
                logger.notice(
                    "the position was moved",
                    metadata: [
                        "at": "\(partition)", "from": .stringConvertible(from), "to": .stringConvertible(start.offset),
                        "because": start.needsMark && groups[partition]?.offset == start.offset
                            ? "the group was reset" : "the position was lost",
                    ])
            case .none, .insert: break
            }
        }
        // Before the first message: a crash after the first batch would else look like another reset, and load twice.
        let marks = starts.filter { mine.contains($0.key) && $0.value.needsMark }.map { partition, start in
            CommittedOffset(
                partition: partition, offset: offsets[partition] ?? start.offset, metadata: mark.metadata)
        }
        if resets > 0 { try Failpoint.adoptedReset.passToBrokers() }
        try consumer.commit(marks, timeout: Self.timeout)
        return Result(mark: mark, offsets: offsets, watermarks: watermarks, resets: resets)
    }

    /// Whether loading messages of this topic once more would leave their rows once more.
    private func replayDoubles(_ topic: String) -> Bool {
        !options.allowDuplicates
            && targets.contains { !$0.isReplaySafe && $0.route.topics.contains { $0.matches(topic) } }
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
            let marks = watermarks[partition] ?? Watermarks(low: 0, high: 0)
            if let group = groups[partition] {
                if group.offset >= marks.low, group.offset <= marks.logEnd {
                    offsets[partition] = group.offset
                } else {
                    switch options.onLostOffsets {
                    case .stop: throw LoadingError.lostOffsets(partition, position: group.offset, watermarks: marks)
                    case .earliest: offsets[partition] = marks.low
                    case .latest: offsets[partition] = marks.high
                    }
                }
            } else {
                switch options.autoOffsetReset {
                case .earliest: offsets[partition] = marks.low
                case .latest: offsets[partition] = marks.high
                case .error: throw LoadingError.noPosition(partition)
                }
            }
        }
        return (offsets, watermarks)
    }
}
