import Kafka
import Loading

/// Finds topics that this user may see and not read: brokers show a topic to whoever may describe it, and a client that may
/// not read it would wait for its messages in silence.
enum ReadRights {
    private static let properties = [
        ("queued.min.messages", "1"), ("max.partition.fetch.bytes", "16384"), ("fetch.wait.max.ms", "10"),
        ("isolation.level", "read_uncommitted"),
    ]

    /// What the brokers that hold the topics have answered.
    struct Answers {
        /// Topics that are refused.
        var missing: [String] = []
        /// Nobody has answered in time, for any topic.
        var isSilent = false
    }

    /// Asks for what comes behind the end of a partition of each, which is nothing, or a refusal.
    static func ask(_ topics: some Collection<String>, _ options: LoadingOptions, timeout: Duration) -> Answers {
        guard !topics.isEmpty else { return Answers() }
        var answers = Answers()
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
                    answers.missing.append(topic)
                    reading.leave(TopicPartition(topic: topic, partition: 0))
                }
            }
            answers.isSilent = reading.open.count == topics.count
        } catch {
            // Whatever else is wrong is met by others.
        }
        answers.missing.sort()
        return answers
    }
}
