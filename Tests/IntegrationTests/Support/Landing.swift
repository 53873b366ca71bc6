import Foundation
import Kafka
import Loading
import Postgres
import Records
import Synchronization
import TestSupport
import Testing

/// A topic whose messages land in a table by their coordinates, in mode `insert`, so that whatever is lost, doubled or out
/// of order shows.
struct Landing: Sendable {
    let broker: Broker
    let server: PostgresServer
    let schema: PostgresServer.Schema
    let topic: String
    let group: String

    static func with(
        broker: Broker, server: PostgresServer, partitions: Int, isolation: isolated (any Actor)? = #isolation,
        _ body: (Landing) async throws -> Void
    ) async throws {
        try await server.withSchema { schema in
            try schema.connect().execute(
                """
                CREATE TABLE landed (
                    seq bigint GENERATED ALWAYS AS IDENTITY, partition int, "offset" bigint, n bigint)
                """)
            try await broker.withTopic(partitions: partitions) { topic in
                try await broker.withGroup { group in
                    try await body(
                        Landing(broker: broker, server: server, schema: schema, topic: topic, group: group))
                }
            }
        }
    }

    // MARK: How to load it

    /// Short batches and a short session, so that faults meet many of both.
    func options(_ properties: [String: String] = [:]) -> LoadingOptions {
        LoadingOptions(
            brokers: broker.bootstrapServers, group: group,
            properties: ["session.timeout.ms": "6000", "heartbeat.interval.ms": "500"].merging(properties) { $1 },
            database: .init(url: schema.url, connectTimeout: .seconds(2), statementTimeout: .seconds(5)),
            routes: [
                Route(
                    topics: [.name(topic)], table: TableName(schema: nil, name: "landed"),
                    columns: [
                        .init(name: "partition", source: .partition), .init(name: "offset", source: .offset),
                        .init(name: "n", source: .field(FieldPath(["n"])), isRequired: true),
                    ])
            ],
            batch: BatchPolicy(maxRows: 500, maxDelay: .milliseconds(50)))
    }

    /// The same for a loader of its own process.
    var environment: [String: String] {
        [
            "KAFKA_BROKERS": broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": group, "KAFKA_TOPIC": topic,
            "LOADER_KAFKA_PROPERTIES_SESSION_TIMEOUT_MS": "6000",
            "LOADER_KAFKA_PROPERTIES_HEARTBEAT_INTERVAL_MS": "500",
            "DATABASE_URL": schema.url, "LOADER_POSTGRES_STATEMENT_TIMEOUT": "5s",
            "LOADER_POSTGRES_CONNECT_TIMEOUT": "2s",
            "LOADER_TABLE": "landed", "LOADER_ROUTES_0_COLUMNS_PARTITION": "$partition",
            "LOADER_ROUTES_0_COLUMNS_OFFSET": "$offset", "LOADER_ROUTES_0_COLUMNS_N": "n",
            "LOADER_BATCH_MAX_ROWS": "500", "LOADER_BATCH_MAX_DELAY": "50ms",
            "LOADER_HTTP_LISTEN": "127.0.0.1:0", "LOADER_LOG_FORMAT": "json",
        ]
    }

    // MARK: Messages

    /// Writes messages with consecutive numbers, spread over the partitions in turn.
    func produce(_ numbers: Range<Int>) throws {
        let partitions = try broker.partitionCount(of: topic)
        try broker.produce(numbers.lazy.map { message($0, partition: Int32($0 % partitions)) }, to: topic)
    }

    fileprivate func message(_ number: Int, partition: Int32) -> TestMessage {
        TestMessage(partition: partition, key: nil, value: #"{"n":\#(number)}"#)
    }

    // MARK: What came of it

    func rowCount() throws -> Int {
        try schema.connect().query("SELECT count(*) FROM landed").int(0, 0).map(Int.init) ?? 0
    }

    func waitForRows(_ count: Int, within timeout: Duration = .seconds(60)) async throws {
        let connection = try schema.connect()
        try await eventually("\(count) rows are in", within: timeout) {
            try connection.query("SELECT count(*) FROM landed").int(0, 0) ?? 0 >= Int64(count)
        }
    }

    /// Checks that the table holds each of the topic's messages once, each partition's in order, and nothing else.
    func expectExactlyOnce(sourceLocation: SourceLocation = #_sourceLocation) throws {
        var expected: [Coordinates: Int64] = [:]
        for message in try broker.readAll(topic) {
            guard let partition = message.partition, let offset = message.offset else { continue }
            expected[Coordinates(partition: partition, offset: offset)] = message.value.map(Self.number) ?? -1
        }
        let result = try schema.connect().query("SELECT partition, \"offset\", n FROM landed ORDER BY seq")
        var seen: [Coordinates: Int64] = [:]
        var last: [Int32: Int64] = [:]
        var doubled: [Coordinates] = []
        var disordered: [Coordinates] = []
        for row in 0..<result.rowCount {
            let place = Coordinates(
                partition: Int32(result.int(row, 0) ?? -1), offset: result.int(row, 1) ?? -1)
            if seen.updateValue(result.int(row, 2) ?? -1, forKey: place) != nil { doubled.append(place) }
            if let before = last[place.partition], before >= place.offset { disordered.append(place) }
            last[place.partition] = place.offset
        }
        let lost = expected.keys.filter { seen[$0] == nil }
        let wrong = seen.filter { expected[$0.key] != $0.value }
        #expect(
            lost.isEmpty, "lost: \(lost.count), \(lost.min().map { "\($0)" } ?? "")", sourceLocation: sourceLocation)
        #expect(
            doubled.isEmpty, "doubled: \(doubled.count), \(doubled.min().map { "\($0)" } ?? "")",
            sourceLocation: sourceLocation)
        #expect(disordered.isEmpty, "out of order: \(disordered.count)", sourceLocation: sourceLocation)
        #expect(wrong.isEmpty, "other content than the topic's: \(wrong.count)", sourceLocation: sourceLocation)
    }

    /// Checks that a loader which comes now finds nothing to load, and that the group has then been told what the ledger
    /// says. (What a member commits while it leaves may be refused, if others are joining.)
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await LoaderRun.toTheEnd(options()).messages == 0, sourceLocation: sourceLocation)
        try await expectGroupFollowsLedger(sourceLocation: sourceLocation)
    }

    /// Checks that the group is told what the ledger says, with the ledger's mark.
    func expectGroupFollowsLedger(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let ledger = try positions()
        var group: [CommittedOffset] = []
        try? await eventually("the group has been told", within: .seconds(20)) {
            group = try broker.committedOffsets(ofGroup: self.group, topic: topic)
            return group.allSatisfy { $0.offset == ledger[$0.partition.partition] } && group.count == ledger.count
        }
        #expect(
            Dictionary(uniqueKeysWithValues: group.map { ($0.partition.partition, $0.offset) }) == ledger,
            sourceLocation: sourceLocation)
        #expect(group.allSatisfy { $0.metadata.hasPrefix("loader/1 ") }, sourceLocation: sourceLocation)
    }

    /// The ledger's positions by partition.
    func positions() throws -> [Int32: Int64] {
        let result = try schema.connect().query(
            "SELECT partition, next_offset FROM loader.positions WHERE consumer_group = $1 AND topic = $2",
            [.text(group), .text(topic)])
        var positions: [Int32: Int64] = [:]
        for row in 0..<result.rowCount {
            if let partition = result.int(row, 0) { positions[Int32(partition)] = result.int(row, 1) }
        }
        return positions
    }

    private struct Coordinates: Hashable, Comparable, CustomStringConvertible {
        var partition: Int32
        var offset: Int64

        var description: String { "[\(partition)]@\(offset)" }

        static func < (left: Coordinates, right: Coordinates) -> Bool {
            (left.partition, left.offset) < (right.partition, right.offset)
        }
    }

    private static func number(_ value: [UInt8]) -> Int64 {
        value.reduce(0) { $1 >= 0x30 && $1 <= 0x39 ? $0 * 10 + Int64($1 - 0x30) : $0 }
    }
}

/// Writes to a topic all the time, from a thread of its own, to random partitions.
final class Traffic: Sendable {
    private struct State {
        var isStopped = false
        var result: Result<Int, any Error>?
    }

    private let state = Mutex(State())

    /// - Parameter rate: messages a second, about.
    init(_ landing: Landing, rate: Int, generator: SeededGenerator) throws {
        let partitions = try landing.broker.partitionCount(of: landing.topic)
        let thread = Thread { [self] in
            let result = Result {
                var generator = generator
                let producer = try Producer(properties: landing.broker.properties([("linger.ms", "5")]))
                var count = 0
                while !state.withLock({ $0.isStopped }) {
                    for _ in 0..<max(1, rate / 50) {
                        let partition = Int32.random(in: 0..<Int32(partitions), using: &generator)
                        let message = landing.message(count, partition: partition)
                        try producer.produce(
                            topic: landing.topic, partition: partition, key: nil, value: message.value)
                        count += 1
                    }
                    usleep(20_000)
                }
                try producer.flush(timeout: .seconds(60))
                return count
            }
            state.withLock { $0.result = result }
        }
        thread.name = "traffic"
        thread.start()
    }

    /// Ends the writing, and waits until everything is acknowledged.
    ///
    /// - Returns: how many messages were written.
    func stop() async throws -> Int {
        state.withLock { $0.isStopped = true }
        try await eventually("what was written is acknowledged", within: .seconds(90)) {
            self.state.withLock { $0.result != nil }
        }
        return try state.withLock { $0.result }?.get() ?? 0
    }
}
