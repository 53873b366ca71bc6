import Loading

extension ServiceStatus {
    /// Beyond librdkafka's default `max.poll.interval.ms` the group has thrown the loader out anyway, and nothing that
    /// it waits for inside of one turn of its loop takes so long.
    static let longestTurn = Duration.seconds(300)

    init(_ snapshot: LoadingStatistics.Snapshot, at now: ContinuousClock.Instant = .now) {
        // Before the first turn it is starting, which is life enough.
        isLive = snapshot.lastTurn.map { now - $0 < Self.longestTurn } ?? true
        if snapshot.outages.contains(.database) { obstacles.append("the database is away") }
        if snapshot.outages.contains(.brokers) { obstacles.append("the brokers are away") }
        if snapshot.outages.contains(.deadLetterTopic) { obstacles.append("the dead letters' topic takes nothing") }
        if !snapshot.isAssigned { obstacles.append("the group has not assigned partitions yet") }
        counters = Counters(
            messages: snapshot.messages, rows: snapshot.rows, batches: snapshot.batches,
            deadLetters: snapshot.deadLetters, rebalances: snapshot.rebalances, retries: snapshot.retries,
            ledgerFences: snapshot.fences, positionResets: snapshot.positionResets)
        lags = snapshot.partitions.map { partition, state in
            PartitionLag(topic: partition.topic, partition: partition.partition, lag: state.lag)
        }
    }
}
