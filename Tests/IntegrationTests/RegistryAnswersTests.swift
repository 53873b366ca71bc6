import Foundation
import Kafka
import Loading
import RegistryMock
import Schemas
import TestSupport
import Testing

@testable import Loader

/// What a registry of Confluent's API may answer, from a broker into tables.
@Suite("Answers of a schema registry")
struct RegistryAnswersTests {
    private func route(_ topic: String, _ columns: [Route.Column]? = nil) -> Route {
        var route = Route(topic, "numbers", columns: columns)
        (route.format, route.keyFormat) = (.auto, .auto)
        return route
    }

    private func messages(_ id: Int, _ numbers: Range<Int>) -> [TestMessage] {
        numbers.map { TestMessage(key: nil, bytes: AvroMessage.framed(id, $0)) }
    }

    private func source(_ urls: String...) -> SchemaSource { SchemaSource(RegistryOptions(urls: urls)) }

    @Test("a schema that the registry has only a moment later is waited for, and no message of it is a dead letter")
    func late() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let topic = try scenario.topic(messages(7, 0..<100))
            var options = scenario.options([route(topic)])
            options.schemas = source(registry.url)
            let run = try LoaderRun(options)
            // It has said twice that there is none: what asks has come back.
            try await eventually("the id is asked for again") {
                registry.requests.count { $0 == "/schemas/ids/7" } >= 2
            }
            registry.register(AvroMessage.schema, as: "numbers-value", id: 7)
            try await eventually("rows go in") { run.statistics.snapshot.rows == 100 }
            #expect(run.statistics.snapshot.deadLetterCount == 0)
            #expect(run.statistics.snapshot.outageCounts[.schemaRegistry] ?? 0 == 0)
            try await run.finish()
            #expect(try scenario.rows("SELECT count(*), count(DISTINCT n) FROM numbers") == ["100|100"])
        }
    }

    @Test(
        "of several URLs one that fails or is gone in the midst of a load stops nothing and is no outage; all of them are"
    )
    func several() async throws {
        let (first, second) = (try RegistryMock(), try RegistryMock())
        defer { second.stop() }
        // The same registry: the same schemas under the same ids.
        let schemas = (1...4).map { number in
            AvroMessage.schema.replacing("\"Number\"", with: "\"Number\(number)\"")
        }
        for (index, text) in schemas.enumerated() {
            for registry in [first, second] { registry.register(text, as: "numbers-\(index)", id: index + 1) }
        }
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let topic = try scenario.topic(messages(1, 0..<100))
            var options = scenario.options([route(topic)])
            options.schemas = source(first.url, second.url)
            let run = try LoaderRun(options)
            func loads(_ id: Int, _ numbers: Range<Int>) async throws {
                try scenario.produce(messages(id, numbers), to: topic)
                try await eventually("rows of schema \(id) go in") {
                    run.statistics.snapshot.rows == UInt64(numbers.upperBound)
                }
            }
            try await eventually("rows go in") { run.statistics.snapshot.rows == 100 }
            first.fail(.status(503))
            try await loads(2, 100..<200)
            // The second is asked from now on, until it fails.
            first.stop()
            try await loads(3, 200..<300)
            #expect(run.statistics.snapshot.outageCounts[.schemaRegistry] ?? 0 == 0)
            second.fail(.status(503))
            try scenario.produce(messages(4, 300..<400), to: topic)
            try await eventually("an outage is told") { run.statistics.snapshot.outages == [.schemaRegistry] }
            second.recover()
            try await eventually("rows go in again") { run.statistics.snapshot.rows == 400 }
            #expect(run.statistics.snapshot.deadLetterCount == 0)
            try await run.finish()
            #expect(try scenario.rows("SELECT count(DISTINCT n) FROM numbers") == ["400"])
        }
    }

    @Test("an id is that of the context in the URL, where another context has another schema of the same id")
    func contexts() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let other =
            #"{"type":"record","name":"Other","fields":[{"name":"x","type":"string"},{"name":"n","type":"long"}]}"#
        registry.register(other, as: "numbers-value", id: 1)
        registry.register(AvroMessage.schema, as: ":.staging:numbers-value", id: 1)
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let topic = try scenario.topic(messages(1, 0..<10))
            try await scenario.load([route(topic)]) { $0.schemas = source(registry.url + "/contexts/.staging") }
            #expect(try scenario.rows("SELECT count(*), sum(n) FROM numbers") == ["10|45"])
            // A subject may name its context itself.
            let bare = try scenario.topic((10..<20).map { TestMessage(key: nil, bytes: AvroMessage.long($0)) })
            var route = route(bare)
            (route.format, route.schemaSubject) = (.avro, ":.staging:numbers-value")
            try await scenario.load([route]) { $0.schemas = source(registry.url) }
            #expect(try scenario.rows("SELECT count(*), sum(n) FROM numbers") == ["20|190"])
            #expect(try scenario.deadLetters().map(\.message) == [])
        }
    }

    @Test("messages of a schema are loaded after what it refers to was deleted, in Avro and in Protobuf")
    func deletedReferences() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.register(AvroMessage.schema, as: "number")
        let avro = registry.register(
            .init(
                #"{"type":"record","name":"Pair","fields":[{"name":"a","type":"Number"},{"name":"b","type":"Number"}]}"#,
                references: [.init(name: "Number", subject: "number", version: 1)]), as: "pair")
        let (inner, outer) = (ProtobufFile.number(), ProtobufFile.wrapper(of: "Number", in: "number.proto"))
        registry.register(.init(inner, type: "PROTOBUF"), as: "number.proto")
        let protobuf = registry.register(
            .init(
                outer, type: "PROTOBUF", references: [.init(name: "number.proto", subject: "number.proto", version: 1)]),
            as: "wrapper")
        for subject in ["number", "number.proto"] { registry.deleteNewest(of: subject) }
        try await Scenario.with("CREATE TABLE numbers (a bigint, n bigint)") { scenario in
            let topic = try scenario.topic([
                TestMessage(key: nil, bytes: AvroMessage.framed(avro, 1, 2)),
                // Message 0; field 1, two bytes long: field 1, 7.
                TestMessage(key: nil, bytes: AvroMessage.framed(protobuf) + [0, 0x0A, 2, 8, 7]),
            ])
            let columns: [Route.Column] = [.init("a", "a.n"), .init("n", "b.n")]
            try await scenario.load([route(topic, columns)]) { $0.schemas = source(registry.url) }
            #expect(try scenario.deadLetters().map(\.message) == [])
            #expect(try scenario.rows("SELECT a, n FROM numbers ORDER BY a") == ["1|2", "7|∅"])
        }
    }

    @Test("a schema of Protobuf is read from a descriptor in place of the text, and from one beside the text")
    func descriptors() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let descriptor = ProtobufFile.number()
        let registered = registry.register(.init(descriptor, type: "PROTOBUF"), as: "a")
        let asked = registry.register(
            .init("message Number { int64 n = 1; } // as text", type: "PROTOBUF", serialized: descriptor), as: "b")
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let topic = try scenario.topic(
                [registered, asked].enumerated().map { number, id in
                    TestMessage(key: nil, bytes: AvroMessage.framed(id) + [0, 8, UInt8(number + 1)])
                })
            try await scenario.load([route(topic)]) { $0.schemas = source(registry.url) }
            #expect(try scenario.deadLetters().map(\.message) == [])
            #expect(try scenario.rows("SELECT n FROM numbers ORDER BY n") == ["1", "2"])
        }
    }

    @Test("messages with encrypted fields are dead letters that say so, and never ciphertext in a column")
    func encrypted() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let rules =
            #"{"domainRules":[{"name":"e","kind":"TRANSFORM","type":"ENCRYPT","mode":"WRITEREAD","tags":["PII"]}]}"#
        let secret = registry.register(.init(AvroMessage.schema, ruleSet: rules), as: "secrets-value")
        let plain = registry.register(AvroMessage.schema, as: "numbers-value")
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let topic = try scenario.topic(messages(secret, 0..<3) + messages(plain, 3..<6))
            try await scenario.load([route(topic)]) { options in
                options.schemas = source(registry.url)
                options.deadLetters.maxShare = 1
            }
            #expect(try scenario.rows("SELECT n FROM numbers ORDER BY n") == ["3", "4", "5"])
            let letters = try scenario.deadLetters()
            #expect(letters.map(\.reason) == Array(repeating: "unknown_schema", count: 3))
            #expect(letters.allSatisfy { $0.message.contains("has rules of encryption") }, "\(letters.map(\.message))")
        }
    }
}

/// Files of Protobuf as registries may hold them: descriptors in base64, made by hand.
enum ProtobufFile {
    /// `number.proto`: message Number { optional int64 n = 1; }
    static func number() -> String {
        file("number.proto", messages: ["Number"], of: [("n", 3, nil)])
    }

    /// Message Wrapper { T a = 1; T b = 2; }
    static func wrapper(of type: String, in file: String) -> String {
        self.file("wrapper.proto", imports: [file], messages: ["Wrapper"], of: [("a", 11, type), ("b", 11, type)])
    }

    /// Messages that have the same fields, numbered from 1: each its name, its type's number in descriptors, and the name of
    /// that type.
    static func file(
        _ name: String, imports: [String] = [], messages: [String], of fields: [(String, UInt8, String?)]
    ) -> String {
        func part(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
        let body = fields.enumerated().reduce(into: [] as [UInt8]) { body, field in
            let (name, type, named) = field.element
            body += part(
                2,
                part(1, Array(name.utf8)) + [0x18, UInt8(field.offset + 1), 0x20, 1, 0x28, type]
                    + (named.map { part(6, Array(".\($0)".utf8)) } ?? []))
        }
        var bytes = part(1, Array(name.utf8))
        for file in imports { bytes += part(3, Array(file.utf8)) }
        for message in messages { bytes += part(4, part(1, Array(message.utf8)) + body) }
        return Data(bytes + part(12, Array("proto3".utf8))).base64EncodedString()
    }
}
