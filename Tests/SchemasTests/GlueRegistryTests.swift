import Credentials
import Foundation
import Records
import RegistryMock
import Testing
import Web

@testable import Schemas

@Suite("AWS Glue's registry")
struct GlueRegistryTests {
    private static let order = #"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#

    private func options(_ url: String, _ keyID: String = "AKID") -> RegistryOptions {
        RegistryOptions(
            urls: [url], naming: SchemaNaming(.glue),
            aws: .init(
                region: "eu-west-1",
                chain: AWSCredentialChain(
                    credentials: AWSCredentials(accessKeyID: keyID, secretAccessKey: "s3cret", sessionToken: "t0ken"),
                    environment: [:])))
    }

    private func failure(_ registry: RegistryMock, _ keyID: String = "AKID") -> RegistryFailure? {
        do throws(RegistryFailure) {
            _ = try SchemaResolver(SchemaSource(options(registry.url, keyID))).ask(.guid(high: 1, low: 2))
            return nil
        } catch {
            return error
        }
    }

    private func frame(_ guid: String, _ payload: [UInt8], compression: UInt8 = 0) -> [UInt8] {
        let digits = Array(guid.utf8).filter { $0 != UInt8(ascii: "-") }
        let id = stride(from: 0, to: 32, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
        return [3, compression] + id + payload
    }

    @Test("a version's schema is asked for once with a signature, and says its registry, name and version")
    func found() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.acceptAWS(keyID: "AKID")
        let id = registry.register(Self.order, as: "shop/orders")
        let guid = try #require(registry.guid(of: id))
        let source = SchemaSource(options(registry.url))
        let decoder = FramedDecoder(paths: [FieldPath(["id"])], plain: .json, schemas: source)
        let message = frame(guid, [14]) + [UInt8](repeating: 0, count: decoder.padding)
        try message.withUnsafeBytes { padded in
            let message = UnsafeRawBufferPointer(rebasing: padded[..<19])
            let missing = try #require(decoder.missing(in: message, header: nil))
            let schema = try SchemaResolver(source).ask(missing)
            #expect(schema.subject == "shop/orders" && schema.version == 1 && schema.format == "avro")
            decoder.learn(missing, .schema(schema))
            #expect(decoder.missing(in: message, header: nil) == nil)
            #expect(try decoder.decode(message)[0].first == 7)
        }
        #expect(try SchemaResolver(source).ask(source.newest(ofSubject: "shop/orders")).version == 1)
        #expect(throws: Never.self) { try SchemaResolver(source).greet() }
    }

    @Test("each error of AWS's has its code, and what it says of the request is left out")
    func failures() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.acceptAWS(keyID: "AKID")
        #expect(failure(registry)?.code == .unknown)
        #expect(failure(registry, "OTHER")?.code == .credentials)
        let ways: [(String, RegistryFailure.Code)] = [
            ("EntityNotFoundException", .unknown), ("com.amazonaws.glue#EntityNotFoundException", .unknown),
            ("AccessDeniedException", .rights), ("InvalidSignatureException", .credentials),
            ("ExpiredTokenException", .credentials), ("ThrottlingException", .away),
            ("InternalServiceException", .away), ("SomethingElse", .noRegistry),
        ]
        for (name, code) in ways {
            // Others are asked with once, where these are refused.
            registry.fail(.aws(name), times: code == .credentials ? 2 : 1)
            let failure = failure(registry)
            #expect(failure?.code == code, "\(name)")
            #expect(!"\(failure.map { "\($0)" } ?? "")".contains("t0ken"))
        }
        registry.fail(.status(500), times: 1)
        #expect(failure(registry)?.code == .away)
        registry.fail(.page, times: 1)
        #expect(failure(registry)?.code == .noRegistry)
        #expect(throws: RegistryFailure.self) { try SchemaResolver(SchemaSource(options(registry.url, "X"))).greet() }
    }

    @Test("credentials are those of AWS's own settings at each request, and others once they are refused")
    func chain() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.acceptAWS(keyID: "NEW")
        let home = FileManager.default.temporaryDirectory.appending(path: "glue-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: home) }
        try FileManager.default.createDirectory(at: home.appending(path: ".aws"), withIntermediateDirectories: true)
        func write(_ key: String) throws {
            let text = "[default]\naws_access_key_id = \(key)\naws_secret_access_key = s3cret\n"
            try Data(text.utf8).write(to: home.appending(path: ".aws/credentials"))
        }
        let environment = ["HOME": home.path(percentEncoded: false), "AWS_REGION": "eu-west-1"]
        let options = RegistryOptions(
            urls: [registry.url], naming: SchemaNaming(.glue),
            aws: .init(region: nil, chain: AWSCredentialChain(environment: environment)))
        let resolver = SchemaResolver(SchemaSource(options))
        try write("OLD")
        #expect(throws: RegistryFailure.self) { try resolver.greet() }
        try write("NEW")
        #expect(throws: Never.self) { try resolver.greet() }
        // A program's serve for a while: only a refusal makes it be asked again.
        let answer = #"{"Version": 1, "AccessKeyId": "$KEY", "SecretAccessKey": "s3cret"}"#
        let file = home.appending(path: "answer")
        let config = "[default]\ncredential_process = cat \(file.path(percentEncoded: false))\n"
        try Data(config.utf8).write(to: home.appending(path: ".aws/config"))
        try FileManager.default.removeItem(at: home.appending(path: ".aws/credentials"))
        try Data(answer.replacing("$KEY", with: "NEW").utf8).write(to: file)
        #expect(throws: Never.self) { try resolver.greet() }
        registry.acceptAWS(keyID: "NEWER")
        try Data(answer.replacing("$KEY", with: "NEWER").utf8).write(to: file)
        #expect(throws: Never.self) { try resolver.greet() }
    }

    @Test("without a region, or without credentials, it says what to do")
    func nobody() throws {
        func failure(_ environment: [String: String]) -> RegistryFailure? {
            let options = RegistryOptions(
                urls: [], naming: SchemaNaming(.glue),
                aws: .init(region: nil, chain: AWSCredentialChain(environment: environment)))
            do throws(RegistryFailure) {
                try SchemaResolver(SchemaSource(options)).greet()
                return nil
            } catch {
                return error
            }
        }
        let none = ["HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"]
        let region = failure(none)
        #expect(region?.code == .credentials && region?.words.contains("AWS_REGION") == true)
        let credentials = failure(none.merging(["AWS_REGION": "eu-west-1"]) { $1 })
        #expect(credentials?.code == .credentials && credentials?.words.contains("AWS_PROFILE") == true)
    }

    @Test("what zlib has compressed is read, and told where it is damaged, whatever the message is written in")
    func compressed() throws {
        let decoder = FramedDecoder(
            paths: [FieldPath(["id"])], plain: .json, registry: "here", naming: SchemaNaming(.glue))
        decoder.learn(.guid(high: 0, low: 1), .schema(RegisteredSchema(.avro(try AvroSchema(Self.order)))))
        decoder.learn(.guid(high: 0, low: 2), .schema(RegisteredSchema(.json(nil))))
        func read(_ id: String, _ payload: [UInt8]) -> String {
            let bytes = frame("00000000-0000-0000-0000-00000000000\(id)", payload, compression: 5)
            let padded = bytes + [UInt8](repeating: 0xFF, count: decoder.padding)
            return padded.withUnsafeBytes { padded in
                do throws(DecodingFailure) {
                    let field = try decoder.decode(UnsafeRawBufferPointer(rebasing: padded[..<bytes.count]))[0]
                    return field.kind == .integer ? "\(field.first)" : String(decoding: field.bytes, as: UTF8.self)
                } catch {
                    return error.words
                }
            }
        }
        // What Python's zlib makes of [14] and of {"id":7}.
        let avro: [UInt8] = [120, 156, 227, 3, 0, 0, 15, 0, 15]
        let json: [UInt8] = [120, 156, 171, 86, 202, 76, 81, 178, 50, 175, 5, 0, 11, 89, 2, 123]
        #expect(read("1", avro) == "7")
        #expect(read("2", json) == "7")
        let words = "is not compressed by zlib as its second byte says"
        #expect(read("1", Array(avro.dropLast(2))) == words)
        #expect(read("2", [1, 2, 3]) == words)
        #expect(read("1", []) == words)
        // A key in such JSON is decoded by whoever wants to know what it is.
        let key = frame("00000000-0000-0000-0000-000000000002", json, compression: 5)
        #expect(key.withUnsafeBytes { decoder.hasFields($0, header: nil) })
    }

    @Test("a message of Protobuf is the one of its place among the sorted names, nested ones counted")
    func protobuf() throws {
        let decoder = FramedDecoder(
            paths: [FieldPath(["first"]), FieldPath(["second"]), FieldPath(["inner"])], plain: .json, registry: "here",
            naming: SchemaNaming(.glue))
        let id = SchemaID.guid(high: 0, low: 1)
        decoder.learn(id, .schema(RegisteredSchema(.protobuf(try Descriptors.threeMessages()))))
        func read(_ payload: [UInt8]) -> String {
            let bytes = frame("00000000-0000-0000-0000-000000000001", payload)
            let padded = bytes + [UInt8](repeating: 0xFF, count: decoder.padding)
            return padded.withUnsafeBytes { padded in
                do throws(DecodingFailure) {
                    return try decoder.decode(UnsafeRawBufferPointer(rebasing: padded[..<bytes.count]))
                        .map { $0.kind == .absent ? "-" : "\($0.first)" }.joined()
                } catch {
                    return error.words
                }
            }
        }
        // shop.First, shop.Second, shop.Second.Inner
        #expect(read([0, 8, 5]) == "5--")
        #expect(read([1, 8, 5]) == "-5-")
        #expect(read([2, 8, 5]) == "--5")
        #expect(read([3, 8, 5]) == "names a message that its schema does not have")
        #expect(read([]) == "does not say which message of its schema it is")
        #expect(read([0x80]) == "does not say which message of its schema it is")
    }
}
