import CRdKafka
import Synchronization

/// Writes messages to topics, and knows which of them the brokers have acknowledged.
///
/// By default a message counts as acknowledged when all in-sync replicas have it, and the producer is idempotent: its
/// retries neither duplicate nor reorder.
///
/// Any thread may call any method. `flush` waits for the messages of all threads, so whoever needs the outcome of its
/// own messages uses a producer of its own.
public final class Producer: Sendable {
    private let owner: KafkaClient
    private var client: OpaquePointer { owner.handle }
    private let reports: DeliveryReports

    /// - Parameter properties: librdkafka's, in order; those given overrule `acks=all` and `enable.idempotence=true`.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(properties: [(String, String)]) throws(KafkaError) {
        let reports = DeliveryReports()
        owner = try KafkaClient(
            RD_KAFKA_PRODUCER, [("acks", "all"), ("enable.idempotence", "true")] + properties, callbacks: reports
        ) { configuration in
            rd_kafka_conf_set_dr_msg_cb(configuration) { _, message, opaque in
                guard let message, let opaque else { return }
                Unmanaged<DeliveryReports>.fromOpaque(opaque).takeUnretainedValue().add(message.pointee)
            }
        }
        self.reports = reports
    }

    /// Drops what is not acknowledged yet: call `flush` before.
    deinit { rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT) }

    /// How many messages the brokers have acknowledged so far.
    public var acknowledgedCount: Int { reports.acknowledgedCount }

    /// How many messages wait to be sent or acknowledged.
    public var outstandingCount: Int { Int(rd_kafka_outq_len(client)) }

    /// Queues a message, of which everything is copied. Waits while the queue is full.
    ///
    /// - Parameters:
    ///   - partition: nil lets the key choose (CRC32, or at random without a key).
    ///   - value: nil for a tombstone.
    ///   - timestamp: milliseconds since 1970; nil for now.
    /// - Throws: when librdkafka refuses the message: it is too large, or the client has met a fatal error.
    public func produce(
        topic: String, partition: Int32? = nil, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?,
        headers: [Header] = [], timestamp: Int64? = nil
    ) throws(KafkaError) {
        while let error = enqueue(topic, partition, key, value, headers, timestamp) {
            guard error.code == .queueFull else { throw error }
            // Serves the delivery reports that make room. It ends: librdkafka fails a message after message.timeout.ms.
            rd_kafka_poll(client, 100)
        }
        rd_kafka_poll(client, 0)
    }

    /// Queues a message. See the method with the same parameters as raw memory.
    public func produce(
        topic: String, partition: Int32? = nil, key: [UInt8]?, value: [UInt8]?, headers: [Header] = [],
        timestamp: Int64? = nil
    ) throws(KafkaError) {
        // Written out because a rethrowing closure of the standard library would lose the error's type.
        let result: Result<Void, KafkaError> = (key ?? []).withUnsafeBytes { keyBytes in
            (value ?? []).withUnsafeBytes { valueBytes in
                Result { () throws(KafkaError) in
                    try produce(
                        topic: topic, partition: partition, key: key == nil ? nil : keyBytes,
                        value: value == nil ? nil : valueBytes, headers: headers, timestamp: timestamp)
                }
            }
        }
        try result.get()
    }

    /// Waits until all queued messages are acknowledged.
    ///
    /// - Throws: when one of the messages since the last flush was not; the error is the first one's. After the timeout
    ///   those still unacknowledged are given up: they may or may not arrive.
    public func flush(timeout: Duration) throws(KafkaError) {
        let isTimeout = rd_kafka_flush(client, timeout.milliseconds) == RD_KAFKA_RESP_ERR__TIMED_OUT
        let failure = reports.takeFailures()
        let outstanding = outstandingCount
        if isTimeout {
            rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
            rd_kafka_flush(client, timeout.milliseconds)
            _ = reports.takeFailures()  // of the purge
        }
        if let failure { throw failure.error }
        if isTimeout {
            throw KafkaError(
                code: .timedOut, operation: "flush",
                reason: "\(outstanding) messages were not acknowledged within \(timeout)")
        }
    }

    private func enqueue(
        _ topic: String, _ partition: Int32?, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?,
        _ headers: [Header], _ timestamp: Int64?
    ) -> KafkaError? {
        topic.withCString { topicName in
            withUnsafeTemporaryAllocation(of: rd_kafka_vu_t.self, capacity: 7) { arguments in
                var count = 0
                func append(_ type: rd_kafka_vtype_t, _ set: (inout rd_kafka_vu_t) -> Void) {
                    var argument = rd_kafka_vu_t()
                    argument.vtype = type
                    set(&argument)
                    arguments.initializeElement(at: count, to: argument)
                    count += 1
                }
                append(RD_KAFKA_VTYPE_TOPIC) { $0.u.cstr = topicName }
                append(RD_KAFKA_VTYPE_MSGFLAGS) { $0.u.i = RD_KAFKA_MSG_F_COPY }
                if let partition { append(RD_KAFKA_VTYPE_PARTITION) { $0.u.i32 = partition } }
                if let timestamp { append(RD_KAFKA_VTYPE_TIMESTAMP) { $0.u.i64 = timestamp } }
                func append(_ type: rd_kafka_vtype_t, _ bytes: UnsafeRawBufferPointer?) {
                    guard let bytes else { return }
                    append(type) {
                        // A missing address would mean a missing key or value: zero bytes get one that is never read.
                        $0.u.mem.ptr = UnsafeMutableRawPointer(
                            mutating: bytes.baseAddress ?? UnsafeRawPointer(topicName))
                        $0.u.mem.size = bytes.count
                    }
                }
                append(RD_KAFKA_VTYPE_KEY, key)
                append(RD_KAFKA_VTYPE_VALUE, value)
                // Freed by librdkafka with the message, or by us if it does not take the message.
                let list = headers.isEmpty ? nil : Self.makeHeaders(headers)
                if let list { append(RD_KAFKA_VTYPE_HEADERS) { $0.u.headers = list } }
                guard let refusal = rd_kafka_produceva(client, arguments.baseAddress, count) else { return nil }
                if let list { rd_kafka_headers_destroy(list) }
                return owner.fatalError(operation: "produce")
                    ?? KafkaError(taking: refusal, operation: "produce", topic: topic, partition: partition)
            }
        }
    }

    private static func makeHeaders(_ headers: [Header]) -> OpaquePointer? {
        guard let list = rd_kafka_headers_new(headers.count) else { return nil }
        for header in headers {
            guard let value = header.value else {
                rd_kafka_header_add(list, header.name, -1, nil, 0)
                continue
            }
            value.withUnsafeBytes { bytes in
                // As above: an address that is never read.
                _ = rd_kafka_header_add(
                    list, header.name, -1, bytes.baseAddress ?? UnsafeRawPointer(list), bytes.count)
            }
        }
        return list
    }
}

/// The outcomes of messages, counted.
private final class DeliveryReports: Sendable {
    struct Failures {
        var first: KafkaError
        var count = 1

        var error: KafkaError {
            guard count > 1 else { return first }
            return KafkaError(
                code: first.code, operation: first.operation,
                reason: "\(first.reason); \(count - 1) more messages were not acknowledged either",
                isFatal: first.isFatal, isRetriable: first.isRetriable, topic: first.topic, partition: first.partition)
        }
    }

    private struct State {
        var acknowledged = 0
        var failures: Failures?
    }

    private let state = Mutex(State())

    var acknowledgedCount: Int { state.withLock { $0.acknowledged } }

    /// What failed since the last call.
    func takeFailures() -> Failures? {
        state.withLock { state in
            defer { state.failures = nil }
            return state.failures
        }
    }

    func add(_ message: rd_kafka_message_t) {
        guard message.err != RD_KAFKA_RESP_ERR_NO_ERROR else {
            state.withLock { $0.acknowledged += 1 }
            return
        }
        state.withLock { state in
            if state.failures == nil {
                let topic = message.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
                let place = TopicPartition(topic: topic, partition: message.partition)
                state.failures = KafkaError(message.err, operation: "produce", at: place).map { Failures(first: $0) }
            } else {
                state.failures?.count += 1
            }
        }
    }
}
