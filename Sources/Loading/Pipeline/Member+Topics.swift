import Kafka

/// Whether the topics are still those that were loaded.
extension Member {
    private var canWatchTopics: Bool { pending.isEmpty && brokersAwaySince == nil }

    /// When it looks next; what somebody waits for is read at once.
    func topicWatchDue(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard !isReadingAgain, let topicWatch else { return nil }
        if topicWatch.isNarrowing { return now }
        return canWatchTopics ? topicWatch.due : nil
    }

    mutating func watchTopics(_ now: ContinuousClock.Instant) {
        guard !isReadingAgain else { return }
        let question =
            topicWatch?.narrowing(at: now) ?? (canWatchTopics ? topicWatch?.question(at: now) : nil)
        if let question { readAgain(question) }
    }

    private mutating func readAgain(_ messages: [TopicPartition: LastMessage]) {
        isReadingAgain = true
        act(.readAgain(messages))
    }

    mutating func readAgain(_ findings: [TopicPartition: TopicWatch.Finding], _ now: ContinuousClock.Instant) {
        isReadingAgain = false
        guard let (found, more) = topicWatch?.settle(findings, at: now) else { return }
        if let more { readAgain(more) }
        for partition in found {
            // Nothing more of it is taken until it has been decided where it goes on.
            guard let index = partitions.place(of: partition) else { continue }
            partitions[index].last = nil
            beginAgain(index, now)
        }
    }
}
