import Kafka

/// Where a message came from: `orders[3]@17`.
struct MessagePlace: Sendable, Hashable, CustomStringConvertible {
    var partition: TopicPartition
    var offset: Int64

    var description: String { "\(partition)@\(offset)" }
}
