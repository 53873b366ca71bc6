import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// One topic, one group, one table, and both hands on everything that says where they stand.
final class LedgerScenario {
    let broker: Broker
    let topic: String
    let connection: Connection
    /// As the loader would be configured, with a table `events (id int, part int, at bigint)`.
    var options: LoadingOptions
    /// What this database's ledger writes beside the group's offsets.
    let mark: String
    private var written = 0

    private static let timeout = Duration.seconds(30)

    /// Makes the scenario and takes it all away afterwards.
    static func with(
        _ broker: Broker, partitions: Int = 1, mode: Route.Mode = .insert,
        isolation: isolated (any Actor)? = #isolation, _ body: (LedgerScenario) async throws -> Void
    ) async throws {
        let server = try TestDatabase.shared()
        try await server.withSchema { schema in
            try await broker.withTopic(partitions: partitions) { topic in
                try await broker.withGroup { group in
                    let scenario = try LedgerScenario(broker, topic: topic, group: group, schema.url, mode)
                    defer { scenario.forget() }
                    try await body(scenario)
                }
            }
        }
    }

    private init(_ broker: Broker, topic: String, group: String, _ url: String, _ mode: Route.Mode) throws {
        self.broker = broker
        self.topic = topic
        connection = try Connection(ConnectionOptions(url: url, applicationName: "loader tests"))
        let key = mode == .insert ? "" : ", PRIMARY KEY (id)"
        try connection.execute("CREATE TABLE events (id int, part int, at bigint\(key))")
        options = LoadingOptions(
            brokers: broker.bootstrapServers, group: group, properties: broker.clientProperties,
            database: .init(url: url),
            routes: [
                Route(
                    topics: [.name(topic)], table: TableName(schema: nil, name: "events"), mode: mode,
                    columns: [
                        .init(name: "id", source: .field(.init(["id"]))), .init(name: "part", source: .partition),
                        .init(name: "at", source: .offset),
                    ])
            ])
        mark = "loader/1 \(try connection.query("SELECT id FROM loader.ledger").string(0, 0) ?? "")"
    }

    private func forget() {
        _ = try? connection.query("DELETE FROM loader.positions WHERE consumer_group = $1", [.text(options.group)])
    }

    func place(_ partition: Int32) -> TopicPartition { TopicPartition(topic: topic, partition: partition) }

    // MARK: Kafka

    /// Writes the next `count` ids into a partition. The first id ever is 0.
    func produce(_ count: Int, to partition: Int32 = 0) throws {
        try broker.produce(nextValues(count).map { TestMessage(partition: partition, value: $0) }, to: topic)
    }

    /// The next messages' values, for a producer of the test's own.
    func nextValues(_ count: Int) -> [String] {
        defer { written += count }
        return (written..<written + count).map { #"{"id": \#($0)}"# }
    }

    /// Sets the group's offset as Kafka's own reset tool does, which empties the metadata; or with a mark.
    func setGroup(_ offset: Int64, metadata: String = "", partition: Int32 = 0) throws {
        try broker.withAdmin { admin in
            try admin.alterOffsets(
                ofGroup: options.group,
                to: [CommittedOffset(partition: place(partition), offset: offset, metadata: metadata)],
                timeout: Self.timeout)
        }
    }

    func deleteGroup() throws {
        try broker.withAdmin { try $0.deleteGroups([options.group], timeout: Self.timeout) }
    }

    /// The group's offset with its metadata; nil where it has none.
    func group(_ partition: Int32 = 0) throws -> CommittedOffset? {
        try broker.withAdmin { admin in
            try admin.committedOffsets(
                ofGroup: options.group, partitions: [place(partition)], timeout: Self.timeout
            ).first
        }
    }

    /// The group as the loader leaves it: at this offset, with this ledger's mark.
    func marked(_ offset: Int64, partition: Int32 = 0) -> CommittedOffset {
        CommittedOffset(partition: place(partition), offset: offset, metadata: mark)
    }

    // MARK: The ledger

    func position(_ partition: Int32 = 0) throws -> Int64? {
        let found = try connection.query(
            "SELECT next_offset FROM loader.positions WHERE consumer_group = $1 AND topic = $2 AND partition = $3",
            [.text(options.group), .text(topic), .int32(partition)])
        return found.rowCount == 0 ? nil : found.int(0, 0)
    }

    /// Writes a position as if it had come about, or takes it away.
    func setPosition(_ offset: Int64?, partition: Int32 = 0) throws {
        guard let offset else {
            _ = try connection.query(
                "DELETE FROM loader.positions WHERE consumer_group = $1 AND topic = $2 AND partition = $3",
                [.text(options.group), .text(topic), .int32(partition)])
            return
        }
        _ = try connection.query(
            """
            INSERT INTO loader.positions (consumer_group, topic, partition, next_offset) VALUES ($1, $2, $3, $4)
            ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset
            """, [.text(options.group), .text(topic), .int32(partition), .int64(offset)])
    }

    // MARK: Loading

    /// Starts a loader that goes on until it is told to finish.
    func start() throws -> LoaderRun { try LoaderRun(options) }

    /// Loads everything that the topic holds now, on a thread of its own: a test that waited here itself would keep one
    /// of the few that Swift runs tests on.
    @discardableResult
    func load() async throws -> LoadingStatistics.Snapshot {
        var options = options
        options.untilEnd = true
        return try await LoaderRun.toTheEnd(options)
    }

    /// Expects the loader to stop by itself.
    func failure() async throws -> LoadingError? {
        await #expect(throws: LoadingError.self) { try await load() }
    }

    /// All ids in the table, in order, so that a doubled one shows.
    func ids() throws -> [Int] {
        let found = try connection.query("SELECT id FROM events ORDER BY id")
        return (0..<found.rowCount).compactMap { found.int($0, 0).map { Int($0) } }
    }

    /// Waits until transactions of this many loaders wait for a lock that somebody else holds.
    func waitUntilBlocked(loaders: Int = 1) async throws {
        let observer = try Connection(options.connectionOptions("observer"))
        try await eventually("the loader waits for a lock") {
            try observer.query(
                """
                SELECT 1 FROM pg_stat_activity WHERE application_name LIKE $1 AND wait_event_type = 'Lock'
                """, [.text("loader \(options.group) writer%")]
            ).rowCount >= loaders
        }
    }
}

/// Runs what blocks on a thread of its own.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Swift.Result(catching: body)) }.start()
    }
}
