import Loading
import Postgres

/// A table's name, or what each message makes one of.
enum RoutedTable: Sendable, Equatable {
    case name(TableName)
    case template(TableTemplate)
}

/// Reads a table's name in which `${…}` is what a message has: `events.${headers.type}`.
func parseRoutedTable(_ text: String) throws(ValueMistake) -> RoutedTable {
    guard text.contains("${") else { return .name(try parseTableName(text)) }
    let mend = "Write schema.${headers.type}, or ${topic}, ${topic.2}, ${key.x} or the name of a field in braces."
    var (schema, rest): (String?, Substring) = (nil, text[...])
    // The schema is the same for all; a dot within braces is none of it.
    if let dot = text.firstIndex(of: "."), !text[..<dot].contains("${") {
        schema = try parseTableName(String(text[..<dot])).name
        rest = text[text.index(after: dot)...]
    }
    let written = String(rest)
    var parts: [TableTemplate.Part] = []
    while !rest.isEmpty {
        if rest.hasPrefix("${") {
            guard let end = rest.firstIndex(of: "}"), let part = TableTemplate.part(String(rest[..<end].dropFirst(2)))
            else {
                throw ValueMistake(.invalidValue, "\(text) has braces around what no message has", mend)
            }
            parts.append(part)
            rest = rest[rest.index(after: end)...]
        } else {
            let literal = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            guard !literal.isEmpty else { throw ValueMistake(.invalidValue, "\(text) is no table's name", mend) }
            parts.append(.text(String(literal.map { $0.isASCII ? Character($0.lowercased()) : $0 })))
            rest = rest.dropFirst(literal.count)
        }
    }
    return .template(TableTemplate(schema: schema, parts: parts, text: written))
}

extension Route {
    /// What `table` says.
    var routedTable: RoutedTable {
        get { template.map { .template($0) } ?? .name(table) }
        set {
            switch newValue {
            case .name(let name): (table, template) = (name, nil)
            case .template(let made): (table, template) = (made.name, made)
            }
        }
    }
}
