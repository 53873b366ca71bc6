import CRdKafka

/// Asks the leaders of partitions where these begin, where they end, or which message was the first at a time: Kafka's
/// ListOffsets, with one request to each leader, by the isolation level of the client.
struct OffsetQuery {
    let client: KafkaClient
    /// What is being done, for errors.
    let operation: String
    let timeout: Duration

    /// Which offset of a partition is wanted.
    enum Point {
        case beginning, end
        /// The first message at or after a time, in milliseconds since 1970.
        case time(Int64)

        /// ListOffsets takes "earliest" and "latest" as times.
        fileprivate var time: Int64 {
            switch self {
            case .beginning: SpecialOffset.beginning
            case .end: SpecialOffset.end
            case .time(let time): time
            }
        }
    }

    /// What the leaders have answered.
    struct Answers {
        /// Partitions that have no such offset, or whose leader has not answered, are left out: an element without an answer
        /// still holds the number that was asked with, and looks like a position.
        let offsets: [TopicPartition: Int64]
        /// The first partition's error.
        let refusal: KafkaError?
        /// Of some partition nobody has answered who would know.
        let isAnySilent: Bool

        init(_ answers: [PartitionList.Answer], operation: String) {
            let found = answers.filter { $0.code == .none && $0.offset.offset >= 0 }
            offsets = Dictionary(found.map { ($0.offset.partition, $0.offset.offset) }, uniquingKeysWith: { $1 })
            isAnySilent = answers.contains { $0.code.isRetriable && $0.code != .unknownTopicOrPartition }
            refusal = answers.first { $0.code != .none }.map { refused in
                KafkaError(
                    code: refused.code, operation: operation, topic: refused.offset.partition.topic,
                    partition: refused.offset.partition.partition)
            }
        }
    }

    /// - Throws: when no leader at all could be asked, or not in time.
    func ask(_ points: [TopicPartition: Point]) throws(KafkaError) -> Answers {
        guard !points.isEmpty else { return Answers([], operation: operation) }
        let list = PartitionList(points.map { ($0.key, $0.value.time) })
        let code = rd_kafka_offsets_for_times(client.handle, list.pointer, timeout.milliseconds)
        if let error = KafkaError(code, operation: operation) { throw error }
        return Answers(PartitionList.answers(of: list.pointer), operation: operation)
    }

    func ask(_ point: Point, of partitions: some Sequence<TopicPartition>) throws(KafkaError) -> Answers {
        try ask(Dictionary(partitions.map { ($0, point) }, uniquingKeysWith: { $1 }))
    }

    /// Both ends of each partition.
    ///
    /// - Throws: also where a leader has not answered for one of them.
    func watermarks(of partitions: [TopicPartition]) throws(KafkaError) -> [TopicPartition: Watermarks] {
        let (low, high) = (try ask(.beginning, of: partitions), try ask(.end, of: partitions))
        return try Watermarks.all(of: partitions, low: low, high: high, operation: operation)
    }

    /// Both ends of each partition for which the leader has answered.
    func knownWatermarks(of partitions: [TopicPartition]) throws(KafkaError) -> [TopicPartition: Watermarks] {
        let (low, high) = (try ask(.beginning, of: partitions), try ask(.end, of: partitions))
        return high.offsets.reduce(into: [:]) { marks, entry in
            if let low = low.offsets[entry.key] { marks[entry.key] = Watermarks(low: low, high: entry.value) }
        }
    }
}
