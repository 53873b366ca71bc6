import Records
import RegistryMock
import Testing
import Web

@testable import Schemas

@Suite("Apicurio's registry")
struct ApicurioRegistryTests {
    private static let order = #"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#
    private static let nested =
        #"{"type":"record","name":"Nested","fields":[{"name":"id","type":"long"},{"name":"of","type":"Order"}]}"#

    private func source(
        _ registry: RegistryMock, _ path: String = "", _ http: HTTPOptions = HTTPOptions(),
        numbers: SchemaNaming.Numbers? = nil
    ) -> SchemaSource {
        SchemaSource(
            RegistryOptions(
                urls: [registry.url + path], naming: SchemaNaming(.apicurio, numbers: numbers), http: http))
    }

    /// What a message is by what the registry has: its field `id`, or why it is none.
    private func read(_ bytes: [UInt8], _ headers: [(String, [UInt8])] = [], _ source: SchemaSource) throws -> String {
        let decoder = FramedDecoder(paths: [FieldPath(["id"])], plain: .json, schemas: source)
        let resolver = SchemaResolver(source)
        let padded = bytes + [UInt8](repeating: 0xFF, count: decoder.padding)
        return try padded.withUnsafeBytes { padded in
            let message = UnsafeRawBufferPointer(rebasing: padded[..<bytes.count])
            return try MadeHeaders.with(headers, source.registry.naming) { header in
                do {
                    if let id = decoder.missing(in: message, header: header) {
                        decoder.learn(id, .schema(try resolver.ask(id)))
                    }
                    let field = try decoder.decode(message, header: header)[0]
                    return field.kind == .integer
                        ? String(Int64(bitPattern: field.first)) : String(decoding: field.bytes, as: UTF8.self)
                } catch let failure as DecodingFailure {
                    return failure.words
                }
            }
        }
    }

    private func long(_ number: Int) -> [UInt8] { withUnsafeBytes(of: Int64(number).bigEndian) { Array($0) } }

    @Test("a schema is found by each of the ways in which messages name it, by version 3 of the API and by version 2")
    func ways() throws {
        for version in [3, 2] {
            let registry = try RegistryMock()
            defer { registry.stop() }
            registry.offerApicurio([version])
            registry.register(#""string""#, as: "other")
            registry.register(Self.order, as: "shop/orders")
            let content = registry.register(
                .init(Self.nested, references: [.init(name: "Order", subject: "shop/orders", version: 1)]),
                as: "shop/nested")
            let global = try #require(registry.globalID(of: "shop/nested"))
            let avro: [UInt8] = [14, 16]
            let source = source(registry)
            let names: [(String, String)] = [
                ("groupId", "shop"), ("artifactId", "nested"), ("version", "1"),
            ]
            let artifact = names.map { ("apicurio.value.\($0.0)", Array($0.1.utf8)) }
            let ways: [([UInt8], [(String, [UInt8])])] = [
                ([0, 0, 0, 0, UInt8(content)] + avro, []), ([0] + long(global) + avro, []),
                (avro, [("apicurio.value.contentId", long(content))]),
                (avro, [("apicurio.value.globalId", long(global)), ("apicurio.value.encoding", Array("BINARY".utf8))]),
                (avro, [("apicurio.value.contentHash", Array(registry.contentHash(of: content).utf8))]),
                (avro, artifact), (avro, Array(artifact.dropLast())),
            ]
            for (number, way) in ways.enumerated() {
                #expect(try read(way.0, way.1, source) == "7", "way \(number) by version \(version)")
            }
            #expect(registry.requests.allSatisfy { $0.hasPrefix("/apis/registry/v") })
            // What the producer was told to write may be told here, too.
            let globals = self.source(registry, "/apis/registry/v\(version)", numbers: .global)
            let short = Array(long(global)[4...])
            #expect(try read([0] + short + avro, [], globals) == "7")
            for subject in ["shop/nested"] {
                let found = try SchemaResolver(globals).ask(globals.newest(ofSubject: subject))
                #expect(found.format == "avro")
            }
        }
    }

    @Test("which language a schema is in, the search says, and the text where that does not find it")
    func languages() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let source = source(registry)
        let texts: [(RegistryMock.Schema, String)] = [
            (.init(Self.order), "avro"), (.init(#"{"type":"string"}"#, type: "JSON"), "json"),
            (.init(#"{"type":"object","properties":{}}"#, type: "JSON"), "json"),
            (.init("openapi: 3.0.2", type: "OPENAPI"), "unreadable"),
        ]
        for (number, text) in texts.enumerated() {
            let id = registry.register(text.0, as: "s\(number)")
            #expect(try SchemaResolver(source).ask(.content(UInt64(id))).format == text.1)
        }
        #expect(SchemaText(text: Self.order).language == .avro)
        #expect(SchemaText(text: #" ["null", "long"]"#).language == .avro)
        #expect(SchemaText(text: #"{"type": "record", "name": "R"}"#).language == .avro)
        #expect(SchemaText(text: #"{"$schema": "http://json-schema.org/draft-07/schema#"}"#).language == .json)
        #expect(SchemaText(text: "syntax = \"proto3\";").language == .protobuf)
    }

    @Test("each way of having no schema has its code, and a path that is no registry's makes no id unknown")
    func failures() throws {
        let registry = try RegistryMock(user: "me", password: "right")
        defer { registry.stop() }
        let me = HTTPOptions(credentials: .basic(user: "me", password: "right"))
        func code(_ http: HTTPOptions, at path: String = "") -> RegistryFailure.Code? {
            do throws(RegistryFailure) {
                _ = try SchemaResolver(source(registry, path, http)).ask(.content(99))
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code(me) == .unknown)
        #expect(code(me, at: "/wrong") == .noRegistry)
        #expect(code(HTTPOptions()) == .credentials)
        registry.fail(.status(403), times: 1)
        #expect(code(me) == .rights)
        registry.fail(.status(503), times: 1)
        #expect(code(me) == .away)
        registry.fail(.page, times: 1)
        #expect(code(me) == .noRegistry)
        let one = SchemaResolver(source(registry, "", me))
        #expect(throws: Never.self) { try one.greet() }
        #expect(throws: RegistryFailure.self) { try SchemaResolver(source(registry)).greet() }
        registry.offerApicurio([])
        #expect(code(me) == .noRegistry)
    }

    @Test("a schema whose references are not there says which, and others in a ring are found")
    func references() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let (a, b) = (
            RegistryMock.Reference(name: "A", subject: "a", version: 1),
            RegistryMock.Reference(name: "B", subject: "b", version: 1)
        )
        registry.register(
            .init(#"{"type":"record","name":"A","fields":[{"name":"b","type":["null","B"]}]}"#, references: [b]),
            as: "a")
        registry.register(
            .init(#"{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}"#, references: [a]),
            as: "b")
        let ring = registry.register(
            .init(#"{"type":"record","name":"R","fields":[{"name":"a","type":"A"}]}"#, references: [a]), as: "ring")
        let lost = registry.register(
            .init(Self.order, references: [.init(name: "C", subject: "g/c", version: 4)]), as: "lost")
        let source = source(registry)
        #expect(try SchemaResolver(source).ask(.content(UInt64(ring))).format == "avro")
        guard case .unreadable(let words) = try SchemaResolver(source).ask(.content(UInt64(lost))).content else {
            Issue.record("it is read")
            return
        }
        #expect(words == "refers to C, version 4 of g/c, which the registry does not have")
    }

    @Test("a message of Protobuf is the one that stands before it, in whichever form, and the file's first without")
    func protobuf() throws {
        let decoder = FramedDecoder(
            paths: [FieldPath(["first"]), FieldPath(["second"]), FieldPath(["inner"])], plain: .json, registry: "here",
            naming: SchemaNaming(.apicurio))
        decoder.learn(.content(1), .schema(RegisteredSchema(.protobuf(try Descriptors.threeMessages()))))
        func read(_ bytes: [UInt8], _ headers: [(String, [UInt8])] = []) -> String {
            let padded = bytes + [UInt8](repeating: 0xFF, count: decoder.padding)
            return padded.withUnsafeBytes { padded in
                let message = UnsafeRawBufferPointer(rebasing: padded[..<bytes.count])
                return MadeHeaders.with(headers, SchemaNaming(.apicurio)) { header in
                    do throws(DecodingFailure) {
                        return try decoder.decode(message, header: header).map {
                            $0.kind == .absent ? "-" : "\($0.first)"
                        }
                        .joined()
                    } catch {
                        return error.words
                    }
                }
            }
        }
        func reference(_ name: String) -> [UInt8] {
            [UInt8(name.utf8.count + 2), 0x0A, UInt8(name.utf8.count)] + name.utf8
        }
        let (id, five): ([UInt8], [UInt8]) = ([0, 0, 0, 0, 1], [8, 5])
        #expect(read(id + five) == "5--")
        #expect(read(id + reference("First") + five) == "5--")
        #expect(read(id + reference("Second") + five) == "-5-")
        #expect(read(id + reference("shop.Second") + five) == "-5-")
        #expect(read(id + reference("Inner") + five) == "--5")
        #expect(read(id + reference("Inner") + [4, 2, 0] + five) == "--5")
        #expect(read(id + reference("First") + [0] + five) == "5--")
        #expect(read(id + [2, 2] + five) == "-5-")
        #expect(read(id + reference("Nobody") + five) == "names a message that its schema does not have")
        let header = ("apicurio.value.contentId", long(1))
        #expect(read(five, [header, ("apicurio.protobuf.type", Array("Second".utf8))]) == "-5-")
        #expect(read(reference("Inner") + five, [header, ("apicurio.protobuf.type", Array("Second".utf8))]) == "--5")
        #expect(read(five, [header]) == "5--")
    }

    @Test("Avro in its encoding as JSON is refused with its reason, and other headers of these names are nobody's")
    func headers() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(Self.order, as: "orders")
        let json = Array(#"{"id":7}"#.utf8)
        let source = source(registry)
        let (named, encoded) = (("apicurio.value.contentId", long(id)), ("apicurio.value.encoding", Array("JSON".utf8)))
        #expect(try read(json, [named, encoded], source).contains("apicurio.registry.avro.encoding=BINARY"))
        let schema = registry.register(.init("{}", type: "JSON"), as: "json")
        #expect(try read(json, [("apicurio.value.contentId", long(schema)), encoded], source) == "7")
        let typed = registry.register(
            .init(#"{"type":"object","properties":{"b":{"type":"string","connect.type":"bytes"}}}"#, type: "JSON"),
            as: "typed")
        #expect(try read(json, [("apicurio.value.contentId", long(typed)), encoded], source) == "7")
        for headers: [(String, [UInt8])] in [
            [("apicurio.value.contentId", [1, 2])], [("apicurio.key.contentId", long(id))], [encoded],
            [("apicurio.value.contentId", long(-1))], [("apicurio.value.artifactId", [])], [("apicurio.value.", [1])],
        ] {
            #expect(try read(json, headers, source) == "7", "\(headers)")
        }
        // The last of a name counts.
        #expect(try read([14], [("apicurio.value.contentId", long(id + 50)), named], source) == "7")
    }
}

/// What headers say of a schema.
enum MadeHeaders {
    static func with<Value>(
        _ headers: [(String, [UInt8])], _ naming: SchemaNaming, ofKey isOfKey: Bool = false,
        _ body: (SchemaHeader?) throws -> Value
    ) rethrows -> Value {
        // Alive in one place, so that the header may point at it.
        let all = headers.flatMap { Array($0.0.utf8) + $0.1 }
        return try all.withUnsafeBytes { bytes in
            var found = SchemaHeaders(naming, ofKey: isOfKey)
            var place = 0
            for (name, value) in headers {
                let end = place + name.utf8.count
                found.take(
                    UnsafeRawBufferPointer(rebasing: bytes[place..<end]),
                    UnsafeRawBufferPointer(rebasing: bytes[end..<end + value.count]))
                place = end + value.count
            }
            return try body(found.header)
        }
    }
}
