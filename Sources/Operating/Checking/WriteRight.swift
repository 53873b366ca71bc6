import Kafka
import Loading

/// Finds out whether this user may write dead letters to their topic, before the first one has to go there.
enum WriteRight {
    /// - Returns: what is missing. Of what brokers or librdkafka do not tell nothing is concluded.
    static func problems(_ options: LoadingOptions, _ admin: Admin, timeout: Duration) -> [SetupProblem] {
        guard let topic = options.deadLetters.topic else { return [] }
        // Whatever else is wrong is met by others.
        let isAllowed = (try? admin.mayWrite(to: topic, timeout: timeout)) ?? nil
        let mayWriteNothing = isAllowed == nil && mayWriteNothing(options, timeout)
        guard isAllowed == false || mayWriteNothing else { return [] }
        return [
            SetupProblem(
                .topic, at: "dead_letters.topic", "the brokers do not let this user write to the topic \(topic)",
                mend: .said(mend(topic, options, isOfCluster: mayWriteNothing)))
        ]
    }

    /// - Parameter isOfCluster: older brokers refuse so whoever lacks a right on the cluster.
    private static func mend(_ topic: String, _ options: LoadingOptions, isOfCluster: Bool) -> String {
        let access = AccessLine(options)
        var mend = "give this user WRITE on \(topic): " + access.words(["Write"], on: .topic(topic))
        if isOfCluster, let line = access.text(["IdempotentWrite"], on: .cluster) {
            mend += "; brokers older than 2.8 want IDEMPOTENT_WRITE on the cluster as well: \(line)"
        }
        return mend + "; or set dead_letters.topic to null"
    }

    /// Where nobody tells a topic's rights, the brokers still tell whom they let write nothing at all.
    private static func mayWriteNothing(_ options: LoadingOptions, _ timeout: Duration) -> Bool {
        let refusal = try? WriteProbe.refusal(properties: options.letterProperties, timeout: timeout)
        return refusal?.code == .clusterAuthorizationFailed
    }
}
