import Records
import Schemas

enum FuzzedFraming {
    private static let avro = try? AvroSchema(#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}"#)
    private static let protobuf = try? ProtobufSchema(
        .text(
            Array(
                "syntax = \"proto3\"; message A { message B { string a = 1; message C { int64 a = 1; } } int32 a = 1; } message D {}"
                    .utf8)), named: "a.proto")

    /// The first part is a header, if there is one, and the second a message.
    static func message(_ input: UnsafeRawBufferPointer) {
        guard let avro, let protobuf else { return }
        let (header, message) = input.divided
        for kind in RegistryKind.allCases {
            // Its name and its value: the headers of all registries' clients.
            let (name, value) = header.divided
            for isOfKey in [false, true] {
                var headers = SchemaHeaders(SchemaNaming(kind), ofKey: isOfKey)
                headers.take(name, value)
                let decoder = FramedDecoder(
                    paths: [FieldPath(["a"])], plain: .json, registry: "r", naming: SchemaNaming(kind),
                    messageIndexes: isOfKey ? .plain : .zigzag)
                let header = headers.header
                if let id = decoder.missing(in: message, header: header) {
                    decoder.learn(id, .schema(RegisteredSchema(id.low & 1 == 0 ? .avro(avro) : .protobuf(protobuf))))
                }
                Walk.decode(message, by: decoder, header: header)
            }
        }
        for plain in [FramedDecoder.Plain.json, .nothing, .avro(avro), .protobuf(protobuf, message: 0)] {
            let decoder = FramedDecoder(paths: [FieldPath([]), FieldPath(["a"])], plain: plain, registry: "r")
            for header in [nil, SchemaHeader(confluent: header)] {
                if let id = decoder.missing(in: message, header: header) {
                    // What an id means, its last bit says.
                    let schema = RegisteredSchema(id.low & 1 == 0 ? .avro(avro) : .protobuf(protobuf))
                    decoder.learn(id, .schema(schema))
                }
                Walk.decode(message, by: decoder, header: header)
                _ = decoder.hasFields(message, header: header)
            }
        }
        for numbers in MessageIndexes.Numbers.allCases { _ = MessageIndexes(in: message, at: 0, numbers) }
    }

    static let messages: [[UInt8]] = [
        .joined([], [0, 0, 0, 0, 2, 2, 0x61]), .joined([], [0, 0, 0, 0, 3, 0, 8, 1]),
        .joined([], [0, 0, 0, 0, 3, 4, 0, 0, 0x0A, 1, 0x61]), .joined([], Array("{\"a\": 1}".utf8)),
        .joined([1] + Array(1...15) + [3, 6, 0, 0, 0], [8, 1]), .joined([], [1] + Array(1...16) + [2, 0x61]),
        .joined(.joined(Array("apicurio.value.contentId".utf8), [0, 0, 0, 0, 0, 0, 0, 3]), [7, 0x0A, 5] + Array("A.B.C".utf8) + [8, 1]),
        .joined(.joined(Array("content-type".utf8), Array("avro/binary+0123456789abcdef0123456789abcdef".utf8)), [2, 0x61]),
        .joined([], [0, 0, 0, 0, 0, 0, 0, 0, 5, 3, 0x0A, 1, 0x41, 8, 1]),
        .joined([], [3, 0] + Array(1...16)), .joined([], [0xC3, 1] + Array(1...8)), .joined([], Array("Obj".utf8) + [1, 0]),
    ]
}

extension Walk {
    fileprivate static func decode(
        _ message: UnsafeRawBufferPointer, by decoder: FramedDecoder, header: SchemaHeader?
    ) {
        decode(message, by: HeaderedDecoder(decoder, header))
    }
}

/// Gives each message the same header.
private final class HeaderedDecoder: RecordDecoder {
    private let decoder: FramedDecoder
    private let header: SchemaHeader?

    init(_ decoder: FramedDecoder, _ header: SchemaHeader?) {
        self.decoder = decoder
        self.header = header
    }

    var padding: Int { decoder.padding }

    func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        try decoder.decode(message, header: header)
    }

    func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        try decoder.visit(container, body)
    }

    func number(of record: Field) -> Field? { decoder.number(of: record) }
}
