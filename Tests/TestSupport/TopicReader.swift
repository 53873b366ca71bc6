import CRdKafka
import Kafka

/// Reads what is in a partition, without a consumer group. It shares no code with the loader's own consumer, so that a
/// fault there cannot hide from the tests.
final class TopicReader {
    private let client: OpaquePointer

    init(_ properties: ClientProperties) throws {
        let configuration = rd_kafka_conf_new()
        let own = [
            ("group.id", "reader-without-group"), ("enable.partition.eof", "true"), ("enable.auto.commit", "false"),
        ]
        for (name, value) in (properties + own).list { rd_kafka_conf_set(configuration, name, value, nil, 0) }
        guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(code: .invalidArgument, operation: "read topic")
        }
        self.client = client
        rd_kafka_poll_set_consumer(client)
    }

    deinit {
        rd_kafka_consumer_close(client)
        rd_kafka_destroy(client)
    }

    func readAll(_ place: TopicPartition) throws -> [TestMessage] {
        var messages: [TestMessage] = []
        try forEach(place) { messages.append(TestMessage($0)) }
        return messages
    }

    /// Every message of a partition in turn, as librdkafka has it, good only inside of `body`.
    func forEach(_ place: TopicPartition, _ body: (UnsafeMutablePointer<rd_kafka_message_t>) -> Void) throws {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        // -2 is the beginning of the partition.
        rd_kafka_topic_partition_list_add(list, place.topic, place.partition).pointee.offset = -2
        rd_kafka_assign(client, list)
        defer { rd_kafka_assign(client, nil) }
        let deadline = ContinuousClock.now.advanced(by: .seconds(60))
        while ContinuousClock.now < deadline {
            guard let message = rd_kafka_consumer_poll(client, 100) else { continue }
            defer { rd_kafka_message_destroy(message) }
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR: body(message)
            case RD_KAFKA_RESP_ERR__PARTITION_EOF where message.pointee.partition == place.partition: return
            default: continue  // What passes is tried again by librdkafka; what does not, ends at the deadline.
            }
        }
        throw KafkaError(code: .timedOut, operation: "read", topic: place.topic, partition: place.partition)
    }
}

extension TestMessage {
    fileprivate init(_ message: UnsafeMutablePointer<rd_kafka_message_t>) {
        func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
            start.map { Array(UnsafeRawBufferPointer(start: $0, count: count)) }
        }
        let content = message.pointee
        self.init(
            partition: content.partition, offset: content.offset, key: bytes(content.key, content.key_len),
            bytes: bytes(content.payload, content.len), timestamp: rd_kafka_message_timestamp(message, nil))
        var list: OpaquePointer?
        guard rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while rd_kafka_header_get_all(list, headers.count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            headers.append(Header(name: name.map { String(cString: $0) } ?? "", value: bytes(value, size)))
        }
    }
}
