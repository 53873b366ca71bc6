import Foundation
import Records
import RegistryMock
import Schemas
import TestSupport
import Testing

/// Confluent's own client and serializers against the tests' registry, and what they have written against its twin in JSON.
@Suite("Confluent's client", .enabled(if: RegistryCases.isThere, "\(RegistryCases.missing)"))
struct ConfluentClientTests {
    @Test(
        "is satisfied by the tests' registry, and what it writes is read as it was said, by the prefix and by the header"
    )
    func agreement() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let cases = try RegistryCases.make(registry.url)
        #expect(cases.count == 120)
        let resolver = SchemaResolver(SchemaSource(RegistryOptions(urls: [registry.url])))
        let paths = ["id", "note", "customer"].map { FieldPath([$0]) }
        let decoder = FramedDecoder(paths: paths, plain: .json, registry: registry.url)
        var forms: Set<Framing.Form> = []
        for made in cases {
            let twin = try #require(try JSONSerialization.jsonObject(with: Data(made.json.utf8)) as? [String: Any])
            let value = try #require([UInt8](hexadecimal: made.value))
            let header = made.headers.last { $0[0] == "__value_schema_id" }.flatMap { [UInt8](hexadecimal: $0[1]) }
            let padded = value + [UInt8](repeating: 0, count: decoder.padding)
            try padded.withUnsafeBytes { padded in
                let message = UnsafeRawBufferPointer(rebasing: padded[..<value.count])
                let fields = try (header ?? []).withUnsafeBytes { name in
                    let header = header == nil ? nil : SchemaHeader(confluent: name)
                    if let id = decoder.missing(in: message, header: header) {
                        decoder.learn(id, .schema(try resolver.ask(id)))
                    }
                    return try decoder.decode(message, header: header)
                }
                forms.insert(decoder.framing.form)
                #expect(Int64(bitPattern: fields[0].first) == (twin["id"] as? NSNumber)?.int64Value)
                let note = fields[1].kind == .string ? String(decoding: fields[1].bytes, as: UTF8.self) : nil
                #expect(note == twin["note"] as? String)
                #expect((fields[2].kind == .absent) == (twin["customer"] == nil))
            }
        }
        #expect(forms == [.number, .header])
    }
}

/// What `scripts/lib/registry-cases` has serialized.
private struct RegistryCases: Decodable {
    var key: String
    var value: String
    var headers: [[String]]
    var schema: Int
    var json: String

    static let missing = "confluent-kafka[schemaregistry,avro] is not installed; scripts/test does"

    static let isThere = PythonScript.has("confluent_kafka.schema_registry.avro")

    static func make(_ url: String) throws -> [RegistryCases] {
        try PythonScript.lines(of: "registry-cases", [url]).map {
            try JSONDecoder().decode(RegistryCases.self, from: $0)
        }
    }
}

extension [UInt8] {
    fileprivate init?(hexadecimal text: String) {
        self = []
        var rest = Substring(text)
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            append(byte)
            rest = rest.dropFirst(2)
        }
    }
}
