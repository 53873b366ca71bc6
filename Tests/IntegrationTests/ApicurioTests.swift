import Foundation
import Kafka
import Loading
import RegistryMock
import Schemas
import TestSupport
import Testing

/// Messages of Apicurio's serializers, by its own API, from a broker into tables.
@Suite("Apicurio")
struct ApicurioTests {
    private static let encoding = Header(name: "apicurio.value.encoding", value: Array("BINARY".utf8))

    private func long(_ number: Int) -> [UInt8] { withUnsafeBytes(of: Int64(number).bigEndian) { Array($0) } }

    @Test(
        "messages that name schemas in four bytes, in eight and in headers are loaded, keys and other languages as well"
    )
    func loads() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        // So that no number is that of another.
        registry.register(#""boolean""#, as: "other")
        let avro = registry.register(AvroMessage.schema, as: "shop/numbers")
        let global = try #require(registry.globalID(of: "shop/numbers"))
        let json = registry.register(.init("{}", type: "JSON"), as: "json")
        let protobuf = registry.register(.init(ProtobufFile.number(), type: "PROTOBUF"), as: "protobuf")
        let key = registry.register(#""long""#, as: "numbers-key")
        let reference: [UInt8] = [8, 0x0A, 6] + Array("Number".utf8)
        let messages: [TestMessage] = [
            TestMessage(key: AvroMessage.framed(key, 1), bytes: AvroMessage.framed(avro, 1)),
            TestMessage(key: AvroMessage.framed(key, 2), bytes: [0] + long(global) + AvroMessage.long(2)),
            TestMessage(
                key: AvroMessage.long(3), bytes: AvroMessage.long(3),
                headers: [
                    Header(name: "apicurio.key.contentId", value: long(key)),
                    Header(name: "apicurio.value.globalId", value: long(global)), Self.encoding,
                ]),
            TestMessage(key: AvroMessage.framed(key, 4), bytes: AvroMessage.framed(json) + Array(#"{"n":4}"#.utf8)),
            TestMessage(key: AvroMessage.framed(key, 5), bytes: AvroMessage.framed(protobuf) + reference + [8, 5]),
            TestMessage(key: AvroMessage.framed(key, 6), bytes: Array(#"{"n":6}"#.utf8)),
        ]
        try await Scenario.with("CREATE TABLE numbers (id bigint PRIMARY KEY, n bigint, s bigint, doc jsonb)") {
            scenario in
            let topic = try scenario.topic(messages)
            var route = Route(
                topic, "numbers", mode: .upsert, key: ["id"],
                columns: [.init("id", "$key"), .init("s", "$schema_id"), .init("doc", "$value")])
            (route.format, route.keyFormat) = (.auto, .auto)
            try await scenario.load([route]) {
                $0.schemas = SchemaSource(RegistryOptions(urls: [registry.url], naming: SchemaNaming(.apicurio)))
            }
            #expect(try scenario.deadLetters().map(\.message) == [])
            let schemas = [avro, global, global, json, protobuf].map(String.init) + ["∅"]
            #expect(
                try scenario.rows("SELECT id, n, s, doc FROM numbers ORDER BY id")
                    == schemas.enumerated().map { "\($0 + 1)|\($0 + 1)|\($1)|{\"n\": \($0 + 1)}" })
        }
    }

    @Test("the check names artifacts, and a registry that lets nobody in or has no such API stops the start")
    func check() async throws {
        let registry = try RegistryMock(user: "me", password: "right")
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "shop/numbers")
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.broker.produce(
                (0..<20).map { TestMessage(partition: 0, key: nil, bytes: AvroMessage.framed(id, $0)) },
                to: landing.topic)
            func run(_ arguments: [String], _ settings: [String: String]) async throws -> Command {
                var environment = landing.environment
                environment["LOADER_SCHEMA_REGISTRY_KIND"] = "apicurio"
                for (name, value) in settings { environment["LOADER_SCHEMA_REGISTRY_\(name)"] = value }
                return try await Command.run(arguments, environment)
            }
            let me = ["URL": registry.url, "USER": "me", "PASSWORD": "right"]
            let check = try await run(["check"], me)
            #expect(check.status == 0, "\(check.output)")
            #expect(check.output.contains("shop/numbers, version 1"), "\(check.output)")
            let refused = try await run(["run", "--until-end"], ["URL": registry.url])
            #expect(refused.status == 78)
            #expect(refused.errors.contains("schema_registry.user"), "\(refused.errors)")
            registry.offerApicurio([])
            let none = try await run(["run", "--until-end"], me)
            #expect(none.status == 78)
            #expect(none.errors.contains("/apis/registry/v3"), "\(none.errors)")
        }
    }
}
