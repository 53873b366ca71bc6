/// What a schema says of the fields of its messages, for those who make a table of them or show what a column is filled
/// from. Nothing that is read needs it.
public struct SchemaOutline: Sendable, Equatable {
    /// What the values of a field are, as the decoder hands them over.
    public indirect enum Content: Sendable, Equatable {
        case boolean, float, double, string, bytes, uuid, day, timeOfDay, instant, localTime, interval
        case integer(bits: Int, isSigned: Bool)
        /// Nil where each value has its own.
        case decimal(precision: Int?, scale: Int?)
        case list(of: Content)
        /// Without fields where they lie deeper than an outline goes.
        case record([Field])
        /// Names that are values.
        case map
        /// Of several types, or of none that the schema names.
        case any
    }

    public struct Field: Sendable, Equatable {
        public var name: String
        public var content: Content
        /// A message may lack it, or have null for it.
        public var isOptional: Bool
        /// The type in the schema's own words: `long (timestamp-millis)`.
        public var type: String
        /// What the schema says of it for people.
        public var documentation: String?

        public init(_ name: String, _ content: Content, isOptional: Bool, type: String, documentation: String? = nil) {
            self.name = name
            self.content = content
            self.isOptional = isOptional
            self.type = type
            self.documentation = documentation
        }

        /// The fields of a record.
        public var members: [Field] { if case .record(let members) = content { members } else { [] } }
    }

    public var fields: [Field]

    public init(_ fields: [Field]) { self.fields = fields }

    /// Records in records that are outlined.
    static let depth = 4

    /// The field that a path leads to, by names alone.
    public func field(_ path: FieldPath) -> Field? {
        var found: Field?
        for (index, component) in path.components.enumerated() {
            let fields = index == 0 ? fields : found?.members ?? []
            let named = fields.first { $0.name == component }
            let isLast = index == path.components.count - 1
            let other = isLast && path.names != .exact ? fields.last { path.ends(with: $0.name) } : nil
            guard let field = named ?? other else { return nil }
            found = field
        }
        return found
    }

    /// This one, and what another version of the schema has beside it. Where both have a field of different types, it is one
    /// that holds both.
    public func united(with other: SchemaOutline) -> SchemaOutline {
        SchemaOutline(Self.unite(fields, other.fields))
    }

    private static func unite(_ fields: [Field], _ others: [Field]) -> [Field] {
        var result = fields
        for index in result.indices {
            guard let other = others.first(where: { $0.name == result[index].name }) else {
                result[index].isOptional = true
                continue
            }
            result[index].isOptional = result[index].isOptional || other.isOptional
            result[index].content = unite(result[index].content, other.content)
        }
        for var other in others where !result.contains(where: { $0.name == other.name }) {
            other.isOptional = true
            result.append(other)
        }
        return result
    }

    private static func unite(_ content: Content, _ other: Content) -> Content {
        switch (content, other) {
        case _ where content == other: content
        case (.integer(let bits, let isSigned), .integer(let more, let isToo)):
            // What has room for both: one bit more where only one of them has a sign.
            .integer(
                bits: isSigned == isToo ? max(bits, more) : 64,
                isSigned: isSigned == isToo ? isSigned : max(bits, more) < 64)
        case (.float, .double), (.double, .float): .double
        case (.decimal, .decimal): .decimal(precision: nil, scale: nil)
        case (.decimal, .integer), (.integer, .decimal): .decimal(precision: nil, scale: nil)
        case (.list(let items), .list(let others)): .list(of: unite(items, others))
        case (.record(let fields), .record(let others)): .record(unite(fields, others))
        default: .any
        }
    }
}
