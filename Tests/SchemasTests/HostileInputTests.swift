import Foundation
import Records
import RegistryMock
import Schemas
import Synchronization
import Testing

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

    @Test("whatever a message and its header begin with, it is read alike in any memory, or refused within itself")
    func messages() throws {
        let schema =
            #"{"type":"record","name":"R","fields":[{"name":"a","type":["null","string","long"]},{"name":"b","type":{"type":"array","items":"long"}}]}"#
        let decoder = FramedDecoder(paths: [FieldPath(["a"]), FieldPath([])], plain: .json, registry: "here")
        for id in Int32(1)...3 {
            decoder.learn(.number(id), .schema(RegisteredSchema(id == 3 ? .json : .avro(try AvroSchema(schema)))))
        }
        var numbers = Numbers(state: 1)
        let beginnings: [[UInt8]] = [
            [0, 0, 0, 0, 1], [0, 0, 0, 0, 3], [0], [1], [3, 0], [3, 5], [0xC3, 1], Array("Obj".utf8) + [1],
            Array("{\"a\":".utf8), [],
        ]
        func read(_ bytes: [UInt8], _ header: [UInt8]?, padding: UInt8) -> String {
            let padded = bytes + [UInt8](repeating: padding, count: decoder.padding)
            return padded.withUnsafeBytes { padded in
                let message = UnsafeRawBufferPointer(rebasing: padded[..<bytes.count])
                return (header ?? []).withUnsafeBytes { name in
                    let header = header == nil ? nil : SchemaHeader(confluent: name)
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
