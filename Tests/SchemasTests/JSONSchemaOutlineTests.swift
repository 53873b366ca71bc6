import Records
import Testing

@testable import Schemas

@Suite("Outlines of JSON Schemas")
struct JSONSchemaOutlineTests {
    private func outline(_ text: String, _ references: [SchemaText.Reference] = []) -> SchemaOutline? {
        JSONSchemaOutline(SchemaText(text: text, references: references))?.outline
    }

    private func words(_ outline: SchemaOutline?) -> [String] {
        (outline?.fields ?? []).map { "\($0.name) \($0.content) \($0.isOptional ? "optional" : "required") \($0.type)" }
    }

    @Test("each type is the one that its values have, and what may be null or is not required is optional")
    func types() {
        let found = outline(
            #"""
            {"type": "object", "required": ["a", "b", "c"], "properties": {
              "a": {"type": "integer", "connect.type": "int16"}, "b": {"type": ["null", "boolean"]}, "c": {},
              "d": {"type": "string", "format": "date"}, "e": {"type": "string", "format": "uuid"},
              "f": {"type": "number", "connect.type": "float64"}, "g": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
              "h": {"type": "array", "items": {"type": "integer"}}, "i": {"enum": ["x"]}}}
            """#)
        #expect(
            words(found) == [
                "a integer(bits: 16, isSigned: true) required integer", "b boolean optional boolean",
                "c any required any", "d day optional string (date)", "e uuid optional string (uuid)",
                "f double optional number", "g any optional string or integer",
                "h list(of: Records.SchemaOutline.Content.integer(bits: 64, isSigned: true)) optional array",
                "i string optional enum",
            ])
    }

    @Test("references lead within the schema and to its references, and those that lead round or nowhere say nothing")
    func references() {
        let other = SchemaText.Reference(
            name: "shop.json", text: #"{"$defs": {"City": {"type": "string", "description": "Where"}}}"#)
        let found = outline(
            #"""
            {"$ref": "#/$defs/Order", "$defs": {"Order": {"type": "object", "properties": {
              "city": {"$ref": "shop.json#/$defs/City"}, "none": {"$ref": "#/$defs/Absent"},
              "parent": {"$ref": "#/$defs/Order"}, "round": {"$ref": "#/$defs/Round"}}},
              "Round": {"$ref": "#/$defs/Round"}}}
            """#, [other])
        #expect(found?.fields.map(\.name) == ["city", "none", "parent", "round"])
        #expect(found?.fields[0].content == .string && found?.fields[0].documentation == "Where")
        #expect(found?.fields[1].content == .any && found?.fields[3].content == .any)
        // As deep as an outline goes, and no deeper.
        var depth = 0
        var members = found?.fields ?? []
        while let parent = members.first(where: { $0.name == "parent" }) {
            (members, depth) = (parent.members, depth + 1)
        }
        #expect(depth == 4)
    }

    @Test("a reference is called by its name in the registry, or by a URL beside the schema's own")
    func names() {
        let city = #"{"$id": "https://shop/types/city.json", "type": "string"}"#
        for name in ["city.json", "https://shop/types/city.json", "anything"] {
            for reference in ["city.json", "https://shop/types/city.json"] {
                let found = outline(
                    """
                    {"$id": "https://shop/types/order.json", "properties": {"city": {"$ref": "\(reference)"}}}
                    """, [SchemaText.Reference(name: name, text: city)])
                #expect(words(found) == ["city string optional string"], "\(reference) by \(name)")
            }
        }
    }

    @Test("what Connect writes of its own types into a schema is what its values are")
    func connect() {
        let found = outline(
            #"""
            {"type": "object", "title": "r", "properties": {
              "total": {"connect.index": 0, "oneOf": [{"type": "null"}, {"type": "number", "connect.type": "bytes",
                "title": "org.apache.kafka.connect.data.Decimal",
                "connect.parameters": {"scale": "2", "connect.decimal.precision": "12"}}]},
              "day": {"connect.index": 1, "type": "integer", "connect.type": "int32", "title": "io.debezium.time.Date"},
              "at": {"connect.index": 2, "type": "integer", "connect.type": "int64",
                "title": "org.apache.kafka.connect.data.Timestamp"},
              "raw": {"connect.index": 3, "type": "string", "connect.type": "bytes"},
              "n": {"connect.index": 4, "type": "integer", "connect.type": "int64", "title": "Quantity"},
              "v": {"connect.index": 5, "type": "object", "title": "io.debezium.data.VariableScaleDecimal",
                "properties": {"scale": {"type": "integer", "connect.type": "int32"},
                "value": {"type": "string", "connect.type": "bytes"}}}}}
            """#)
        #expect(
            words(found) == [
                "total decimal(precision: Optional(12), scale: Optional(2)) optional number (Decimal)",
                "day day optional integer (Date)", "at instant optional integer (Timestamp)",
                "raw bytes optional string (bytes)", "n integer(bits: 64, isSigned: true) optional integer",
                "v decimal(precision: nil, scale: nil) optional object (VariableScaleDecimal)",
            ])
    }

    @Test("types that refer to themselves, and more of them than anybody has, come to an end")
    func endless() throws {
        let members = (0..<100).map { ##""f\##($0)": {"$ref": "#"}"## }.joined(separator: ",")
        let bytes = #""b": {"type": "string", "connect.type": "bytes"}"#
        let text = #"{"type": "object", "properties": {\#(bytes), \#(members)}}"#
        let types = try #require(String.connectTypes(ofJSONSchema: text, references: [:]))
        #expect(TypedJSONDecoder(paths: [FieldPath(["b"])], types: types) != nil)
        #expect(
            String.connectTypes(ofJSONSchema: #"{"type": "object", "properties": {\#(members)}}"#, references: [:])
                == nil)
    }

    @Test("what is no schema of an object says nothing")
    func others() {
        for text in ["", "1", "[]", "{}", #"{"type":"string"}"#, #"{"properties":7}"#, #"{"$ref":7}"#] {
            #expect(outline(text) == nil, "\(text)")
        }
    }
}
