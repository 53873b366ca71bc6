import CRdKafka

/// What Kafka or librdkafka refused, while doing what, and where.
///
/// Its text names no key, value or secret, so it can go to a log.
public struct KafkaError: Error, Sendable, Hashable {
    public let code: KafkaErrorCode
    /// librdkafka's own explanation.
    public let reason: String
    /// What was being done, e.g. `commit` or `create topic`.
    public let operation: String
    /// The client instance cannot go on (a fenced static member, a lost idempotent sequence): it must be closed.
    public let isFatal: Bool
    /// The same call may succeed later without anybody doing anything.
    public let isRetriable: Bool
    public let topic: String?
    public let partition: Int32?
    public let offset: Int64?
    /// OpenSSL's number for what is wrong with the certificate that a broker has shown.
    let verification: Int32?
    /// What the words leave in doubt was asked for, and is so.
    var isProven = false

    /// - Parameters:
    ///   - reason: without one, librdkafka's text for the code.
    ///   - isRetriable: without one, what the code alone says.
    public init(
        code: KafkaErrorCode, operation: String, reason: String? = nil, isFatal: Bool = false, isRetriable: Bool? = nil,
        topic: String? = nil, partition: Int32? = nil, offset: Int64? = nil, verification: Int32? = nil
    ) {
        self.code = code
        self.operation = operation
        self.reason = reason.flatMap { $0.isEmpty ? nil : $0 } ?? code.explanation
        self.isFatal = isFatal || code == .fatal
        self.isRetriable = isRetriable ?? (!self.isFatal && code.isRetriable)
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.verification = verification
    }
}

extension KafkaError {
    /// The error of a C call that answers with a bare code; nil for success.
    init?(_ code: rd_kafka_resp_err_t, operation: String, reason: String? = nil, at place: TopicPartition? = nil) {
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        self.init(
            code: KafkaErrorCode(code), operation: operation, reason: reason, topic: place?.topic,
            partition: place?.partition)
    }

    /// The error of a C call that answers with an error object, which is freed here; nil for success.
    init?(taking error: OpaquePointer?, operation: String, topic: String? = nil, partition: Int32? = nil) {
        guard let error else { return nil }
        defer { rd_kafka_error_destroy(error) }
        self.init(
            code: KafkaErrorCode(rd_kafka_error_code(error)), operation: operation,
            reason: String(cString: rd_kafka_error_string(error)), isFatal: rd_kafka_error_is_fatal(error) != 0,
            isRetriable: rd_kafka_error_is_retriable(error) != 0 ? true : nil, topic: topic, partition: partition)
    }
}

extension KafkaError: CustomStringConvertible {
    /// `commit of orders[3]@17 failed: Broker: Not coordinator (NOT_COORDINATOR)`. What to do about it is said by whoever
    /// knows where the reader stands.
    public var description: String {
        var text = operation
        if let topic {
            text += " of \(topic)"
            if let partition { text += "[\(partition)]" }
            if let offset { text += "@\(offset)" }
        }
        return text + " failed: \(reason) (\(code.name))"
    }
}
