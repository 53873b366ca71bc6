import Kafka
import Loading

/// Finds out whether this user may write dead letters to their topic, before the first one has to go there.
enum WriteRight {
    /// - Returns: what is missing. Of what brokers or librdkafka do not tell nothing is concluded.
    static func problems(_ options: LoadingOptions, _ admin: Admin, timeout: Duration) -> [SetupProblem] {
        guard let topic = options.deadLetters.topic else { return [] }
        // Whatever else is wrong is met by others.
        let isAllowed = (try? admin.mayWrite(to: topic, timeout: timeout)) ?? nil
        guard isAllowed == false || (isAllowed == nil && mayWriteNothing(options, timeout)) else { return [] }
        return [
            SetupProblem(
                .topic, at: "dead_letters.topic", "the brokers do not let this user write to the topic \(topic)",
                mend: BrokerRefusal.topicRight.mend(topic: topic) + ", or set dead_letters.topic to null")
        ]
    }

    /// Where nobody tells a topic's rights, the brokers still tell whom they let write nothing at all.
    private static func mayWriteNothing(_ options: LoadingOptions, _ timeout: Duration) -> Bool {
        let refusal = try? WriteProbe.refusal(properties: options.letterProperties, timeout: timeout)
        return refusal?.code == .clusterAuthorizationFailed
    }
}
