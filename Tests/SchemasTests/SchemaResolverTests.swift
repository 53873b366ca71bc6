import Foundation
import Records
import RegistryMock
import Synchronization
import Testing
import Web

@testable import Schemas

/// Runs what waits away from Swift's pool.
private func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

extension SchemaResolver.Found {
    fileprivate var schema: RegisteredSchema? { if case .schema(let schema) = self { schema } else { nil } }
    fileprivate var words: String? { if case .none(let words) = self { words } else { nil } }
}

extension RegisteredSchema {
    fileprivate var avro: AvroSchema? { if case .avro(let schema) = content { schema } else { nil } }
    fileprivate var refusal: String? { if case .unreadable(let words) = content { words } else { nil } }
}

/// What a search for schemas has met.
private final class Met: Sendable {
    private let met = Mutex<[String]>([])

    var all: [String] { met.withLock { $0 } }
    func note(_ what: String) { met.withLock { $0.append(what) } }

    /// Waits no longer than a moment, so that a test takes as long as the answers.
    func waiting(until isGivenUp: @escaping @Sendable () -> Bool = { false }) -> SchemaResolver.Waiting {
        SchemaResolver.Waiting(
            isGivenUp: isGivenUp, pause: { _ in Thread.sleep(forTimeInterval: 0.02) },
            failed: { failure in
                self.note("\(failure.code.rawValue) \(failure.status ?? 0)")
                Thread.sleep(forTimeInterval: 0.02)
            }, answered: { self.note("answered") })
    }
}

@Suite("Registry")
struct SchemaResolverTests {
    private static let order = #"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#

    private func options(_ urls: String..., http: HTTPOptions = HTTPOptions()) -> RegistryOptions {
        RegistryOptions(urls: urls, http: http)
    }

    private func find(
        _ id: SchemaID, _ source: SchemaSource, _ met: Met = Met(),
        until isGivenUp: @escaping @Sendable () -> Bool = { false }
    ) async throws -> SchemaResolver.Found? {
        try await onOwnThread { SchemaResolver(source).find(id, met.waiting(until: isGivenUp)) }
    }

    private func ask(_ id: SchemaID, _ options: RegistryOptions) async throws -> Result<
        RegisteredSchema, RegistryFailure
    > {
        try await onOwnThread {
            do throws(RegistryFailure) {
                return .success(try SchemaResolver(SchemaSource(options)).ask(id))
            } catch {
                return .failure(error)
            }
        }
    }

    private func code(_ id: SchemaID, _ options: RegistryOptions) async throws -> RegistryFailure.Code? {
        if case .failure(let failure) = try await ask(id, options) { failure.code } else { nil }
    }

    @Test("a schema is found by its number, its GUID and its subject, and asked for once")
    func found() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let number = registry.register(Self.order, as: "orders value/1")
        let guid = try #require(registry.guid(of: number).flatMap { UUID(uuidString: $0)?.uuid })
        let id = withUnsafeBytes(of: guid) { bytes in
            SchemaID.guid(
                high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
        let source = SchemaSource(options(registry.url + "/"))
        for id in [SchemaID.number(Int32(number)), id, source.newest(ofSubject: "orders value/1")] {
            for _ in 0..<2 { #expect(try await find(id, source)?.schema?.avro != nil, "\(id)") }
        }
        #expect(
            registry.requests == [
                "/schemas/ids/\(number)", "/schemas/guids/\(id)", "/subjects/orders%20value%2F1/versions/latest",
            ])
    }

    @Test("what a schema refers to is found, also by way of others, in a ring, and deleted since")
    func references() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let street = RegistryMock.Reference(name: "shop.Street", subject: "street", version: 1)
        let address = RegistryMock.Reference(name: "shop.Address", subject: "address", version: 1)
        registry.register(
            .init(#"{"type":"enum","name":"shop.Street","symbols":["A","B"]}"#, references: [address]), as: "street")
        registry.register(
            .init(
                #"{"type":"record","name":"shop.Address","fields":[{"name":"street","type":"shop.Street"}]}"#,
                references: [street]), as: "address")
        registry.deleteNewest(of: "street")
        let number = registry.register(
            .init(
                #"{"type":"record","name":"shop.Order","fields":[{"name":"to","type":"shop.Address"},{"name":"s","type":"shop.Street"}]}"#,
                references: [address, street]), as: "order")
        let schema = try await find(.number(Int32(number)), SchemaSource(options(registry.url)))?.schema
        #expect(schema?.avro != nil, "\(schema?.refusal ?? "")")
    }

    @Test(
        "what cannot be read is said of the schema, and for ever: encrypted, of another type, none, without what it needs"
    )
    func unreadable() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let rules = #"{"domainRules":[{"name":"e","kind":"TRANSFORM","type":"ENCRYPT","mode":"WRITEREAD"}]}"#
        let off = #"{"domainRules":[{"name":"e","type":"ENCRYPT","disabled":true},{"name":"c","type":"CEL"}]}"#
        // Of the whole message, which then is no longer what its schema says.
        let payload = #"{"encodingRules":[{"name":"p","kind":"TRANSFORM","type":"ENCRYPT_PAYLOAD"}]}"#
        let gone = RegistryMock.Reference(name: "a.B", subject: "b", version: 3)
        let ways: [(RegistryMock.Schema, String?)] = [
            (.init(Self.order, ruleSet: rules), "encryption"), (.init(Self.order, ruleSet: off), nil),
            (.init("message A { optional string s = 1; }", type: "PROTOBUF", ruleSet: rules), "encryption"),
            (.init("{}", type: "JSON", ruleSet: rules), "encryption"),
            (.init(Self.order, ruleSet: payload), "encryption"),
            (
                .init("syntax = \"proto3\";\nmessage A { b.B b = 1; }", type: "PROTOBUF"),
                "schema.proto:2:13 names a type b.B that nothing defines"
            ),
            (.init("x", type: "THRIFT"), "THRIFT"),
            (.init(#"{"type":"record","name":"R","fields":[{"name":"a","type":"a.B"}]}"#), "a.B"),
            (.init(Self.order, references: [gone]), "version 3 of b"),
        ]
        let source = SchemaSource(options(registry.url))
        for (index, way) in ways.enumerated() {
            let number = registry.register(way.0, as: "s\(index)")
            let schema = try #require(try await find(.number(Int32(number)), source)?.schema)
            if let words = way.1 {
                #expect(schema.refusal?.contains(words) ?? false, "\(schema.refusal ?? "it is read")")
            } else {
                #expect(schema.avro != nil)
            }
        }
        let json = registry.register(.init("{}", type: "JSON"), as: "json")
        #expect(try await find(.number(Int32(json)), source)?.schema?.format == "json")
    }

    @Test(
        "a schema of Protobuf is found where the registry has its descriptor, or its text and gives the descriptor too")
    func protobuf() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        // `a.proto`: message A { b.B b = 1; google.protobuf.Timestamp at = 2; }, `b.proto`: message B { int32 x = 1; }
        let a = Self.descriptor(
            "a.proto", "A", [("b", 1, 11, ".b.B"), ("at", 2, 11, ".google.protobuf.Timestamp")])
        let b = Self.descriptor("b.proto", "B", [("x", 1, 5, nil)], package: "b")
        registry.register(.init("message B", type: "PROTOBUF", serialized: b), as: "b")
        registry.deleteNewest(of: "b")
        let reference = RegistryMock.Reference(name: "b.proto", subject: "b", version: 1)
        let text = registry.register(
            .init("message A", type: "PROTOBUF", references: [reference], serialized: a), as: "a")
        let descriptor = registry.register(.init(a, type: "PROTOBUF", references: [reference]), as: "c")
        let source = SchemaSource(options(registry.url))
        for id in [SchemaID.number(Int32(text)), .number(Int32(descriptor)), source.newest(ofSubject: "a")] {
            let schema = try #require(try await find(id, source)?.schema)
            guard case .protobuf(let types) = schema.content else {
                Issue.record("\(schema.refusal ?? schema.format)")
                continue
            }
            #expect(types.message([0], inFile: 0).map { types[$0].name } == "A" && types.message(named: "b.B") != nil)
        }
        let missing = registry.register(.init(a, type: "PROTOBUF"), as: "d")
        #expect(
            try await find(.number(Int32(missing)), source)?.schema?.refusal?.contains("A.b is of the type .b.B")
                == true)
    }

    @Test("a schema of Protobuf is read from its text alone, with what it refers to and what everybody has")
    func protobufText() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.register(
            .init("syntax = \"proto3\"; package c; message C { string s = 1; }", type: "PROTOBUF"), as: "c-value")
        registry.register(
            .init(
                "syntax = \"proto3\"; package b; import public \"dir/c.proto\"; message B { c.C c = 1; }",
                type: "PROTOBUF", references: [.init(name: "dir/c.proto", subject: "c-value", version: 1)]),
            as: "b-value")
        let number = registry.register(
            .init(
                """
                syntax = "proto3"; package a;
                import "b.proto"; import "google/type/money.proto"; import "buf/validate/validate.proto";
                message A { b.B b = 1; c.C c = 2; google.type.Money m = 3 [(buf.validate.field) = { required: true }]; }
                """,
                type: "PROTOBUF", references: [.init(name: "b.proto", subject: "b-value", version: 1)]), as: "a-value")
        let schema = try #require(try await find(.number(Int32(number)), SchemaSource(options(registry.url)))?.schema)
        guard case .protobuf(let types) = schema.content else {
            Issue.record("\(schema.refusal ?? schema.format)")
            return
        }
        let message = types[try #require(types.message([0], inFile: 0))]
        #expect(message.name == "a.A")
        #expect(message.fields.map { types[$0.type].name } == ["b.B", "c.C", "google.type.Money"])
    }

    /// A `FileDescriptorProto` of one message, in base64.
    private static func descriptor(
        _ file: String, _ message: String, _ fields: [(name: String, number: UInt8, type: UInt8, of: String?)],
        package: String? = nil
    ) -> String {
        func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
        var type = field(1, Array(message.utf8))
        for made in fields {
            let ofType = made.of.map { field(6, Array($0.utf8)) } ?? []
            type += field(2, field(1, Array(made.name.utf8)) + [0x18, made.number, 0x20, 1, 0x28, made.type] + ofType)
        }
        let package = package.map { field(2, Array($0.utf8)) } ?? []
        return Data(field(1, Array(file.utf8)) + package + field(4, type) + field(12, Array("proto3".utf8)))
            .base64EncodedString()
    }

    @Test("each way of having no schema has its code")
    func failures() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let number = SchemaID.number(Int32(registry.register(Self.order, as: "orders")))
        let here = options(registry.url, http: HTTPOptions(timeout: .milliseconds(400)))
        let ways: [(RegistryMock.Fault, RegistryFailure.Code)] = [
            (.status(500), .away), (.status(503), .away), (.status(429), .away), (.status(408), .away),
            (.status(401), .credentials), (.status(403), .rights), (.status(405), .noRegistry), (.missing, .unknown),
            (.page, .noRegistry), (.reset, .away), (.silence, .away),
        ]
        for (fault, code) in ways {
            registry.fail(fault)
            #expect(try await self.code(number, here) == code, "\(fault)")
            registry.recover()
        }
        // A path that is wrong is no unknown schema, or all messages would be dead letters for it.
        #expect(try await code(number, options(registry.url + "/wrong")) == .noRegistry)
        #expect(try await code(.number(99), here) == .unknown)
    }

    @Test("the first of several URLs that answers is asked, and goes on being asked")
    func several() async throws {
        let (broken, good) = (try RegistryMock(), try RegistryMock())
        defer {
            broken.stop()
            good.stop()
        }
        broken.fail(.status(503))
        let numbers = (0..<3).map { good.register(#"{"type":"fixed","name":"F\#($0)","size":4}"#, as: "f\($0)") }
        let source = SchemaSource(options(broken.url, good.url))
        let met = Met()
        let found = try await onOwnThread {
            let resolver = SchemaResolver(source)
            return numbers.map { resolver.find(.number(Int32($0)), met.waiting())?.schema != nil }
        }
        #expect(found == [true, true, true])
        #expect(met.all.isEmpty)
        #expect(broken.requests.count == 1 && good.requests.count == 3)
    }

    @Test("an outage is waited for and told, and so is its end")
    func outage() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let number = registry.register(Self.order, as: "orders")
        registry.fail(.status(503), times: 2)
        registry.fail(.status(401), times: 1)
        let met = Met()
        let found = try await find(.number(Int32(number)), SchemaSource(options(registry.url)), met)
        #expect(found?.schema?.avro != nil)
        #expect(met.all == ["away 503", "away 503", "credentials 401", "answered"])
    }

    @Test("a search that nobody wants any more ends, and leaves nothing that is told as an outage")
    func givenUp() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.fail(.status(503))
        let met = Met()
        let found = try await find(.number(1), SchemaSource(options(registry.url)), met) { met.all.count > 2 }
        #expect(found == nil)
        #expect(met.all.last == "answered")
    }

    @Test("an id that comes late is found, and one that does not is told with the registry, without its secrets")
    func late() async throws {
        let registry = try RegistryMock(user: "me", password: "secret")
        defer { registry.stop() }
        let number = registry.register(Self.order, as: "orders")
        registry.fail(.missing, times: 2)
        let source = SchemaSource(options(registry.url.replacing("//", with: "//me:secret@")))
        #expect(try await find(.number(Int32(number)), source)?.schema?.avro != nil)
        let words = try #require(try await find(.number(99), source)?.words)
        #expect(words == "which the registry at \(registry.url) does not have")
    }

    @Test("says who it is, and hears at once when it is not let in")
    func credentials() async throws {
        let (basic, bearer) = (try RegistryMock(user: "me", password: "p:w"), try RegistryMock(token: "t.o.k"))
        defer {
            basic.stop()
            bearer.stop()
        }
        let number = SchemaID.number(Int32(basic.register(Self.order, as: "o")))
        bearer.register(Self.order, as: "o")
        let me = HTTPOptions(credentials: .basic(user: "me", password: "p:w"))
        let token = HTTPOptions(credentials: .bearer(token: "t.o.k"))
        #expect(try await code(number, options(basic.url, http: me)) == nil)
        #expect(try await code(number, options(bearer.url, http: token)) == nil)
        #expect(try await code(number, options(basic.url, http: token)) == .credentials)
        #expect(try await code(number, options(bearer.url)) == .credentials)
    }
}
