/// Joins a group for a moment, to hear what its coordinator has against a member of these properties.
public enum GroupProbe {
    private final class Ear: Consumer.Delegate {
        var isIn = false

        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) { isIn = true }
        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {}
        func consumer(_ consumer: Consumer, reports error: KafkaError) {}
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) {}
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {}
    }

    /// Joins and leaves. Nothing is fetched or committed; a group without members and offsets is gone at once.
    ///
    /// - Parameters:
    ///   - group: a group of nobody else's: its members would have to hand over their partitions.
    ///   - topics: what it subscribes to.
    ///   - properties: the member's; its `group.instance.id` is left out.
    /// - Returns: what the group refuses; nil if it has taken the member in, or has said nothing in time.
    /// - Throws: for properties that librdkafka refuses.
    public static func refusal(
        byGroup group: String, topics: [String], properties: ClientProperties, timeout: Duration
    ) throws(KafkaError) -> KafkaError? {
        var own = properties + [("group.id", group)]
        own.list.removeAll { $0.name == "group.instance.id" }
        let consumer = try Consumer(properties: own, queues: 1, wakeup: Wakeup())
        let ear = Ear()
        consumer.delegate = ear
        let deadline = ContinuousClock.now + timeout
        defer { consumer.close(until: .now + .seconds(5)) }
        try consumer.subscribe(to: topics)
        while !ear.isIn, ContinuousClock.now < deadline {
            while let message = consumer.serve() {
                guard let code = message.errorCode, message.topic.isEmpty else { continue }
                if code.isRetriable || code.isOfRebalance { continue }
                return consumer.fatalError
                    ?? KafkaError(code: code, operation: "joining a group", reason: message.errorReason)
            }
            consumer.wakeup.wait(for: min(.milliseconds(200), max(.zero, deadline - .now)))
        }
        return nil
    }
}
