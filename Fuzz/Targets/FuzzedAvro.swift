import Records

enum FuzzedAvro {
    private static let text = #"""
        {"type": "record", "name": "R", "fields": [
          {"name": "a", "type": ["null", "int", "string", {"type": "bytes", "logicalType": "big-decimal"}]},
          {"name": "l", "type": {"type": "array", "items": ["null", "double", "R"]}},
          {"name": "m", "type": {"type": "map", "values": {"type": "record", "name": "I", "fields": [
            {"name": "x", "type": "string"},
            {"name": "y", "type": {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}}]}}},
          {"name": "n", "type": ["null", "R"]}, {"name": "z", "type": {"type": "array", "items": "null"}},
          {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
          {"name": "v", "type": {"type": "record", "name": "io.debezium.data.VariableScaleDecimal", "fields": [
            {"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]}},
          {"name": "f", "type": {"type": "array", "items": "float"}}, {"name": "aB", "type": "boolean"}]}
        """#
    private static let schema = try? AvroSchema(text)
    private static let paths = [
        FieldPath([]), FieldPath(["a"]), FieldPath(["l", "0"]), FieldPath(["m", "k", "x"]), FieldPath(["n", "n", "a"]),
        FieldPath(["a_b"], names: .snakeCase),
    ]

    static func message(_ input: UnsafeRawBufferPointer) {
        guard let schema else { return }
        Walk.decode(input, by: AvroRecordDecoder(schema, paths: paths))
    }

    static func text(_ input: UnsafeRawBufferPointer) {
        let (text, message) = input.divided
        guard let schema = try? AvroSchema(String(decoding: text, as: UTF8.self)) else { return }
        Walk.decode(message, by: AvroRecordDecoder(schema, paths: paths))
    }

    static let messages: [[UInt8]] = [
        [0, 0, 0, 0, 0, 0, 2, 2, 1, 0, 1],
        [2, 6, 2, 2, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 2, 2, 0x6B, 2, 0x78, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 4, 0, 0],
    ]
    static let texts: [[UInt8]] =
        [
            text, #"["null", {"type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 3}]"#,
            #"{"type": "map", "values": "long"}"#,
            #"{"type": "record", "name": "a.B", "namespace": "c", "fields": [{"name": "x", "type": "B", "default": null}]}"#,
        ].map { .joined(Array($0.utf8), [2, 2, 0, 0]) }
}
