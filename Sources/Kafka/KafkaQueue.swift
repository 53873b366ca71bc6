import CRdKafka

/// One of librdkafka's queues: of messages, of the group's events, or of answers.
///
/// Only a name for the pointer, so that taking a message of one costs what it costs in C. Whoever has made it destroys it,
/// before its client ends.
struct KafkaQueue {
    let pointer: OpaquePointer

    private init(_ pointer: OpaquePointer) { self.pointer = pointer }

    /// A queue of its own, for whatever is led or sent to it.
    init(_ client: KafkaClient) {
        // librdkafka's own allocation ends the process when memory is out, so there is no nil.
        self.init(rd_kafka_queue_new(client.handle))
    }

    /// The queue that a member's group speaks through; nil without a group.
    init?(ofGroupOf client: KafkaClient) {
        guard let pointer = rd_kafka_queue_get_consumer(client.handle) else { return nil }
        self.init(pointer)
    }

    /// How many messages, ends of partitions and events wait in it.
    var length: Int { rd_kafka_queue_length(pointer) }

    /// Has it ring whenever something comes.
    func ring(_ wakeup: Wakeup) {
        var byte: UInt8 = 1
        rd_kafka_queue_io_event_enable(pointer, wakeup.writeEnd, &byte, 1)
    }

    func stopRinging() { rd_kafka_queue_io_event_enable(pointer, -1, nil, 0) }

    /// Leads a partition's messages here. It lasts until the partition's fetching stops.
    func receive(_ partition: TopicPartition, of client: KafkaClient) {
        guard let own = rd_kafka_queue_get_partition(client.handle, partition.topic, partition.partition) else {
            return
        }
        rd_kafka_queue_forward(own, pointer)
        rd_kafka_queue_destroy(own)
    }

    /// Runs the callbacks that wait in it, or come within so many milliseconds.
    func serve(waiting milliseconds: Int32 = 0) { rd_kafka_queue_poll_callback(pointer, milliseconds) }

    func destroy() { rd_kafka_queue_destroy(pointer) }
}
