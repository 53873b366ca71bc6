import Kafka

/// Whether the ledger still has the positions of partitions of which nothing comes, while a loader runs.
///
/// Each batch meets the fence. A partition without messages has no batch, and a database that was restored from a backup, or is another one behind
/// the same address, would be noticed at its next message, whenever that comes. So positions that have not moved from one look to
/// the next are read, and what is found elsewhere begins again where the ledger stands.
struct LedgerWatch: Hashable {
    static let interval = Duration.seconds(60)

    private let interval: Duration
    /// Where all partitions stood at the last look.
    private(set) var known: [TopicPartition: Int64] = [:]
    /// What is being read: positions as they are believed to be.
    private(set) var asked: [TopicPartition: Int64] = [:]
    private var next: ContinuousClock.Instant

    init(interval: Duration = Self.interval, at now: ContinuousClock.Instant = .now) {
        self.interval = interval
        next = now + interval
    }

    /// When to look next; nil: while it looks.
    var due: ContinuousClock.Instant? { asked.isEmpty ? next : nil }

    /// The positions to compare with the ledger, if it is time to look and any has stood since the last look.
    mutating func question(
        _ partitions: Assignment, at now: ContinuousClock.Instant
    ) -> [TopicPartition: Int64]? {
        guard let due, due <= now else { return nil }
        next = now + interval
        var standing: [TopicPartition: Int64] = [:]
        var all: [TopicPartition: Int64] = [:]
        for partition in partitions {
            all[partition.partition] = partition.loaded
            if known[partition.partition] == partition.loaded { standing[partition.partition] = partition.loaded }
        }
        known = all
        asked = standing
        return standing.isEmpty ? nil : standing
    }

    /// Takes what the ledger says.
    ///
    /// - Parameter found: nil: it could not be asked.
    /// - Returns: the partitions that are believed to be where they were asked about, and are not.
    mutating func settle(_ found: [TopicPartition: Int64]?, _ partitions: Assignment) -> [TopicPartition] {
        defer { asked = [:] }
        guard let found else { return [] }
        return asked.filter { partition, position in
            guard let place = partitions.place(of: partition), partitions[place].loaded == position else {
                return false
            }
            return found[partition] != position
        }.keys.sorted()
    }
}
