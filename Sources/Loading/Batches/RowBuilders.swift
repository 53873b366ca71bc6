/// The row builder of each topic, for the tables as they were last read. Topics that the same routes take share one.
package struct RowBuilders {
    private var tables: RoutedTables.Version
    private var builders: [[Int]: RowBuilder] = [:]

    package init(_ tables: RoutedTables.Version) { self.tables = tables }

    init(_ targets: [Target]) { self.init(RoutedTables.Version(number: 0, targets: targets)) }

    /// In the order of the routes.
    var targets: [Target] { tables.targets }

    /// Which routes take a topic.
    func routes(of topic: String) -> [Int] { targets.routes(of: topic) }

    mutating func builder(ofRoutes routes: [Int]) -> RowBuilder {
        if let known = builders[routes] { return known }
        let builder = RowBuilder(plan: MessagePlan(targets: routes, of: targets), targets: targets)
        builders[routes] = builder
        return builder
    }

    mutating func builder(ofTopic topic: String) -> RowBuilder { builder(ofRoutes: routes(of: topic)) }

    /// Takes the tables as they are now.
    mutating func use(_ tables: RoutedTables.Version) {
        guard tables.number != self.tables.number else { return }
        self.tables = tables
        builders.removeAll()
    }

    /// Builds the rows of a batch from its messages' own bytes, in place of those that it has.
    ///
    /// - Parameter isGivenUp: asked now and then; the batch is left without all of its rows then.
    package mutating func build(_ batch: Batch, isGivenUp: () -> Bool = { false }) {
        let began = ContinuousClock.now
        batch.removeRows(for: tables)
        var byPartition: [RowBuilder] = []
        for range in batch.partitions { byPartition.append(builder(ofTopic: range.partition.topic)) }
        let counts = batch.checkedCounts()
        var next = 0
        while next < batch.messages.count, !isGivenUp() {
            let end = min(next + Self.turn, batch.messages.count)
            for message in next..<end { byPartition[Int(batch.messages[message].partition)].build(message, in: batch) }
            next = end
        }
        if next == batch.messages.count {
            // What no route takes any more, since the tables have changed, is nobody's row either.
            let due = zip(byPartition, counts).reduce(0) { $0 + $1.0.routeCount * $1.1 }
            precondition(batch.accounted == due, "\(batch.accounted) rows and letters for \(due)")
        }
        batch.noteBuilding(since: began)
    }

    /// How many messages are built before anybody is asked whether to go on.
    private static let turn = 1024
}

extension [Target] {
    /// The places of the routes that take a topic.
    func routes(of topic: String) -> [Int] {
        indices.filter { self[$0].route.topics.contains { $0.matches(topic) } }
    }
}
