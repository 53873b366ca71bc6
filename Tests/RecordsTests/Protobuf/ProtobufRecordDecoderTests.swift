import SwiftProtobuf
import Testing

@testable import Records

@Suite("Protobuf decoder")
struct ProtobufRecordDecoderTests {
    private let schema: ProtobufSchema
    private let types = """
        name: "a.proto" package: "t" syntax: "proto3"
        message_type {
          name: "Order"
          field { name: "id" number: 1 type: TYPE_INT64 label: LABEL_OPTIONAL }
          field { name: "customer_name" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "customerName" }
          field { name: "note" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL proto3_optional: true oneof_index: 1 }
          field { name: "state" number: 4 type: TYPE_ENUM type_name: ".t.State" label: LABEL_OPTIONAL }
          field { name: "card" number: 5 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
          field { name: "transfer" number: 6 type: TYPE_MESSAGE type_name: ".t.Transfer" label: LABEL_OPTIONAL oneof_index: 0 }
          field { name: "counts" number: 7 type: TYPE_SINT32 label: LABEL_REPEATED }
          field { name: "items" number: 8 type: TYPE_MESSAGE type_name: ".t.Order.Item" label: LABEL_REPEATED }
          field { name: "tags" number: 9 type: TYPE_MESSAGE type_name: ".t.Order.TagsEntry" label: LABEL_REPEATED }
          field { name: "at" number: 10 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
          field { name: "total" number: 11 type: TYPE_MESSAGE type_name: ".confluent.type.Decimal" label: LABEL_OPTIONAL }
          field { name: "parent" number: 12 type: TYPE_MESSAGE type_name: ".t.Order" label: LABEL_OPTIONAL }
          field { name: "day" number: 13 type: TYPE_MESSAGE type_name: ".google.type.Date" label: LABEL_OPTIONAL }
          nested_type {
            name: "Item"
            field { name: "sku" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
            field { name: "count" number: 2 type: TYPE_UINT32 label: LABEL_OPTIONAL }
          }
          nested_type {
            name: "TagsEntry" options { map_entry: true }
            field { name: "key" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
            field { name: "value" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
          }
          oneof_decl { name: "payment" }
          oneof_decl { name: "_note" }
        }
        message_type {
          name: "Transfer"
          field { name: "iban" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
          field { name: "fee" number: 2 type: TYPE_FIXED32 label: LABEL_OPTIONAL }
        }
        enum_type { name: "State" value { name: "NEW" number: 0 } value { name: "PAID" number: 2 } }
        """
    private let known = [
        """
        name: "google/protobuf/timestamp.proto" package: "google.protobuf" syntax: "proto3"
        message_type {
          name: "Timestamp"
          field { name: "seconds" number: 1 type: TYPE_INT64 label: LABEL_OPTIONAL }
          field { name: "nanos" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
        }
        """,
        """
        name: "confluent/type/decimal.proto" package: "confluent.type" syntax: "proto3"
        message_type {
          name: "Decimal"
          field { name: "value" number: 1 type: TYPE_BYTES label: LABEL_OPTIONAL }
          field { name: "precision" number: 2 type: TYPE_UINT32 label: LABEL_OPTIONAL }
          field { name: "scale" number: 3 type: TYPE_INT32 label: LABEL_OPTIONAL }
        }
        """,
        """
        name: "google/type/date.proto" package: "google.type" syntax: "proto3"
        message_type {
          name: "Date"
          field { name: "year" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
          field { name: "month" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
          field { name: "day" number: 3 type: TYPE_INT32 label: LABEL_OPTIONAL }
        }
        """,
    ]

    init() throws {
        schema = try ProtobufSchema(
            files: ([types] + known).map { try Google_Protobuf_FileDescriptorProto(textFormatString: $0) })
    }

    private func decoder(_ paths: [FieldPath], of type: String = "t.Order") throws -> ProtobufRecordDecoder {
        ProtobufRecordDecoder(schema, message: try #require(schema.message(named: type)), paths: paths)
    }

    private func read(_ message: [UInt8], _ paths: String...) throws -> Result<[String], DecodingFailure> {
        told(
            message,
            by: try decoder(paths.map { FieldPath($0.isEmpty ? [] : $0.split(separator: ".").map(String.init)) }),
            padding: 0xFF)
    }

    private func e(_ name: String, _ number: Int) -> String { "e:\(number):\(s(name).dropFirst(2))" }

    private func s(_ text: String) -> String {
        "s:" + text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test("what a message lacks is its default where its type has no presence, and absent where it has one")
    func presence() throws {
        let fields = try read(
            [], "id", "customer_name", "note", "state", "card", "transfer.iban", "counts", "tags", "at")
        #expect(
            fields
                == .success(["i:0", "s:", "absent", e("NEW", 0), "absent", "absent", "[]", "{}", "absent"]))
        // A message that is there has the defaults of what is in it.
        #expect(try read([0x32, 0], "transfer.iban", "transfer.fee", "card") == .success(["s:", "w:0", "absent"]))
        #expect(try read([0x1A, 0], "note") == .success(["s:"]))
    }

    @Test("the last value counts, messages are merged, and the members of a oneof take each other's place")
    func repeats() throws {
        #expect(try read([8, 1, 8, 2], "id") == .success(["i:2"]))
        // The fee, then the IBAN.
        let merged: [UInt8] = [0x32, 5, 0x15, 7, 0, 0, 0, 0x32, 3, 0x0A, 1, 0x61]
        #expect(
            try read(merged, "transfer.fee", "transfer.iban", "transfer")
                == .success(["w:7", s("a"), "{6962616e=\(s("a")),666565=w:7}"]))
        let replaced: [UInt8] = merged + [0x2A, 1, 0x62]
        #expect(
            try read(replaced, "transfer.fee", "transfer", "card") == .success(["absent", "absent", s("b")]))
        // What came before the other member is gone, not merged.
        #expect(
            try read(replaced + [0x32, 0], "transfer.fee", "transfer.iban", "card")
                == .success(["w:0", "s:", "absent"]))
    }

    @Test(
        "repeated fields may be packed or not, and both; their elements and a map's values are found by index and key")
    func lists() throws {
        let message: [UInt8] =
            [0x3A, 2, 1, 2, 0x38, 3] + [0x42, 3, 0x0A, 1, 0x61, 0x42, 2, 0x10, 5]
            + [0x4A, 5, 8, 7, 0x12, 1, 0x78, 0x4A, 3, 0x12, 1, 0x79, 0x4A, 5, 8, 7, 0x12, 1, 0x7A]
        #expect(try read(message, "counts") == .success(["[i:-1,i:1,i:-2]"]))
        #expect(try read(message, "counts.2", "counts.3") == .success(["i:-2", "absent"]))
        #expect(
            try read(message, "items", "items.1.count", "items.1.sku", "items.0")
                == .success([
                    "[{736b75=\(s("a")),636f756e74=w:0},{736b75=s:,636f756e74=w:5}]", "w:5", "s:",
                    "{736b75=\(s("a")),636f756e74=w:0}",
                ]))
        // An entry without a key has its default; of a key that comes twice the last counts.
        #expect(
            try read(message, "tags", "tags.7", "tags.0")
                == .success(["{37=\(s("x")),30=\(s("y")),37=\(s("z"))}", s("z"), s("y")]))
    }

    @Test("numbers of 32 bits are cut to them, enums are names where they have one")
    func numbers() throws {
        let minus: [UInt8] = Array(repeating: 0xFF, count: 9) + [1]
        #expect(try read([0x38] + minus, "counts") == .success(["[i:-2147483648]"]))
        #expect(try read([0x20, 2], "state") == .success([e("PAID", 2)]))
        #expect(try read([0x20, 1], "state") == .success(["i:1"]))
        #expect(try read([0x20] + minus, "state") == .success(["i:-1"]))
    }

    @Test("messages of well-known types are what they stand for, and themselves where they cannot be")
    func meanings() throws {
        #expect(try read([0x52, 4, 8, 1, 0x10, 0x7F], "at") == .success(["@:1000000"]))
        #expect(
            try read([0x52, 2, 8, 1, 0x52, 3, 0x10, 0xE8, 7], "at", "at.nanos") == .success(["@:1000001", "i:1000"]))
        #expect(try read([0x5A, 6, 0x0A, 2, 0x30, 0x39, 0x18, 2], "total") == .success(["n:12345e2"]))
        #expect(try read([0x6A, 7, 8, 0xEA, 0x0F, 0x10, 2, 0x18, 28], "day") == .success(["day:20512"]))
        #expect(
            try read([0x6A, 5, 8, 0xEA, 0x0F, 0x10, 2], "day")
                == .success(["{79656172=i:2026,6d6f6e7468=i:2,646179=i:0}"]))
        // The same within the whole.
        #expect(
            try read([0x52, 0], "").map { $0[0].contains("6174=@:0") } == .success(true))
    }

    @Test("a field is found by its name, its name in JSON, and in snake case where the route says so")
    func names() throws {
        let message: [UInt8] = [0x12, 1, 0x61]
        #expect(try read(message, "customer_name", "customerName") == .success([s("a"), s("a")]))
        let path = FieldPath(["customername"], names: .snakeCase)
        #expect(told(message, by: try decoder([path])) == .success(["absent"]))
        #expect(told(message, by: try decoder([FieldPath(["CustomerName"], names: .exact)])) == .success(["absent"]))
    }

    @Test("unknown fields and groups are passed over, and what is no Protobuf is refused where it goes wrong")
    func refused() throws {
        #expect(try read([0xA0, 6, 1, 0xA3, 6, 8, 1, 0xA4, 6, 8, 3], "id") == .success(["i:3"]))
        // A number where a string is expected is a field that nobody knows.
        #expect(try read([0x10, 1], "customer_name") == .success(["s:"]))
        func failure(_ message: [UInt8]) throws -> DecodingFailure? {
            var found: Set<String> = []
            var last: DecodingFailure?
            // Whatever is routed.
            for paths in [["id"], ["customer_name", "items.0.sku"], [""]] {
                let result = told(
                    message,
                    by: try decoder(
                        paths.map { FieldPath($0.isEmpty ? [] : $0.split(separator: ".").map(String.init)) }))
                if case .failure(let failure) = result {
                    found.insert("\(failure)")
                    last = failure
                } else {
                    found.insert("taken")
                }
            }
            #expect(found.count == 1, "\(message): \(found)")
            return last
        }
        #expect(try failure([8]) == DecodingFailure(ProtobufFault.truncated, offset: 1))
        #expect(try failure([0x12, 5, 0x61]) == DecodingFailure(ProtobufFault.truncated, offset: 1))
        #expect(
            try failure([8] + Array(repeating: 0x80, count: 10) + [1])
                == DecodingFailure(ProtobufFault.longNumber, offset: 1))
        #expect(try failure([0, 1]) == DecodingFailure(ProtobufFault.tag, offset: 0))
        #expect(try failure([0x0F, 1])?.reason == .invalidSyntax)
        #expect(try failure([0xA3, 6, 0xAC, 6])?.reason == .invalidSyntax)
        #expect(try failure([0x0C])?.reason == .invalidSyntax)
        #expect(try failure([8, 1, 0x12, 1, 0xFF]) == DecodingFailure(ProtobufFault.text, offset: 3))
        #expect(try failure([0x42, 3, 0x0A, 1, 0xFF])?.reason == .invalidUTF8)
        var deep: [UInt8] = []
        for _ in 0..<99 {
            var length = [UInt8(deep.count & 0x7F)]
            if deep.count > 0x7F { length = [UInt8(deep.count & 0x7F) | 0x80, UInt8(deep.count >> 7)] }
            deep = [0x62] + length + deep
        }
        #expect(try read(deep, "parent.parent.id") == .success(["i:0"]))
        let deeper = [0x62, UInt8(deep.count & 0x7F) | 0x80, UInt8(deep.count >> 7)] + deep
        #expect(try failure(deeper)?.reason == .tooDeep)
        let groups = Array(repeating: [0xA3, 6] as [UInt8], count: 200).flatMap { $0 }
        #expect(try failure(groups)?.reason == .tooDeep)
    }

    @Test("numbers of a closed enum that has no name for them are no values")
    func closed() throws {
        let file = """
            name: "b.proto" package: "c" syntax: "proto2"
            message_type {
              name: "M"
              field { name: "e" number: 1 type: TYPE_ENUM type_name: "E" label: LABEL_OPTIONAL }
              field { name: "l" number: 2 type: TYPE_ENUM type_name: ".c.E" label: LABEL_REPEATED }
              field { name: "g" number: 3 type: TYPE_GROUP type_name: "M" label: LABEL_OPTIONAL }
            }
            enum_type { name: "E" value { name: "A" number: 1 } }
            """
        let schema = try ProtobufSchema(files: [try Google_Protobuf_FileDescriptorProto(textFormatString: file)])
        let type = try #require(schema.message([0], inFile: 0))
        let decoder = ProtobufRecordDecoder(
            schema, message: type,
            paths: [FieldPath(["e"]), FieldPath(["l"]), FieldPath(["g", "e"]), FieldPath(["g"])])
        #expect(
            told([8, 1, 8, 5, 0x10, 5, 0x10, 1, 0x1B, 8, 1, 0x1C], by: decoder)
                == .success([e("A", 1), "[\(e("A", 1))]", e("A", 1), "{65=\(e("A", 1)),6c=[]}"]))
    }

    @Test("descriptors are read as a set or a file, and what is none is refused with its place")
    func descriptors() throws {
        let file = try Google_Protobuf_FileDescriptorProto(textFormatString: known[0])
        let alone = try ProtobufSchema(descriptors: try file.serializedBytes())
        var set = Google_Protobuf_FileDescriptorSet()
        set.file = [file]
        let both = try ProtobufSchema(descriptors: try set.serializedBytes())
        #expect(alone.messages == both.messages && alone.message(named: "google.protobuf.Timestamp") == 0)
        func code(_ text: String) throws -> ProtobufSchemaFailure.Code? {
            let file = try Google_Protobuf_FileDescriptorProto(textFormatString: text)
            return #expect(throws: ProtobufSchemaFailure.self) { try ProtobufSchema(files: [file]) }?.code
        }
        #expect(
            try code(
                #"name: "a" message_type { name: "M" field { name: "x" number: 1 type: TYPE_MESSAGE type_name: ".b.X" } }"#
            )
                == .unknownType)
        // What everybody has need not be sent along.
        let order = try Google_Protobuf_FileDescriptorProto(textFormatString: types)
        let schema = try ProtobufSchema(descriptors: try order.serializedBytes())
        #expect(schema.message(named: "t.Order") == schema.message([0], inFile: 0))
        #expect(try code(#"name: "a" syntax: "proto4""#) == .unsupportedEdition)
        #expect(try code(#"name: "a" syntax: "editions" edition: EDITION_99999_TEST_ONLY"#) == .unsupportedEdition)
        #expect(
            try code(#"name: "a" message_type { name: "M" field { name: "x" number: 0 type: TYPE_INT32 } }"#)
                == .invalid)
        #expect(try code(#"name: "a" message_type { name: "M" } message_type { name: "M" }"#) == .invalid)
        #expect(throws: ProtobufSchemaFailure.self) { try ProtobufSchema(descriptors: [1, 2, 3]) }
        #expect(throws: ProtobufSchemaFailure.self) { try ProtobufSchema(descriptors: []) }
    }
}
