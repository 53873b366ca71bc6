import CRdKafka

/// Says when librdkafka before 2.2 has to be woken, so that it goes on fetching while its local queue is emptied.
///
/// A broker's thread that finds that queue full sleeps for up to a second, however soon there is room again, unless an
/// operation wakes it. So whoever takes messages wakes all of them each time that an eighth of a full queue has been
/// taken: a queue that was full when a thread looked holds several such steps, so none sleeps on beside an empty one,
/// whatever the size of the messages and however few are left. In between nothing runs.
struct FetchWaker {
    private let step: Int
    private let messageCost: Int
    private var left: Int

    /// One for a client of these properties; nil where this librdkafka goes on by itself, within `fetch.queue.backoff.ms`.
    static func ifNeeded(_ properties: ClientProperties) -> FetchWaker? {
        KafkaLibrary.supports(property: "fetch.queue.backoff.ms") ? nil : FetchWaker(properties)
    }

    /// - Parameter properties: the client's.
    init(_ properties: ClientProperties) {
        func value(_ name: String) -> Int? { properties[name].flatMap { Int($0) } }
        // A queue is full of bytes or of messages, of which each so costs its part. The defaults are librdkafka's.
        let bytes = max(1, value("queued.max.messages.kbytes") ?? 65_536) << 10
        let messages = max(1, value("queued.min.messages") ?? 100_000)
        messageCost = (bytes + messages - 1) / messages
        step = max(1, bytes / 8)
        left = step
    }

    /// A message of so many bytes has been taken of the queue.
    ///
    /// - Returns: whether to wake.
    @inline(__always)
    mutating func took(_ byteCount: Int) -> Bool {
        left -= messageCost + byteCount
        guard left <= 0 else { return false }
        left = step
        return true
    }
}

extension KafkaClient {
    /// Wakes the threads of all brokers, which so look again at what they have to do.
    ///
    /// Setting the SASL credentials that are set anyway is librdkafka's one call that wakes them and does nothing else: it
    /// sends no request and touches no position.
    func wakeBrokerThreads() {
        if let error = rd_kafka_sasl_set_credentials(handle, credentials.username, credentials.password) {
            rd_kafka_error_destroy(error)
        }
    }
}
