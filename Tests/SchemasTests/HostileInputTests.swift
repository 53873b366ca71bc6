import Foundation
import Records
import RegistryMock
import Synchronization
import Testing

@testable import Schemas

/// Bytes and answers are other people's.
@Suite("Hostile input to schemas")
struct HostileInputTests {
    /// The same numbers in each run.
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) ^ (state << 31)
        }
    }

    @Test(
        "whatever a message and its headers begin with, it is read alike in any memory, or refused within itself",
        arguments: RegistryKind.allCases)
    func messages(kind: RegistryKind) throws {
        let schema =
            #"{"type":"record","name":"R","fields":[{"name":"a","type":["null","string","long"]},{"name":"b","type":{"type":"array","items":"long"}}]}"#
        let naming = SchemaNaming(kind)
        let decoder = FramedDecoder(
            paths: [FieldPath(["a"]), FieldPath([])], plain: .json, registry: "here",
            naming: naming)
        for id in Int32(1)...3 {
            let content: RegisteredSchema.Content =
                switch id {
                case 1: .avro(try AvroSchema(schema))
                case 2: .protobuf(try Descriptors.threeMessages())
                default: .json(nil)
                }
            let number = UInt64(id)
            for name: SchemaID in [
                .number(id), .content(number), .global(number), .guid(high: 0, low: number),
            ] {
                decoder.learn(name, .schema(RegisteredSchema(content)))
            }
        }
        var numbers = Numbers(state: 1)
        let zeros = [UInt8](repeating: 0, count: 15)
        let beginnings: [[UInt8]] = [
            [0, 0, 0, 0, 1], [0, 0, 0, 0, 2], [0, 0, 0, 0, 3], [0], [0, 0, 0, 0, 0, 0, 0, 0, 2],
            [0, 0, 0, 0, 2, 8, 0x0A, 6], [3, 0] + zeros + [1], [3, 0] + zeros + [2], [3, 5] + zeros + [3], [1], [3, 0],
            [3, 5], [0xC3, 1], Array("Obj".utf8) + [1],
            Array("{\"a\":".utf8), [],
        ]
        // Each kind's own, of a schema that there is or is not.
        func headers(_ value: [UInt8]) -> [(String, [UInt8])] {
            let long = [UInt8](repeating: 0, count: 7) + value.suffix(1)
            return switch kind {
            case .confluent, .glue: [("__value_schema_id", value)]
            case .apicurio:
                [("apicurio.value.contentId", long), ("apicurio.protobuf.type", Array("Second".utf8))]
            case .azure:
                [
                    (
                        "content-type",
                        Array(("avro/binary+" + String(repeating: "0", count: 31) + "\(value.last ?? 0)").utf8)
                    )
                ]
            }
        }
        func read(_ bytes: [UInt8], _ header: [UInt8]?, padding: UInt8) -> String {
            let padded = bytes + [UInt8](repeating: padding, count: decoder.padding)
            return padded.withUnsafeBytes { padded in
                let message = UnsafeRawBufferPointer(rebasing: padded[..<bytes.count])
                return MadeHeaders.with(header.map(headers) ?? [], naming) { header in
                    _ = decoder.missing(in: message, header: header)
                    _ = decoder.hasFields(message, header: header)
                    do throws(DecodingFailure) {
                        return try decoder.decode(message, header: header).map { "\($0.kind)" }.joined()
                    } catch {
                        #expect((error.offset ?? 0) <= bytes.count)
                        return "\(error.reason) \(error.words) \(error.offset ?? -1)"
                    }
                }
            }
        }
        for _ in 0..<20_000 {
            let rest = (0..<Int.random(in: 0..<24, using: &numbers)).map { _ in
                UInt8(truncatingIfNeeded: numbers.next())
            }
            let bytes = (beginnings.randomElement(using: &numbers) ?? []) + rest
            let header = numbers.next() % 4 == 0 ? [0, 0, 0, 0, UInt8(numbers.next() % 5)] : nil as [UInt8]?
            let (one, other) = (read(bytes, header, padding: 0), read(bytes, header, padding: 0xFF))
            if one != other { Issue.record("\(bytes) \(header ?? []): \(one), \(other)") }
        }
    }

    @Test("whatever a registry answers is a schema, or a failure that says what kind")
    func answers() async throws {
        let right = Array(
            #"{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}","schemaType":"AVRO","references":[],"ruleSet":{"domainRules":[{"type":"CEL"}]},"id":7}"#
                .utf8)
        let numbers = Mutex(Numbers(state: 7))
        let server = try MockHTTPServer { _ in
            numbers.withLock { numbers in
                var body = right
                for _ in 0..<Int.random(in: 1...4, using: &numbers) where !body.isEmpty {
                    let place = Int.random(in: 0..<body.count, using: &numbers)
                    switch numbers.next() % 3 {
                    case 0: body[place] = UInt8(truncatingIfNeeded: numbers.next())
                    case 1: body.remove(at: place)
                    default: body.removeSubrange(place...)
                    }
                }
                let status = [200, 200, 200, 404, 500].randomElement(using: &numbers) ?? 200
                return .said(status: status, body: body)
            }
        }
        defer { server.stop() }
        let url = server.url
        let codes = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Set<String>, any Error>) in
            Thread {
                let resolver = SchemaResolver(SchemaSource(RegistryOptions(urls: [url])))
                var codes: Set<String> = []
                for _ in 0..<1500 {
                    do throws(RegistryFailure) {
                        codes.insert(try resolver.ask(.number(7)).format)
                    } catch {
                        codes.insert(error.code.rawValue)
                    }
                }
                continuation.resume(returning: codes)
            }.start()
        }
        #expect(codes.isSuperset(of: ["avro", "unreadable", "no_registry", "away"]), "\(codes)")
        #expect(!codes.contains("unknown"), "a 404 that is no registry's makes no dead letters")
    }
}
