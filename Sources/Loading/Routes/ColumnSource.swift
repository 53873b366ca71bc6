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
            default:
                if expression.hasPrefix("$key."), let path = FieldPath(parsing: expression.dropFirst(5)) {
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
}

extension FieldPath {
    /// Splits at dots, but not at `\.`; nil if a part is empty.
    public init?(parsing text: Substring) {
        var components = [""]
        var isEscaped = false
        for character in text {
            if isEscaped {
                if character != "." && character != "\\" { components[components.count - 1].append("\\") }
                components[components.count - 1].append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "." {
                components.append("")
            } else {
                components[components.count - 1].append(character)
            }
        }
        if isEscaped { components[components.count - 1].append("\\") }
        guard components.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(components)
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
        default: return description
        }
    }
}
