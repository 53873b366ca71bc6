import Kafka

/// Carries out what `TopicWatch` wants to know: one proof at a time.
final class TopicGuard {
    private(set) var watch: TopicWatch
    private let properties: [(String, String)]
    private let wakeup: Wakeup
    private var proof: TopicProof?

    init(interval: Duration, properties: [(String, String)], wakeup: Wakeup) {
        watch = TopicWatch(interval: interval)
        self.properties = properties
        self.wakeup = wakeup
    }

    /// When to look next; nil: while it looks.
    var due: ContinuousClock.Instant? { watch.due }

    var isLooking: Bool { proof != nil }

    /// Goes on looking, without waiting.
    ///
    /// - Parameter canAsk: whether a new look may begin.
    /// - Returns: partitions that were found to be another log's now.
    func turn(canAsk: Bool, at now: ContinuousClock.Instant = .now) -> [TopicPartition] {
        guard let proof else {
            if let question = watch.narrowing(at: now) ?? (canAsk ? watch.question(at: now) : nil) { prove(question) }
            return []
        }
        guard let answer = proof.answer else { return [] }
        self.proof = nil
        let (found, more) = watch.settle(answer, at: now)
        if let more { prove(more) }
        return found
    }

    private func prove(_ messages: [TopicPartition: LastMessage]) {
        proof = TopicProof(messages, properties: properties, wakeup: wakeup)
    }

    func suspect(_ topic: String) { watch.suspect(topic) }

    func begin(_ partition: TopicPartition, proven: LastMessage?, last: LastMessage?) {
        watch.begin(partition, proven: proven, last: last)
    }

    /// Takes note of what is in.
    func loaded(_ ranges: [Batch.PartitionRange]) {
        for range in ranges {
            if let last = range.last { watch.loaded(range.partition, last) }
        }
    }

    func forget(_ partitions: some Sequence<TopicPartition>) { watch.forget(partitions) }
}
