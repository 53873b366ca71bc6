import Kafka
import Loading

/// Whether the brokers that hold the topics are where the brokers say. Those that have been asked may answer and name addresses that
/// lead nowhere from here, or to a listener of another kind; then nothing comes, and nobody else says why.
enum LeaderReach {
    static let mend =
        "have the brokers' advertised.listeners name addresses that this machine reaches, for the security.protocol that it "
        + "uses, and see that all of the brokers run"

    /// - Parameter topics: those that are loaded, with their partition counts.
    /// - Returns: a warning, because they may be on their way back; nil if all answer.
    static func problem(_ topics: [String: Int], _ admin: Admin, timeout: Duration) -> SetupProblem? {
        var silent: [Admin.SilentLeader]
        do throws(KafkaError) {
            silent = try admin.silentLeaders(of: Set(topics.keys), timeout: timeout)
        } catch {
            // A broker has told the topics a moment ago, and now none answers: librdkafka 2.10 and newer let go of those that they
            // were given, for those that these name.
            let all = topics.flatMap { name, count in
                (0..<count).map { TopicPartition(topic: name, partition: Int32($0)) }
            }
            silent = [Admin.SilentLeader(address: "", partitions: all)]
        }
        let partitions = silent.flatMap(\.partitions)
        guard !partitions.isEmpty else { return nil }
        var reason = "none of them has a leader"
        let addresses = silent.compactMap(\.address)
        if let trouble = addresses.isEmpty ? nil : admin.connectionTrouble {
            // Without how long that took and how often it was.
            reason = trouble.reason.split(separator: " (after ").first.map(String.init) ?? trouble.reason
        } else if let address = addresses.first {
            reason = "\(address.isEmpty ? "none of them" : address) does not answer"
        }
        let isAll = partitions.count == topics.values.reduce(0, +)
        let names = isAll ? topics.keys.sorted() : partitions.sorted().map { "\($0)" }
        let shown = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
        return SetupProblem(
            .kafka, at: "kafka.brokers", "the brokers answer, but not those of them that hold \(shown): \(reason)",
            mend: .said(mend), isWarning: true)
    }
}
