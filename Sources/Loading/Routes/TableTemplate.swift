import Postgres
import Records

/// A table's name that each message completes: `events.${headers.type}`. The schema is the same for all.
public struct TableTemplate: Sendable, Hashable {
    public enum Part: Sendable, Hashable {
        /// As the table is called: what is not in quotes is in lower case.
        case text(String)
        case source(ColumnSource)
        /// What stands between the dots of the topic's name, from 1.
        case topicPart(Int)
    }

    public var schema: String?
    /// At least one is not a text.
    public var parts: [Part]
    /// As the route writes it, without the schema.
    public var text: String

    /// Where the rest of the configuration names one table.
    public var name: TableName { TableName(schema: schema, name: text) }

    public init(schema: String?, parts: [Part], text: String) {
        (self.schema, self.parts, self.text) = (schema, parts, text)
    }

    /// Reads what stands within the braces: `topic`, `topic.2`, `headers.x`, `key.x`, a field, or a column's expression that begins
    /// with a dollar sign.
    ///
    /// - Returns: nil for what is none of these.
    public static func part(_ text: String) -> Part? {
        if text.hasPrefix("topic."), let number = Int(text.dropFirst(6)) {
            return number > 0 ? .topicPart(number) : nil
        }
        let isKnown = text == "topic" || text == "key" || text.hasPrefix("headers.") || text.hasPrefix("key.")
        guard let source = ColumnSource(isKnown ? "$" + text : text), source.canNameTables else { return nil }
        return .source(source)
    }

    /// What of a message it looks at.
    package var sources: [ColumnSource] {
        parts.compactMap { if case .source(let source) = $0 { source } else { nil } }
    }
}

extension ColumnSource {
    fileprivate var canNameTables: Bool {
        switch self {
        case .field, .key, .header, .topic, .operation, .origin: true
        default: false
        }
    }
}

/// Names of tables, in which `*` stands for any characters, and which a route may load.
public struct TableList: Sendable, Hashable {
    public var names: [String]

    public init(_ names: [String]) { self.names = names }

    /// Those that can only be one table.
    var exact: [String] { names.filter { !$0.contains("*") } }
    var hasPatterns: Bool { names.contains { $0.contains("*") } }

    func takes(_ name: String) -> Bool { names.contains { Self.matches(Array($0.utf8), Array(name.utf8)) } }

    /// In steps as many as both are long, multiplied, at worst: a name has 63 bytes.
    private static func matches(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        var reached = Set([0])
        for byte in pattern {
            if byte == UInt8(ascii: "*") {
                reached = Set((reached.min() ?? name.count + 1)..<(name.count + 1))
            } else {
                reached = Set(reached.filter { $0 < name.count && name[$0] == byte }.map { $0 + 1 })
            }
            if reached.isEmpty { return false }
        }
        return reached.contains(name.count)
    }
}
