import CRdKafka
import Synchronization

/// Writes messages to topics, and tells of each whether the brokers have acknowledged it.
///
/// By default a message counts as acknowledged when all in-sync replicas have it, and the producer is idempotent: its
/// retries neither duplicate nor reorder.
///
/// Any thread may call any method. Each message belongs to a `Delivery`, so whoever waits does so for exactly its own, and
/// nobody takes another's outcome.
public final class Producer: Sendable {
    private let client: KafkaClient
    /// Runs while nothing is acknowledged in time.
    private let reminder = Mutex(BrokerReminder())

    /// - Parameter properties: librdkafka's, in order; those given overrule `acks=all` and `enable.idempotence=true`.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(properties: ClientProperties) throws(KafkaError) {
        client = try KafkaClient(.producer, [("acks", "all"), ("enable.idempotence", "true")] + properties)
    }

    /// Why it can write nothing more, so that another has to take its place; nil while it can.
    public var fatalError: KafkaError? { client.fatalError(operation: "produce") }

    /// Gives up what is not acknowledged yet.
    deinit {
        rd_kafka_purge(client.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        // Serves the reports of the purge, which need no broker.
        rd_kafka_flush(client.handle, 1000)
    }

    /// Queues a message, of which everything is copied. Waits while the queue is full.
    ///
    /// - Parameters:
    ///   - partition: nil lets the key choose (CRC32, or at random without a key).
    ///   - value: nil for a tombstone.
    ///   - timestamp: milliseconds since 1970; nil for now.
    ///   - delivery: what it belongs to.
    ///   - isGivenUp: asked while the queue is full; once true, the message is refused.
    /// - Returns: the message's number within its delivery.
    /// - Throws: when librdkafka refuses the message: it is too large, or the client has met a fatal error. Then it counts for
    ///   nothing.
    @discardableResult
    public func produce(
        topic: String, partition: Int32? = nil, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?,
        headers: [Header] = [], timestamp: Int64? = nil, in delivery: Delivery, isGivenUp: (() -> Bool)? = nil
    ) throws(KafkaError) -> Int {
        let ticket = Ticket(delivery, delivery.begin())
        let opaque = Unmanaged.passRetained(ticket)
        while let error = enqueue(topic, partition, key, value, headers, timestamp, opaque.toOpaque()) {
            guard error.code == .queueFull, !(isGivenUp?() ?? false) else {
                opaque.release()
                delivery.refuse(ticket.message, error)
                throw error
            }
            // Serves the delivery reports that make room. It ends: librdkafka fails a message after message.timeout.ms.
            rd_kafka_poll(client.handle, 100)
        }
        rd_kafka_poll(client.handle, 0)
        return ticket.message
    }

    /// Queues a message. See the method with the same parameters as raw memory.
    @discardableResult
    public func produce(
        topic: String, partition: Int32? = nil, key: [UInt8]?, value: [UInt8]?, headers: [Header] = [],
        timestamp: Int64? = nil, in delivery: Delivery, isGivenUp: (() -> Bool)? = nil
    ) throws(KafkaError) -> Int {
        // Written out because a rethrowing closure of the standard library would lose the error's type.
        let result: Result<Int, KafkaError> = (key ?? []).withUnsafeBytes { keyBytes in
            (value ?? []).withUnsafeBytes { valueBytes in
                Result { () throws(KafkaError) in
                    try produce(
                        topic: topic, partition: partition, key: key == nil ? nil : keyBytes,
                        value: value == nil ? nil : valueBytes, headers: headers, timestamp: timestamp, in: delivery,
                        isGivenUp: isGivenUp)
                }
            }
        }
        return try result.get()
    }

    /// Waits until each message of a delivery is acknowledged or has failed.
    ///
    /// Those that are not yet go on: they may be waited for again, and arrive or fail once `message.timeout.ms` is over.
    ///
    /// - Parameter isGivenUp: asked while it waits; once true, it waits no longer.
    /// - Returns: false if some are still under way.
    public func wait(
        for delivery: Delivery, until deadline: ContinuousClock.Instant, isGivenUp: (() -> Bool)? = nil
    ) -> Bool {
        while delivery.underWayCount > 0 {
            guard ContinuousClock.now < deadline, !(isGivenUp?() ?? false) else {
                if reminder.withLock({ $0.isDue(at: .now) }) { client.remindOfBrokers() }
                return false
            }
            // Short, for another thread may be given the reports of these messages.
            rd_kafka_poll(client.handle, 20)
        }
        reminder.withLock { $0.rest() }
        return true
    }

    /// Waits until all messages of a delivery are acknowledged.
    ///
    /// - Throws: when one is not, or not in time. The error is the first one's, and says how many there are.
    public func confirm(_ delivery: Delivery, within timeout: Duration) throws(KafkaError) {
        let isSettled = wait(for: delivery, until: .now + timeout)
        if let failure = delivery.failure { throw failure }
        guard isSettled else {
            throw KafkaError(
                code: .timedOut, operation: "produce",
                reason: "\(delivery.underWayCount) messages were not acknowledged within \(timeout)")
        }
    }

    private func enqueue(
        _ topic: String, _ partition: Int32?, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?,
        _ headers: [Header], _ timestamp: Int64?, _ opaque: UnsafeMutableRawPointer
    ) -> KafkaError? {
        topic.withCString { topicName in
            withUnsafeTemporaryAllocation(of: rd_kafka_vu_t.self, capacity: 8) { arguments in
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
                append(RD_KAFKA_VTYPE_OPAQUE) { $0.u.ptr = opaque }
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
                guard let refusal = rd_kafka_produceva(client.handle, arguments.baseAddress, count) else { return nil }
                if let list { rd_kafka_headers_destroy(list) }
                return client.fatalError(operation: "produce")
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
