import Records
import TestSupport
import Testing

@Suite("Avro decoder against a plain reading of the specification")
struct AvroFuzzTests {
    @Test("changed messages are read or refused as by the reference, and alike whatever is routed")
    func messages() throws {
        var accepted = 0
        var refused = 0
        try Fuzzing.rounds(60, of: "avro") { generator in
            var random = RandomAvro(generator: generator)
            let made = random.schema()
            let schema = try AvroSchema(made.schema)
            let paths = (0..<6).map { _ in FieldPath(random.path()) }
            let decoders = [
                AvroRecordDecoder(schema, paths: [.whole]), AvroRecordDecoder(schema, paths: []),
                AvroRecordDecoder(schema, paths: paths),
            ]
            let before = accepted + refused
            func check(_ bytes: [UInt8]) throws {
                let expected = ReferenceAvro.read(bytes, schema)
                let results = decoders.map { told(bytes, by: $0, padding: bytes.first ?? 0) }
                let value = try? results[0].get()[0]
                guard value == expected else {
                    throw Fuzzing.Found(
                        description: "\(made.schema) \(bytes): \(results[0]), and not \(expected ?? "refused")")
                }
                let failures = results.map { result in
                    if case .failure(let failure) = result { failure } else { nil as DecodingFailure? }
                }
                // What is passed over at once may end earlier than what is read one by one.
                guard failures.allSatisfy({ $0?.words == failures[0]?.words }) else {
                    throw Fuzzing.Found(description: "\(made.schema) \(bytes) fails by route: \(failures)")
                }
                guard failures[0].map({ $0.offset ?? 0 <= bytes.count }) ?? true else {
                    throw Fuzzing.Found(description: "\(made.schema) \(bytes) fails beyond its end")
                }
                if expected == nil { refused += 1 } else { accepted += 1 }
            }
            for _ in 0..<4 {
                let bytes = random.message(of: made)
                guard ReferenceAvro.read(bytes, schema) != nil else {
                    throw Fuzzing.Found(description: "the reference refuses \(bytes) of \(made.schema)")
                }
                try check(bytes)
                for _ in 0..<100 {
                    var changed = bytes
                    for _ in 0...random.below(3) { random.mutate(&changed) }
                    try check(changed)
                }
            }
            return accepted + refused - before
        }
        #expect(accepted > 0 && refused > 0)
    }

    @Test("a text that is a schema but for a few bytes is one, or is refused with a place")
    func schemas() throws {
        var accepted = 0
        var refused = 0
        try Fuzzing.rounds(20, of: "avro schema") { generator in
            var random = RandomAvro(generator: generator)
            for _ in 0..<100 {
                var text = Array(random.schema().schema.utf8)
                for _ in 0..<random.below(4) { random.mutate(&text) }
                do throws(AvroSchemaFailure) {
                    let schema = try AvroSchema(String(decoding: text, as: UTF8.self))
                    let decoder = AvroRecordDecoder(schema, paths: [.whole, FieldPath(random.path())])
                    _ = told(random.message(of: random.schema()), by: decoder)
                    accepted += 1
                } catch {
                    #expect(!error.words.isEmpty)
                    refused += 1
                }
            }
            return 100
        }
        #expect(accepted > 0 && refused > 0)
    }
}
