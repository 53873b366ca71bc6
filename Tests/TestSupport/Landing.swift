import CRdKafka
import Foundation
import Kafka
import Postgres

/// A topic whose messages land in a table by their coordinates, in mode `insert`, so that whatever is lost, doubled or out
/// of order shows.
public struct Landing: Sendable {
    public let broker: Broker
    public let server: PostgresServer
    public let schema: PostgresServer.Schema
    public let topic: String
    public let group: String

    /// Makes the topic, the group's name and the table, and takes all of it away afterwards.
    public static func with<Result>(
        broker: Broker, server: PostgresServer, partitions: Int, isolation: isolated (any Actor)? = #isolation,
        _ body: (Landing) async throws -> Result
    ) async throws -> Result {
        try await server.withSchema { schema in
            try schema.connect().execute(
                """
                CREATE TABLE landed (
                    seq bigint GENERATED ALWAYS AS IDENTITY, partition int, "offset" bigint, n bigint)
                """)
            return try await broker.withTopic(partitions: partitions) { topic in
                try await broker.withGroup { group in
                    try await body(
                        Landing(broker: broker, server: server, schema: schema, topic: topic, group: group))
                }
            }
        }
    }

    /// The settings of a loader, with short batches and a short session, so that faults meet many of both. A session that
    /// is too short for slow programs would end by itself.
    public var environment: [String: String] {
        [
            "KAFKA_BROKERS": broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": group, "KAFKA_TOPIC": topic,
            "LOADER_KAFKA_PROPERTIES_SESSION_TIMEOUT_MS": String(Int(6000 * testTimeScale)),
            "LOADER_KAFKA_PROPERTIES_HEARTBEAT_INTERVAL_MS": "500",
            "DATABASE_URL": schema.url, "LOADER_POSTGRES_STATEMENT_TIMEOUT": "5s",
            "LOADER_POSTGRES_CONNECT_TIMEOUT": "2s",
            "LOADER_TABLE": "landed", "LOADER_ROUTES_0_COLUMNS_PARTITION": "$partition",
            "LOADER_ROUTES_0_COLUMNS_OFFSET": "$offset", "LOADER_ROUTES_0_COLUMNS_N": "n",
            "LOADER_BATCH_MAX_ROWS": "500", "LOADER_BATCH_MAX_DELAY": "50ms",
            "LOADER_HTTP_LISTEN": "127.0.0.1:0", "LOADER_WAIT_AT_START": "true", "LOADER_LOG_FORMAT": "json",
        ]
    }

    // MARK: Messages

    /// Writes messages with consecutive numbers, spread over the partitions in turn.
    ///
    /// - Parameter isBad: those that are to become dead letters.
    public func produce(_ numbers: Range<Int>, isBad: (Int) -> Bool = { _ in false }) throws {
        let partitions = try broker.partitionCount(of: topic)
        try withoutActuallyEscaping(isBad) { isBad in
            try broker.produce(
                numbers.lazy.map { number in
                    TestMessage(
                        partition: Int32(number % partitions), key: nil,
                        value: isBad(number) ? Self.badValue(number) : Self.value(number))
                }, to: topic)
        }
    }

    /// What a message says: its number.
    public static func value(_ number: Int) -> String { #"{"n":\#(number)}"# }

    /// What a message says that can only be a dead letter: its column takes no such number.
    public static func badValue(_ number: Int) -> String { #"{"n":"bad \#(number)"}"# }

    // MARK: What came of it

    public func rowCount() throws -> Int {
        try schema.connect().query("SELECT count(*) FROM landed").int(0, 0).map(Int.init) ?? 0
    }

    /// How many messages the ledger says are in, counted from offset 0.
    public func loadedCount(on connection: Connection) throws -> Int {
        try connection.query(
            "SELECT coalesce(sum(next_offset), 0) FROM loader.positions WHERE consumer_group = $1 AND topic = $2",
            [.text(group), .text(topic)]
        ).int(0, 0).map(Int.init) ?? 0
    }

    public func waitForRows(_ count: Int, within timeout: Duration = .seconds(60)) async throws {
        let connection = try schema.connect()
        try await grow(to: count, "rows", within: timeout) {
            Int(try connection.query("SELECT count(*) FROM landed").int(0, 0) ?? 0)
        }
    }

    /// Waits as long as there is progress: how fast a broker gives a backlog out is no matter of the test's.
    private func grow(
        to count: Int, _ what: String, within timeout: Duration, _ current: () throws -> Int
    ) async throws {
        var reached = -1
        var deadline = ContinuousClock.now
        while true {
            let reading = try current()
            if reading >= count { return }
            if reading > reached {
                reached = reading
                deadline = .now + timeout * testTimeScale
            }
            guard ContinuousClock.now < deadline else {
                throw TimedOut(what: "\(count) \(what) are in; no more than \(reached) are; \(whereabouts())")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Who has how much of each partition, for when something is missing: the loader, or whoever wrote to the topic.
    private func whereabouts() -> String {
        do {
            let positions = try positions()
            let places = try broker.withAdmin { admin in
                try (0..<Int32(broker.partitionCount(of: topic))).map { partition in
                    let place = TopicPartition(topic: topic, partition: partition)
                    let end = try admin.watermarks(of: place, timeout: .seconds(30)).high
                    return "[\(partition)] \(positions[partition] ?? 0) of \(end)"
                }
            }
            return "the ledger is at \(places.joined(separator: ", "))"
        } catch { return "how far the ledger is cannot be read: \(error)" }
    }

    /// How many messages the topic has taken, counted from offset 0.
    public func endCount() throws -> Int {
        try broker.withAdmin { admin in
            try (0..<Int32(broker.partitionCount(of: topic))).reduce(0) { sum, partition in
                let place = TopicPartition(topic: topic, partition: partition)
                return sum + Int(try admin.watermarks(of: place, timeout: .seconds(30)).high)
            }
        }
    }

    /// Waits until the ledger says that so many messages are in, bad ones among them.
    public func waitForLoaded(_ count: Int, within timeout: Duration = .seconds(120)) async throws {
        let connection = try schema.connect()
        try await grow(to: count, "messages", within: timeout) { try loadedCount(on: connection) }
    }

    /// The ledger's positions by partition.
    public func positions() throws -> [Int32: Int64] {
        let result = try schema.connect().query(
            "SELECT partition, next_offset FROM loader.positions WHERE consumer_group = $1 AND topic = $2",
            [.text(group), .text(topic)])
        var positions: [Int32: Int64] = [:]
        for row in 0..<result.rowCount {
            if let partition = result.int(row, 0) { positions[Int32(partition)] = result.int(row, 1) }
        }
        return positions
    }

    /// Compares the group's offsets with the ledger, once the group has had time to hear of it.
    ///
    /// - Returns: how they differ; nil if the group is told what the ledger says, with the ledger's mark.
    public func groupDifference(within timeout: Duration = .seconds(20)) async throws -> String? {
        let ledger = try positions()
        var group: [CommittedOffset] = []
        func isEqual() -> Bool {
            group.count == ledger.count
                && group.allSatisfy {
                    $0.offset == ledger[$0.partition.partition] && $0.metadata.hasPrefix("loader/1 ")
                }
        }
        try? await eventually("the group has been told", within: timeout) {
            group = try broker.committedOffsets(ofGroup: self.group, topic: topic)
            return isEqual()
        }
        if isEqual() { return nil }
        let told = group.map { "\($0.partition.partition): \($0.offset) \($0.metadata)" }.joined(separator: ", ")
        return "the ledger says \(ledger.sorted { $0.key < $1.key }), the group has [\(told)]"
    }

    /// Compares the table and the dead letters with the topic.
    ///
    /// - Parameter numberOf: the number that a message's value puts into the table; nil if it is to be a dead letter.
    public func compare(
        numberOf: (UnsafeRawBufferPointer) -> Int64? = Landing.number
    ) throws -> TableComparison {
        let reader = try TopicReader(broker.properties())
        var topicPartitions: [[TableComparison.Entry]] = []
        for partition in 0..<Int32(try broker.partitionCount(of: topic)) {
            var entries: [TableComparison.Entry] = []
            try reader.forEach(TopicPartition(topic: topic, partition: partition)) { message in
                let value = message.pointee.payload.map {
                    UnsafeRawBufferPointer(start: $0, count: message.pointee.len)
                }
                entries.append(.init(offset: message.pointee.offset, number: value.flatMap(numberOf)))
            }
            topicPartitions.append(entries)
        }
        let connection = try schema.connect()
        var tablePartitions = topicPartitions.map { entries in
            var rows: [TableComparison.Entry] = []
            rows.reserveCapacity(entries.count)
            return rows
        }
        var strangers = 0
        try connection.execute(
            """
            BEGIN; DECLARE landed_rows NO SCROLL CURSOR FOR SELECT partition, "offset", n FROM landed ORDER BY seq
            """)
        while true {
            let rows = try connection.query("FETCH 50000 FROM landed_rows")
            if rows.rowCount == 0 { break }
            for row in 0..<rows.rowCount {
                guard let partition = rows.int(row, 0).map(Int.init), let offset = rows.int(row, 1),
                    tablePartitions.indices.contains(partition)
                else {
                    strangers += 1
                    continue
                }
                tablePartitions[partition].append(.init(offset: offset, number: rows.int(row, 2)))
            }
        }
        try connection.execute("COMMIT")
        let letters = try connection.query(
            "SELECT partition, \"offset\" FROM loader.dead_letters WHERE consumer_group = $1 AND topic = $2",
            [.text(group), .text(topic)])
        var letterPartitions = topicPartitions.map { _ in [Int64]() }
        for row in 0..<letters.rowCount {
            guard let partition = letters.int(row, 0).map(Int.init), let offset = letters.int(row, 1),
                letterPartitions.indices.contains(partition)
            else {
                strangers += 1
                continue
            }
            letterPartitions[partition].append(offset)
        }
        return TableComparison(
            topic: topicPartitions, table: tablePartitions, deadLetters: letterPartitions, strangers: strangers)
    }

    /// The number in what `value` makes; nil for anything else, such as what `badValue` makes.
    public static func number(_ value: UnsafeRawBufferPointer) -> Int64? {
        let before = #"{"n":"#.utf8
        guard value.count > before.count + 1, value.starts(with: before), value.last == 0x7d else { return nil }
        var number: Int64 = 0
        for byte in value[before.count..<value.count - 1] {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            number = number * 10 + Int64(byte - 0x30)
        }
        return number
    }
}
