/// The schema that Kafka Connect's JsonConverter writes beside each message, as far as it says more of the values than JSON.
///
/// Types are nodes in a row that name each other by place.
struct ConnectSchema {
    indirect enum Shape {
        /// What JSON says of the value is all there is to it.
        case plain
        /// Base64.
        case bytes
        case meant(ConnectMeaning)
        case array(Int)
        /// - isObject: its names are texts; else it is an array of pairs.
        case map(Int, isObject: Bool)
        case structure([String: Int])
    }

    struct Node {
        var shape = Shape.plain
        /// Something in it is more than JSON.
        var isMore = false
    }

    private(set) var nodes: [Node] = []
    private(set) var root = 0

    /// What no honest schema reaches, and other people's may not pass.
    private static let mostNodes = 1 << 16
    private static let deepest = 128

    /// - Parameter text: JSON, behind which `JSONRecordDecoder.padding` bytes can be read; nil in it where nothing is known.
    /// - Returns: nil for what is no schema of Connect's.
    init?(_ text: Field) {
        let container = JSONContainer()
        if text.kind == .null {
            nodes = [Node()]
            return
        }
        guard let root = read(text, container, depth: 0) else { return nil }
        self.root = root
    }

    private mutating func add(_ shape: Shape, isMore: Bool) -> Int {
        nodes.append(Node(shape: shape, isMore: isMore))
        return nodes.count - 1
    }

    /// - Returns: the place of the type; nil for none.
    private mutating func read(_ field: Field, _ container: JSONContainer, depth: Int) -> Int? {
        guard depth < Self.deepest, nodes.count < Self.mostNodes, field.kind == .object,
            let members = try? container.members(of: field.bytes)
        else { return nil }
        let named = Dictionary(members.map { ($0.name, $0.value) }) { $1 }
        guard let type = named["type"]?.text else { return nil }
        let name = named["name"]?.text
        var parameters: [String: String] = [:]
        if let given = named["parameters"], given.kind == .object {
            for (name, value) in (try? container.members(of: given.bytes)) ?? [] { parameters[name] = value.text }
        }
        func meaning(_ base: ConnectMeaning.Base) -> ConnectMeaning? {
            name.flatMap { ConnectMeaning($0, base, parameters: parameters) }
        }
        switch type {
        case "int8", "int16", "float", "double", "boolean", "string": return add(.plain, isMore: false)
        case "int32": return meaning(.int32).map { add(.meant($0), isMore: true) } ?? add(.plain, isMore: false)
        case "int64": return meaning(.int64).map { add(.meant($0), isMore: true) } ?? add(.plain, isMore: false)
        case "bytes": return add(meaning(.bytes).map { .meant($0) } ?? .bytes, isMore: true)
        case "array":
            guard let items = named["items"].flatMap({ read($0, container, depth: depth + 1) }) else { return nil }
            return add(.array(items), isMore: nodes[items].isMore)
        case "map":
            guard let values = named["values"].flatMap({ read($0, container, depth: depth + 1) }),
                let keys = named["keys"], keys.kind == .object, let key = try? container.members(of: keys.bytes)
            else { return nil }
            let isObject = key.last { $0.name == "type" }?.value.text == "string"
            return add(.map(values, isObject: isObject), isMore: nodes[values].isMore || !isObject)
        case "struct":
            if let meaning = meaning(.structure) { return add(.meant(meaning), isMore: true) }
            guard let list = named["fields"], list.kind == .array, let fields = try? container.elements(of: list.bytes)
            else { return nil }
            var inner: [String: Int] = [:]
            for field in fields {
                guard field.kind == .object, let place = read(field, container, depth: depth + 1),
                    let name = (try? container.members(of: field.bytes))?.last(where: { $0.name == "field" })?.value
                        .text
                else { return nil }
                inner[name] = place
            }
            return add(.structure(inner), isMore: inner.values.contains { nodes[$0].isMore })
        default: return nil
        }
    }

    /// The type of what a path leads to, by the names that it takes; nil where the schema has none.
    func place(of path: FieldPath) -> Int? {
        var place = root
        for (step, component) in path.components.enumerated() {
            switch nodes[place].shape {
            case .structure(let fields):
                let isLast = step == path.components.count - 1
                let taken = isLast && path.names != .exact ? fields.keys.first { path.ends(with: $0) } : nil
                guard let next = fields[component] ?? taken.flatMap({ fields[$0] }) else { return nil }
                place = next
            case .array(let items): place = items
            case .map(let values, isObject: true): place = values
            default: return nil
            }
        }
        return place
    }
}

extension Field {
    /// A string, or a number as it is written.
    fileprivate var text: String? {
        kind == .string || kind == .number ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
