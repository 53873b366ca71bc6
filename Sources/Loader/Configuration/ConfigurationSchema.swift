/// How a setting may be written in the file, as far as an editor can check it.
indirect enum ConfigurationForm: Sendable {
    /// Anything that is written as one value: YAML takes some texts for numbers or truth values.
    case text
    case integer(ClosedRange<Int>)
    /// A number from 0 to 1.
    case share
    case boolean
    case choice([String])
    case duration
    case size
    /// A list, or one text with commas.
    case list
    case orNull(ConfigurationForm)
}

/// The JSON Schema of the configuration file, made from the table of keys, for completion and checks in editors.
///
/// Draft 7, which the YAML language server understands best. It refuses nothing that the loader takes: what it lets through,
/// `loader check` finds. Nothing is required in it, because a variable may set it.
enum ConfigurationSchema {
    /// `docs/loader.schema.json`.
    static var text: String { document.text() + "\n" }

    private static var document: JSONNode {
        guard case .object(let root) = node(ConfigurationKey.all, depth: 0) else { return .object([]) }
        return .object(
            [
                ("$schema", .string("http://json-schema.org/draft-07/schema#")), ("title", .string("loader.yaml")),
                ("description", .string("What the loader is told; see docs/configuration.md.")),
            ] + root + [
                // A place for YAML anchors.
                ("patternProperties", .object([("^x-", .object([]))]))
            ])
    }

    /// - Parameter keys: those whose patterns are the same down to `depth`.
    private static func node(_ keys: [ConfigurationKey], depth: Int) -> JSONNode {
        if let key = keys.first(where: { $0.pattern.segments.count == depth }) { return leaf(key) }
        switch keys.first?.pattern.segments[depth] {
        case .element:
            return .object([
                ("type", .array([.string("array"), .string("null")])), ("items", node(keys, depth: depth + 1)),
            ])
        case .placeholder:
            return .object([("type", objectType), ("additionalProperties", node(keys, depth: depth + 1))])
        default:
            var names: [String] = []
            for case .name(let name) in keys.map({ $0.pattern.segments[depth] }) where !names.contains(name) {
                names.append(name)
            }
            let properties = names.map { name in
                (name, node(keys.filter { $0.pattern.segments[depth] == .name(name) }, depth: depth + 1))
            }
            let whole = JSONNode.object([
                ("type", objectType), ("additionalProperties", .bare("false")), ("properties", .object(properties)),
            ])
            guard let short = keys.first(where: { $0.isShorthand && $0.pattern.segments.count == depth + 1 }) else {
                return whole
            }
            return .object([("anyOf", .array([leaf(short), whole]))])
        }
    }

    private static var objectType: JSONNode { .array([.string("object"), .string("null")]) }

    private static func leaf(_ key: ConfigurationKey) -> JSONNode {
        var members: [(String, JSONNode)] = [("description", .string(key.summary))]
        if let text = key.defaultText {
            members.append(("default", text == "null" || key.isBare ? .bare(text) : .string(text)))
        }
        let forms = alternatives(key.form)
        if forms.count == 1, case .object(let only) = forms[0] { return .object(members + only) }
        return .object(members + [("anyOf", .array(forms))])
    }

    /// `${NAME}` may stand in place of any value, or in it.
    private static let substitution = #"\$\{"#

    private static func alternatives(_ form: ConfigurationForm) -> [JSONNode] {
        func text(_ pattern: String) -> JSONNode {
            .object([("type", .string("string")), ("pattern", .string("\(pattern)|\(substitution)"))])
        }
        switch form {
        case .text: return [.object([("type", .array([.string("string"), .string("number"), .string("boolean")]))])]
        case .integer(let range):
            return [
                .object([
                    ("type", .string("integer")), ("minimum", .bare("\(range.lowerBound)")),
                    ("maximum", .bare("\(range.upperBound)")),
                ]), text(#"^[+-]?[0-9][0-9_]*$"#),
            ]
        case .share:
            return [
                .object([("type", .string("number")), ("minimum", .bare("0")), ("maximum", .bare("1"))]),
                text(#"^[0-9.]+$"#),
            ]
        case .boolean:
            return [
                .object([("type", .string("boolean"))]),
                text("^([Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|[Nn]o|[Oo]n|[Oo]ff)$"),
            ]
        case .choice(let names):
            return [
                .object([("enum", .array(names.map { .string($0) }))]),
                .object([("type", .string("string")), ("pattern", .string(substitution))]),
            ]
        case .duration: return [text(#"^([0-9][0-9_]*(\.[0-9_]+)?(us|ms|s|m|h|d))+$"#)]
        case .size:
            return [
                .object([("type", .string("integer")), ("minimum", .bare("0"))]),
                text(#"^[0-9][0-9_]*(\.[0-9_]+)? *([kKmMgG][iI]?)?[bB]?$"#),
            ]
        case .list:
            let item = alternatives(.text)[0]
            return [item, .object([("type", .string("array")), ("items", item), ("minItems", .bare("1"))])]
        case .orNull(let form): return alternatives(form) + [.object([("type", .string("null"))])]
        }
    }
}

/// JSON whose members keep their order.
private indirect enum JSONNode {
    case string(String)
    /// A number, `true`, `false` or `null`.
    case bare(String)
    case array([JSONNode])
    case object([(String, JSONNode)])

    /// Indented; arrays of plain values stand on one line.
    func text(indent: String = "") -> String {
        let inner = indent + "  "
        switch self {
        case .string(let text): return jsonString(text)
        case .bare(let text): return text
        case .array(let items):
            let isPlain = items.allSatisfy { item in
                switch item {
                case .string, .bare: true
                case .array, .object: false
                }
            }
            if isPlain { return "[" + items.map { $0.text() }.joined(separator: ", ") + "]" }
            return "[\n" + items.map { inner + $0.text(indent: inner) }.joined(separator: ",\n") + "\n\(indent)]"
        case .object(let members):
            if members.isEmpty { return "{}" }
            let lines = members.map { "\(inner)\(jsonString($0)): \($1.text(indent: inner))" }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
        }
    }
}
