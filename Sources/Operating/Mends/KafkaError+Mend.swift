import Kafka

extension KafkaError {
    /// What happened and what to do, in one line.
    package var told: String { code.mend.map { "\(self); \($0)" } ?? description }
}

extension KafkaErrorCode {
    /// What can be done about it, for the codes where that is known.
    package var mend: String? {
        switch self {
        case .allBrokersDown, .transport, .resolve, .timedOut:
            "check that the addresses of kafka.brokers can be reached from here"
        case .topicAuthorizationFailed: BrokerRefusal.topicRight.mend()
        case .groupAuthorizationFailed: BrokerRefusal.groupRight.mend()
        case .clusterAuthorizationFailed: BrokerRefusal.clusterRight.mend()
        case .saslAuthenticationFailed, .authentication:
            Self.authenticationMend()
        case .ssl:
            "check security.protocol and the ssl.* properties in kafka.properties"
        case .unknownTopic, .unknownTopicOrPartition, .unknownPartition:
            "check the topic's name, and that it exists"
        case .fencedInstance, .fenced:
            "another member runs with the same group.instance.id: give each its own"
        case .maxPollExceeded:
            "raise max.poll.interval.ms in kafka.properties or make batches smaller"
        case .messageTooLarge:
            "raise the topic's max.message.bytes, and message.max.bytes in kafka.properties"
        default:
            nil
        }
    }

    /// What to do where the brokers refuse who this client says it is.
    ///
    /// - Parameter libraryVersion: librdkafka's.
    static func authenticationMend(libraryVersion: Int32 = KafkaLibrary.version) -> String {
        let mend =
            "check sasl.mechanism, sasl.username and sasl.password in kafka.properties, and that the brokers know the user"
        guard KafkaLibrary.repeatsScramNonce(version: libraryVersion) else { return mend }
        return mend
            + "; SCRAM with a librdkafka before 2.6.1 is refused by Apache Kafka 4.0 and newer, whatever the password: "
            + "install a newer one (Debian 13 and the image have 2.8)"
    }
}
