import CRdKafka

/// Reads stretches of partitions without a consumer group: nothing is joined, committed or asked of a coordinator, so
/// whoever only looks disturbs nobody.
///
/// By librdkafka's simple consumer, because its `rd_kafka_assign` wants a group.
public final class GrouplessReader {
    /// The messages of a partition from an offset on.
    public struct Stretch: Sendable, Hashable {
        public var partition: TopicPartition
        public var start: Int64
        /// The offset before which it ends.
        public var end: Int64
        /// The most messages that are taken of it.
        public var limit: Int

        public init(partition: TopicPartition, start: Int64, end: Int64, limit: Int) {
            self.partition = partition
            self.start = start
            self.end = end
            self.limit = limit
        }
    }

    private let owner: KafkaClient
    private var client: OpaquePointer { owner.handle }

    /// - Parameter properties: librdkafka's, in order. Those of a group are left out.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(properties: [(String, String)]) throws(KafkaError) {
        let own = [
            ("enable.auto.commit", "false"), ("enable.partition.eof", "true"), ("auto.offset.reset", "error"),
            // The end of a partition that holds no more is told by an empty fetch, which should not be waited for.
            ("fetch.wait.max.ms", "50"),
        ]
        owner = try KafkaClient(RD_KAFKA_CONSUMER, properties.withoutGroup + own)
    }

    /// Hands over the messages of all stretches, each partition's in order, the partitions mixed.
    ///
    /// Ends at the stretches' ends, at their limits, or where a partition has no more to give.
    ///
    /// - Parameters:
    ///   - stretches: at most one of a partition.
    ///   - take: answers false when it has enough of everything.
    /// - Throws: a partition's error, or a timeout.
    public func read(
        _ stretches: [Stretch], timeout: Duration, _ take: (borrowing Message) -> Bool
    ) throws(KafkaError) {
        let stretches = stretches.filter { $0.start < $0.end && $0.limit > 0 }
        guard !stretches.isEmpty else { return }
        guard let queue = rd_kafka_queue_new(client) else {
            throw KafkaError(code: .systemResource, operation: "reading messages")
        }
        var topics: [String: OpaquePointer] = [:]
        var open: [TopicPartition: Stretch] = [:]
        defer {
            for place in open.keys {
                if let topic = topics[place.topic] { rd_kafka_consume_stop(topic, place.partition) }
            }
            for topic in topics.values { rd_kafka_topic_destroy(topic) }
            rd_kafka_queue_destroy(queue)
        }
        for stretch in stretches {
            let place = stretch.partition
            let topic: OpaquePointer
            if let known = topics[place.topic] {
                topic = known
            } else if let made = rd_kafka_topic_new(client, place.topic, nil) {
                topics[place.topic] = made
                topic = made
            } else {
                throw KafkaError(code: .invalidArgument, operation: "reading messages", topic: place.topic)
            }
            guard rd_kafka_consume_start_queue(topic, place.partition, stretch.start, queue) == 0 else {
                throw KafkaError(
                    code: KafkaErrorCode(rd_kafka_last_error()), operation: "reading messages", topic: place.topic,
                    partition: place.partition, offset: stretch.start)
            }
            open[place] = stretch
        }
        let deadline = ContinuousClock.now + timeout
        while !open.isEmpty {
            guard ContinuousClock.now < deadline else {
                let place = open.keys.sorted()[0]
                throw KafkaError(
                    code: .timedOut, operation: "reading messages", topic: place.topic, partition: place.partition)
            }
            guard let taken = rd_kafka_consume_queue(queue, 100) else { continue }
            let message = Message(taken)
            let place = TopicPartition(topic: message.topic, partition: message.partition)
            guard var stretch = open[place] else { continue }
            var isDone = false
            if let code = message.errorCode {
                // What retention has deleted in the meantime is the end, too.
                isDone = [.endOfPartition, .autoOffsetReset, .offsetOutOfRange].contains(code)
                if !isDone, !code.isRetriable {
                    throw KafkaError(
                        code: code, operation: "reading messages", reason: message.errorReason, topic: place.topic,
                        partition: place.partition, offset: message.offset)
                }
            } else if message.offset >= stretch.end {
                isDone = true
            } else if message.offset >= stretch.start {
                stretch.limit -= 1
                stretch.start = message.offset + 1
                isDone = stretch.limit == 0 || stretch.start >= stretch.end
                open[place] = stretch
                guard take(message) else { return }
            }
            if isDone {
                open[place] = nil
                if let topic = topics[place.topic] { rd_kafka_consume_stop(topic, place.partition) }
            }
        }
    }
}
