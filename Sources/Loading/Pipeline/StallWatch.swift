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

    private struct Progress {
        var next: Int64
        /// When it last moved, or could not have.
        var since: ContinuousClock.Instant
        /// When it moved the time before.
        var before: ContinuousClock.Instant
        var patience: Duration
    }

    static let patience = Duration.seconds(30)
    static let mostPatience = Duration.seconds(600)
    private static let interval = Duration.seconds(5)

    private var progress: [TopicPartition: Progress] = [:]
    private var nextLook: ContinuousClock.Instant?

    /// Looks at all partitions, every few seconds at most.
    ///
    /// A partition that waits for its turn on a slow network stands still, too. So the others that have more must have moved
    /// twice meanwhile, or stand still as long.
    ///
    /// - Parameter canTake: whether messages of a lane would be taken if they came: one that waits for the database
    ///   stands still as well.
    mutating func suspects(
        in partitions: Assignment, at now: ContinuousClock.Instant, canTake: (Int) -> Bool
    ) -> [Suspect] {
        if let nextLook, now < nextLook { return [] }
        nextLook = now + Self.interval
        var seen: [TopicPartition: Progress] = [:]
        var lagging: [(suspect: Suspect, progress: Progress)] = []
        for partition in partitions {
            var progress =
                progress[partition.partition]
                ?? Progress(next: partition.next, since: now, before: now, patience: Self.patience)
            if progress.next != partition.next {
                progress = Progress(
                    next: partition.next, since: now, before: progress.since, patience: Self.patience)
            }
            let hasMore = partition.next < partition.end && !partition.isFinished && partition.hold == .none
            if !hasMore || !canTake(partition.lane) { progress.since = now }
            if hasMore {
                let suspect = Suspect(partition: partition.partition, next: partition.next, end: partition.end)
                lagging.append((suspect, progress))
            }
            seen[partition.partition] = progress
        }
        progress = seen
        func isStill(_ progress: Progress) -> Bool { now - progress.since >= progress.patience }
        return lagging.filter { one in
            isStill(one.progress)
                && lagging.allSatisfy { $0.progress.before > one.progress.since || isStill($0.progress) }
        }.map(\.suspect)
    }

    /// There was nothing to take: these are looked at again after twice the time.
    mutating func clear(_ suspects: some Sequence<Suspect>, at now: ContinuousClock.Instant) {
        for suspect in suspects {
            guard var known = progress[suspect.partition], known.next == suspect.next else { continue }
            known.since = now
            known.patience = min(known.patience * 2, Self.mostPatience)
            progress[suspect.partition] = known
        }
    }
}
