import Records
import Schemas

enum FuzzedJSON {
    private static let paths = [FieldPath([]), FieldPath(["a"]), FieldPath(["a", "b"]), FieldPath(["a_b"], names: .snakeCase)]

    static func message(_ input: UnsafeRawBufferPointer) {
        Walk.decode(input, by: JSONRecordDecoder(paths: paths))
    }

    /// The first part is the schema, the second one that it may refer to, and a message.
    static func schema(_ input: UnsafeRawBufferPointer) {
        let (text, other) = input.divided
        let types = String.connectTypes(
            ofJSONSchema: String(decoding: text, as: UTF8.self), references: ["o.json": String(decoding: other, as: UTF8.self)])
        if let types, let decoder = TypedJSONDecoder(paths: paths, types: types) { Walk.decode(other, by: decoder) }
        let outline = SchemaOutline(
            ofJSONSchema: String(decoding: text, as: UTF8.self), references: ["o.json": String(decoding: other, as: UTF8.self)])
        guard let outline else { return }
        for path in paths { _ = outline.field(path) }
        _ = outline.united(with: outline)
    }

    static let schemas: [[UInt8]] = [
        (
            ##"{"$id": "http://s/a.json", "type": "object", "required": ["a"], "properties": {"a": {"$ref": "o.json#/$defs/T"}, "aB": {"oneOf": [{"type": "null"}, {"type": ["integer", "string"]}], "connect.index": 1}, "l": {"type": "array", "items": {"$ref": "#"}}}}"##,
            ##"{"$id": "http://s/o.json", "$defs": {"T": {"allOf": [{"$ref": "a.json"}, {"properties": {"b": {"enum": [1]}}}]}}}"##
        ),
        (
            ##"{"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"properties": {"x": {"type": "string", "format": "date"}}}}}"##,
            "[]"
        ),
        (
            #"{"type": "object", "properties": {"a": {"oneOf": [{"type": "null"}, {"type": "number", "title": "org.apache.kafka.connect.data.Decimal", "connect.type": "bytes", "connect.parameters": {"scale": "2"}}]}, "aB": {"type": "array", "items": {"type": "integer", "connect.type": "int32", "title": "io.debezium.time.Date"}}}}"#,
            #"{"a": "AJY=", "aB": [0, null]}"#
        ),
    ].map { .joined(Array($0.0.utf8), Array($0.1.utf8)) }

    static let messages: [[UInt8]] = [
        #"{"a": {"b": [1, -2.5e3, true, null, "x\u00e4\ud83d\ude00\n"]}, "aB": "", "a.b": {}}"#, "[]", "{\"a\":1}{", "\u{FEFF}{}",
    ].map { Array($0.utf8) }
}
