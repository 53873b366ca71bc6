import Records

/// Where a column's value comes from.
public enum ColumnSource: Sendable, Hashable {
    /// A field of the value: `customer.name`.
    case field(FieldPath)
    /// `$value`: all of the value, as bytes.
    case value
    /// `$key`: all of the key; `$key.id`: a field of a JSON key.
    case key(FieldPath?)
    /// `$headers.name`: the last header of that name, as text.
    case header(String)
    /// `$topic`, `$partition`, `$offset`.
    case topic, partition, offset
    /// `$timestamp`: the message's own time.
    case timestamp
    /// `$now`: when the loader took the message.
    case now
    /// `$schema_id`: what the message says that it is written by; null where it says nothing.
    case schemaID
    /// `$op`: what a change event says was done, in Debezium's letters (`ChangeOperation`), whatever the envelope.
    case operation
    /// `$before.name`: a field of the row before the change.
    case before(FieldPath)
    /// `$source.lsn`: a field of what an envelope says of where the change comes from.
    case origin(FieldPath)
    /// `$parent.id`: a field of what holds the element that the row is made of; `$parent.$parent.id` of what holds that.
    case parent(levels: Int, FieldPath)
    /// `$index`: the element's place among its neighbours, from 0.
    case index
    /// `$name`: what the element is called in the object that holds it.
    case name
    /// `$element`: all of the element, where it is no record, or is wanted as one.
    case element
    /// `$parent.$index`, `$parent.$name`: the same of what holds the element, where that is an element, too.
    case parentIndex(levels: Int)
    case parentName(levels: Int)
    /// No message's: the route says what each row gets.
    case constant

    /// Bytes as Kafka holds them, which nothing has found to be valid text yet.
    var isRaw: Bool {
        switch self {
        case .value, .key(nil), .header: true
        default: false
        }
    }

    /// Reads an expression of the configuration; nil if it names no known `$…` or has an empty part.
    ///
    /// `$$name` is a field whose own name begins with a dollar sign, and `\.` is a dot within a name.
    public init?(_ expression: String) {
        if expression.hasPrefix("$"), !expression.hasPrefix("$$") {
            switch expression {
            case "$value": self = .value
            case "$key": self = .key(nil)
            case "$topic": self = .topic
            case "$partition": self = .partition
            case "$offset": self = .offset
            case "$timestamp": self = .timestamp
            case "$now": self = .now
            case "$schema_id": self = .schemaID
            case "$op": self = .operation
            case "$index": self = .index
            case "$name": self = .name
            case "$element": self = .element
            default:
                if let source = Self.nested(expression) {
                    self = source
                } else if expression.hasPrefix("$key."), let path = FieldPath(parsing: expression.dropFirst(5)) {
                    self = .key(path)
                } else if expression.hasPrefix("$headers."), expression.utf8.count > 9 {
                    self = .header(String(expression.dropFirst(9)))
                } else {
                    return nil
                }
            }
            return
        }
        guard let path = FieldPath(parsing: expression.hasPrefix("$$") ? expression.dropFirst() : expression[...])
        else { return nil }
        self = .field(path)
    }

    /// Reads `$before.…`, `$source.…` and `$parent.…`.
    private static func nested(_ expression: String) -> ColumnSource? {
        if expression.hasPrefix("$before.") { return FieldPath(parsing: expression.dropFirst(8)).map { .before($0) } }
        if expression.hasPrefix("$source.") { return FieldPath(parsing: expression.dropFirst(8)).map { .origin($0) } }
        var rest = expression[...]
        var levels = 0
        while rest.hasPrefix("$parent.") {
            rest = rest.dropFirst(8)
            levels += 1
        }
        if levels > 0, rest == "$index" { return .parentIndex(levels: levels) }
        if levels > 0, rest == "$name" { return .parentName(levels: levels) }
        guard levels > 0, !rest.hasPrefix("$") || rest.hasPrefix("$$") else { return nil }
        return FieldPath(parsing: rest.hasPrefix("$$") ? rest.dropFirst() : rest).map { .parent(levels: levels, $0) }
    }
}

extension ColumnSource: CustomStringConvertible {
    /// As the configuration writes it.
    public var description: String {
        switch self {
        case .field(let path): path.description
        case .value: "$value"
        case .key(nil): "$key"
        case .key(let path?): "$key.\(path)"
        case .header(let name): "$headers.\(name)"
        case .topic: "$topic"
        case .partition: "$partition"
        case .offset: "$offset"
        case .timestamp: "$timestamp"
        case .now: "$now"
        case .schemaID: "$schema_id"
        case .operation: "$op"
        case .before(let path): "$before.\(path)"
        case .origin(let path): "$source.\(path)"
        case .parent(let levels, let path): String(repeating: "$parent.", count: levels) + path.description
        case .index: "$index"
        case .name: "$name"
        case .element: "$element"
        case .parentIndex(let levels): String(repeating: "$parent.", count: levels) + "$index"
        case .parentName(let levels): String(repeating: "$parent.", count: levels) + "$name"
        case .constant: "constant"
        }
    }
}

extension ColumnSource {
    /// As a route writes it so that it is read back: dots and a leading dollar within names are escaped.
    public var expression: String {
        func escaped(_ path: FieldPath) -> String {
            path.components.map { $0.replacing("\\", with: "\\\\").replacing(".", with: "\\.") }.joined(separator: ".")
        }
        switch self {
        case .field(let path):
            let text = escaped(path)
            return text.hasPrefix("$") ? "$" + text : text
        case .key(let path?): return "$key." + escaped(path)
        case .before(let path): return "$before." + escaped(path)
        case .origin(let path): return "$source." + escaped(path)
        case .parent(let levels, let path):
            let text = escaped(path)
            return String(repeating: "$parent.", count: levels) + (text.hasPrefix("$") ? "$" + text : text)
        default: return description
        }
    }
}
