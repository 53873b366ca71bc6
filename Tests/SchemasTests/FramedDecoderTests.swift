import AllocationCounter
import Records
import Schemas
import Testing

@Suite("Messages that say what they are")
struct FramedDecoderTests {
    private static let paths = [FieldPath(["id"]), FieldPath(["name"])]
    private static let one =
        #"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"}]}"#
    private static let two =
        #"{"type":"record","name":"R","fields":[{"name":"name","type":"string"},{"name":"id","type":"int"}]}"#

    private func decoder(
        _ plain: FramedDecoder.Plain = .json, registry: String? = "here"
    ) throws -> FramedDecoder {
        let decoder = FramedDecoder(paths: Self.paths, plain: plain, registry: registry)
        decoder.learn(.number(1), .schema(RegisteredSchema(.avro(try AvroSchema(Self.one)))))
        decoder.learn(.number(2), .schema(RegisteredSchema(.avro(try AvroSchema(Self.two)))))
        decoder.learn(.number(3), .schema(RegisteredSchema(.json(nil))))
        decoder.learn(
            .number(4), .schema(RegisteredSchema(.unreadable("has rules"), subject: "s", version: 5, number: 4)))
        decoder.learn(.number(5), .none("which nobody has"))
        return decoder
    }

    /// What a message is: its two fields, or why it is none.
    private func read(_ bytes: [UInt8], header: [UInt8]? = nil, by decoder: FramedDecoder) -> String {
        let padded = bytes + [UInt8](repeating: 0xFF, count: decoder.padding)
        return padded.withUnsafeBytes { padded in
            let message = UnsafeRawBufferPointer(rebasing: padded[..<bytes.count])
            return (header ?? []).withUnsafeBytes { name in
                do throws(DecodingFailure) {
                    let header = header == nil ? nil : SchemaHeader(confluent: name)
                    let fields = try decoder.decode(message, header: header)
                    return fields.map { field in
                        field.kind == .integer
                            ? String(Int64(bitPattern: field.first)) : String(decoding: field.bytes, as: UTF8.self)
                    }.joined(separator: " ")
                } catch {
                    return "\(error.reason): \(error.words) \(error.offset.map { "@\($0)" } ?? "")"
                }
            }
        }
    }

    @Test("each message is read by its own schema, or as JSON, whatever came before")
    func reads() throws {
        let decoder = try decoder()
        let avro1: [UInt8] = [0, 0, 0, 0, 1, 14, 2, 0x61]
        let avro2: [UInt8] = [0, 0, 0, 0, 2, 2, 0x62, 16]
        let json = Array(#"{"id": 9, "name": "c"}"#.utf8)
        for _ in 0..<2 {
            #expect(read(avro1, by: decoder) == "7 a")
            #expect(read(json, by: decoder) == "9 c")
            #expect(read(avro2, by: decoder) == "8 b")
            #expect(read([0, 0, 0, 0, 3] + json, by: decoder) == "9 c")
            #expect(read(avro1, by: decoder) == "7 a")
        }
    }

    @Test("a header names the schema of a message that has nothing before it, and goes before what looks like it")
    func headers() throws {
        let decoder = try decoder()
        #expect(read([14, 2, 0x61], header: [0, 0, 0, 0, 1], by: decoder) == "7 a")
        #expect(read([0, 2, 0x61], header: [0, 0, 0, 0, 1], by: decoder) == "0 a")
        // Another's header of that name is no schema.
        #expect(read([0, 0, 0, 0, 1, 14, 2, 0x61], header: [7], by: decoder) == "7 a")
        // And it counts for its own message alone.
        #expect(read(Array(#"{"id": 9, "name": "c"}"#.utf8), by: decoder) == "9 c")
    }

    @Test("what cannot be read says why, and where in the whole message")
    func refusals() throws {
        let decoder = try decoder()
        #expect(
            read([0, 0, 0, 0, 4, 1], by: decoder) == "unknownSchema: names schema 4 (s, version 5), which has rules ")
        #expect(read([0, 0, 0, 0, 5, 1], by: decoder) == "unknownSchema: names schema 5, which nobody has ")
        #expect(read([0, 0, 0, 0, 1, 14, 2], by: decoder).hasSuffix("@6"))
        #expect(read([0, 0, 0, 0, 3] + Array("{".utf8), by: decoder).hasPrefix("invalidSyntax: is not valid JSON"))
        #expect(
            read([3, 0] + Array(0...16), by: decoder).contains(
                "AWS Glue do, and the registry that is configured is of another"))
        #expect(read(Array("Obj".utf8) + [1, 4], by: decoder).contains("Avro file"))
        #expect(read([0xC3, 1] + Array(0...9), by: decoder).contains("single-object"))
        let alone = try self.decoder(registry: nil)
        #expect(read([0, 0, 0, 0, 1, 14, 2, 0x61], by: alone).contains("and none is configured"))
    }

    @Test("by a schema of the route's own nothing stands before a message but what names that very schema")
    func configured() throws {
        let schema = try AvroSchema(Self.one)
        let decoder = try decoder(.avro(schema))
        let fingerprint = withUnsafeBytes(of: schema.fingerprint.littleEndian) { Array($0) }
        #expect(read([14, 2, 0x61], by: decoder) == "7 a")
        #expect(read([0, 0], by: decoder) == "0 ")
        #expect(read([0xC3, 1] + fingerprint + [14, 2, 0x61], by: decoder) == "7 a")
        #expect(read([2, 0x62, 16], header: [0, 0, 0, 0, 2], by: decoder) == "8 b")
        let learned = try self.decoder(.schema(.number(2)))
        #expect(read([2, 0x62, 16], by: learned) == "8 b")
        #expect(read([0, 0], by: learned) == "0 ")
        let framed = try self.decoder(.nothing)
        #expect(read(Array("{}".utf8), by: framed).contains("names no schema"))
        #expect(read([0, 0, 0, 0, 1, 14, 2, 0x61], by: framed) == "7 a")
    }

    @Test("only what has to be learned is missing, and what was unknown may be asked for again")
    func missing() throws {
        let decoder = try decoder()
        func missing(_ bytes: [UInt8]) -> SchemaID? {
            bytes.withUnsafeBytes { decoder.missing(in: $0, header: nil) }
        }
        #expect(missing([0, 0, 0, 0, 1, 14]) == nil)
        #expect(missing([0, 0, 0, 0, 9, 14]) == .number(9))
        #expect(missing(Array("{\"a\": 1}".utf8)) == nil)
        #expect(missing([0, 0, 0, 0, 5, 1]) == nil)
        decoder.forgetUnknown()
        #expect(missing([0, 0, 0, 0, 5, 1]) == .number(5))
        #expect(missing([0, 0, 0, 0, 4, 1]) == nil)
    }

    @Test("however many schemas a lot of messages is of, each of them is read")
    func many() throws {
        let decoder = try decoder()
        let schema = RegisteredSchema(.avro(try AvroSchema(Self.one)))
        for _ in 0..<2 {
            decoder.forgetUnknown()
            for id in Int32(100)..<3100 { decoder.learn(.number(id), .schema(schema)) }
            for id in Int32(100)..<3100 {
                let frame = [0] + withUnsafeBytes(of: id.bigEndian) { Array($0) }
                #expect(read(frame + [14, 2, 0x61], by: decoder) == "7 a")
            }
        }
    }

    @Test("a key has fields if its schema is a record, or it is an object")
    func keys() throws {
        let decoder = try decoder()
        decoder.learn(.number(6), .schema(RegisteredSchema(.avro(try AvroSchema("\"string\"")))))
        func hasFields(_ bytes: [UInt8]) -> Bool {
            bytes.withUnsafeBytes { decoder.hasFields($0, header: nil) }
        }
        #expect(hasFields([0, 0, 0, 0, 1, 14, 2, 0x61]))
        #expect(!hasFields([0, 0, 0, 0, 6, 2, 0x61]))
        #expect(hasFields([0, 0, 0, 0, 3] + Array("{}".utf8)))
        #expect(!hasFields([0, 0, 0, 0, 3] + Array("\"a\"".utf8)))
        #expect(hasFields(Array("{}".utf8)))
        #expect(!hasFields(Array("abc".utf8)))
        // Whoever decodes it hears why not.
        #expect(hasFields([0, 0, 0, 0, 5, 1]))
    }

    @Test(
        "a message allocates nothing, whichever schema it is of",
        .enabled(if: object_allocation_count() >= 0, "malloc cannot be counted here"))
    func allocations() throws {
        let decoder = try decoder()
        let messages: [[UInt8]] = [
            [0, 0, 0, 0, 1, 14, 2, 0x61], [0, 0, 0, 0, 2, 2, 0x62, 16], Array(#"{"id": 9, "name": "c"}"#.utf8),
        ].map { $0 + [UInt8](repeating: 0, count: decoder.padding) }
        func readAll() {
            for message in messages {
                message.withUnsafeBytes { bytes in
                    let message = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - decoder.padding)])
                    if decoder.missing(in: message, header: nil) == nil {
                        _ = try? decoder.decode(message)
                    }
                }
            }
        }
        readAll()
        func count(_ times: Int) -> Int64 {
            let before = object_allocation_count()
            for _ in 0..<times { readAll() }
            return object_allocation_count() - before
        }
        _ = count(10)
        // What a build without optimization allocates once is in both.
        let (few, many) = (count(100), count(10_000))
        #expect(many - few <= 48, "\(few), and then \(many)")
    }
}
