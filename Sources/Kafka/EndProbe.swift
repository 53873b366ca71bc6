import CRdKafka

/// Asks the leaders now and then where the assigned partitions end, by the isolation level of the client.
///
/// Fetches tell the ends as well, but a partition that librdkafka no longer fetches from its leader looks as if it had come
/// to its end: nothing comes, and nobody says why.
final class EndProbe: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock.
    private let client: KafkaClient
    private var shared: (partitions: [TopicPartition], ends: [TopicPartition: Int64]?) = ([], nil)
    let thread = ClientThread()

    /// In seconds.
    private static let interval = 30.0

    init(client: KafkaClient) {
        self.client = client
        thread.start("end-probe") { [self] in ask() }
    }

    var partitions: [TopicPartition] {
        get { thread.locked { shared.partitions } }
        set { thread.locked { shared = (newValue, nil) } }
    }

    /// What the leaders have answered since this was last asked; nil if nothing.
    func takeEnds() -> [TopicPartition: Int64]? {
        thread.locked {
            defer { shared.ends = nil }
            return shared.ends
        }
    }

    private func ask() {
        guard thread.sleep(while: { shared.partitions.isEmpty }), thread.pause(Self.interval) else { return }
        let partitions = partitions
        let list = PartitionList(partitions.map { ($0, SpecialOffset.end) })
        // Partitions without an answer, for want of a leader or of time, are asked for again the next time.
        guard !partitions.isEmpty,
            rd_kafka_offsets_for_times(client.handle, list.pointer, 10_000) == RD_KAFKA_RESP_ERR_NO_ERROR
        else { return }
        var ends: [TopicPartition: Int64] = [:]
        for index in 0..<Int(list.pointer.pointee.cnt) {
            let element = list.pointer.pointee.elems[index]
            guard element.err == RD_KAFKA_RESP_ERR_NO_ERROR, element.offset >= 0 else { continue }
            ends[CommittedOffset(element).partition] = element.offset
        }
        thread.locked { if shared.partitions == partitions { shared.ends = ends } }
    }
}
