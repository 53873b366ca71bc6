import Foundation
import Kafka
import Loading
import RegistryMock
import Schemas
import TestSupport
import Testing

/// Keys in every format, from a broker into rows and deletions.
@Suite("Formats of keys")
struct KeyFormatsTests {
    private struct Way {
        var name: String
        var format: Route.KeyFormat
        /// What the key column takes.
        var source: String
        var key: (Int) -> [UInt8]
    }

    private static func number<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func connect(_ type: String, _ payload: String) -> [UInt8] {
        Array("{\"schema\":{\(type),\"optional\":false},\"payload\":\(payload)}".utf8)
    }

    private static var plain: [Way] {
        [
            Way(name: "json", format: .json, source: "$key") { Array("\($0)".utf8) },
            Way(name: "json_record", format: .json, source: "$key.id") { Array(#"{"id": \#($0)}"#.utf8) },
            Way(name: "connect", format: .auto, source: "$key") { connect(#""type":"int64""#, "\($0)") },
            Way(name: "connect_record", format: .auto, source: "$key.id") {
                connect(
                    #""type":"struct","fields":[{"type":"int64","optional":false,"field":"id"}]"#, #"{"id":\#($0)}"#)
            },
            Way(name: "msgpack", format: .msgpack, source: "$key") { [0xD2] + number(Int32($0)) },
            Way(name: "msgpack_record", format: .msgpack, source: "$key.id") { [0x81, 0xA2, 0x69, 0x64, UInt8($0)] },
            Way(name: "cbor", format: .cbor, source: "$key") { [0x1A] + number(Int32($0)) },
            Way(name: "cbor_record", format: .cbor, source: "$key.id") { [0xA1, 0x62, 0x69, 0x64, UInt8($0)] },
            Way(name: "texts", format: .text, source: "$key") { Array("\($0)".utf8) },
            Way(name: "bytes", format: .bytes, source: "$key") { Array("\($0)".utf8) },
            Way(name: "shorts", format: .short, source: "$key") { number(Int16($0)) },
            Way(name: "ints", format: .int, source: "$key") { number(Int32($0)) },
            Way(name: "longs", format: .long, source: "$key") { number(Int64($0)) },
            Way(name: "floats", format: .float, source: "$key") { number(Float($0).bitPattern) },
            Way(name: "doubles", format: .double, source: "$key") { number(Double($0).bitPattern) },
        ]
    }

    private static func framed(_ registry: RegistryMock) -> [Way] {
        func id(_ text: String, _ type: String = "AVRO") -> [UInt8] {
            [0] + number(Int32(registry.register(.init(text, type: type), as: "key-\(text.utf8.count)-\(type)")))
        }
        let (long, string) = (id(#""long""#), id(#""string""#))
        let avro = id(#"{"type":"record","name":"K","fields":[{"name":"id","type":"long"}]}"#)
        let protobuf = id("syntax = \"proto3\"; message Other {} message K { int64 id = 1; }", "PROTOBUF")
        let json = id(#"{"type":"object","properties":{"id":{"type":"integer"}}}"#, "JSON")
        return [
            Way(name: "avro", format: .auto, source: "$key") { long + AvroMessage.long($0) },
            Way(name: "avro_text", format: .avro, source: "$key") { string + [2] + Array("\($0)".utf8) },
            Way(name: "avro_record", format: .avro, source: "$key.id") { avro + AvroMessage.long($0) },
            // The second message of its file.
            Way(name: "protobuf_record", format: .protobuf, source: "$key.id") { protobuf + [2, 2, 8, UInt8($0)] },
            Way(name: "json_schema_record", format: .auto, source: "$key.id") {
                json + Array(#"{"id": \#($0)}"#.utf8)
            },
        ]
    }

    @Test("rows are upserted and deleted by keys of every format, plain and with fields, with and without a registry")
    func upserts() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let ways = Self.plain + Self.framed(registry)
        let tables = ways.map { "CREATE TABLE \($0.name) (id bigint PRIMARY KEY, n bigint)" }
        try await Scenario.with(tables.joined(separator: ";")) { scenario in
            var routes: [Route] = []
            for way in ways {
                func message(_ key: Int, _ number: Int?) -> TestMessage {
                    TestMessage(key: way.key(key), bytes: number.map { Array(#"{"n": \#($0)}"#.utf8) })
                }
                let topic = try scenario.topic([
                    message(1, 10), message(2, 20), message(1, 11), message(3, 30), message(2, nil), message(4, nil),
                ])
                var route = Route(
                    topic, way.name, mode: .upsert, key: ["id"], columns: [.init("id", way.source)],
                    label: "routes[\(routes.count)]")
                (route.format, route.keyFormat) = (.json, way.format)
                routes.append(route)
            }
            try await scenario.load(routes) {
                $0.schemas = SchemaSource(RegistryOptions(urls: [registry.url]))
            }
            #expect(try scenario.deadLetters().map { "\($0.table): \($0.message)" } == [])
            for way in ways {
                let rows = try scenario.rows("SELECT id, n FROM \(way.name) ORDER BY id")
                #expect(rows == ["1|11", "3|30"], "\(way.name)")
            }
        }
    }
}
