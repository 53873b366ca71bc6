import CRdKafka
import Synchronization

/// Looks after topics and consumer groups. Each call waits for the brokers' answer, so it wants a thread that may wait.
///
/// Any thread may call any method.
public final class Admin: Sendable {
    package let client: KafkaClient
    /// What librdkafka last had against a connection.
    private let trouble: Trouble

    private final class Trouble: Sendable {
        let error = Mutex<KafkaError?>(nil)
    }

    /// What librdkafka last had against a connection: a name, a certificate, a password.
    public var connectionTrouble: KafkaError? {
        rd_kafka_poll(client.handle, 0)
        let told = trouble.error.withLock(\.self)
        // A name of two addresses may have nobody at the first.
        return told?.suspicion != nil ? told : client.callbacks.closed?.last ?? told
    }

    /// The certificate that a broker has shown last; nil without TLS, and where none was taken.
    public var certificate: BrokerCertificate? { client.callbacks.certificates.certificate }

    /// - Parameter properties: librdkafka's, in order.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(properties: ClientProperties) throws(KafkaError) {
        let trouble = Trouble()
        self.trouble = trouble
        client = try KafkaClient(.admin, properties)
        client.callbacks.failed = { error in
            // That all are down says less than why.
            if error.code != .allBrokersDown { trouble.error.withLock { $0 = error } }
        }
    }

    /// The error with what librdkafka said of its connections: a call that had to wait for one knows only that it waited.
    private func explained(_ error: KafkaError) -> KafkaError {
        guard [.transport, .timedOut, .allBrokersDown].contains(error.code) else { return error }
        guard let trouble = connectionTrouble else { return error }
        // Without how long that took and how often it was.
        let reason = trouble.reason.split(separator: " (after ").first.map(String.init)
        return KafkaError(
            code: error.code, operation: error.operation, reason: reason, topic: error.topic,
            verification: trouble.verification)
    }

    // MARK: Topics

    /// The number of partitions of each topic that exists.
    ///
    /// - Parameter topic: only this one, and an error if it is not there; nil for all.
    /// - Throws: `unknownTopicOrPartition`, or why no broker answered.
    public func partitionCounts(of topic: String? = nil, timeout: Duration) throws(KafkaError) -> [String: Int] {
        let query = TopicQuery(client: client, operation: "metadata", timeout: timeout)
        let found: [TopicQuery.Topic]
        do throws(KafkaError) {
            if let topic { found = [try query.topic(topic)].compactMap(\.self) } else { found = try query.all() }
        } catch {
            throw explained(error)
        }
        if topic != nil, let missing = found.first(where: { $0.code != .none }) {
            throw KafkaError(code: missing.code, operation: query.operation, topic: missing.name)
        }
        return Dictionary(
            found.lazy.filter { $0.code == .none }.map { ($0.name, $0.partitionCount) }, uniquingKeysWith: { $1 })
    }

    /// - Parameters:
    ///   - replicas: -1 for the brokers' default.
    ///   - configuration: the topic's, e.g. `retention.ms`.
    public func createTopic(
        _ name: String, partitions: Int, replicas: Int = -1, configuration: [String: String] = [:], timeout: Duration
    ) throws(KafkaError) {
        var reason = ReasonBuffer()
        let wanted = reason.fill {
            rd_kafka_NewTopic_new(name, Int32(clamping: partitions), Int32(clamping: replicas), $0, $1)
        }
        guard let wanted else {
            throw KafkaError(code: .invalidArgument, operation: "create topic", reason: reason.text, topic: name)
        }
        defer { rd_kafka_NewTopic_destroy(wanted) }
        for (key, value) in configuration { rd_kafka_NewTopic_set_config(wanted, key, value) }
        let answer = try client.request(RD_KAFKA_ADMIN_OP_CREATETOPICS, "create topic", timeout) { options, queue in
            var topics: [OpaquePointer?] = [wanted]
            rd_kafka_CreateTopics(client.handle, &topics, topics.count, options, queue)
        }
        var count = 0
        let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.event), &count)
        try AdminAnswer.checkTopics(results, count, "create topic")
    }

    // MARK: Offsets of partitions

    /// The offsets between which a partition's messages lie.
    public func watermarks(of place: TopicPartition, timeout: Duration) throws(KafkaError) -> Watermarks {
        let query = OffsetQuery(client: client, operation: "watermarks", timeout: timeout)
        return try query.watermarks(of: [place])[place] ?? Watermarks(low: 0, high: 0)
    }

    /// The same of many partitions. Those whose leader does not answer are left out.
    public func watermarks(
        of places: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Watermarks] {
        try OffsetQuery(client: client, operation: "watermarks", timeout: timeout).knownWatermarks(of: places)
    }

    /// Of each partition the first message at or after a time, in milliseconds since 1970; partitions without one are
    /// left out.
    public func offsets(
        at times: [TopicPartition: Int64], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Int64] {
        let query = OffsetQuery(client: client, operation: "reading offsets by time", timeout: timeout)
        let answers = try query.ask(times.mapValues { .time($0) })
        if let refusal = answers.refusal { throw refusal }
        return answers.offsets
    }

    // MARK: Consumer groups

    /// What a group has committed, its metadata included. Partitions without a committed offset are left out.
    ///
    /// - Parameter partitions: only these; nil for all that the group knows of.
    public func committedOffsets(
        ofGroup group: String, partitions: [TopicPartition]? = nil, timeout: Duration
    ) throws(KafkaError) -> [CommittedOffset] {
        // librdkafka refuses to ask about nothing.
        if let partitions, partitions.isEmpty { return [] }
        let list = partitions.map { partitions in PartitionList(partitions.map { ($0, Int64(0)) }) }
        var wanted = rd_kafka_ListConsumerGroupOffsets_new(group, list?.pointer)
        guard wanted != nil else { throw KafkaError(code: .invalidArgument, operation: "committed offsets") }
        defer { rd_kafka_ListConsumerGroupOffsets_destroy(wanted) }
        let answer = try client.request(
            RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, "committed offsets", timeout
        ) { options, queue in
            rd_kafka_ListConsumerGroupOffsets(client.handle, &wanted, 1, options, queue)
        }
        var count = 0
        let results = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(answer.event), &count)
        return try AdminAnswer.offsets(ofGroups: results, count, "committed offsets").filter { $0.offset >= 0 }
    }

    /// Sets a group's offsets. Brokers refuse it while the group consumes these topics.
    ///
    /// Like Kafka's own tool: metadata that is not given is emptied.
    public func alterOffsets(
        ofGroup group: String, to offsets: [CommittedOffset], timeout: Duration
    ) throws(KafkaError) {
        let list = PartitionList(offsets)
        var wanted = rd_kafka_AlterConsumerGroupOffsets_new(group, list.pointer)
        guard wanted != nil else { throw KafkaError(code: .invalidArgument, operation: "alter offsets") }
        defer { rd_kafka_AlterConsumerGroupOffsets_destroy(wanted) }
        let answer = try client.request(
            RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, "alter offsets", timeout
        ) { options, queue in
            rd_kafka_AlterConsumerGroupOffsets(client.handle, &wanted, 1, options, queue)
        }
        var count = 0
        let results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
            rd_kafka_event_AlterConsumerGroupOffsets_result(answer.event), &count)
        _ = try AdminAnswer.offsets(ofGroups: results, count, "alter offsets")
    }
}
