import Kafka
import Schemas

/// The row builders of each topic, for the tables as they were last read: one for all routes of a topic that read its messages
/// the same way. Topics that the same routes take share them.
package struct RowBuilders {
    private var tables: RoutedTables.Version
    private var builders: [[Int]: [RowBuilder]] = [:]
    private let lookup: SchemaLookup

    /// - Parameters:
    ///   - teller: whom an outage of the registry is told; nil: nobody.
    ///   - patience: how long such an outage is waited for; nil: for ever.
    package init(
        _ tables: RoutedTables.Version, telling teller: SchemaLookup.Teller? = nil, patience: Duration? = nil
    ) {
        self.tables = tables
        lookup = SchemaLookup(tables.targets.schemas, teller, patience: patience)
    }

    /// For commands, which rather say that the registry is away than wait.
    package init(forCommand targets: [Target]) {
        self.init(RoutedTables.Version(number: 0, targets: targets), patience: .seconds(10))
    }

    init(_ targets: [Target]) { self.init(RoutedTables.Version(number: 0, targets: targets)) }

    /// In the order of the routes.
    var targets: [Target] { tables.targets }

    /// Which routes take a topic.
    func routes(of topic: String) -> [Int] { targets.routes(of: topic) }

    mutating func builders(ofRoutes routes: [Int]) -> [RowBuilder] {
        if let known = builders[routes] { return known }
        var groups: [(reading: Route.Reading, routes: [Int])] = []
        for route in routes {
            let reading = targets[route].route.reading
            if let group = groups.firstIndex(where: { $0.reading == reading }) {
                groups[group].routes.append(route)
            } else {
                groups.append((reading, [route]))
            }
        }
        let made = groups.map { group in
            let chosen = targets.indices.filter { targets[$0].routePlace.map(group.routes.contains) ?? false }
            return RowBuilder(plan: MessagePlan(targets: group.routes + chosen, of: targets), targets: targets)
        }
        builders[routes] = made
        return made
    }

    /// Takes the tables as they are now.
    mutating func use(_ tables: RoutedTables.Version) {
        guard tables.number != self.tables.number else { return }
        self.tables = tables
        builders.removeAll()
    }

    /// Builds the rows of a batch from its messages' own bytes, in place of those that it has. Waits for schemas that are not
    /// known yet, and for a registry that is away.
    ///
    /// - Parameter isGivenUp: asked now and then; the batch is left without all of its rows then.
    package mutating func build(_ batch: Batch, isGivenUp: () -> Bool = { false }) {
        let began = ContinuousClock.now
        batch.removeRows(for: tables)
        var byPartition: [[RowBuilder]] = []
        for range in batch.partitions { byPartition.append(builders(ofRoutes: routes(of: range.partition.topic))) }
        let namesSchemas = byPartition.joined().contains(where: \.namesSchemas)
        if namesSchemas { for builder in byPartition.joined() { builder.forgetUnknownSchemas() } }
        let counts = batch.checkedCounts()
        guard batch.violation == nil else { return }
        var next = 0
        while next < batch.messages.count, !isGivenUp() {
            let end = min(next + Self.turn, batch.messages.count)
            // By turns, while the messages that were looked at are still near.
            guard !namesSchemas || learn(next..<end, byPartition, in: batch, isGivenUp) else {
                batch.unbuilt = lookup.hopeless
                break
            }
            for message in next..<end {
                for builder in byPartition[Int(batch.messages[message].partition)] { builder.build(message, in: batch) }
            }
            next = end
        }
        if next == batch.messages.count { account(for: batch, byPartition, counts) }
        batch.noteBuilding(since: began)
    }

    /// - Returns: whether all schemas of these messages are found.
    private func learn(
        _ messages: Range<Int>, _ byPartition: [[RowBuilder]], in batch: Batch, _ isGivenUp: () -> Bool
    ) -> Bool {
        for message in messages {
            for builder in byPartition[Int(batch.messages[message].partition)] {
                guard builder.learn(message, in: batch, { lookup.find($0, isGivenUp) }) else { return false }
            }
        }
        return true
    }

    /// Takes a message into the batch: its bytes, and a row, a deletion or a dead letter for each of these routes.
    package mutating func add(_ message: borrowing Message, range: Int32, _ routes: [Int], to batch: Batch) {
        batch.advance(range, past: message.offset)
        build(batch.append(message, range: range), routes, in: batch)
    }

    /// Builds the rows of one message that the batch holds, for these routes.
    package mutating func build(_ message: Int, _ routes: [Int], in batch: Batch) {
        for builder in builders(ofRoutes: routes) {
            if builder.namesSchemas {
                builder.forgetUnknownSchemas()
                _ = builder.learn(message, in: batch) { lookup.find($0) { false } }
            }
            builder.build(message, in: batch)
        }
    }

    /// How many messages are built before anybody is asked whether to go on.
    private static let turn = 1024
}

extension [Target] {
    /// The places of the routes that take a topic.
    func routes(of topic: String) -> [Int] {
        indices.filter { place in
            self[place].routePlace == nil && self[place].route.topics.contains { $0.matches(topic) }
        }
    }

    /// What is known of the schemas of their messages.
    fileprivate var schemas: SchemaSource? {
        lazy.compactMap { $0.messageFormat.framed?.schemas ?? $0.keyMessageFormat.framed?.schemas }.first
    }
}
