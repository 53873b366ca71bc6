import Foundation

extension JSONSchemaOutline {
    /// What Connect's JsonSchemaConverter has written of its own types into a schema, as its JsonConverter writes it of them:
    /// `connect.type`, `title` for the semantic name, `connect.parameters`. Nil where it has written nothing of what JSON does
    /// not tell by itself.
    var connectTypes: String? {
        var types = ConnectTypes(schema: self)
        let made = types.type(of: (root, root), depth: 0)
        guard types.hasMore, let text = try? JSONSerialization.data(withJSONObject: made) else { return nil }
        return String(decoding: text, as: UTF8.self)
    }
}

/// One walk through a schema.
private struct ConnectTypes {
    let schema: JSONSchemaOutline
    var hasMore = false
    private var count = 0

    /// A schema may refer to itself, and is other people's.
    private static let deepest = 16
    private static let mostTypes = 10_000
    private static let plain = ["type": "string"]

    init(schema: JSONSchemaOutline) { self.schema = schema }

    mutating func type(of place: JSONSchemaOutline.Place, depth: Int) -> [String: Any] {
        count += 1
        guard depth < Self.deepest, count < Self.mostTypes else { return Self.plain }
        let places = schema.alternatives(place).places
        guard places.count == 1 else { return Self.plain }
        let (value, root) = places[0]
        let connect = value["connect.type"] as? String
        switch (connect, schema.types(of: value).first { $0 != "null" }) {
        case ("int32"?, "integer"?), ("int32"?, "number"?), ("int64"?, "integer"?), ("int64"?, "number"?),
            ("bytes"?, "string"?), ("bytes"?, "number"?):
            hasMore = hasMore || connect == "bytes" || value["title"] != nil
            return named(connect ?? "", value)
        case ("map"?, "object"?):
            guard let values = value["additionalProperties"] as? [String: Any] else { return Self.plain }
            return [
                "type": "map", "keys": Self.plain, "values": type(of: (values, root), depth: depth + 1),
            ]
        case (_, "array"?):
            guard let items = value["items"] as? [String: Any] else { return Self.plain }
            return ["type": "array", "items": type(of: (items, root), depth: depth + 1)]
        case (_, "object"?):
            var made = named("struct", value)
            made["fields"] = fields(of: (value, root), depth)
            return made
        default: return Self.plain
        }
    }

    private mutating func fields(of place: JSONSchemaOutline.Place, _ depth: Int) -> [[String: Any]] {
        var fields: [[String: Any]] = []
        let properties = place.schema["properties"] as? [String: Any] ?? [:]
        for (name, inner) in properties.sorted(by: { $0.key < $1.key }).prefix(JSONSchemaOutline.mostFields) {
            guard let inner = inner as? [String: Any] else { continue }
            var field = type(of: (inner, place.root), depth: depth + 1)
            field["field"] = name
            fields.append(field)
        }
        return fields
    }

    private func named(_ type: String, _ value: [String: Any]) -> [String: Any] {
        var made: [String: Any] = ["type": type, "parameters": JSONSchemaOutline.parameters(of: value)]
        if let name = value["title"] as? String { made["name"] = name }
        return made
    }
}

extension String {
    /// What Connect says of its types in a JSON Schema, for those who try hostile ones.
    package static func connectTypes(ofJSONSchema text: String, references: [String: String]) -> String? {
        let references = references.map { SchemaText.Reference(name: $0.key, text: $0.value) }
        return JSONSchemaOutline(SchemaText(text: text, references: references))?.connectTypes
    }
}
