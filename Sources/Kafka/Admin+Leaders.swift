import CRdKafka

extension Admin {
    /// A broker that leads partitions and does not answer, though others do.
    public struct SilentLeader: Sendable {
        /// As the brokers say it, `host:port`; nil: the partitions have no leader.
        public var address: String?
        /// Those that it leads, sorted.
        public var partitions: [TopicPartition]

        public init(address: String?, partitions: [TopicPartition]) {
            (self.address, self.partitions) = (address, partitions)
        }
    }

    /// Which of the brokers that lead these topics' partitions do not answer.
    ///
    /// - Throws: why no broker has told who leads.
    public func silentLeaders(of topics: Set<String>, timeout: Duration) throws(KafkaError) -> [SilentLeader] {
        let end = ContinuousClock.now + timeout
        let leaders = try TopicQuery(client: client, operation: "metadata", timeout: timeout).leaders(of: topics)
        let asked = leaders.filter { $0.address != nil }.compactMap(\.partitions.first)
        let patience = min(max(.seconds(1), end - .now), Self.patience)
        guard !LeaderRound(client, [asked], patience).silent.isEmpty else {
            return leaders.filter { $0.address == nil }
        }
        // One that is silent keeps the answers of the others back.
        let silent = LeaderRound(client, asked.map { [$0] }, patience).silent
        return leaders.filter { leader in leader.address == nil || leader.partitions.first.map(silent.contains) ?? false
        }
    }

    /// For those that run to answer.
    private static let patience = Duration.seconds(2)
}

/// Questions to leaders of partitions, all at once.
private final class LeaderRound: @unchecked Sendable {
    // Unchecked: what is mutable is touched only under `condition`.
    private let condition = MonotonicCondition()
    private var open: Set<[TopicPartition]>
    private var found: Set<TopicPartition> = []
    private let end: ContinuousClock.Instant

    /// - Parameter groups: each is one question, which nobody has answered before all have.
    init(_ client: KafkaClient, _ groups: [[TopicPartition]], _ patience: Duration) {
        open = Set(groups)
        // Now and then librdkafka goes on asking for much longer than it was told to.
        end = .now + patience + .seconds(1)
        let query = OffsetQuery(client: client, operation: "looking for the partitions' leaders", timeout: patience)
        for group in groups {
            let thread = ClientThread()
            client.start(thread, named: "leader-round") { [self] in
                let isSilent = Self.isSilent(query, group)
                condition.withLock {
                    if isSilent { found.formUnion(group) }
                    open.remove(group)
                    condition.broadcast()
                }
                thread.stop()
            }
        }
    }

    /// Those of whose question somebody has not answered, or nobody has said in time whether.
    var silent: Set<TopicPartition> {
        condition.withLock {
            while !open.isEmpty, condition.wait(until: end) {}
            return found.union(open.joined())
        }
    }

    private static func isSilent(_ query: OffsetQuery, _ group: [TopicPartition]) -> Bool {
        do throws(KafkaError) {
            return try query.ask(.end, of: group).isAnySilent
        } catch {
            // They were there a moment ago: whatever librdkafka says of itself is no answer.
            return error.isRetriable || error.code.rawValue < 0
        }
    }
}

extension TopicQuery {
    /// Who leads the partitions of these topics.
    fileprivate func leaders(of topics: Set<String>) throws(KafkaError) -> [Admin.SilentLeader] {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client.handle, 1, nil, &metadata, timeout.milliseconds)
        if let error = KafkaError(code, operation: operation) { throw error }
        guard let metadata else { return [] }
        defer { rd_kafka_metadata_destroy(metadata) }
        let brokers = UnsafeBufferPointer(start: metadata.pointee.brokers, count: Int(metadata.pointee.broker_cnt))
        let addresses = Dictionary(
            brokers.map { ($0.id, "\(String(cString: $0.host)):\($0.port)") }, uniquingKeysWith: { $1 })
        var led: [Int32: [TopicPartition]] = [:]
        let all = UnsafeBufferPointer(start: metadata.pointee.topics, count: Int(metadata.pointee.topic_cnt))
        for topic in all where topic.err == RD_KAFKA_RESP_ERR_NO_ERROR {
            let name = String(cString: topic.topic)
            guard topics.contains(name) else { continue }
            for partition in UnsafeBufferPointer(start: topic.partitions, count: Int(topic.partition_cnt)) {
                led[partition.leader, default: []].append(TopicPartition(topic: name, partition: partition.id))
            }
        }
        return led.sorted { $0.key < $1.key }.map {
            Admin.SilentLeader(address: addresses[$0.key], partitions: $0.value.sorted())
        }
    }
}
