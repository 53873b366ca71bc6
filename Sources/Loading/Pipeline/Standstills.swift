import Kafka

/// What is not loaded for a reason of its own, since when it was last said, and when a partition is tried again.
struct Standstills {
    private struct Cause {
        var standstill: Standstill
        /// When the log was last told.
        var told: ContinuousClock.Instant
    }

    private var partitions: [TopicPartition: Cause] = [:]
    private var topics: [String: Cause] = [:]
    private var group: Cause?
    private var commits: Cause?
    /// Of the partitions, those that are fetched again.
    private var retried: Set<TopicPartition> = []
    private var patience = Self.leastPatience
    /// When the partitions that stand still are fetched again; nil: none is to be.
    private(set) var due: ContinuousClock.Instant?

    private static let leastPatience = Duration.seconds(1)
    private static let mostPatience = Duration.seconds(60)

    /// What is still there after so long is said again.
    private static let reminder = Duration.seconds(600)

    /// All of them, partitions first.
    var all: [Standstill] {
        partitions.sorted { $0.key < $1.key }.map(\.value.standstill)
            + topics.sorted { $0.key < $1.key }.map(\.value.standstill)
            + [group, commits].compactMap { $0?.standstill }
    }

    var isEmpty: Bool { partitions.isEmpty && topics.isEmpty && group == nil && commits == nil }

    /// The topics that stand still as a whole.
    var missingTopics: Set<String> { Set(topics.keys) }

    // MARK: Partitions

    /// A partition cannot be read on.
    ///
    /// - Parameter isFetchedAgain: whether it is to be tried from time to time.
    /// - Returns: whether the log is to be told.
    mutating func hold(
        _ partition: TopicPartition, _ standstill: Standstill, isFetchedAgain: Bool = true,
        at now: ContinuousClock.Instant
    ) -> Bool {
        if isFetchedAgain {
            retried.insert(partition)
            if due == nil { due = now + patience }
        }
        return Self.put(standstill, into: &partitions[partition], now)
    }

    /// The partitions to fetch again, if it is time.
    mutating func takeDue(at now: ContinuousClock.Instant) -> [TopicPartition] {
        guard let due, due <= now else { return [] }
        self.due = nil
        patience = min(patience * 2, Self.mostPatience)
        defer { retried.removeAll() }
        return retried.sorted()
    }

    /// A partition is read on.
    mutating func release(_ partition: TopicPartition) {
        partitions[partition] = nil
        retried.remove(partition)
        if partitions.isEmpty { (due, patience) = (nil, Self.leastPatience) }
    }

    /// Partitions that are another member's now.
    mutating func forget(_ gone: some Sequence<TopicPartition>) {
        for partition in gone { release(partition) }
    }

    // MARK: Topics

    mutating func miss(
        _ topic: String, _ standstill: Standstill, at now: ContinuousClock.Instant
    ) -> Bool { Self.put(standstill, into: &topics[topic], now) }

    /// - Returns: those of the topics that stood still.
    mutating func release(topics found: some Sequence<String>) -> [String] {
        Set(found).filter { topics.removeValue(forKey: $0) != nil }.sorted()
    }

    // MARK: The group

    mutating func refuse(_ standstill: Standstill, at now: ContinuousClock.Instant) -> Bool {
        Self.put(standstill, into: &group, now)
    }

    mutating func refuseCommits(_ standstill: Standstill, at now: ContinuousClock.Instant) -> Bool {
        Self.put(standstill, into: &commits, now)
    }

    /// The group does not take this member in.
    var isRefused: Bool { group != nil }

    /// The group has taken this member in.
    ///
    /// - Returns: whether it had not.
    mutating func joined() -> Bool {
        defer { group = nil }
        return group != nil
    }

    /// - Returns: whether the group had refused what was committed.
    mutating func committed() -> Bool {
        defer { commits = nil }
        return commits != nil
    }

    /// - Returns: whether it is news, or old enough to be said again.
    private static func put(
        _ standstill: Standstill, into place: inout Cause?, _ now: ContinuousClock.Instant
    ) -> Bool {
        let isNews =
            place.map { $0.standstill.code != standstill.code || now - $0.told >= reminder } ?? true
        place = Cause(standstill: standstill, told: isNews ? now : place?.told ?? now)
        return isNews
    }
}
