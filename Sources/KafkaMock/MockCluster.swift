import CRdKafka
import CRdKafkaMock
import Kafka
import Synchronization

/// A Kafka cluster inside this process, on loopback ports, that any client can use: librdkafka's own mock.
///
/// For tests, and for trying the loader without installing Kafka. It produces, consumes, and keeps real consumer groups, and
/// it fails on request. Its limits: a group takes 3 s to form; of each partition about 5 MB (as compressed) are kept
/// and older messages dropped silently; nothing that needs a controller works (so topics are created here, or by
/// producing to them); no static membership; no transactions for readers.
///
/// Any thread may call any method: librdkafka hands each call to the cluster's own thread or takes its lock.
public final class MockCluster: Sendable {
    // Given up only in `deinit`.
    private let client: KafkaClient
    private nonisolated(unsafe) let cluster: OpaquePointer

    /// The addresses of all brokers, as `bootstrap.servers` wants them.
    public let bootstrapServers: String
    /// The brokers' ids: from 1 to their number.
    public let brokers: ClosedRange<Int32>
    private let down = Mutex<Set<Int32>>([])

    /// - Parameter brokers: at least 1.
    public init(brokers: Int = 1) throws(KafkaError) {
        guard brokers >= 1, brokers <= 100 else {
            throw KafkaError(
                code: .invalidArgument, operation: "start of the mock cluster",
                reason: "1 to 100 brokers, not \(brokers)")
        }
        let client = try KafkaClient(.producer, [("client.id", "mock-cluster")])
        guard let cluster = rd_kafka_mock_cluster_new(client.handle, Int32(brokers)) else {
            throw KafkaError(code: .systemResource, operation: "start of the mock cluster")
        }
        self.client = client
        self.cluster = cluster
        self.brokers = 1...Int32(brokers)
        bootstrapServers = String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
        for (request, version) in Self.newestVersions {
            try check(rd_kafka_mock_set_apiversion(cluster, request.rawValue, 0, version), "version of \(request.name)")
        }
    }

    /// What librdkafka 2.0.2 knows of these, with every version.
    ///
    /// From 2.5 on the mock answers newer ones with the partition's new leader (KIP-951) when another broker leads it, and
    /// follows a null pointer where none does: `mpart->leader->id` in `rd_kafka_mock_handle_Produce`, from version 10 of the
    /// request, and in `rd_kafka_mock_handle_Fetch`, from 12. 2.15 still does.
    private static let newestVersions: [(KafkaRequest, Int16)] = [(.produce, 7), (.fetch, 11)]

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
    }

    /// Creates a topic that does not exist yet.
    public func createTopic(_ name: String, partitions: Int) throws(KafkaError) {
        guard partitions >= 1, partitions <= 10_000 else {
            throw KafkaError(
                code: .invalidArgument, operation: "create topic", reason: "1 to 10000 partitions, not \(partitions)",
                topic: name)
        }
        let replicas = min(3, brokers.upperBound)
        try check(rd_kafka_mock_topic_create(cluster, name, Int32(partitions), replicas), "create topic", topic: name)
    }

    // MARK: Faults

    /// Cuts a broker's connections and accepts none until `setUp`. Partitions keep their leader. Nil means every broker.
    public func setDown(_ broker: Int32? = nil) throws(KafkaError) {
        try check(rd_kafka_mock_broker_set_down(cluster, broker ?? -1), "broker down")
        down.withLock { $0.formUnion(broker.map { [$0] } ?? Set(brokers)) }
    }

    /// Nil means every broker.
    ///
    /// - Throws: where somebody has the port of one of them by now. librdkafka would end the process.
    public func setUp(_ broker: Int32? = nil) throws(KafkaError) {
        let ports = bootstrapServers.split(separator: ",").compactMap { UInt16($0.split(separator: ":").last ?? "") }
        let rising = down.withLock { down in
            defer { down.subtract(broker.map { [$0] } ?? down) }
            return broker.map { down.intersection([$0]) } ?? down
        }
        for (id, port) in zip(brokers, ports) where rising.contains(id) {
            guard LoopbackPort.isFree(port, within: .seconds(60)) else {
                throw KafkaError(
                    code: .systemResource, operation: "broker up", reason: "somebody has the port \(port)")
            }
        }
        try check(rd_kafka_mock_broker_set_up(cluster, broker ?? -1), "broker up")
    }

    /// Delays a broker's answers, by whole milliseconds. Nil means every broker.
    public func setRoundTripTime(_ time: Duration, of broker: Int32? = nil) throws(KafkaError) {
        try check(rd_kafka_mock_broker_set_rtt(cluster, broker ?? -1, time.milliseconds), "round trip time")
    }

    /// Answers the next requests of a kind with these errors, one each. `transport` cuts the connection instead.
    public func fail(_ request: KafkaRequest, with codes: [KafkaErrorCode]) {
        let errors = codes.map { rd_kafka_resp_err_t($0.rawValue) }
        rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, errors.count, errors)
    }

    /// Answers a broker's next request of a kind with an error.
    public func fail(_ request: KafkaRequest, of broker: Int32, with code: KafkaErrorCode) throws(KafkaError) {
        try check(
            loader_mock_broker_push_error(cluster, broker, request.rawValue, rd_kafka_resp_err_t(code.rawValue)),
            "push error")
    }

    /// How many errors are still to come from a broker for requests of a kind, of those set for this broker.
    public func failuresToCome(_ request: KafkaRequest, of broker: Int32) throws(KafkaError) -> Int {
        var count = 0
        try check(
            rd_kafka_mock_broker_error_stack_cnt(cluster, broker, request.rawValue, &count), "count errors")
        return count
    }

    /// Takes back the errors that are still to come.
    public func stopFailing(_ request: KafkaRequest) {
        rd_kafka_mock_clear_request_errors(cluster, request.rawValue)
    }

    /// Answers questions about a topic's metadata with an error until it is set to `none`.
    public func setError(_ code: KafkaErrorCode, of topic: String) {
        rd_kafka_mock_topic_set_error(cluster, topic, rd_kafka_resp_err_t(code.rawValue))
    }

    /// Moves a partition to another broker; nil leaves it without a leader. A topic that is not there is created.
    public func setLeader(_ broker: Int32?, of place: TopicPartition) throws(KafkaError) {
        try check(
            rd_kafka_mock_partition_set_leader(cluster, place.topic, place.partition, broker ?? -1), "move leader",
            topic: place.topic, partition: place.partition)
    }

    /// Moves a consumer group to another coordinator.
    public func setCoordinator(_ broker: Int32, ofGroup group: String) throws(KafkaError) {
        try check(rd_kafka_mock_coordinator_set(cluster, "group", group, broker), "move coordinator")
    }

    /// Makes a follower say that it holds other offsets than the leader: consumers that read from it meet
    /// `OFFSET_OUT_OF_RANGE`. An offset of -1 is the leader's again.
    public func setFollower(_ broker: Int32, of place: TopicPartition, watermarks: Watermarks) throws(KafkaError) {
        try check(
            rd_kafka_mock_partition_set_follower(cluster, place.topic, place.partition, broker), "set follower",
            topic: place.topic, partition: place.partition)
        try check(
            rd_kafka_mock_partition_set_follower_wmarks(
                cluster, place.topic, place.partition, watermarks.low, watermarks.high),
            "set watermarks", topic: place.topic, partition: place.partition)
    }

    private func check(
        _ code: rd_kafka_resp_err_t, _ operation: String, topic: String? = nil, partition: Int32? = nil
    ) throws(KafkaError) {
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        throw KafkaError(
            code: KafkaErrorCode(rawValue: code.rawValue), operation: operation, topic: topic, partition: partition)
    }
}
