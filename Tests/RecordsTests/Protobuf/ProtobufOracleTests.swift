import Foundation
import Records
import TestSupport
import Testing

/// What Google's own library reads in messages: `scripts/lib/protobuf-cases` makes them.
@Suite(
    "Protobuf decoder against another program",
    .enabled(if: OtherProgram.has("google.protobuf, google.type.money_pb2"), "\(OtherProgram.missing)"))
struct ProtobufOracleTests {
    @Test("random messages of random types are what Google's library reads in them, whole and by any path")
    func agreement() async throws {
        let cases = try await ProtobufCase.make(seed: 1, types: 600)
        #expect(cases.count > 3500)
        var kinds: [String: Int] = [:]
        var refused = 0
        for made in cases {
            let schema = try ProtobufSchema(descriptors: try #require(made.descriptors.asBytes))
            let type = try #require(schema.message(named: made.type))
            let message = try #require(made.message.asBytes)
            let whole = ProtobufRecordDecoder(schema, message: type, paths: [.whole])
            let result = told(message, by: whole, padding: 0xFF, sorted: true)
            guard let value = made.value else {
                refused += 1
                if case .success(let fields) = result { Issue.record("\(made.type) takes \(made.message): \(fields)") }
                continue
            }
            // Of several strings in a field the library looks at the last; and proto2 lets it take what is no text.
            if case .failure(let failure) = result, failure.reason == .invalidUTF8, made.syntax == "proto2" { continue }
            if result != .success([value]) {
                Issue.record("\(made.type) \(difference(result, value)) in \(made.message)")
            }
            let decoder = ProtobufRecordDecoder(
                schema, message: type, paths: made.paths.map { FieldPath($0.components) })
            // Twice, because nothing may be left over of a message.
            for _ in 0..<2 {
                #expect(
                    told(message, by: decoder, sorted: true) == .success(made.paths.map(\.value)),
                    "\(made.type) \(made.paths.map(\.components)) \(made.message)")
            }
            for path in made.paths {
                kinds[String(path.value.prefix { $0 != ":" && $0 != "{" && $0 != "[" }), default: 0] += 1
            }
        }
        #expect(refused > 300)
        let all = ["", "@", "absent", "b", "d", "day", "e", "f", "false", "i", "l", "null", "s", "t", "true", "v", "w"]
        for kind in all { #expect(kinds[kind] ?? 0 > 5, "\(kind) is hardly there: \(kinds)") }
    }
}

/// Where what is told begins to be another than it should be.
private func difference(_ result: Result<[String], DecodingFailure>, _ value: String) -> String {
    guard let found = try? result.get().first else { return "\(result)" }
    let same = zip(found, value).prefix { $0 == $1 }.count
    return "\(found.dropFirst(same - 60).prefix(160)) is not \(value.dropFirst(same - 60).prefix(160))"
}

private struct ProtobufCase: Decodable {
    struct Path: Decodable {
        var components: [String]
        var value: String

        init(from decoder: any Decoder) throws {
            var parts = try decoder.unkeyedContainer()
            components = try parts.decode([String].self)
            value = try parts.decode(String.self)
        }
    }

    var descriptors: String
    var type: String
    var syntax: String
    var message: String
    /// Nil where the library refuses the message.
    var value: String?
    var paths: [Path]

    static func make(seed: Int, types: Int) async throws -> [Self] {
        try await OtherProgram.lines(
            of: "protobuf-cases", ["\(seed)", "\(types)"], with: "google.protobuf, google.type.money_pb2")
    }
}
