import CRdKafka
import Kafka

/// Writes messages in Kafka transactions, which the loader's own producer does not.
public final class TransactionalProducer {
    private let client: OpaquePointer
    private let timeout: Int32 = 30_000

    /// - Parameter id: the `transactional.id`.
    public init(_ broker: Broker, id: String) throws {
        let configuration = rd_kafka_conf_new()
        for (name, value) in broker.properties([("transactional.id", id)]).list {
            rd_kafka_conf_set(configuration, name, value, nil, 0)
        }
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(code: .invalidArgument, operation: "start of a transactional producer")
        }
        self.client = client
        try check(rd_kafka_init_transactions(client, timeout), "init transactions")
    }

    deinit { rd_kafka_destroy(client) }

    public func begin() throws { try check(rd_kafka_begin_transaction(client), "begin transaction") }

    public func commit() throws { try check(rd_kafka_commit_transaction(client, timeout), "commit transaction") }

    public func abort() throws { try check(rd_kafka_abort_transaction(client, timeout), "abort transaction") }

    /// Writes values into a partition, and waits until the broker has them.
    public func produce(_ values: [String], to place: TopicPartition) throws {
        let topic = rd_kafka_topic_new(client, place.topic, nil)
        defer { rd_kafka_topic_destroy(topic) }
        for value in values {
            var value = value
            let result = value.withUTF8 { bytes in
                rd_kafka_produce(
                    topic, place.partition, RD_KAFKA_MSG_F_COPY, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
                    bytes.count, nil, 0, nil)
            }
            guard result == 0 else { throw KafkaError(code: .queueFull, operation: "produce", topic: place.topic) }
        }
        guard rd_kafka_flush(client, timeout) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(code: .timedOut, operation: "produce", topic: place.topic)
        }
    }

    private func check(_ error: OpaquePointer?, _ operation: String) throws {
        guard let error else { return }
        defer { rd_kafka_error_destroy(error) }
        throw KafkaError(
            code: KafkaErrorCode(rawValue: rd_kafka_error_code(error).rawValue), operation: operation,
            reason: String(cString: rd_kafka_error_string(error)))
    }
}
