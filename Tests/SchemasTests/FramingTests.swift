import Testing

@testable import Schemas

@Suite("Framing")
struct FramingTests {
    private func framing(_ bytes: [UInt8]) -> Framing { bytes.withUnsafeBytes { Framing(of: $0) } }
    private func framing(_ bytes: [UInt8], ofApicurio numbers: SchemaNaming.Numbers?) -> Framing {
        bytes.withUnsafeBytes { Framing(of: $0, SchemaNaming(.apicurio, numbers: numbers)) }
    }
    private func header(_ bytes: [UInt8]) -> SchemaID? {
        bytes.withUnsafeBytes { SchemaHeader(confluent: $0)?.schema }
    }
    private func azure(_ type: String) -> SchemaID? {
        Array(type.utf8).withUnsafeBytes { SchemaHeader(azure: $0)?.schema }
    }
    private func indexes(_ bytes: [UInt8], at start: Int) -> MessageIndexes? {
        bytes.withUnsafeBytes { MessageIndexes(in: $0, at: start) }
    }

    private static let guid: [UInt8] = [
        0x2e, 0x36, 0xe0, 0x2e, 0xe4, 0x35, 0x4e, 0xd2, 0xaf, 0x73, 0xa9, 0x0d, 0xd1, 0xe9, 0xb8, 0xef,
    ]
    private static let guidText = "2e36e02e-e435-4ed2-af73-a90dd1e9b8ef"

    @Test("00 and four bytes are Confluent's number, the highest byte first")
    func number() {
        let framing = framing([0, 0, 0, 1, 2, 0x48])
        #expect(framing.form == .number && framing.payload == 5)
        #expect(framing.schema == .number(258) && framing.schema.number == 258)
        #expect(framing.schema.description == "258")
        #expect(self.framing([0, 0x7F, 0xFF, 0xFF, 0xFF]).schema.number == .max)
    }

    @Test("what no registry gives is no schema's number: so begin integers as Java writes them")
    func noNumber() {
        for bytes: [UInt8] in [
            [0, 0, 0, 0, 0, 0, 0, 5], [0, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0, 0, 0, 0], [0], [],
        ] {
            #expect(framing(bytes) == .none, "\(bytes)")
        }
    }

    @Test("01 and sixteen bytes are Confluent's GUID")
    func guid() {
        let framing = framing([1] + Self.guid + [7])
        #expect(framing.form == .guid && framing.payload == 17)
        #expect(framing.schema.description == Self.guidText)
        #expect(self.framing([1] + Self.guid.dropLast()) == .none)
    }

    @Test("a header names a schema by either, with what Protobuf has behind it, and nothing stands before the message")
    func headers() {
        #expect(header([1] + Self.guid)?.description == Self.guidText)
        #expect(header([1] + Self.guid + [4, 0, 2])?.description == Self.guidText)
        #expect(header([0, 0, 0, 0, 9])?.number == 9)
        for bytes: [UInt8] in [[], [0, 0, 0, 0], [2] + Self.guid, Array("7".utf8), [0, 0, 0, 0, 0]] {
            #expect(header(bytes) == nil, "\(bytes)")
        }
    }

    @Test("C3 01 and eight bytes are Avro's fingerprint, the lowest byte first")
    func singleObject() {
        // The fingerprint of "int".
        let framing = framing([0xC3, 0x01, 0x8f, 0x5c, 0x39, 0x3f, 0x1a, 0xd5, 0x75, 0x72, 2])
        #expect(framing.form == .singleObject && framing.payload == 10)
        #expect(framing.schema == .fingerprint(0x7275_d51a_3f39_5c8f))
        #expect(framing.schema.description == "fingerprint 7275d51a3f395c8f")
    }

    @Test("Glue's, a file of Avro's and Azure's content type are known for what they are")
    func others() {
        let glue = framing([3, 5] + Self.guid + [1])
        #expect(glue.form == .glue && glue.payload == 18 && glue.schema.description == Self.guidText)
        #expect(framing([3, 0] + Self.guid).form == .glue)
        #expect(framing([3, 1] + Self.guid) == .none)
        #expect(framing(Array("Obj".utf8) + [1, 4]).form == .avroFile)
        #expect(azure("avro/binary+2e36e02ee4354ed2af73a90dd1e9b8ef")?.description == Self.guidText)
        #expect(azure("Avro/Binary+2E36E02E-E435-4ED2-AF73-A90DD1E9B8EF")?.description == Self.guidText)
        for type in [
            "application/json", "avro/binary+", "avro/binary+d90f03d6", "avro/binary+2e36e02ee4354ed2af73a90dd1e9b8eg",
            "",
            "avro/binary;2e36e02ee4354ed2af73a90dd1e9b8ef", "avro/binary+2e36e02ee4354ed2af73a90dd1e9b8ef0000",
        ] {
            #expect(azure(type) == nil, "\(type)")
        }
    }

    @Test(
        "00 is Apicurio's number in four bytes or in eight, of a content or of a version, where the registry is Apicurio's"
    )
    func apicurio() {
        let (short, long): ([UInt8], [UInt8]) = ([0, 0, 0, 1, 2, 0x48], [0, 0, 0, 0, 0, 0, 0, 1, 2, 0x48])
        #expect(framing(short, ofApicurio: nil) == Framing(.apicurio, .content(258), payload: 5))
        #expect(framing(long, ofApicurio: nil) == Framing(.apicurio, .global(258), payload: 9))
        #expect(framing(short, ofApicurio: .global).schema == .global(258))
        #expect(framing(long, ofApicurio: .content).schema == .content(258))
        // To Confluent's API the one is a number, and the other nothing.
        #expect(framing(short).schema == .number(258) && framing(long) == .none)
        for bytes: [UInt8] in [
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1], [0, 0xFF, 0xFF, 0xFF, 0xFF, 1],
        ] {
            #expect(framing(bytes, ofApicurio: nil) == .none, "\(bytes)")
        }
    }

    @Test("what stands before a message of Protobuf of Apicurio's is a name, if it is one")
    func typeReferences() {
        func name(_ bytes: [UInt8]) -> String? {
            bytes.withUnsafeBytes { bytes in
                TypeReference(in: bytes, at: 0).map { "\(String(decoding: $0.name, as: UTF8.self)) \($0.end)" }
            }
        }
        #expect(name([7, 0x0A, 5] + Array("Order".utf8) + [8, 1]) == "Order 8")
        #expect(name([7, 0x0A, 5] + Array("Order".utf8)) == "Order 8")
        for bytes: [UInt8] in [
            [], [0], [7, 0x0A, 5] + Array("Orde".utf8), [7, 0x12, 5] + Array("Order".utf8),
            [8, 0x0A, 5] + Array("Order".utf8),
            [7, 0x0A, 5] + Array("Ord-r".utf8), [0x80], [8, 1], [2, 0x0A, 0],
        ] {
            #expect(name(bytes) == nil, "\(bytes)")
        }
    }

    @Test("JSON has nothing before it")
    func json() {
        for text in ["{\"a\": 1}", " [1, 2, 3]", "null", "12345", "\"text\"", "\u{FEFF}{}  ", "Objects"] {
            #expect(framing(Array(text.utf8)) == .none, "\(text)")
        }
    }

    @Test("Protobuf's message indexes are zigzag varints, and the first message is a single 00")
    func messageIndexes() {
        // As Confluent's serializers write them for `Order`, its first nested message and its second.
        #expect(indexes([0, 0, 0, 0, 2, 0, 8], at: 5) == MessageIndexes(path: [0], end: 6))
        #expect(indexes([0, 0, 0, 0, 2, 4, 0, 0, 8], at: 5) == MessageIndexes(path: [0, 0], end: 8))
        #expect(indexes([0, 0, 0, 0, 2, 4, 0, 2, 8], at: 5) == MessageIndexes(path: [0, 1], end: 8))
        #expect(indexes([2, 0x80, 0x02], at: 0) == MessageIndexes(path: [128], end: 3))
        #expect(indexes([4, 0, 2], at: 0) == MessageIndexes(path: [0, 1], end: 3))
        for bytes: [UInt8] in [
            [], [4, 0], [1], [2, 1], [0x80], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0xFE, 0xFF, 0xFF, 0xFF, 0x0F],
        ] {
            #expect(indexes(bytes, at: 0) == nil, "\(bytes)")
        }
    }

    @Test("message indexes of clients with use.deprecated.format are plain varints, and the first message the same 00")
    func plainMessageIndexes() {
        func plain(_ bytes: [UInt8]) -> MessageIndexes? {
            bytes.withUnsafeBytes { MessageIndexes(in: $0, at: 0, .plain) }
        }
        // As confluent-kafka 2.3.0 writes them for `A`, `A.I`, `A.J`, `B` and `B.I` of a file.
        #expect(plain([0, 8, 7]) == MessageIndexes(path: [0], end: 1))
        #expect(plain([2, 0, 0, 8, 7]) == MessageIndexes(path: [0, 0], end: 3))
        #expect(plain([2, 0, 1, 8, 7]) == MessageIndexes(path: [0, 1], end: 3))
        #expect(plain([1, 1, 8, 7]) == MessageIndexes(path: [1], end: 2))
        #expect(plain([2, 1, 0, 8, 7]) == MessageIndexes(path: [1, 0], end: 3))
        #expect(plain([1, 0x80, 0x01]) == MessageIndexes(path: [128], end: 3))
        for bytes: [UInt8] in [[], [1], [2, 1], [65], [1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]] {
            #expect(plain(bytes) == nil, "\(bytes)")
        }
    }
}
