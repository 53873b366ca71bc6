import Kafka
import Loading

/// Which messages are verified: of each partition from where to where, and how far they are read.
struct VerifiedSpan {
    private struct Part {
        var low: Int64
        /// The first offset that is read.
        var start: Int64
        /// How far it is read.
        var read: Int64
        /// Where it ends by now.
        var end: Int64
        /// It does not go beyond this.
        var bound: Int64?
    }

    private var parts: [TopicPartition: Part] = [:]
    private let scope: VerificationScope
    private let reader: PartitionReader
    private let options: LoadingOptions
    private static let timeout = Duration.seconds(15)

    /// - Parameter positions: of the ledger.
    init(
        of positions: [TopicPartition: Ledger.Position], _ scope: VerificationScope, _ reader: PartitionReader,
        _ options: LoadingOptions
    ) throws {
        self.scope = scope
        self.reader = reader
        self.options = options
        try extend(to: positions)
    }

    /// Takes what was loaded meanwhile.
    mutating func extend(to positions: [TopicPartition: Ledger.Position]) throws {
        try add(positions.keys.filter { parts[$0] == nil }, positions)
        for (place, part) in parts {
            guard let position = positions[place],
                min(position.next, part.bound ?? .max) >= part.read || part.read == part.start
            else {
                throw VerificationRefusal(
                    .moved, "the position of \(place) went back while its messages were read", mend: "try again")
            }
            try Self.check(place, position)
            parts[place]?.end = max(part.start, min(position.next, part.bound ?? .max))
        }
    }

    private mutating func add(_ places: [TopicPartition], _ positions: [TopicPartition: Ledger.Position]) throws {
        guard !places.isEmpty else { return }
        let marks = try reader.watermarks(places, timeout: Self.timeout)
        let starts = try offsets(of: scope.from, places)
        let stops = try offsets(of: scope.to, places)
        for place in places {
            guard let known = marks[place], let position = positions[place] else { continue }
            try Self.check(place, position)
            guard position.next <= known.logEnd else {
                throw VerificationRefusal(
                    .lostPosition, "the log of \(place) ends at \(known.logEnd), before its position \(position.next)",
                    mend: "see `loader status`")
            }
            // Where nothing is as late as that, nothing is verified.
            let start = max(known.low, scope.from == nil ? known.low : starts[place] ?? position.next)
            parts[place] = Part(low: known.low, start: start, read: start, end: start, bound: stops[place])
        }
    }

    private static func check(_ place: TopicPartition, _ position: Ledger.Position) throws(VerificationRefusal) {
        if position.isLost {
            throw VerificationRefusal(
                .lostPosition, "the position of \(place) is lost: what it counts is not the topic as it is now",
                mend: "see `loader status`")
        }
        guard let detour = position.detour else { return }
        throw VerificationRefusal(
            .detour,
            "\(place) is loaded again up to \(detour.until), so the ledger does not say all that the tables hold",
            mend: "try again when that is over")
    }

    /// - Returns: none where nothing is asked, or nothing is as late.
    private func offsets(
        of bound: VerificationScope.Bound?, _ places: [TopicPartition]
    ) throws(KafkaError) -> [TopicPartition: Int64] {
        switch bound {
        case nil: return [:]
        case .offset(let offset): return Dictionary(uniqueKeysWithValues: places.map { ($0, offset) })
        case .time(let time):
            let admin = try Admin(properties: options.clientProperties)
            return try admin.offsets(
                at: Dictionary(uniqueKeysWithValues: places.map { ($0, time) }), timeout: Self.timeout)
        }
    }

    /// What is left to be read.
    var rest: [PartitionReader.Stretch] {
        parts.sorted { $0.key < $1.key }.compactMap { place, part in
            part.read < part.end ? .init(partition: place, start: part.read, end: part.end) : nil
        }
    }

    /// All of it.
    var all: [PartitionReader.Stretch] {
        parts.sorted { $0.key < $1.key }.map { .init(partition: $0, start: $1.start, end: $1.end) }
    }

    /// All of it is read.
    mutating func close() {
        for (place, part) in parts { parts[place]?.read = part.end }
    }

    var partitions: [VerificationReport.Partition] {
        parts.sorted { $0.key < $1.key }.map { place, part in
            .init(topic: place.topic, partition: place.partition, from: part.start, to: part.end, low: part.low)
        }
    }

    /// Whether a route's topics are read from their very beginnings, of which nothing was deleted.
    func beginsAtZero(for route: Route) -> Bool {
        parts.allSatisfy { place, part in part.start == 0 || !route.topics.contains { $0.matches(place.topic) } }
    }

    /// Whether a route's topics hold a message at each offset that was read: none was compacted away, and none was ever aborted.
    ///
    /// - Parameter counts: of the messages that were read.
    func hasNoGaps(for route: Route, _ counts: [TopicPartition: Int64]) -> Bool {
        parts.allSatisfy { place, part in
            counts[place] ?? 0 == part.end - part.start || !route.topics.contains { $0.matches(place.topic) }
        }
    }

    /// The topics with offsets without a message among those that were read, of which the log's compaction may have taken some: those
    /// that are compacted, or of which nobody tells. Control records and aborted transactions leave such offsets, too.
    func compacted(_ counts: [TopicPartition: Int64]) -> Set<String> {
        let gaps = parts.filter { place, part in counts[place] ?? 0 < part.read - part.start }
        let topics = Set(gaps.keys.map(\.topic))
        guard !topics.isEmpty else { return [] }
        let policies: [String: String]
        do throws(KafkaError) {
            policies = try Admin(properties: options.clientProperties).setting(
                "cleanup.policy", of: topics, timeout: Self.timeout)
        } catch { return topics }
        return topics.filter { policies[$0]?.contains("compact") ?? true }
    }

    func hasTopics(of route: Route) -> Bool {
        parts.keys.contains { place in route.topics.contains { $0.matches(place.topic) } }
    }
}
