import Records

enum FuzzedProtobuf {
    private static let text = """
        syntax = "proto2"; package f;
        import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
        import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto";
        import "google/protobuf/any.proto"; import "google/protobuf/field_mask.proto";
        import "google/type/money.proto"; import "google/type/datetime.proto"; import "google/type/date.proto";
        import "confluent/type/decimal.proto";
        message M {
          optional int32 a = 1; optional sint64 b = 2; optional fixed32 c = 3; optional double d = 4;
          optional string s = 5; optional bytes y = 6; optional bool t = 7; optional E e = 8;
          repeated int64 packed = 9 [packed = true]; repeated string texts = 10; repeated M list = 11;
          map<string, M> by_name = 12; map<int32, E> by_number = 13;
          optional M inner = 14; optional group G = 15 { optional uint64 x = 1; optional M m = 2; }
          oneof o { string o1 = 16; M o2 = 17; sint32 o3 = 18; }
          optional google.protobuf.Timestamp at = 20; optional google.protobuf.Duration took = 21;
          optional google.protobuf.Struct attrs = 22; optional google.protobuf.Value value = 23;
          optional google.protobuf.Int64Value wrapped = 24; optional google.protobuf.Any any = 25;
          optional google.protobuf.FieldMask mask = 26; optional google.type.Money money = 27;
          optional google.type.DateTime moment = 28; optional confluent.type.Decimal total = 29;
          optional google.type.Date day = 2000; repeated E symbols = 536870911;
        }
        enum E { ZERO = 0; ONE = 1; LOW = -5; }
        """
    private static let schema = try? ProtobufSchema(.text(Array(text.utf8)), named: "f.proto")
    private static let paths: [[[String]]] = [
        [[]], [["a"], ["s"], ["e"], ["total"], ["at"], ["d"]],
        [["inner", "inner", "s"], ["list", "1", "a"], ["by_name", "k", "inner"], ["g", "x"], ["o1"], ["o2", "o3"]],
        [["attrs", "k", "0", "k"], ["value", "0"], ["value", "k"], ["packed", "2"], ["symbols"], ["mask"], ["any"]],
        [["by_number", "1"], ["moment"], ["money"], ["day"], ["texts", "0"], ["inner"], ["list"], ["inner", "list", "0"]],
    ]

    private static let plans: [ProtobufPlan] = {
        guard let schema, let type = schema.message(named: "f.M") else { return [] }
        return paths.map { paths in ProtobufPlan(schema, message: type, paths: paths.map { FieldPath($0) }) }
    }()

    static func message(_ input: UnsafeRawBufferPointer) {
        guard let first = input.first, !plans.isEmpty else { return }
        let decoder = ProtobufRecordDecoder(plans[Int(first) % plans.count])
        Walk.decode(UnsafeRawBufferPointer(rebasing: input.dropFirst()), by: decoder)
    }

    static func text(_ input: UnsafeRawBufferPointer) {
        let (text, message) = input.divided
        let imports = Array("syntax = \"proto3\"; package i; message I { string s = 1; }".utf8)
        read(try? ProtobufSchema(.text(Array(text)), named: "a.proto") { $0 == "i.proto" ? .text(imports) : nil }, message)
    }

    static func descriptors(_ input: UnsafeRawBufferPointer) {
        let (bytes, message) = input.divided
        read(try? ProtobufSchema(descriptors: Array(bytes)), message)
    }

    /// A message by the first types of a schema, whole and by paths.
    private static func read(_ schema: ProtobufSchema?, _ message: UnsafeRawBufferPointer) {
        guard let schema else { return }
        for type in schema.own.prefix(2) {
            let fields = schema[type].fields.prefix(4).flatMap { [FieldPath([$0.name]), FieldPath([$0.jsonName, "0", "a"])] }
            Walk.decode(message, by: ProtobufRecordDecoder(schema, message: type, paths: [FieldPath([])] + fields))
        }
    }

    static let messages: [[UInt8]] = [
        [0, 0x08, 0x05, 0x2A, 2, 0x68, 0x69, 0x40, 1, 0x4A, 3, 1, 2, 3], [1, 0x5A, 2, 0x08, 1, 0x5A, 2, 0x08, 2],
        [2, 0x62, 7, 0x0A, 1, 0x6B, 0x12, 2, 0x08, 7, 0x7B, 0x08, 1, 0x7C, 0x82, 0x01, 1, 0x61],
        [3, 0xB2, 0x01, 0x11, 0x0A, 0x0F, 0x0A, 1, 0x6B, 0x12, 0x0A, 0x32, 8, 0x0A, 6, 0x1A, 1, 0x78, 0x1A, 1, 0x79],
        [
            3, 0xCA, 0x01, 0x17, 0x0A, 0x11, 0x2F, 0x67, 0x6F, 0x6F, 0x67, 0x6C, 0x65, 0x2E, 0x74, 0x79, 0x70, 0x65, 0x2E, 0x44,
            0x61, 0x74, 0x65, 0x12, 2, 8, 1,
        ],
        [4, 0x6A, 4, 8, 1, 0x10, 1, 0xDA, 0x01, 4, 0x10, 7, 0x18, 9],
    ]
    static let texts: [[UInt8]] =
        [
            text, "syntax = \"proto3\"; import public \"i.proto\"; message A { i.I i = 1 [(x.y) = { a: [1, 2] b < c: \"d\" > }]; }",
            "edition = \"2023\"; option features.field_presence = IMPLICIT; message A { reserved b, c; string s = 1; extensions 4 to max; }",
            "package a.b; service S { rpc C (stream A) returns (A) { option x = 1; } } extend A { repeated group X = 1 { } } message A {}",
        ].map { .joined(Array($0.utf8), [0x0A, 1, 0x61]) }
    static let sets: [[UInt8]] = [
        .joined(
            [0x0A, 0x1A, 0x0A, 1, 0x61, 0x22, 0x15, 0x0A, 1, 0x41, 0x12, 0x10, 0x0A, 1, 0x73, 0x18, 1, 0x20, 1, 0x28, 9, 0x52, 1]
                + [0x73, 0x42, 0, 0x38, 1, 0x40, 1], [0x0A, 1, 0x61]),
        .joined([0x0A, 1, 0x61, 0x22, 3, 0x0A, 1, 0x41], []),
    ]
}
