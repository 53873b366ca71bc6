import CRdKafka

/// An error code of the Kafka protocol (positive) or of librdkafka itself (negative).
public struct KafkaErrorCode: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    init(_ code: rd_kafka_resp_err_t) {
        self.init(rawValue: code.rawValue)
    }

    /// The constant's name as Kafka's documentation writes it, e.g. `NOT_COORDINATOR`; librdkafka's own start with `_`.
    public var name: String {
        String(cString: rd_kafka_err2name(rd_kafka_resp_err_t(rawValue)))
    }

    /// librdkafka's sentence for the code.
    public var explanation: String {
        String(cString: rd_kafka_err2str(rd_kafka_resp_err_t(rawValue)))
    }

    /// Lets a code stand as a pattern for an error: `catch KafkaErrorCode.timedOut`.
    public static func ~= (code: KafkaErrorCode, error: any Error) -> Bool {
        (error as? KafkaError)?.code == code
    }
}

extension KafkaErrorCode {
    public static let none = KafkaErrorCode(RD_KAFKA_RESP_ERR_NO_ERROR)

    // librdkafka's own.
    public static let transport = KafkaErrorCode(RD_KAFKA_RESP_ERR__TRANSPORT)
    public static let resolve = KafkaErrorCode(RD_KAFKA_RESP_ERR__RESOLVE)
    public static let messageTimedOut = KafkaErrorCode(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
    public static let endOfPartition = KafkaErrorCode(RD_KAFKA_RESP_ERR__PARTITION_EOF)
    public static let unknownPartition = KafkaErrorCode(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
    public static let badMessage = KafkaErrorCode(RD_KAFKA_RESP_ERR__BAD_MSG)
    public static let badCompression = KafkaErrorCode(RD_KAFKA_RESP_ERR__BAD_COMPRESSION)
    public static let notImplemented = KafkaErrorCode(RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED)
    public static let unknownTopic = KafkaErrorCode(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
    public static let allBrokersDown = KafkaErrorCode(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
    public static let invalidArgument = KafkaErrorCode(RD_KAFKA_RESP_ERR__INVALID_ARG)
    public static let timedOut = KafkaErrorCode(RD_KAFKA_RESP_ERR__TIMED_OUT)
    public static let queueFull = KafkaErrorCode(RD_KAFKA_RESP_ERR__QUEUE_FULL)
    public static let waitingForCoordinator = KafkaErrorCode(RD_KAFKA_RESP_ERR__WAIT_COORD)
    public static let systemResource = KafkaErrorCode(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE)
    public static let authentication = KafkaErrorCode(RD_KAFKA_RESP_ERR__AUTHENTICATION)
    public static let autoOffsetReset = KafkaErrorCode(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
    public static let maxPollExceeded = KafkaErrorCode(RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
    public static let fatal = KafkaErrorCode(RD_KAFKA_RESP_ERR__FATAL)
    public static let fenced = KafkaErrorCode(RD_KAFKA_RESP_ERR__FENCED)
    public static let assignmentLost = KafkaErrorCode(RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST)
    public static let ssl = KafkaErrorCode(RD_KAFKA_RESP_ERR__SSL)

    // The protocol's.
    public static let offsetOutOfRange = KafkaErrorCode(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
    public static let unknownTopicOrPartition = KafkaErrorCode(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    public static let messageTooLarge = KafkaErrorCode(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
    public static let recordListTooLarge = KafkaErrorCode(RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
    public static let invalidTimestamp = KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP)
    public static let invalidRecord = KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_RECORD)
    public static let illegalGeneration = KafkaErrorCode(RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION)
    public static let unknownMember = KafkaErrorCode(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
    public static let memberIDRequired = KafkaErrorCode(RD_KAFKA_RESP_ERR_MEMBER_ID_REQUIRED)
    public static let invalidSessionTimeout = KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT)
    public static let inconsistentGroupProtocol = KafkaErrorCode(RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL)
    public static let groupMaxSizeReached = KafkaErrorCode(RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED)
    public static let invalidGroupID = KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_GROUP_ID)
    public static let corruptMessage = KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_MSG)
    public static let rebalanceInProgress = KafkaErrorCode(RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS)
    public static let notCoordinator = KafkaErrorCode(RD_KAFKA_RESP_ERR_NOT_COORDINATOR)
    public static let topicAuthorizationFailed = KafkaErrorCode(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
    public static let groupAuthorizationFailed = KafkaErrorCode(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
    public static let clusterAuthorizationFailed = KafkaErrorCode(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
    public static let transactionAuthorizationFailed = KafkaErrorCode(
        RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    public static let unsupportedMechanism = KafkaErrorCode(RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM)
    public static let illegalSASLState = KafkaErrorCode(RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE)
    public static let topicAlreadyExists = KafkaErrorCode(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
    public static let saslAuthenticationFailed = KafkaErrorCode(RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
    public static let groupNotFound = KafkaErrorCode(RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
    /// The brokers lack the call.
    public static let unsupportedFeature = KafkaErrorCode(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
    public static let fencedInstance = KafkaErrorCode(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
}

extension KafkaErrorCode {
    /// Whether waiting may help: the protocol's own "retriable" column, and librdkafka's codes for an absent broker.
    ///
    /// https://kafka.apache.org/protocol#protocol_error_codes
    public var isRetriable: Bool { Self.retriable.contains(self) }

    /// Whether it only says that the group is about to give its partitions anew.
    public var isOfRebalance: Bool {
        [.illegalGeneration, .unknownMember, .rebalanceInProgress, .memberIDRequired, .assignmentLost].contains(self)
    }

    /// `_DESTROY_BROKER`, of librdkafka 2.10 and newer: the broker has another address by now, or the client begins anew with those
    /// that it was given.
    static let brokerReplaced = KafkaErrorCode(rawValue: -137)

    private static let retriable: Set<KafkaErrorCode> = [
        .transport, .resolve, .allBrokersDown, .brokerReplaced, .timedOut, .messageTimedOut, .queueFull,
        .waitingForCoordinator,
        .notCoordinator, .unknownTopicOrPartition,
        KafkaErrorCode(RD_KAFKA_RESP_ERR__RETRY),
        // Given up by a client that ends or begins anew, before the brokers had it or had said so.
        KafkaErrorCode(RD_KAFKA_RESP_ERR__PURGE_QUEUE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT),
        KafkaErrorCode(RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR__WAIT_CACHE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_MSG),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_NOT_CONTROLLER),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_FETCH_SESSION_ID_NOT_FOUND),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_FETCH_SESSION_EPOCH),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT),
        KafkaErrorCode(RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED),
    ]
}
