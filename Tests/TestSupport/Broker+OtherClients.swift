import CRdKafka
import Kafka

extension Broker {
    /// Commits an offset as an ordinary consumer does: without metadata.
    ///
    /// - Parameter joins: as a member of the group, as soon as it is given the partition. Brokers take it from nobody else
    ///   while a group has members.
    public func commitAsPlainConsumer(
        _ offset: Int64, of place: TopicPartition, group: String, joins: Bool = false
    ) throws {
        let configuration = rd_kafka_conf_new()
        for (name, value) in properties([
            ("group.id", group), ("enable.auto.commit", "false"), ("session.timeout.ms", "6000"),
        ]).list {
            rd_kafka_conf_set(configuration, name, value, nil, 0)
        }
        guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(code: .invalidArgument, operation: "start of a plain consumer")
        }
        defer {
            rd_kafka_consumer_close(client)
            rd_kafka_destroy(client)
        }
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, place.topic, place.partition).pointee.offset = offset
        if joins {
            rd_kafka_subscribe(client, list)
            try Self.awaitAssignment(of: place, to: client)
        }
        let code = rd_kafka_commit(client, list, 0)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(code: KafkaErrorCode(rawValue: code.rawValue), operation: "commit", topic: place.topic)
        }
    }

    private static func awaitAssignment(of place: TopicPartition, to client: OpaquePointer) throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            if let message = rd_kafka_consumer_poll(client, 100) { rd_kafka_message_destroy(message) }
            var assigned: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
            guard rd_kafka_assignment(client, &assigned) == RD_KAFKA_RESP_ERR_NO_ERROR, let assigned else { continue }
            defer { rd_kafka_topic_partition_list_destroy(assigned) }
            if rd_kafka_topic_partition_list_find(assigned, place.topic, place.partition) != nil { return }
        }
        throw KafkaError(code: .timedOut, operation: "join", topic: place.topic)
    }

    /// Gives a topic more partitions.
    public func addPartitions(to topic: String, upTo count: Int) throws {
        let configuration = rd_kafka_conf_new()
        for (name, value) in properties().list { rd_kafka_conf_set(configuration, name, value, nil, 0) }
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(code: .invalidArgument, operation: "add partitions")
        }
        defer { rd_kafka_destroy(client) }
        let queue = rd_kafka_queue_new(client)
        defer { rd_kafka_queue_destroy(queue) }
        var wanted = rd_kafka_NewPartitions_new(topic, count, nil, 0)
        defer { rd_kafka_NewPartitions_destroy(wanted) }
        rd_kafka_CreatePartitions(client, &wanted, 1, nil, queue)
        guard let event = rd_kafka_queue_poll(queue, 30_000) else {
            throw KafkaError(code: .timedOut, operation: "add partitions", topic: topic)
        }
        defer { rd_kafka_event_destroy(event) }
        var results = 0
        let result = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &results)
        var code = rd_kafka_event_error(event)
        if code == RD_KAFKA_RESP_ERR_NO_ERROR, results > 0 { code = rd_kafka_topic_result_error(result?[0]) }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(code: KafkaErrorCode(rawValue: code.rawValue), operation: "add partitions", topic: topic)
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while try partitionCount(of: topic) != count {
            guard ContinuousClock.now < deadline else {
                throw KafkaError(code: .timedOut, operation: "add partitions", topic: topic)
            }
        }
    }
}
