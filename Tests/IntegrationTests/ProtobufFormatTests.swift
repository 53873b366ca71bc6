import Foundation
import Loading
import TestSupport
import Testing

@testable import Loader

/// Messages of Protobuf with nothing before them, by a schema of the route's.
@Suite("Format protobuf")
struct ProtobufFormatTests {
    /// What `scripts/lib/protobuf-orders` has written.
    private struct Order: Decodable {
        var value: String
        var json: String

        static let isThere = PythonScript.has("grpc_tools, google.protobuf")

        static func make(in directory: URL) throws -> [Order] {
            try PythonScript.lines(of: "protobuf-orders", [directory.path()]).map {
                try JSONDecoder().decode(Order.self, from: $0)
            }
        }
    }

    /// The route of a configuration.
    private func route(_ keys: String) throws -> Route {
        let yaml = """
            kafka: { brokers: localhost:9092, group: g }
            postgres: { url: "postgresql://loader@localhost/shop" }
            routes: [{ \(keys) }]
            """
        let sources = ConfigurationSources(
            file: ("loader.yaml", yaml), environment: [:], assignments: [], readFile: { _ in nil })
        return try #require(try Configuration(sources).loading.routes.first)
    }

    @Test(
        "what Google's library writes is loaded by a .proto file and by its descriptors as its twin in JSON is",
        .enabled(if: Order.isThere, "grpcio-tools and protobuf are not installed; scripts/test does"))
    func twins() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "orders-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let orders = try Order.make(in: directory)
        #expect(orders.count == 60)
        let columns = """
            (id bigint, customer text, placed timestamptz, address jsonb, street text, tags text[], note text, counts jsonb,
             attrs jsonb, coupon text, state text, weight float8, serial numeric, picture bytea, gift bool)
            """
        let tables = ["proto", "descriptors", "json"].map { "CREATE TABLE \($0) \(columns);" }.joined()
        try await Scenario.with(tables) { scenario in
            let protobuf = try scenario.topic(
                orders.map { TestMessage(key: nil, bytes: RegistryCases.bytes($0.value)) })
            let json = try scenario.topic(orders.map { TestMessage(key: nil, value: $0.json) })
            let street = "columns: { street: address.street }"
            let ways = [
                ("proto", protobuf, "schema: { file: '\(directory.path())/orders.proto', message: shop.Order }"),
                ("descriptors", protobuf, "schema: { file: '\(directory.path())/orders.desc', message: shop.Order }"),
                ("json", json, ""),
            ]
            for (table, topic, schema) in ways {
                let format = schema.isEmpty ? "json" : "protobuf, \(schema)"
                let route = try route("topic: \(topic), table: \(table), format: \(format), \(street)")
                try await scenario.load([route]) { options in
                    options.group = Broker.randomName("group")
                    options.isNewGroup = true
                }
            }
            #expect(try scenario.deadLetters().map(\.message) == [])
            let twin = try scenario.rows("SELECT * FROM json ORDER BY id")
            #expect(twin.count == 60)
            #expect(try scenario.rows("SELECT * FROM proto ORDER BY id") == twin)
            #expect(try scenario.rows("SELECT * FROM descriptors ORDER BY id") == twin)
        }
    }
}
