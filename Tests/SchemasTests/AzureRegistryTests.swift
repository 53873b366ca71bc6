import Records
import RegistryMock
import Testing
import Web

@testable import Schemas

@Suite("Azure's registry")
struct AzureRegistryTests {
    private static let order = #"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#

    private func source(_ url: String, _ token: String = "to.k.en") -> SchemaSource {
        SchemaSource(
            RegistryOptions(
                urls: [url], naming: SchemaNaming(.azure), http: HTTPOptions(credentials: .bearer(token: token))))
    }

    private func code(_ id: SchemaID, _ source: SchemaSource) -> RegistryFailure.Code? {
        do throws(RegistryFailure) {
            _ = try SchemaResolver(source).ask(id)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("the schema that a content type names is asked for with a token, and says its group, name and version")
    func found() throws {
        let registry = try RegistryMock(token: "to.k.en")
        defer { registry.stop() }
        let id = registry.register(Self.order, as: "shop/orders")
        let guid = try #require(registry.guid(of: id))
        let source = source(registry.url)
        let decoder = FramedDecoder(paths: [FieldPath(["id"])], plain: .json, schemas: source)
        let type = ("content-type", Array("avro/binary+\(guid.filter { $0 != "-" })".utf8))
        let message = [14] + [UInt8](repeating: 0, count: decoder.padding)
        try message.withUnsafeBytes { padded in
            try MadeHeaders.with([type], source.registry.naming) { header in
                let message = UnsafeRawBufferPointer(rebasing: padded[..<1])
                let missing = try #require(decoder.missing(in: message, header: header))
                #expect(missing.description == guid)
                let schema = try SchemaResolver(source).ask(missing)
                #expect(schema.subject == "shop/orders" && schema.version == 1 && schema.format == "avro")
                decoder.learn(missing, .schema(schema))
                #expect(try decoder.decode(message, header: header)[0].first == 7)
            }
        }
        #expect(try SchemaResolver(source).ask(source.newest(ofSubject: "shop/orders")).format == "avro")
        #expect(throws: Never.self) { try SchemaResolver(source).greet() }
        let json = registry.register(.init("{}", type: "JSON"), as: "shop/json")
        let other = try #require(SchemaID(guid: registry.guid(of: json) ?? ""))
        #expect(try SchemaResolver(source).ask(other).format == "json")
        // Of a key no content type speaks.
        MadeHeaders.with([type], source.registry.naming, ofKey: true) { #expect($0 == nil) }
    }

    @Test("each way of having no schema has its code")
    func failures() throws {
        let registry = try RegistryMock(token: "to.k.en")
        defer { registry.stop() }
        let (nobody, source) = (SchemaID.guid(high: 1, low: 2), source(registry.url))
        #expect(code(nobody, source) == .unknown)
        #expect(code(nobody, self.source(registry.url + "/wrong")) == .noRegistry)
        #expect(code(nobody, self.source(registry.url, "other")) == .credentials)
        registry.fail(.status(403), times: 1)
        #expect(code(nobody, source) == .rights)
        registry.fail(.status(503), times: 1)
        #expect(code(nobody, source) == .away)
        #expect(code(source.newest(ofSubject: "no-group"), source) == .unknown)
        #expect(throws: RegistryFailure.self) { try SchemaResolver(self.source(registry.url, "other")).greet() }
    }
}

extension SchemaID {
    fileprivate init?(guid text: String) {
        let digits = text.filter { $0 != "-" }
        guard let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16) else {
            return nil
        }
        self = .guid(high: high, low: low)
    }
}
