import CRdKafka

/// Messages that librdkafka hands over many at a time and that are taken one by one.
///
/// Each call into a queue costs its lock, two clocks and the accounting of polls, which is half of what taking a message costs; a
/// bundle shares that. What is in it has left the queue, so it is small, and what it holds of a partition that goes away is
/// dropped with the partition. The member's thread owns it.
final class MessageBundle {
    /// Before 2.1 librdkafka's call skips and repeats messages around a pause, a seek and a rebalance, and before 2.2 it may end
    /// the process where a topic is not there; see its CHANGELOG.
    static let isSound = KafkaLibrary.version >= 0x0202_00ff
    /// More saves nothing, and less leaves more of a queue where its size is counted.
    private static let capacity = 64

    private let room: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>
    private var next = 0
    private var end = 0

    init() {
        room = .allocate(capacity: Self.capacity)
        room.initialize(repeating: nil, count: Self.capacity)
    }

    deinit {
        drop { _ in true }
        room.deallocate()
    }

    /// How many are in it.
    var count: Int { end - next }

    /// The next message, of the bundle or else of the queue; nil if there is none yet. It is the caller's to destroy.
    @inline(__always)
    func take(from queue: KafkaQueue) -> UnsafeMutablePointer<rd_kafka_message_t>? {
        if next == end {
            next = 0
            end = max(0, rd_kafka_consume_batch_queue(queue.pointer, 0, room, Self.capacity))
            guard end > 0 else { return nil }
        }
        next += 1
        return room[next - 1]
    }

    /// Destroys those of some partitions; the others stay, in their order.
    func drop(_ isDropped: (TopicPartition) -> Bool) {
        var kept = 0
        for index in next..<end {
            guard let message = room[index] else { continue }
            let topic = message.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
            if isDropped(TopicPartition(topic: topic, partition: message.pointee.partition)) {
                rd_kafka_message_destroy(message)
            } else {
                room[kept] = message
                kept += 1
            }
        }
        next = 0
        end = kept
    }
}
