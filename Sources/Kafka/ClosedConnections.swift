import Synchronization

/// What librdkafka 2.12 and newer say in their log alone: that a broker has closed a connection which was of no use yet.
///
/// Older ones told it as an error, with what it is a sign of.
final class ClosedConnections: Sendable {
    private let state = Mutex<(error: KafkaError, at: ContinuousClock.Instant)?>(nil)

    /// The last that says why no broker answers.
    var last: KafkaError? { state.withLock { $0?.error } }

    /// librdkafka says the same of a broker no more often (`rkb_suppress.fail_error` in its rdkafka_broker.c).
    private static let interval = Duration.seconds(30)

    /// The same, unless it is so old that it belongs to another outage.
    var recent: KafkaError? { state.withLock { $0.flatMap { .now - $0.at <= Self.interval ? $0.error : nil } } }

    /// - Parameter line: one of the log's, of the place `FAIL`, on whichever of librdkafka's threads logs it.
    func add(_ line: String) {
        // "[thrd:h:1/bootstrap]: h:1/bootstrap: Disconnected: …"
        let reason = line.firstRange(of: "]: ").map { String(line[$0.upperBound...]) } ?? line
        let error = KafkaError(code: .transport, operation: "connection to the brokers", reason: reason)
        guard BrokerRefusal.ofClose(reason) != nil else { return }
        state.withLock { $0 = (error, .now) }
    }
}
