/// Looks now and then whether topics that the brokers did not show are there, or may be read, by now.
///
/// librdkafka tells once that it misses a topic, and that it has come only by the partitions it brings, which may go to
/// another member of the group.
final class TopicProbe: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock.
    private let query: TopicQuery
    private let wakeup: Wakeup
    private var shared: (missing: Set<String>, found: Set<String>) = ([], [])
    private let thread = ClientThread()

    /// In seconds.
    private static let interval = 5.0

    init(client: KafkaClient, wakeup: Wakeup) {
        query = TopicQuery(client: client, operation: "looking for topics", timeout: .seconds(5))
        self.wakeup = wakeup
        client.start(thread, named: "topic-probe") { [self] in ask() }
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
        // Of all topics: a request that names one may make the brokers create it.
        guard let topics = try? query.all() else { return }
        let there = Set(topics.lazy.filter { $0.code == .none && $0.partitionCount > 0 }.map(\.name))
        let hasFound = thread.locked {
            let found = shared.missing.intersection(there)
            shared = (shared.missing.subtracting(found), shared.found.union(found))
            return !found.isEmpty
        }
        if hasFound { wakeup.ring() }
    }
}
