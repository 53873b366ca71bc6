import Foundation
import Kafka
import Loading
import Postgres
import TestSupport

/// A schema, a broker and a group for one test, and what is left in the dead letters.
struct Scenario {
    let broker: Broker
    let schema: PostgresServer.Schema
    let connection: Connection
    var group = Broker.randomName("group")

    /// Runs a test with tables made by `sql`.
    ///
    /// - Parameter server: a server of the test's own, which may crash; nil: the shared one.
    static func with(
        _ sql: String, on server: PostgresServer? = nil, isolation: isolated (any Actor)? = #isolation,
        _ body: (Scenario) async throws -> Void
    ) async throws {
        try await (server ?? TestDatabase.shared()).withSchema { schema in
            let scenario = Scenario(
                broker: try Broker.sharedMock(), schema: schema, connection: try schema.connect())
            try scenario.connection.execute("SET client_min_messages = warning; SET TimeZone = 'UTC'; " + sql)
            let result: Result<Void, any Error>
            do { result = .success(try await body(scenario)) } catch { result = .failure(error) }
            // The server is thrown away with its own.
            if server != nil { return try result.get() }
            _ = try scenario.connection.query(
                "DELETE FROM loader.dead_letters WHERE consumer_group = $1", [.text(scenario.group)])
            _ = try scenario.connection.query(
                "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(scenario.group)])
            try result.get()
        }
    }

    /// The same on a new connection, behind a crash of the server.
    func reconnected() throws -> Scenario {
        Scenario(broker: broker, schema: schema, connection: try schema.connect(), group: group)
    }

    /// A new topic with these messages in it, in partition 0 unless they name another.
    func topic(_ messages: [TestMessage] = [], partitions: Int = 1, named name: String? = nil) throws -> String {
        let topic = name ?? Broker.randomName("topic")
        try broker.createTopic(topic, partitions: partitions)
        try produce(messages, to: topic)
        return topic
    }

    func produce(_ messages: [TestMessage], to topic: String) throws {
        try broker.produce(
            messages.map { message in
                var message = message
                message.partition = message.partition ?? 0
                return message
            }, to: topic)
    }

    func options(_ routes: [Route]) -> LoadingOptions {
        LoadingOptions(
            brokers: broker.bootstrapServers, group: group, properties: broker.clientProperties,
            database: .init(url: schema.url), routes: routes)
    }

    /// Loads all that the topics hold.
    @discardableResult
    func load(
        _ routes: [Route], _ configure: (inout LoadingOptions) -> Void = { _ in }
    ) async throws -> LoadingStatistics.Snapshot {
        var options = options(routes)
        configure(&options)
        return try await LoaderRun.toTheEnd(options)
    }

    /// A query's rows, each value as the server writes it, null as `∅`, and the columns of a row joined by `|`.
    func rows(_ sql: String) throws -> [String] {
        let result = try connection.query(sql)
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.string(row, $0) ?? "∅" }.joined(separator: "|")
        }
    }

    struct DeadLetterRow {
        var topic: String
        var partition: Int32
        var offset: Int64
        /// Milliseconds since 1970.
        var timestamp: Int64?
        var key: [UInt8]?
        var value: [UInt8]?
        var headers: [Header]
        /// Without the schema.
        var table: String
        var reason: String
        var sqlState: String?
        var column: String?
        var message: String
        var attempts: Int
    }

    /// This group's dead letters by topic, partition, offset and table.
    func deadLetters() throws -> [DeadLetterRow] {
        let result = try connection.query(
            """
            SELECT topic, partition, "offset", \(DeadLetterTable.milliseconds("\"timestamp\"")), key, value,
              to_json(header_names), (SELECT coalesce(json_agg(encode(v, 'hex') ORDER BY i), '[]')
                                      FROM unnest(header_values) WITH ORDINALITY AS h (v, i)),
              regexp_replace(target, '^[^.]*\\.', ''), reason, sqlstate, column_name, message, attempts
            FROM loader.dead_letters WHERE consumer_group = $1
            ORDER BY topic, partition, "offset", target
            """, [.text(group)])
        return try (0..<result.rowCount).map { row in
            let names = try JSONDecoder().decode([String].self, from: Data((result.string(row, 6) ?? "").utf8))
            let values = try JSONDecoder().decode([String?].self, from: Data((result.string(row, 7) ?? "").utf8))
            return DeadLetterRow(
                topic: result.string(row, 0) ?? "", partition: Int32(result.int(row, 1) ?? -1),
                offset: result.int(row, 2) ?? -1, timestamp: result.int(row, 3), key: result.bytes(row, 4),
                value: result.bytes(row, 5),
                headers: zip(names, values).map { Header(name: $0, value: $1.map(bytes(ofHex:))) },
                table: result.string(row, 8) ?? "", reason: result.string(row, 9) ?? "",
                sqlState: result.string(row, 10), column: result.string(row, 11),
                message: result.string(row, 12) ?? "", attempts: Int(result.int(row, 13) ?? 0))
        }
    }

    private func bytes(ofHex text: String) -> [UInt8] {
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }
}

extension Route {
    /// A route of one topic into a table of the test's schema.
    init(
        _ topic: String, _ table: String, mode: Mode = .insert, key: [String]? = nil, onTombstone: OnTombstone? = nil,
        columns: [Column]? = nil, label: String = "routes[0]"
    ) {
        self.init(
            topics: [.name(topic)], table: TableName(schema: nil, name: table), mode: mode, key: key,
            onTombstone: onTombstone, columns: columns, label: label)
    }
}

extension Route.Column {
    /// A column with its expression as the configuration writes it.
    init(
        _ name: String, _ expression: String, required: Bool = false, unit: EpochUnit? = nil, zone: String? = nil,
        onNul: OnNul? = nil
    ) {
        guard let source = ColumnSource(expression) else { preconditionFailure("\(expression) is no expression") }
        self.init(
            name: name, source: source, isRequired: required, epochUnit: unit, timeZone: zone, onNul: onNul)
    }
}
