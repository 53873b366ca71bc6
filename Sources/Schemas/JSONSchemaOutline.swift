import Foundation
import Records

/// What a JSON Schema says of the fields of its messages: types, which of them must be there, and what they are for.
///
/// Nothing that is read needs it, and it is other people's input: what is no schema says nothing, and references that lead round
/// end where an outline does. https://json-schema.org/draft/2020-12
struct JSONSchemaOutline {
    /// The schema's own text, and those that it refers to by name.
    let root: [String: Any]
    private let others: [String: [String: Any]]

    /// Objects in objects that are outlined, as of the other formats.
    private static let depth = 4
    /// References that are followed for one field.
    private static let mostReferences = 16
    /// Fields of one object.
    static let mostFields = 1000

    /// Where a schema stands: in which of the texts.
    typealias Place = (schema: [String: Any], root: [String: Any])

    init?(_ text: SchemaText) {
        func parsed(_ text: String) -> [String: Any]? {
            try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        }
        guard let root = parsed(text.text) else { return nil }
        self.root = root
        others = Dictionary(
            text.references.compactMap { reference in parsed(reference.text).map { (reference.name, $0) } }
        ) { $1 }
    }

    /// Nil where its messages are no objects, or objects of which it says nothing.
    var outline: SchemaOutline? {
        let fields = fields(of: resolved((root, root)), depth: 1)
        return fields.isEmpty ? nil : SchemaOutline(fields)
    }

    private func fields(of place: Place, depth: Int) -> [SchemaOutline.Field] {
        var fields: [SchemaOutline.Field] = []
        // What an object is of several schemas, it is of each of them.
        for part in [place] + parts(of: place, "allOf") {
            guard let properties = part.schema["properties"] as? [String: Any] else { continue }
            let required = Set(part.schema["required"] as? [String] ?? [])
            let index = { (name: String) in
                ((properties[name] as? [String: Any])?["connect.index"] as? Int) ?? Int.max
            }
            // A parsed object has no order, and the names have one that is the same each time.
            for name in properties.keys.sorted(by: { (index($0), $0) < (index($1), $1) }).prefix(Self.mostFields) {
                guard let schema = properties[name] as? [String: Any], !fields.contains(where: { $0.name == name })
                else { continue }
                let value = alternatives((schema, part.root))
                let content = value.places.count == 1 ? self.content(value.places[0], depth: depth) : .any
                fields.append(
                    SchemaOutline.Field(
                        name, content, isOptional: value.isNullable || !required.contains(name),
                        type: value.places.isEmpty ? "null" : value.places.map(words).joined(separator: " or "),
                        documentation: documentation(schema, value.places.first?.schema)))
            }
        }
        return fields
    }

    /// What a field may be beside null.
    func alternatives(_ place: Place) -> (places: [Place], isNullable: Bool) {
        let place = resolved(place)
        let branches = ["oneOf", "anyOf"].flatMap { parts(of: place, $0) }
        if !branches.isEmpty {
            let values = branches.filter { !types(of: $0.schema).allSatisfy { $0 == "null" } || hasNoType($0.schema) }
            return (values, values.count < branches.count)
        }
        let all = types(of: place.schema)
        let values = all.filter { $0 != "null" }
        guard values.count > 1 else { return (all.isEmpty || !values.isEmpty ? [place] : [], all != values) }
        return (values.map { type in (place.schema.merging(["type": type]) { $1 }, place.root) }, all != values)
    }

    private func hasNoType(_ schema: [String: Any]) -> Bool { schema["type"] == nil }

    func types(of schema: [String: Any]) -> [String] {
        (schema["type"] as? String).map { [$0] } ?? schema["type"] as? [String] ?? []
    }

    func parts(of place: Place, _ keyword: String) -> [Place] {
        (place.schema[keyword] as? [[String: Any]] ?? []).map { resolved(($0, place.root)) }
    }

    private func content(_ place: Place, depth: Int) -> SchemaOutline.Content {
        if let meant = Self.meant(place.schema) { return meant }
        switch types(of: place.schema).first(where: { $0 != "null" }) {
        case "boolean": return .boolean
        case "integer": return .integer(bits: bits(place.schema), isSigned: true)
        case "number":
            return switch place.schema["connect.type"] as? String {
            case "float32": .float
            case "float64": .double
            default: .decimal(precision: nil, scale: nil)
            }
        case "string":
            return switch place.schema["format"] as? String {
            case "date": .day
            case "date-time": .instant
            case "uuid": .uuid
            default: .string
            }
        case "array":
            guard let items = place.schema["items"] as? [String: Any], depth < Self.depth else {
                return .list(of: .any)
            }
            let values = alternatives((items, place.root)).places
            return .list(of: values.count == 1 ? content(values[0], depth: depth + 1) : .any)
        case "object", nil:
            let isObject = place.schema["properties"] != nil || place.schema["allOf"] != nil
            if isObject { return .record(depth < Self.depth ? fields(of: place, depth: depth + 1) : []) }
            return place.schema["type"] == nil ? (place.schema["enum"] == nil ? .any : .string) : .map
        default: return .any
        }
    }

    /// JSON's integers have no width, and Connect says the one that its own had.
    private func bits(_ schema: [String: Any]) -> Int {
        switch schema["connect.type"] as? String {
        case "int8", "int16": 16
        case "int32": 32
        default: 64
        }
    }

    /// What Connect says of a value by a name.
    private static func meant(_ schema: [String: Any]) -> SchemaOutline.Content? {
        let type = schema["connect.type"] as? String ?? (schema["type"] as? String == "object" ? "struct" : nil)
        return SchemaOutline.Content(
            connectType: type, name: schema["title"] as? String, parameters: parameters(of: schema))
    }

    static func parameters(of schema: [String: Any]) -> [String: String] {
        (schema["connect.parameters"] as? [String: Any] ?? [:]).compactMapValues { $0 as? String }
    }

    private func words(_ place: Place) -> String {
        let type = types(of: place.schema).first { $0 != "null" } ?? (place.schema["enum"] == nil ? "any" : "enum")
        if Self.meant(place.schema) != nil {
            let name = (place.schema["title"] as? String)?.split(separator: ".").last ?? "bytes"
            return "\(type) (\(name.prefix(40)))"
        }
        return type + ((place.schema["format"] as? String).map { " (\($0.prefix(40)))" } ?? "")
    }

    private func documentation(_ schema: [String: Any], _ other: [String: Any]?) -> String? {
        schema["description"] as? String ?? other?["description"] as? String
    }

    /// What another schema calls by a name: as it is, or as it is beside its own `$id` (draft 2020-12, 8.2).
    private func other(_ name: String, of root: [String: Any]) -> [String: Any]? {
        if let found = others[name] { return found }
        let base = (root["$id"] as? String).flatMap { URL(string: $0) }
        guard let whole = URL(string: name, relativeTo: base)?.absoluteString else { return nil }
        return others[whole] ?? others.values.first { ($0["$id"] as? String) == whole }
    }

    /// What a reference leads to; itself where it is none, and nothing where it leads nowhere.
    func resolved(_ place: Place) -> Place {
        var place = place
        for _ in 0..<Self.mostReferences {
            guard let reference = place.schema["$ref"] as? String else { return place }
            let parts = reference.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let root = parts[0].isEmpty ? place.root : other(parts[0], of: place.root) else {
                return ([:], place.root)
            }
            var found: Any? = root
            for name in (parts.count > 1 ? parts[1] : "").split(separator: "/") {
                let key = String(name).replacing("~1", with: "/").replacing("~0", with: "~")
                found = (found as? [String: Any])?[key]
            }
            guard let schema = found as? [String: Any] else { return ([:], root) }
            place = (schema, root)
        }
        return ([:], place.root)
    }
}

extension SchemaOutline {
    /// What a JSON Schema says of the fields of its messages; nil where it says nothing.
    ///
    /// - Parameter references: the texts of the schemas that it refers to, by the names by which it does.
    public init?(ofJSONSchema text: String, references: [String: String] = [:]) {
        let references = references.map { SchemaText.Reference(name: $0.key, text: $0.value) }
        guard let outline = JSONSchemaOutline(SchemaText(text: text, references: references))?.outline else {
            return nil
        }
        self = outline
    }
}
