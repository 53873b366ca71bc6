import CRdKafka

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// librdkafka's logical offsets: macros in its header, which Swift does not import.
enum SpecialOffset {
    static let beginning: Int64 = -2
    static let end: Int64 = -1
    static let invalid: Int64 = -1001
}

/// An offset of a consumer group, with the text that was committed along with it.
public struct CommittedOffset: Sendable, Hashable {
    public var partition: TopicPartition
    /// The next offset to read.
    public var offset: Int64
    public var metadata: String

    public init(partition: TopicPartition, offset: Int64, metadata: String) {
        self.partition = partition
        self.offset = offset
        self.metadata = metadata
    }

    init(_ element: rd_kafka_topic_partition_t) {
        partition = TopicPartition(topic: String(cString: element.topic), partition: element.partition)
        offset = element.offset
        metadata =
            element.metadata.map { bytes in
                String(
                    decoding: UnsafeRawBufferPointer(start: bytes, count: element.metadata_size).prefix { $0 != 0 },
                    as: UTF8.self)
            } ?? ""
    }
}

/// The owner of librdkafka's list of partitions with offsets.
package final class PartitionList {
    package let pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(capacity: Int) {
        // librdkafka's own allocation ends the process when memory is out, so there is no nil.
        pointer = rd_kafka_topic_partition_list_new(Int32(clamping: capacity))
    }

    package convenience init(_ partitions: [(TopicPartition, Int64)]) {
        self.init(capacity: partitions.count)
        for (partition, offset) in partitions { add(partition.topic, partition.partition).pointee.offset = offset }
    }

    convenience init(_ offsets: [CommittedOffset]) {
        self.init(capacity: offsets.count)
        for offset in offsets {
            let element = add(offset.partition.topic, offset.partition.partition)
            element.pointee.offset = offset.offset
            // The list frees its metadata with free(3).
            if !offset.metadata.isEmpty, let copy = strdup(offset.metadata) {
                element.pointee.metadata = UnsafeMutableRawPointer(copy)
                element.pointee.metadata_size = strlen(copy)
            }
        }
    }

    deinit { rd_kafka_topic_partition_list_destroy(pointer) }

    @discardableResult
    func add(_ topic: String, _ partition: Int32) -> UnsafeMutablePointer<rd_kafka_topic_partition_t> {
        rd_kafka_topic_partition_list_add(pointer, topic, partition)
    }

    /// What a list says of one partition.
    struct Answer {
        var offset: CommittedOffset
        /// `none` where all is well.
        var code: KafkaErrorCode
    }

    /// What a list says, be it ours or one that librdkafka lends us.
    static func answers(of list: UnsafePointer<rd_kafka_topic_partition_list_t>) -> [Answer] {
        UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt))
            .map { Answer(offset: CommittedOffset($0), code: KafkaErrorCode($0.err)) }
    }

    /// The offsets of a list.
    ///
    /// - Throws: the first partition's error.
    package static func offsets(
        of list: UnsafePointer<rd_kafka_topic_partition_list_t>, operation: String
    ) throws(KafkaError) -> [CommittedOffset] {
        let answers = answers(of: list)
        if let refused = answers.first(where: { $0.code != .none }) {
            let place = refused.offset.partition
            throw KafkaError(
                code: refused.code, operation: operation, topic: place.topic, partition: place.partition)
        }
        return answers.map(\.offset)
    }
}

extension Duration {
    /// Whole milliseconds as librdkafka's timeouts want them.
    package var milliseconds: Int32 {
        let (seconds, attoseconds) = components
        return Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
