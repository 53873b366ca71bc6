import CRdKafka

/// Looks now and then whether topics that the brokers did not show are there, or may be read, by now.
///
/// librdkafka tells once that it misses a topic, and that it has come only by the partitions it brings, which may go to
/// another member of the group.
final class TopicProbe: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock.
    private let client: KafkaClient
    private let wakeup: Wakeup
    private var shared: (missing: Set<String>, found: Set<String>) = ([], [])
    let thread = ClientThread()

    /// In seconds.
    private static let interval = 5.0

    init(client: KafkaClient, wakeup: Wakeup) {
        self.client = client
        self.wakeup = wakeup
        thread.start("topic-probe") { [self] in ask() }
    }

    /// The topics to look for.
    var missing: Set<String> {
        get { thread.locked { shared.missing } }
        set { thread.locked { shared = (newValue, shared.found.intersection(newValue)) } }
    }

    /// Those of them that have come since this was last asked.
    func takeFound() -> Set<String> {
        thread.locked {
            defer { shared.found = [] }
            return shared.found
        }
    }

    private func ask() {
        guard thread.sleep(while: { shared.missing.isEmpty }), thread.pause(Self.interval) else { return }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        // Of all topics: a request that names one may make the brokers create it.
        guard rd_kafka_metadata(client.handle, 1, nil, &metadata, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata
        else { return }
        defer { rd_kafka_metadata_destroy(metadata) }
        let topics = UnsafeBufferPointer(start: metadata.pointee.topics, count: Int(metadata.pointee.topic_cnt))
        let there = Set(
            topics.lazy.filter { $0.err == RD_KAFKA_RESP_ERR_NO_ERROR && $0.partition_cnt > 0 }
                .map { String(cString: $0.topic) })
        let hasFound = thread.locked {
            let found = shared.missing.intersection(there)
            shared = (shared.missing.subtracting(found), shared.found.union(found))
            return !found.isEmpty
        }
        if hasFound { wakeup.ring() }
    }
}
