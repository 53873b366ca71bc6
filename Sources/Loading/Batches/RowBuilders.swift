import Postgres

/// The row builder of each topic, for the tables as they were last read. Topics that the same routes take share one.
struct RowBuilders {
    /// In the order of the routes.
    private(set) var targets: [Target]
    private var builders: [[Int]: RowBuilder] = [:]

    init(_ targets: [Target]) { self.targets = targets }

    /// Which routes take a topic.
    func routes(of topic: String) -> [Int] {
        targets.indices.filter { targets[$0].route.topics.contains { $0.matches(topic) } }
    }

    mutating func builder(ofRoutes routes: [Int]) -> RowBuilder {
        if let known = builders[routes] { return known }
        let builder = RowBuilder(plan: MessagePlan(targets: routes, of: targets), targets: targets)
        builders[routes] = builder
        return builder
    }

    mutating func builder(ofTopic topic: String) -> RowBuilder { builder(ofRoutes: routes(of: topic)) }

    /// The tables have changed.
    mutating func replace(_ targets: [Target]) {
        self.targets = targets
        builders.removeAll()
    }

    /// Builds the rows of a batch anew, from the messages' own bytes.
    mutating func rebuild(_ batch: Batch) {
        batch.removeRows()
        var byPartition: [RowBuilder] = []
        for range in batch.partitions { byPartition.append(builder(ofTopic: range.partition.topic)) }
        for message in batch.messages.indices {
            byPartition[Int(batch.messages[message].partition)].build(message, in: batch)
        }
    }
}
