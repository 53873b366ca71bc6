import Kafka

/// What becomes of an error that librdkafka hands over in place of a message. None is dropped: each that does not pass by
/// itself is told.
enum ConsumerErrorFate: Equatable {
    /// No error: the partition has no more.
    case end
    /// Where the partition goes on is decided anew, by ledger and watermarks.
    case position
    /// The client can do no more.
    case fatal
    /// Its place is not loaded until this is mended.
    case standstill(Standstill.Reason)
    /// librdkafka goes on by itself, but somebody should know.
    case told
    /// librdkafka goes on by itself.
    case passing

    /// - Parameter scope: of what the error is.
    init(_ code: KafkaErrorCode, of scope: Scope) {
        switch code {
        case .endOfPartition: self = .end
        case .autoOffsetReset, .offsetOutOfRange: self = .position
        case .fatal: self = .fatal
        case .maxPollExceeded: self = .told
        case .unknownTopic, .unknownTopicOrPartition, .unknownPartition: self = .standstill(.missing)
        case .topicAuthorizationFailed: self = .standstill(.refused)
        default:
            switch scope {
            // What a broker would send at the next try, librdkafka has tried again without telling anybody.
            case .partition: self = .standstill(.unreadable)
            case .topic: self = code.isRetriable ? .passing : .standstill(.refused)
            case .group: self = code.isRetriable || code.isOfRebalance ? .passing : .standstill(.group)
            }
        }
    }

    enum Scope { case partition, topic, group }
}

extension Standstill {
    /// What happened, in the same words each time.
    func summary(isPartition: Bool) -> String {
        switch reason {
        case .unreadable: "a partition stands still: what its broker sends cannot be read"
        case .refused: isPartition ? "the brokers refuse a partition" : "the brokers refuse a topic"
        case .missing: isPartition ? "a partition is no longer there" : "the brokers show no such topic"
        case .group: "the group refuses this member; it is tried again"
        }
    }
}
