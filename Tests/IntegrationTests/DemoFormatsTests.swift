import Foundation
import Postgres
import RegistryMock
import TestSupport
import Testing

/// The demo's orders, which are the same in each format, by the demo's own configuration.
@Suite("The demo's formats")
struct DemoFormatsTests {
    private static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Columns in words that do not depend on whether an amount was a number or a text.
    private static let rows = """
        SELECT order_id, status, customer_id, customer_name, customer_email, country, total_price, currency, item_count,
          (SELECT string_agg(concat_ws('|', item ->> 'sku', item ->> 'name', item ->> 'quantity',
             round((item ->> 'unit_price')::numeric, 2)), ';') FROM jsonb_array_elements(line_items) AS item),
          shipping_address, tags, note, created_at, updated_at FROM public.orders ORDER BY order_id
        """

    /// Produces and loads orders in a format, into a database of their own.
    ///
    /// - Returns: the rows, and how many dead letters there are.
    private func load(_ format: String) async throws -> (rows: [String], letters: Int64) {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let broker = try Broker(mockBrokers: 1)
        try broker.createTopic("orders", partitions: 3)
        return try await PostgresServer.shared().withDatabase { url in
            try await load(format, broker, registry, into: url)
        }
    }

    private func load(
        _ format: String, _ broker: Broker, _ registry: RegistryMock, into url: String
    ) async throws -> (rows: [String], letters: Int64) {
        let file = format == "csv" ? "loader-csv.yaml" : "loader.yaml"
        let configuration = ["--config", Self.package.appending(path: "deploy/demo/\(file)").path()]
        var environment = [
            "KAFKA_BROKERS": broker.bootstrapServers, "DATABASE_URL": url,
            "LOADER_SCHEMA_REGISTRY_URL": registry.url,
        ]
        if format == "msgpack" || format == "cbor" { environment["LOADER_ROUTES_0_FORMAT"] = format }
        let migrations = Self.package.appending(path: "deploy/demo/migrations").path()
        let steps = [
            ["migrate", "up", "--dir", migrations] + configuration,
            ["demo", "produce", "--format", format, "--count", "3000", "--malformed", "28"],
            ["run", "--until-end"] + configuration,
        ]
        for step in steps {
            let run = try await Command.run(step, environment)
            try #require(run.status == 0, "\(step): \(run.errors) \(run.output)")
        }
        let connection = try Connection(ConnectionOptions(url: url))
        try connection.execute("SET TimeZone = 'UTC'")
        let found = try connection.query(Self.rows)
        let rows = (0..<found.rowCount).map { row in
            (0..<found.columnCount).map { found.string(row, $0) ?? "∅" }.joined(separator: " · ")
        }
        let letters = try connection.query("SELECT count(*) FROM loader.dead_letters").int(0, 0) ?? 0
        return (rows, letters)
    }

    @Test("an order in any format is the row that it is in JSON, and the broken ones are dead letters")
    func twins() async throws {
        let json = try await load("json")
        #expect(json.rows.count > 500 && json.letters == 28)
        for format in ["avro", "protobuf", "json-schema", "csv", "msgpack", "cbor"] {
            let other = try await load(format)
            #expect(other.letters == json.letters, "\(format)")
            let differing = zip(json.rows, other.rows).first { $0 != $1 }
            #expect(
                json.rows.count == other.rows.count && differing == nil, "\(format): \(String(describing: differing))")
        }
    }
}
