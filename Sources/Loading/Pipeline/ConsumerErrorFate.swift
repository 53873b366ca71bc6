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

    /// What to do about it.
    ///
    /// - Parameter partition: of which it is; nil for a topic or the group.
    package func mend(_ code: KafkaErrorCode, _ partition: TopicPartition? = nil) -> String {
        switch reason {
        case .unreadable: Self.mend(unreadable: code, partition)
        case .refused: "give this user READ and DESCRIBE on the topic; the loader goes on by itself"
        case .missing: "create the topic, or mend routes[].topic; the loader goes on by itself"
        case .group: Self.mend(group: code)
        }
    }

    private static func mend(unreadable code: KafkaErrorCode, _ partition: TopicPartition?) -> String {
        switch code {
        case .badMessage, .corruptMessage, .badCompression:
            let skip = partition.map {
                "; to go on behind the damage: `loader backfill --topic \($0.topic) --partitions \($0.partition) "
                    + "--to-offset N`"
            }
            return
                "it is fetched again by itself, for what the network has damaged; if it stays, look at this partition's log "
                + "on its leader's disk\(skip ?? "")"
        case .notImplemented:
            return
                "it is written with a codec that this librdkafka (\(KafkaLibrary.versionString)) lacks: install one that "
                + "has it"
        case .messageTooLarge:
            return "raise receive.message.max.bytes and fetch.message.max.bytes in kafka.properties"
        default:
            return "see the log of this partition's leader; it is fetched again by itself"
        }
    }

    private static func mend(group code: KafkaErrorCode) -> String {
        switch code {
        case .invalidSessionTimeout:
            "set session.timeout.ms in kafka.properties to what the brokers allow, from group.min.session.timeout.ms to "
                + "group.max.session.timeout.ms"
        case .inconsistentGroupProtocol:
            "set partition.assignment.strategy in kafka.properties as the group's other members have it, or give this loader "
                + "a group of its own (kafka.group)"
        case .groupMaxSizeReached:
            "start fewer members, or raise group.max.size of the brokers"
        case .groupAuthorizationFailed:
            "give this user READ and DESCRIBE on the group (kafka.group)"
        case .topicAuthorizationFailed:
            "give this user READ and DESCRIBE on the routes' topics"
        case .invalidGroupID:
            "mend kafka.group"
        default:
            "see the log of the group's coordinator; it is tried again by itself"
        }
    }
}
