import Kafka
import Loading

/// Finds topics that this user may see and not read: brokers show a topic to whoever may describe it, and a client that may
/// not read it would wait for its messages in silence.
enum ReadRights {
    private static let properties = [
        ("queued.min.messages", "1"), ("max.partition.fetch.bytes", "16384"), ("fetch.wait.max.ms", "10"),
        ("isolation.level", "read_uncommitted"),
    ]

    /// Asks for what comes behind the end of a partition of each, which is nothing, or a refusal.
    ///
    /// - Returns: the topics that are refused.
    static func missing(_ topics: some Collection<String>, _ options: LoadingOptions, timeout: Duration) -> [String] {
        guard !topics.isEmpty else { return [] }
        var missing: [String] = []
        do throws(KafkaError) {
            let reader = try PartitionReader(
                properties: options.clientProperties + properties, patience: .inAll(timeout), mayBeGone: true)
            let reading = try reader.read(
                topics.map { topic in
                    .init(partition: TopicPartition(topic: topic, partition: 0), start: -1, end: .max, limit: 1)
                })
            while !reading.open.isEmpty {
                do throws(KafkaError) {
                    while try reading.next() != nil {}
                } catch {
                    guard error.code == .topicAuthorizationFailed, let topic = error.topic else { break }
                    missing.append(topic)
                    reading.leave(TopicPartition(topic: topic, partition: 0))
                }
            }
        } catch {
            // Whatever else is wrong is met by others.
        }
        return missing.sorted()
    }
}
