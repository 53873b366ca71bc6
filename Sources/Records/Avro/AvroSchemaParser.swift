extension AvroSchema {
    /// What no honest schema reaches, and other people's may not pass.
    enum Limit {
        /// Bytes of a text. Registries keep schemas as messages of Kafka, which are no longer by default.
        static let text = 1 << 20
        /// Bytes of all texts.
        static let texts = 4 << 20
        static let nodes = 1 << 16
        /// Types in types, as they are written.
        static let depth = 128
        /// Values without a byte in one record.
        static let emptyValues = 4096
        /// Bytes of a fixed.
        static let size = 1 << 30
    }

    /// - Parameters:
    ///   - text: JSON; the bare name of a primitive type, without quotes, is taken as well.
    ///   - references: schemas whose types the text names, in any order, each with what it is called.
    public init(
        _ text: String, references: [(name: String, text: String)] = []
    ) throws(AvroSchemaFailure) {
        var parser = Parser()
        var size = text.utf8.count
        for reference in references {
            size += reference.text.utf8.count
            _ = try parser.read(reference.text, named: reference.name, of: size)
        }
        let root = try parser.read(text, named: nil, of: size)
        self = try parser.finish(root)
    }

    /// Reads texts into nodes.
    private struct Parser {
        private var schema = AvroSchema()
        private var defined: [String: Place] = [:]
        /// Names that stand for a type that is not known yet: the specification wants types defined before they are
        /// named, but not all that write schemas do so.
        private var open: [Open] = []
        private let container = JSONContainer()
        private var primitives: [String: Place] = [:]
        private var reference: String?

        private struct Open {
            var node: Place
            /// In the order in which they are tried.
            var names: [String]
            var at: String
            var reference: String?
        }

        private static let primitiveShapes: [String: Shape] = [
            "null": .null, "boolean": .boolean, "int": .int, "long": .long, "float": .float, "double": .double,
            "bytes": .bytes, "string": .string,
        ]

        /// Where in the text, and what is around it.
        private struct Context {
            var pointer = ""
            var namespace = ""
            var depth = 0
            var isInUnion = false

            func inner(_ step: String, in namespace: String? = nil) -> Context {
                Context(
                    pointer: "\(pointer)/\(step)", namespace: namespace ?? self.namespace, depth: depth + 1)
            }
        }

        private func failure(_ code: AvroSchemaFailure.Code, _ words: String, _ pointer: String) -> AvroSchemaFailure {
            AvroSchemaFailure(code: code, place: pointer, words: words, reference: reference)
        }

        // MARK: Texts

        mutating func read(_ text: String, named name: String?, of size: Int) throws(AvroSchemaFailure) -> Place {
            reference = name
            guard text.utf8.count <= Limit.text, size <= Limit.texts else {
                throw failure(.tooLarge, "is longer than \(Limit.text) bytes, or all of them than \(Limit.texts)", "")
            }
            if let shape = Self.primitiveShapes[text] { return try add(Node(shape: shape), "") }
            // In brackets, because only arrays and objects can be opened.
            let padding = [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
            let bytes = [UInt8(ascii: "[")] + Array(text.utf8) + [UInt8(ascii: "]")] + padding
            let result = bytes.withUnsafeBytes { bytes -> Result<Place, AvroSchemaFailure> in
                do throws(AvroSchemaFailure) {
                    let text = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - padding.count)])
                    let values = try elements(Field(.array, text), "")
                    guard values.count == 1 else { throw failure(.notJSON, "is no JSON", "") }
                    return .success(try type(values[0], Context()))
                } catch {
                    return .failure(error)
                }
            }
            // What has been handed out points into the text.
            container.reset()
            return try result.get()
        }

        private func elements(_ array: Field, _ pointer: String) throws(AvroSchemaFailure) -> [Field] {
            do {
                return try container.elements(of: array.bytes)
            } catch {
                throw failure(.notJSON, "is no JSON", pointer)
            }
        }

        /// An object's members. Of a name that comes twice the last one counts.
        private func members(_ object: Field, _ pointer: String) throws(AvroSchemaFailure) -> [String: Field] {
            do {
                let members = try container.members(of: object.bytes)
                return Dictionary(members.map { ($0.name, $0.value) }) { $1 }
            } catch {
                throw failure(.notJSON, "is no JSON", pointer)
            }
        }

        private static func text(_ field: Field?) -> String? {
            guard let field, field.kind == .string else { return nil }
            return String(decoding: field.bytes, as: UTF8.self)
        }

        private static func integer(_ field: Field?) -> Int? {
            // Kafka Connect writes the parameters of its types as strings.
            guard let field, field.kind == .number || field.kind == .string else { return nil }
            return Int(String(decoding: field.bytes, as: UTF8.self))
        }

        // MARK: Types

        private mutating func add(_ node: Node, _ pointer: String) throws(AvroSchemaFailure) -> Place {
            guard schema.nodes.count < Limit.nodes else {
                throw failure(.tooLarge, "has more than \(Limit.nodes) types", pointer)
            }
            schema.nodes.append(node)
            return schema.nodes.count - 1
        }

        private mutating func type(_ field: Field, _ context: Context) throws(AvroSchemaFailure) -> Place {
            guard context.depth <= Limit.depth else {
                throw failure(.tooDeep, "is nested deeper than \(Limit.depth) types", context.pointer)
            }
            switch field.kind {
            case .string: return try named(Self.text(field) ?? "", context)
            case .array: return try union(field, context)
            case .object: return try object(try members(field, context.pointer), context)
            default:
                throw failure(.notAType, "has no type but another value", context.pointer)
            }
        }

        /// A primitive type, or one that is defined elsewhere.
        private mutating func named(_ name: String, _ context: Context) throws(AvroSchemaFailure) -> Place {
            if let shape = Self.primitiveShapes[name] {
                if let known = primitives[name] { return known }
                let place = try add(Node(shape: shape), context.pointer)
                primitives[name] = place
                return place
            }
            let isFull = name.contains(".") || context.namespace.isEmpty
            // A simple name that the namespace does not have may be one without a namespace, as others read it.
            let names = isFull ? [name] : ["\(context.namespace).\(name)", name]
            if let place = defined[names[0]] { return place }
            let node = try add(Node(shape: .null), context.pointer)
            open.append(Open(node: node, names: names, at: context.pointer, reference: reference))
            return node
        }

        private mutating func union(_ field: Field, _ context: Context) throws(AvroSchemaFailure) -> Place {
            guard !context.isInUnion else {
                throw failure(.nestedUnion, "has a union directly in a union", context.pointer)
            }
            let place = try add(Node(shape: .union([])), context.pointer)
            var branches: [Place] = []
            for (index, branch) in try elements(field, context.pointer).enumerated() {
                var inner = context.inner("\(index)")
                inner.isInUnion = true
                branches.append(try type(branch, inner))
            }
            schema.nodes[place].shape = .union(branches)
            return place
        }

        private mutating func object(
            _ members: [String: Field], _ context: Context
        ) throws(AvroSchemaFailure) -> Place {
            guard let type = members["type"] else {
                throw failure(.notAType, "has an object without a type", context.pointer)
            }
            guard let name = Self.text(type) else {
                // A type in the place of a type's name: `{"type": {"type": "long"}}`.
                var inner = context.inner("type")
                inner.isInUnion = context.isInUnion
                return try self.type(type, inner)
            }
            switch name {
            case "record", "error", "enum", "fixed": return try definition(name, members, context)
            case "array", "map":
                let key = name == "array" ? "items" : "values"
                guard let items = members[key] else {
                    throw failure(.incomplete, "has an \(name) without \(key)", context.pointer)
                }
                let place = try add(annotated(.null, members, context), context.pointer)
                let inner = try self.type(items, context.inner(key))
                schema.nodes[place].shape = name == "array" ? .array(of: inner) : .map(of: inner)
                return place
            default:
                guard let shape = Self.primitiveShapes[name] else { return try named(name, context) }
                return try add(annotated(shape, members, context), context.pointer)
            }
        }

        /// A record, an enum or a fixed, which has a name.
        private mutating func definition(
            _ kind: String, _ members: [String: Field], _ context: Context
        ) throws(AvroSchemaFailure) -> Place {
            guard let name = Self.text(members["name"]), !name.isEmpty else {
                throw failure(.incomplete, "has a \(kind) without a name", context.pointer)
            }
            var namespace = Self.text(members["namespace"]) ?? context.namespace
            if let dot = name.lastIndex(of: ".") { namespace = String(name[..<dot]) }
            let full = name.contains(".") || namespace.isEmpty ? name : "\(namespace).\(name)"
            guard defined[full] == nil else {
                throw failure(.definedTwice, "defines \(full) twice", context.pointer)
            }
            let place = try add(Node(shape: .null), context.pointer)
            // Before what is in it, which may name it.
            defined[full] = place
            let shape: Shape
            switch kind {
            case "enum":
                guard let field = members["symbols"], field.kind == .array else {
                    throw failure(.incomplete, "has an enum without symbols", context.pointer)
                }
                var symbols: [String] = []
                for symbol in try elements(field, "\(context.pointer)/symbols") {
                    guard let symbol = Self.text(symbol) else {
                        throw failure(.incomplete, "has a symbol that is no string", "\(context.pointer)/symbols")
                    }
                    symbols.append(symbol)
                }
                shape = .enum(symbols: symbols)
            case "fixed":
                guard let size = Self.integer(members["size"]), 0...Limit.size ~= size else {
                    throw failure(
                        .incomplete, "has a fixed without a size from 0 to \(Limit.size)", context.pointer)
                }
                shape = .fixed(size: size)
            default: shape = try record(members, context, namespace)
            }
            var node = annotated(shape, members, context)
            node.name = full
            schema.nodes[place] = node
            return place
        }

        private mutating func record(
            _ members: [String: Field], _ context: Context, _ namespace: String
        ) throws(AvroSchemaFailure) -> Shape {
            guard let fields = members["fields"], fields.kind == .array else {
                throw failure(.incomplete, "has a record without fields", context.pointer)
            }
            let pointer = "\(context.pointer)/fields"
            var names: Set<String> = []
            var result: [Member] = []
            for (index, field) in try elements(fields, pointer).enumerated() {
                let place = "\(pointer)/\(index)"
                guard field.kind == .object else {
                    throw failure(.incomplete, "has a field that is no object", place)
                }
                let field = try self.members(field, place)
                guard let name = Self.text(field["name"]), let type = field["type"] else {
                    throw failure(.incomplete, "has a field without a name or a type", place)
                }
                guard names.insert(name).inserted else {
                    throw failure(.definedTwice, "has two fields with the name \(name) in one record", place)
                }
                let inner = Context(pointer: "\(place)/type", namespace: namespace, depth: context.depth + 1)
                result.append(
                    Member(name: name, type: try self.type(type, inner), documentation: Self.text(field["doc"])))
            }
            return .record(result)
        }

        // MARK: Meaning

        private mutating func annotated(_ shape: Shape, _ members: [String: Field], _ context: Context) -> Node {
            var node = Node(shape: shape)
            node.connectName = Self.text(members["connect.name"])
            node.connectType = Self.text(members["connect.type"])
            node.documentation = Self.text(members["doc"])
            if let parameters = members["connect.parameters"], parameters.kind == .object,
                let parameters = try? container.members(of: parameters.bytes)
            {
                for (name, value) in parameters where value.kind == .string || value.kind == .number {
                    node.connectParameters[name] = String(decoding: value.bytes, as: UTF8.self)
                }
            }
            if let logicalType = Self.text(members["logicalType"]) {
                node.logical = Self.logical(logicalType, shape, members)
                if node.logical == nil {
                    schema.ignored.append(Ignored(place: context.pointer, logicalType: logicalType))
                }
            }
            return node
        }

        private static func logical(_ name: String, _ shape: Shape, _ members: [String: Field]) -> Logical? {
            switch (name, shape) {
            case ("decimal", .bytes), ("decimal", .fixed):
                let scale = members["scale"].map(integer) ?? 0
                guard let precision = integer(members["precision"]), let scale, precision > 0, scale >= 0,
                    scale <= precision, scale <= Int32.max
                else { return nil }
                if case .fixed(let size) = shape, !fits(precision, in: size) { return nil }
                return .decimal(precision: precision, scale: scale)
            case ("big-decimal", .bytes): return .bigDecimal
            case ("uuid", .string), ("uuid", .fixed(size: 16)): return .uuid
            case ("date", .int): return .date
            case ("time-millis", .int): return .timeMillis
            case ("time-micros", .long): return .timeMicros
            case ("timestamp-millis", .long): return .timestampMillis
            case ("timestamp-micros", .long): return .timestampMicros
            case ("timestamp-nanos", .long): return .timestampNanos
            case ("local-timestamp-millis", .long): return .localTimestampMillis
            case ("local-timestamp-micros", .long): return .localTimestampMicros
            case ("local-timestamp-nanos", .long): return .localTimestampNanos
            case ("duration", .fixed(size: 12)): return .duration
            default: return nil
            }
        }

        /// Whether all numbers of so many digits fit into so many bytes, with a sign.
        private static func fits(_ precision: Int, in size: Int) -> Bool {
            // log10(2) to 18 digits, which decides rightly for more bytes than a message can have.
            guard size > 0 else { return false }
            return Double(precision) <= (Double(8 * size - 1) * 0.301_029_995_663_981_195).rounded(.down)
        }

        // MARK: The whole

        mutating func finish(_ root: Place) throws(AvroSchemaFailure) -> AvroSchema {
            var stands: [Place: Place] = [:]
            for open in open {
                guard let name = open.names.first(where: { defined[$0] != nil }), let place = defined[name] else {
                    reference = open.reference
                    throw failure(.unknownName, "names a type \(open.names[0]) that nothing defines", open.at)
                }
                stands[open.node] = place
            }
            schema.root = stands[root] ?? root
            if !stands.isEmpty {
                for place in schema.nodes.indices {
                    schema.nodes[place].shape = schema.nodes[place].shape.with { stands[$0] ?? $0 }
                }
            }
            // A name that stood for a union does not exist, so that no union has become one's branch.
            schema.emptyValues = try emptyValues()
            return schema
        }

        /// Finds what takes no byte, from what has nothing inside outwards; a type in itself is never reached so.
        private func emptyValues() throws(AvroSchemaFailure) -> [Int?] {
            var empty = [Int?](repeating: nil, count: schema.nodes.count)
            var users: [[Place]] = Array(repeating: [], count: schema.nodes.count)
            var missing = [Int](repeating: 0, count: schema.nodes.count)
            var ready: [Place] = []
            for (place, node) in schema.nodes.enumerated() {
                switch node.shape {
                case .null, .fixed(size: 0): ready.append(place)
                case .record(let members):
                    missing[place] = members.count
                    if members.isEmpty { ready.append(place) }
                    for member in members { users[member.type].append(place) }
                default: break
                }
            }
            func values(in place: Place) -> Int {
                guard case .record(let members) = schema.nodes[place].shape else { return 0 }
                return members.reduce(0) { min($0 + (empty[$1.type] ?? 0), 1 << 32) }
            }
            while let place = ready.popLast() {
                empty[place] = 1 + values(in: place)
                for user in users[place] {
                    missing[user] -= 1
                    if missing[user] == 0 { ready.append(user) }
                }
            }
            for place in schema.nodes.indices where values(in: place) > Limit.emptyValues {
                throw AvroSchemaFailure(
                    code: .tooManyEmptyValues, place: "",
                    words: "has more than \(Limit.emptyValues) values without a byte in "
                        + (schema.nodes[place].name ?? "a record"))
            }
            return empty
        }
    }
}

extension AvroSchema.Shape {
    fileprivate func with(_ place: (Int) -> Int) -> Self {
        switch self {
        case .array(let items): .array(of: place(items))
        case .map(let values): .map(of: place(values))
        case .union(let branches): .union(branches.map(place))
        case .record(let members): .record(members.map { .init(name: $0.name, type: place($0.type)) })
        default: self
        }
    }
}
