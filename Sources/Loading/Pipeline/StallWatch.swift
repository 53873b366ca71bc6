import Kafka

/// Which partitions stand still although their leaders have more of them.
///
/// librdkafka can go on asking a broker that no longer leads a partition, for hours and without telling anybody, when its
/// leader has moved away and back within moments (its issue 3399, open since 2021; seen with 2.0.2). That looks like the
/// end of the partition. So does, by itself, a transaction that was aborted or a gap that compaction has left; that is why
/// this names suspects only, and `StallProof` decides.
struct StallWatch {
    struct Suspect: Sendable, Hashable {
        var partition: TopicPartition
        /// The offset that does not come.
        var next: Int64
        var end: Int64
    }

    private struct Standing {
        var next: Int64
        var since: ContinuousClock.Instant
        var patience: Duration
    }

    static let patience = Duration.seconds(30)
    static let mostPatience = Duration.seconds(600)
    private static let interval = Duration.seconds(5)

    private var standing: [TopicPartition: Standing] = [:]
    private var nextLook: ContinuousClock.Instant?

    /// Looks at all partitions, every few seconds at most.
    ///
    /// - Parameter canTake: whether messages of a lane would be taken if they came: one that waits for the database
    ///   stands still as well.
    mutating func suspects(
        in partitions: Assignment, at now: ContinuousClock.Instant, canTake: (Int) -> Bool
    ) -> [Suspect] {
        if let nextLook, now < nextLook { return [] }
        nextLook = now + Self.interval
        var seen: [TopicPartition: Standing] = [:]
        var suspects: [Suspect] = []
        for partition in partitions where partition.next < partition.end && !partition.isFinished {
            let known = standing[partition.partition]
            var still = Standing(next: partition.next, since: now, patience: Self.patience)
            if let known, known.next == partition.next { still.patience = known.patience }
            if let known, known.next == partition.next, canTake(partition.lane) { still.since = known.since }
            if now - still.since >= still.patience {
                suspects.append(
                    Suspect(partition: partition.partition, next: partition.next, end: partition.end))
            }
            seen[partition.partition] = still
        }
        standing = seen
        return suspects
    }

    /// There was nothing to take: these are looked at again after twice the time.
    mutating func clear(_ suspects: some Sequence<Suspect>, at now: ContinuousClock.Instant) {
        for suspect in suspects {
            guard var still = standing[suspect.partition], still.next == suspect.next else { continue }
            still.since = now
            still.patience = min(still.patience * 2, Self.mostPatience)
            standing[suspect.partition] = still
        }
    }
}
