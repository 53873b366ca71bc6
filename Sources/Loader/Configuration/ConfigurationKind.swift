import Foundation
import Loading
import Postgres
import Records

/// What is wrong with a value, and the mend, before it is known where the value stands.
struct ValueMistake: Error, Equatable, Sendable {
    var code: ConfigurationProblem.Code
    var message: String
    var mend: String

    init(_ code: ConfigurationProblem.Code, _ message: String, _ mend: String) {
        self.code = code
        self.message = message
        self.mend = mend
    }
}

/// A type of setting: how it is written, and how its text becomes a value.
struct ConfigurationKind<Value>: Sendable {
    /// For the reference: `integer`, `duration`.
    let name: String
    /// For the reference and for mends: `1 to 64`, or the choices.
    let domain: String
    /// Written without quotes in JSON.
    var isBare = false
    /// For editors.
    var form = ConfigurationForm.text
    let read: @Sendable (ConfigurationValue) throws(ValueMistake) -> Value
}

extension ConfigurationKind {
    /// The same kind where `null` has a meaning of its own.
    func orNull(_ meaning: String) -> ConfigurationKind<Value?> {
        let read = read
        return ConfigurationKind<Value?>(
            name: name, domain: domain.isEmpty ? "or null: \(meaning)" : "\(domain), or null: \(meaning)",
            isBare: isBare, form: .orNull(form)
        ) { value throws(ValueMistake) in
            if value == .null { return nil }
            return try read(value)
        }
    }

    /// The same kind for a place that is empty until it is set.
    var wrapped: ConfigurationKind<Value?> {
        let read = read
        return ConfigurationKind<Value?>(name: name, domain: domain, isBare: isBare, form: form) {
            value throws(ValueMistake) in
            try read(value)
        }
    }

    /// A kind that is written as one text.
    static func scalar(
        _ name: String, domain: String = "", isBare: Bool = false, form: ConfigurationForm = .text,
        read: @escaping @Sendable (String) throws(ValueMistake) -> Value
    ) -> ConfigurationKind {
        ConfigurationKind(name: name, domain: domain, isBare: isBare, form: form) { value throws(ValueMistake) in
            switch value {
            case .text(let text): return try read(text)
            case .list: throw ValueMistake(.wrongType, "is a list, not one \(name)", "Give one value.")
            case .null: throw ValueMistake(.invalidValue, "has no value", "Give one, or leave the key out.")
            }
        }
    }
}

extension ConfigurationKind where Value == String {
    static var text: ConfigurationKind {
        .scalar("text") { text throws(ValueMistake) in
            guard !text.isEmpty else {
                throw ValueMistake(.invalidValue, "is empty", "Give a value, or leave the key out.")
            }
            return text
        }
    }

    /// Text that may be empty, so nothing at all is empty text: `${SUFFIX:-}`.
    static var anyText: ConfigurationKind {
        ConfigurationKind(name: "text", domain: "", form: .orNull(.text)) { value throws(ValueMistake) in
            switch value {
            case .text(let text): return text
            case .null: return ""
            case .list: throw ValueMistake(.wrongType, "is a list, not one text", "Give one value.")
            }
        }
    }

    /// Says of a bad value only that it is bad: it may hold a password.
    static var connection: ConfigurationKind {
        .scalar("text", domain: "a URL or `key=value` pairs") { text throws(ValueMistake) in
            if text.hasPrefix("jdbc:") {
                throw ValueMistake(.invalidValue, "is a JDBC URL", "Write postgresql://user@host:5432/database.")
            }
            guard text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") || text.contains("=") else {
                throw ValueMistake(
                    .invalidValue, "is neither a PostgreSQL URL nor key=value pairs",
                    "Write postgresql://user@host:5432/database.")
            }
            return text
        }
    }

    static var topicName: ConfigurationKind {
        .scalar("text", domain: "a topic's name") { text throws(ValueMistake) in
            try checkTopicName(text)
            return text
        }
    }

    static var zone: ConfigurationKind {
        .scalar("text", domain: "an IANA name or an offset such as `+02:00`") { text throws(ValueMistake) in
            if EncodingOptions.isKnownTimeZone(text) { return text }
            throw ValueMistake(
                .invalidValue, "\(text) is no time zone",
                "Give a name such as Europe/Berlin, or an offset such as +02:00.")
        }
    }
}

extension ConfigurationKind where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> ConfigurationKind {
        let domain = "\(range.lowerBound) to \(range.upperBound)"
        return .scalar("integer", domain: domain, isBare: true, form: .integer(range)) { text throws(ValueMistake) in
            guard text.wholeMatch(of: /[+-]?\d[\d_]*/) != nil else {
                throw ValueMistake(.wrongType, "\(text) is not a whole number", "Give a number from \(domain).")
            }
            // Digits alone that are no Int are too many of them.
            guard let number = Int(text.replacing("_", with: "")), range.contains(number) else {
                throw ValueMistake(.outOfRange, "\(text) is out of range", "Give a number from \(domain).")
            }
            return number
        }
    }

    /// Bytes: `32MiB`, `64kB` or a bare number.
    static func size(_ range: ClosedRange<Int>) -> ConfigurationKind {
        let domain = "\(formatSize(range.lowerBound)) to \(formatSize(range.upperBound))"
        return .scalar("size", domain: domain, form: .size) { text throws(ValueMistake) in
            guard let bytes = parseSize(text) else {
                throw ValueMistake(
                    .wrongType, "\(text) is no size",
                    "Write a number with B, kB, MB, GB, KiB, MiB or GiB, such as 32MiB.")
            }
            guard range.contains(bytes) else {
                throw ValueMistake(.outOfRange, "\(text) is out of range", "Give a size from \(domain).")
            }
            return bytes
        }
    }
}

extension ConfigurationKind where Value == Duration {
    static func duration(_ range: ClosedRange<Duration>) -> ConfigurationKind {
        let domain = "\(formatDuration(range.lowerBound)) to \(formatDuration(range.upperBound))"
        return .scalar("duration", domain: domain, form: .duration) { text throws(ValueMistake) in
            guard let duration = parseDuration(text) else {
                throw ValueMistake(
                    .wrongType, "\(text) is no duration", "Write a number with ms, s, m or h, such as 500ms or 1m30s.")
            }
            guard range.contains(duration) else {
                throw ValueMistake(.outOfRange, "\(text) is out of range", "Give a duration from \(domain).")
            }
            return duration
        }
    }
}

extension ConfigurationKind where Value == Double {
    static var share: ConfigurationKind {
        .scalar("number", domain: "0 to 1", isBare: true, form: .share) { text throws(ValueMistake) in
            guard let number = Double(text), number.isFinite else {
                throw ValueMistake(.wrongType, "\(text) is not a number", "Give a share from 0 to 1, such as 0.5.")
            }
            guard (0...1).contains(number) else {
                throw ValueMistake(.outOfRange, "\(text) is out of range", "Give a share from 0 to 1, such as 0.5.")
            }
            return number
        }
    }
}

extension ConfigurationKind where Value == Bool {
    static var boolean: ConfigurationKind {
        .scalar("boolean", domain: "`true` or `false`", isBare: true, form: .boolean) { text throws(ValueMistake) in
            switch text.lowercased() {
            case "true", "yes", "on": return true
            case "false", "no", "off": return false
            default: throw ValueMistake(.wrongType, "\(text) is neither true nor false", "Write true or false.")
            }
        }
    }
}

extension ConfigurationKind
where Value: CaseIterable & RawRepresentable & Sendable, Value.RawValue == String, Value.AllCases == [Value] {
    static var choice: ConfigurationKind {
        let names = Value.allCases.map(\.rawValue)
        let domain = names.map { "`\($0)`" }.joined(separator: ", ")
        return .scalar("choice", domain: domain, form: .choice(names)) { text throws(ValueMistake) in
            if let value = Value(rawValue: text) { return value }
            let hint = nearest(to: text, in: names).map { "did you mean \($0)? The choices are" } ?? "choose one of"
            let mend = "\(hint) \(names.joined(separator: ", "))."
            throw ValueMistake(
                .invalidValue, "\(text) is no choice here", mend.prefix(1).uppercased() + mend.dropFirst())
        }
    }
}

extension ConfigurationKind where Value == TableName {
    static var table: ConfigurationKind {
        .scalar("table", domain: "`table` or `schema.table`") { text throws(ValueMistake) in
            try parseTableName(text)
        }
    }
}

extension ConfigurationKind where Value == [String] {
    static var columns: ConfigurationKind {
        ConfigurationKind(name: "list", domain: "column names", form: .list) { value throws(ValueMistake) in
            let names = try value.items(what: "a list of column names")
            for name in names { try checkIdentifierLength(name) }
            if let name = firstRepeated(names) {
                throw ValueMistake(.invalidValue, "\(name) is in it twice", "Name each column once.")
            }
            return names
        }
    }
}

extension ConfigurationKind where Value == [Route.TombstoneForm] {
    /// Any of the choices, each once.
    static var choices: ConfigurationKind {
        let one = ConfigurationKind<Route.TombstoneForm>.choice
        return ConfigurationKind(name: "list", domain: one.domain, form: .list) { value throws(ValueMistake) in
            let names = try value.items(what: "a list of \(one.domain)")
            if let name = firstRepeated(names) {
                throw ValueMistake(.invalidValue, "\(name) is in it twice", "Name each once.")
            }
            var forms: [Route.TombstoneForm] = []
            for name in names { forms.append(try one.read(.text(name))) }
            return forms
        }
    }
}

extension ConfigurationKind where Value == String {
    /// A value for a column, which may be empty.
    static var fixedText: ConfigurationKind {
        .scalar("text") { text throws(ValueMistake) in text }
    }
}

extension ConfigurationKind where Value == [String] {
    /// One text or several, each as it is: commas and empty texts have no meaning of their own.
    static var texts: ConfigurationKind {
        ConfigurationKind(name: "text or list", domain: "", form: .list) { value throws(ValueMistake) in
            let texts: [String]
            switch value {
            case .text(let text): texts = [text]
            case .list(let list): texts = list
            case .null: throw ValueMistake(.invalidValue, "has no value", "Give texts, or `\"\"` for the empty one.")
            }
            guard !texts.isEmpty else {
                throw ValueMistake(.invalidValue, "is empty", "Give a text or a list of them.")
            }
            if let text = firstRepeated(texts) {
                throw ValueMistake(.invalidValue, "\"\(text)\" is in it twice", "Name each once.")
            }
            return texts
        }
    }
}

extension ConfigurationKind where Value == Route.OnError {
    /// YAML takes an unquoted `null` for no value.
    static var nullOrDeadLetter: ConfigurationKind {
        let choice = ConfigurationKind.choice
        return ConfigurationKind(name: choice.name, domain: choice.domain, form: .orNull(choice.form)) {
            value throws(ValueMistake) in
            if value == .null { return .null }
            return try choice.read(value)
        }
    }
}

extension ConfigurationKind where Value == [Route.TopicPattern] {
    static var topics: ConfigurationKind {
        ConfigurationKind(name: "text or list", domain: "names, or `^` and a regular expression", form: .list) {
            value throws(ValueMistake) in
            var topics: [Route.TopicPattern] = []
            for item in try value.items(what: "a topic or a list of them") {
                let pattern = item.hasPrefix("^") ? Route.TopicPattern.expression(item) : .name(item)
                if case .name = pattern { try checkTopicName(item) }
                guard pattern.isValid else {
                    throw ValueMistake(
                        .invalidValue, "\(item) is no regular expression",
                        "Write a POSIX extended one, such as ^orders-.*")
                }
                guard !topics.contains(pattern) else {
                    throw ValueMistake(.invalidValue, "\(item) is in it twice", "Name each topic once.")
                }
                topics.append(pattern)
            }
            return topics
        }
    }
}

extension ConfigurationKind where Value == ColumnSource {
    static var expression: ConfigurationKind {
        .scalar("expression", domain: "a field's path or `$…`") { text throws(ValueMistake) in
            if let source = ColumnSource(text) { return source }
            let known = [
                "$value", "$key", "$topic", "$partition", "$offset", "$timestamp", "$headers.name", "$now",
                "$schema_id", "$parent.name", "$element", "$index", "$name",
            ]
            guard text.hasPrefix("$") else {
                throw ValueMistake(
                    .invalidValue, "\(text) has an empty part",
                    "Write a path such as customer.name, with \\. for a dot in a name.")
            }
            throw ValueMistake(
                .invalidValue, "\(text) is no source of values",
                "Use one of \(known.joined(separator: ", ")), or $$ before a field whose own name begins with $.")
        }
    }
}

extension ConfigurationKind where Value == ElementPath {
    static var elements: ConfigurationKind {
        .scalar("path", domain: "a list's path, one with `.*`, or `$value`") { text throws(ValueMistake) in
            if let path = ElementPath(parsing: text) { return path }
            throw ValueMistake(
                .invalidValue, "\(text) leads to no elements",
                "Write a path such as items, order.items, items.options or rows.*, or $value where messages are many records."
            )
        }
    }
}

extension ConfigurationKind where Value == FieldPath {
    static var path: ConfigurationKind {
        .scalar("expression", domain: "a field's path") { text throws(ValueMistake) in
            if case .field(let path) = ColumnSource(text) { return path }
            throw ValueMistake(
                .invalidValue, "\(text) is no path of a field",
                "Write a path such as payload.after, with \\. for a dot in a name, and $$ for a dollar sign at its beginning."
            )
        }
    }
}

extension ConfigurationKind where Value == ListenAddress? {
    static var listen: ConfigurationKind {
        ConfigurationKind(name: "address", domain: "`host:port` with a numeric host, or `off`", form: .orNull(.text)) {
            value throws(ValueMistake) in
            guard case .text(let text) = value, !["off", "false"].contains(text.lowercased()) else { return nil }
            guard let address = ListenAddress(text) else {
                throw ValueMistake(
                    .invalidValue, "\(text) is no address",
                    "Write 127.0.0.1:9464, [::1]:9464, :9464 for every IPv4 address, or off.")
            }
            return address
        }
    }
}

extension ConfigurationValue {
    /// A list as it is, or a text split at its commas; a regular expression keeps its commas.
    func items(what: String) throws(ValueMistake) -> [String] {
        var items: [String]
        switch self {
        case .null: items = []
        case .list(let list): items = list
        case .text(let text) where text.hasPrefix("^"): items = [text]
        case .text(let text):
            let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
            items = (isBracketed ? text.dropFirst().dropLast() : text[...]).split(
                separator: ",", omittingEmptySubsequences: false
            ).map { $0.trimmingCharacters(in: .whitespaces) }
            if items == [""] { items = [] }
        }
        guard !items.isEmpty else { throw ValueMistake(.invalidValue, "is empty", "Give \(what).") }
        guard items.allSatisfy({ !$0.isEmpty }) else {
            throw ValueMistake(.invalidValue, "has an empty element", "Remove it.")
        }
        return items
    }
}

private func firstRepeated(_ names: [String]) -> String? {
    var seen: Set<String> = []
    return names.first { !seen.insert($0).inserted }
}

/// Kafka's own rule for a topic's name.
private func checkTopicName(_ name: String) throws(ValueMistake) {
    let isLegal = name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
    guard isLegal, !name.isEmpty, name != ".", name != "..", name.utf8.count <= 249 else {
        throw ValueMistake(
            .invalidValue, "\(name.prefix(80)) cannot be a topic's name",
            "Use at most 249 letters, digits, dots, underscores and hyphens; a regular expression begins with ^.")
    }
}

extension ConfigurationKind where Value == RouteCondition {
    static var condition: ConfigurationKind {
        .scalar("condition", domain: "such as `status != 'test'`") { text throws(ValueMistake) in
            do throws(ConditionMistake) { return try RouteCondition(text) } catch {
                throw ValueMistake(
                    .invalidValue, "the condition \(error.words)",
                    "Mend it at the caret:\n\(error.marked(in: text))")
            }
        }
    }
}

extension ConfigurationKind where Value == Throttle {
    static var throttle: ConfigurationKind {
        .scalar("rate", domain: "`1/m` to `10000000/s`") { text throws(ValueMistake) in
            guard let match = text.wholeMatch(of: /(\d[\d_]*) ?\/ ?(s|m)/),
                let number = Int(match.1.replacing("_", with: "")), (1...10_000_000).contains(number)
            else {
                throw ValueMistake(
                    .invalidValue, "\(text) is no rate", "Write messages a second or a minute: 5000/s or 300/m.")
            }
            return Throttle(messagesPerSecond: match.2 == "s" ? Double(number) : Double(number) / 60)
        }
    }
}

extension ConfigurationKind where Value == RoutedTable {
    static var routedTable: ConfigurationKind {
        .scalar("table", domain: "`table` or `schema.table`, with `${…}` for what each message says") {
            text throws(ValueMistake) in
            try parseRoutedTable(text)
        }
    }
}

extension ConfigurationKind where Value == TableList {
    static var tableList: ConfigurationKind {
        ConfigurationKind(name: "list", domain: "names of tables, with `*` for any characters", form: .list) {
            value throws(ValueMistake) in
            let names = try value.items(what: "a list of tables")
            for name in names {
                try checkIdentifierLength(name)
                guard !name.contains(".") || name.contains("*") else {
                    throw ValueMistake(
                        .invalidValue, "\(name) names a schema",
                        "Leave it out: it is the one of `table` for all of them.")
                }
            }
            if let name = firstRepeated(names) {
                throw ValueMistake(.invalidValue, "\(name) is in it twice", "Name each once.")
            }
            return TableList(names)
        }
    }
}
