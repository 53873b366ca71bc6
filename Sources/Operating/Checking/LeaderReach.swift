import Kafka
import Loading

/// Whether the brokers that hold the topics are where the brokers say. Those that have been asked may answer and name addresses that
/// lead nowhere from here, or to a listener of another kind; then nothing comes, and nobody else says why.
enum LeaderReach {
    static let mend =
        "have the brokers' advertised.listeners name addresses that this machine reaches, for the security.protocol that it "
        + "uses, and see that all of the brokers run"

    /// - Parameter topics: all of those, in order, for which nobody has answered.
    /// - Returns: a warning, because they may be on their way back; nil if somebody answers now.
    static func problem(_ topics: [String], _ admin: Admin, timeout: Duration) -> SetupProblem? {
        var reason = "none of them has a leader"
        do throws(KafkaError) {
            let places = topics.map { TopicPartition(topic: $0, partition: 0) }
            guard try admin.watermarks(of: places, timeout: timeout).isEmpty else { return nil }
        } catch {
            reason = error.reason
        }
        if let trouble = admin.connectionTrouble {
            // Without how long that took and how often it was.
            reason = trouble.reason.split(separator: " (after ").first.map(String.init) ?? trouble.reason
        }
        let shown = topics.prefix(3).joined(separator: ", ") + (topics.count > 3 ? ", …" : "")
        return SetupProblem(
            .kafka, at: "kafka.brokers", "the brokers answer, but not those of them that hold \(shown): \(reason)",
            mend: .said(mend), isWarning: true)
    }
}
