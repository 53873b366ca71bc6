/// Asks the leaders now and then where the assigned partitions end, by the isolation level of the client.
///
/// Fetches tell the ends as well, but a partition that librdkafka no longer fetches from its leader looks as if it had come
/// to its end: nothing comes, and nobody says why.
final class EndProbe: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock.
    private let query: OffsetQuery
    private var shared: (partitions: [TopicPartition], ends: [TopicPartition: Int64]?) = ([], nil)
    private let thread = ClientThread()

    /// In seconds.
    private static let interval = 30.0

    init(client: KafkaClient) {
        query = OffsetQuery(client: client, operation: "reading the ends of the partitions", timeout: .seconds(10))
        client.start(thread, named: "end-probe") { [self] in ask() }
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
        // Partitions without an answer, for want of a leader or of time, are asked for again the next time.
        guard !partitions.isEmpty, let ends = try? query.ask(.end, of: partitions).offsets else { return }
        thread.locked { if shared.partitions == partitions { shared.ends = ends } }
    }
}
