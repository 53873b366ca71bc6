import Foundation
import Records
import TestSupport
import Testing

/// What two other programs read in messages: `scripts/lib/avro-cases` makes them, and has them read by fastavro and by
/// Apache's own library.
@Suite(
    "Avro decoder against other programs", .enabled(if: OtherProgram.has("avro, fastavro"), "\(OtherProgram.missing)"))
struct AvroOracleTests {
    @Test("random messages of random schemas are what fastavro and Apache's avro read in them, whole and by any path")
    func agreement() async throws {
        let cases = try await AvroCases.make(seed: 1, schemas: 1000)
        #expect(cases.count == 4000)
        var kinds: [String: Int] = [:]
        for made in cases {
            let schema = try AvroSchema(made.schema)
            let message = try #require(made.message.asBytes)
            let whole = AvroRecordDecoder(schema, paths: [.whole])
            #expect(told(message, by: whole, padding: 0xFF) == .success([made.value]), "\(made.schema)")
            let paths = made.paths.map { FieldPath($0.components) }
            let expected = made.paths.map(\.value)
            let decoder = AvroRecordDecoder(schema, paths: paths)
            // Twice, because nothing may be left over of a message.
            for _ in 0..<2 {
                #expect(told(message, by: decoder) == .success(expected), "\(made.schema) \(paths)")
            }
            for value in expected {
                kinds[String(value.prefix { $0 != ":" && $0 != "{" && $0 != "[" }), default: 0] += 1
            }
        }
        let all = ["", "@", "absent", "b", "d", "day", "f", "false", "i", "l", "n", "null", "s", "t", "true", "u", "v"]
        for kind in all { #expect(kinds[kind] ?? 0 > 10, "\(kind) is hardly there: \(kinds)") }
    }

    @Test("a message that is cut anywhere is refused there or before, whatever is routed")
    func cut() async throws {
        for made in try await AvroCases.make(seed: 2, schemas: 100) {
            let schema = try AvroSchema(made.schema)
            let message = try #require(made.message.asBytes)
            let decoders = [
                AvroRecordDecoder(schema, paths: [.whole]), AvroRecordDecoder(schema, paths: []),
                AvroRecordDecoder(schema, paths: made.paths.map { FieldPath($0.components) }),
            ]
            for length in message.indices {
                let results = decoders.map { told(Array(message[..<length]), by: $0, padding: message[length]) }
                for result in results {
                    guard case .failure(let failure) = result else {
                        Issue.record("\(length) of \(message.count) bytes are taken by \(made.schema)")
                        continue
                    }
                    #expect(failure.offset ?? 0 <= length)
                }
            }
            for decoder in decoders {
                let longer = told(message + [0], by: decoder)
                let behind = DecodingFailure(
                    .invalidSyntax, "is no Avro of its schema (something stands behind it)", offset: message.count)
                #expect(longer == .failure(behind))
            }
        }
    }
}

/// A message that other programs have read.
private struct AvroCases: Decodable {
    struct Path: Decodable {
        var components: [String]
        var value: String

        init(from decoder: any Decoder) throws {
            var parts = try decoder.unkeyedContainer()
            components = try parts.decode([String].self)
            value = try parts.decode(String.self)
        }
    }

    var schema: String
    var message: String
    var value: String
    var paths: [Path]

    static func make(seed: Int, schemas: Int) async throws -> [AvroCases] {
        try await OtherProgram.lines(of: "avro-cases", ["\(seed)", "\(schemas)"], with: "avro, fastavro")
    }
}
