import CRdKafka
import Synchronization

/// Messages that are waited for together, and what became of each. Safe from any thread.
public final class Delivery: Sendable {
    public enum Fate: Sendable, Equatable {
        case underWay
        case acknowledged
        case failed(KafkaError)
    }

    private struct State {
        /// A byte for each message, for there may be millions.
        var isSettled: [Bool] = []
        var underWay = 0
        var acknowledged = 0
        var failures: [Int: KafkaError] = [:]
        var first: KafkaError?
    }

    private let state = Mutex(State())

    public init() {}

    /// - Parameter message: its number, as `Producer.produce` has returned it.
    public func fate(of message: Int) -> Fate {
        state.withLock { state in
            guard state.isSettled[message] else { return .underWay }
            return state.failures[message].map { .failed($0) } ?? .acknowledged
        }
    }

    /// How many messages nobody has reported yet.
    public var underWayCount: Int { state.withLock { $0.underWay } }

    public var acknowledgedCount: Int { state.withLock { $0.acknowledged } }

    /// The first failure, and how many there are; nil while there is none.
    public var failure: KafkaError? {
        state.withLock { state in
            guard let first = state.first, state.failures.count > 1 else { return state.first }
            return KafkaError(
                code: first.code, operation: first.operation,
                reason: "\(first.reason); \(state.failures.count - 1) more messages were not acknowledged either",
                isFatal: first.isFatal, isRetriable: first.isRetriable, topic: first.topic, partition: first.partition)
        }
    }

    func begin() -> Int {
        state.withLock { state in
            state.isSettled.append(false)
            state.underWay += 1
            return state.isSettled.count - 1
        }
    }

    /// librdkafka has not taken the message, and its sender knows.
    func refuse(_ message: Int, _ error: KafkaError) {
        state.withLock { state in
            state.underWay -= 1
            state.isSettled[message] = true
            state.failures[message] = error
        }
    }

    func settle(_ message: Int, _ error: KafkaError?) {
        state.withLock { state in
            state.underWay -= 1
            state.isSettled[message] = true
            guard let error else {
                state.acknowledged += 1
                return
            }
            state.failures[message] = error
            if state.first == nil { state.first = error }
        }
    }
}

/// What librdkafka carries along with a message.
final class Ticket: Sendable {
    let delivery: Delivery
    /// The message's number within its delivery.
    let message: Int

    init(_ delivery: Delivery, _ message: Int) {
        self.delivery = delivery
        self.message = message
    }

    func settle(_ report: rd_kafka_message_t) {
        guard report.err != RD_KAFKA_RESP_ERR_NO_ERROR else { return delivery.settle(message, nil) }
        let topic = report.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
        let place = TopicPartition(topic: topic, partition: report.partition)
        delivery.settle(message, KafkaError(report.err, operation: "produce", at: place))
    }
}
