import Kafka

/// Which positions the group has still to be told, and when to tell it again what it has not taken.
///
/// Nothing rests on the group's offsets but the lag that others see and where a group without a ledger begins: the ledger
/// has the positions.
struct GroupOffsets {
    /// Committed along with each offset, so that a start can tell whether the ledger is still the same.
    var metadata: String
    /// When to tell the group again; nil: it knows, or is being told, everything.
    private(set) var due: ContinuousClock.Instant?
    private var backoff = Backoff()

    init(metadata: String) { self.metadata = metadata }

    /// Notes that the group is told these partitions' positions: those that it does not know, or all.
    ///
    /// - Returns: what to commit for that.
    mutating func report(
        _ places: some Sequence<TopicPartition>, of partitions: inout Assignment, all: Bool = false
    ) -> [CommittedOffset] {
        var offsets: [CommittedOffset] = []
        for partition in places {
            guard let index = partitions.place(of: partition) else { continue }
            let loaded = partitions[index].loaded
            guard all || partitions[index].reported != loaded else { continue }
            partitions[index].reported = loaded
            offsets.append(CommittedOffset(partition: partition, offset: loaded, metadata: metadata))
        }
        return offsets
    }

    /// The same of all partitions, when it is time to tell the group again.
    mutating func reportDue(
        of partitions: inout Assignment, at now: ContinuousClock.Instant
    ) -> [CommittedOffset] {
        guard let due, due <= now else { return [] }
        self.due = nil
        return report(partitions.map(\.partition), of: &partitions)
    }

    /// The group has taken a commit.
    mutating func taken() { backoff.reset() }

    /// The group has not taken a commit: it is told again, by itself if no batch does it before.
    mutating func refused(
        _ offsets: [CommittedOffset], of partitions: inout Assignment, at now: ContinuousClock.Instant
    ) {
        for offset in offsets {
            if let index = partitions.place(of: offset.partition) { partitions[index].reported = nil }
        }
        if due == nil { due = now + backoff.next() }
    }
}
