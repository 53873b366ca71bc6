import CRdKafka

/// Keeps librdkafka before 2.2 fetching while its local queue runs full.
///
/// When that queue is full, the broker's thread sleeps for up to a second unless an operation wakes it. Asking for a
/// partition's watermarks is one, harmless and cheap; so this thread asks the leader of each partition in turn, every
/// 20 ms while there is a backlog, and sleeps without a timer when there is none.
final class FetchWaker: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock; the client's handle is thread-safe by
    // librdkafka's contract, and destroyed only after the thread has ended.
    private let client: OpaquePointer
    private var shared: (partitions: [TopicPartition], isActive: Bool) = ([], false)
    private var turn = 0
    let thread = ClientThread()

    init(client: OpaquePointer) {
        self.client = client
        thread.start("fetch-waker") { [self] in ask() }
    }

    var partitions: [TopicPartition] {
        get { thread.locked { shared.partitions } }
        set { thread.locked { shared.partitions = newValue } }
    }

    var isActive: Bool {
        get { thread.locked { shared.isActive } }
        set { thread.locked { shared.isActive = newValue } }
    }

    private func ask() {
        guard thread.sleep(while: { !shared.isActive || shared.partitions.isEmpty }), thread.pause(0.02) else { return }
        let partitions = partitions
        guard !partitions.isEmpty else { return }
        turn = (turn + 1) % partitions.count
        var low: Int64 = 0
        var high: Int64 = 0
        rd_kafka_query_watermark_offsets(client, partitions[turn].topic, partitions[turn].partition, &low, &high, 1000)
    }
}
