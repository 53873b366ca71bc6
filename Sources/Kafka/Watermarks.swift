import CRdKafka

/// Where the messages of a partition lie.
public struct Watermarks: Sendable, Hashable {
    /// The first offset.
    public var low: Int64
    /// The offset behind the last message that a consumer gets. For one that reads what is committed, that is the first
    /// of an open transaction.
    public var high: Int64
    /// The offset behind the last message that was written, committed or not: no position can lie beyond it.
    public var logEnd: Int64

    /// - Parameter logEnd: nil where no transaction is open, or nothing depends on it.
    public init(low: Int64, high: Int64, logEnd: Int64? = nil) {
        self.low = low
        self.high = high
        self.logEnd = max(high, logEnd ?? high)
    }

    /// Puts the leaders' answers together.
    ///
    /// - Throws: a partition's error, and where a partition has not both of its ends.
    static func all(
        of partitions: [TopicPartition], low: OffsetQuery.Answers, high: OffsetQuery.Answers, operation: String
    ) throws(KafkaError) -> [TopicPartition: Watermarks] {
        if let refusal = low.refusal ?? high.refusal { throw refusal }
        var result: [TopicPartition: Watermarks] = [:]
        for partition in partitions {
            guard let first = low.offsets[partition], let end = high.offsets[partition] else {
                throw KafkaError(
                    code: KafkaErrorCode(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE), operation: operation,
                    reason: "its leader has not answered", topic: partition.topic, partition: partition.partition)
            }
            result[partition] = Watermarks(low: first, high: end)
        }
        return result
    }
}

extension [TopicPartition: Watermarks] {
    /// Whether a position lies behind what a consumer gets of its partition, so that the end of its log decides.
    public func isBeyondEnd(_ position: Int64?, of partition: TopicPartition) -> Bool {
        guard let position, let marks = self[partition] else { return false }
        return position > marks.high
    }

    /// Asks where the logs of partitions end, committed or not, with a client of its own: one has one isolation level.
    ///
    /// - Parameters:
    ///   - partitions: those of which it matters, because a position lies beyond what a consumer gets.
    ///   - properties: how to reach the brokers.
    /// - Throws: when no leader answers for one of them.
    public mutating func findLogEnds(
        of partitions: [TopicPartition], properties: ClientProperties, timeout: Duration
    ) throws(KafkaError) {
        guard !partitions.isEmpty else { return }
        let client = try KafkaClient(.reader, properties + [("isolation.level", "read_uncommitted")])
        let query = OffsetQuery(client: client, operation: "reading the ends of the partitions", timeout: timeout)
        let ends = try query.ask(.end, of: partitions)
        let found = try Watermarks.all(of: partitions, low: ends, high: ends, operation: query.operation)
        for (partition, end) in found {
            guard let known = self[partition] else { continue }
            self[partition] = Watermarks(low: known.low, high: known.high, logEnd: end.high)
        }
    }
}
