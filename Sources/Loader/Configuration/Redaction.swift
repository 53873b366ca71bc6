/// Hides secrets in whatever the loader prints.
enum Redaction {
    static let mark = "******"

    /// Whether one of librdkafka's properties holds a secret.
    static func isSecret(property: String) -> Bool {
        let name = property.lowercased()
        return name.contains("password") || name.contains("secret") || name.contains("key.pem")
            || name.contains("private") || name == "sasl.oauthbearer.config"
            || name.contains("token")
                && !name.contains("url")
    }

    /// A libpq connection string without its passwords. Rather too much is hidden than too little.
    static func connection(_ text: String) -> String {
        guard text.hasPrefix("postgres"), let scheme = text.firstRange(of: "://") else { return keywords(text) }
        var result = String(text[..<scheme.upperBound])
        var rest = text[scheme.upperBound...]
        // An unescaped `@`, `/` or `?` in a password must not end the hiding early, so the last `@` counts.
        if let at = rest.lastIndex(of: "@") {
            let user = rest[..<at]
            if let colon = user.firstIndex(of: ":") {
                result += user[...colon] + mark
            } else {
                result += user
            }
            rest = rest[at...]
        }
        guard let question = rest.firstIndex(of: "?") else { return result + rest }
        let parameters = rest[rest.index(after: question)...].split(separator: "&", omittingEmptySubsequences: false)
        let shown = parameters.map { parameter -> Substring in
            guard let equals = parameter.firstIndex(of: "="), isSecret(property: String(parameter[..<equals])) else {
                return parameter
            }
            return parameter[...equals] + mark
        }
        return result + rest[...question] + shown.joined(separator: "&")
    }

    /// A URL of HTTP, or several with commas between them, without the user and the password.
    static func webAddresses(_ text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return text }
        // A password may hold what ends a URL elsewhere: rather too much is hidden than too little.
        guard let scheme = text.firstRange(of: "://"), scheme.upperBound <= at else { return mark }
        return text[..<scheme.upperBound] + mark + text[at...]
    }

    /// `host=db password='s e c'`; what cannot be read as pairs is hidden as a whole.
    private static func keywords(_ text: String) -> String {
        var shown: [String] = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0.isWhitespace }
            if rest.isEmpty { return shown.joined(separator: " ") }
            let keyword = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            rest = rest.dropFirst(keyword.count).drop { $0.isWhitespace }
            guard !keyword.isEmpty, rest.first == "=" else { return mark }
            rest = rest.dropFirst().drop { $0.isWhitespace }
            let value = takeValue(&rest)
            shown.append("\(keyword)=" + (isSecret(property: String(keyword)) ? mark : value))
        }
    }

    /// A value with its quotes and backslashes.
    private static func takeValue(_ rest: inout Substring) -> String {
        let isQuoted = rest.first == "'"
        var value = ""
        var isEscaped = false
        while let character = rest.first {
            if !isQuoted, !isEscaped, character.isWhitespace { break }
            rest.removeFirst()
            value.append(character)
            if isQuoted, !isEscaped, character == "'", value.count > 1 { break }
            isEscaped = character == "\\" && !isEscaped
        }
        return value
    }
}

extension ConfigurationSetting {
    /// The value as it may be printed.
    var shown: ConfigurationValue {
        if isOfTokens, !isFromSecretFile { return shownOfTokens }
        if case .list(let items) = value, path.description == "schema_registry.url", !isFromSecretFile {
            return .list(items.map(Redaction.webAddresses))
        }
        if path.description == "schema_registry.headers", !isFromSecretFile {
            // What a gateway wants in them may be a key.
            func hidden(_ header: String) -> String { header.prefix { $0 != ":" } + ": " + Redaction.mark }
            switch value {
            case .list(let items): return .list(items.map(hidden))
            case .text(let text): return .text(hidden(text))
            case .null: return value
            }
        }
        guard case .text(let text) = value else { return isFromSecretFile ? .text(Redaction.mark) : value }
        // Of what a file has put in, nobody knows here which part it was.
        if path.description == "postgres.url", !isFromSecretFile { return .text(Redaction.connection(text)) }
        if path.components.first == .name("schema_registry"), let name = path.names.last {
            let secrets: Set = ["password", "token", "secret_access_key", "session_token", "client_secret"]
            if secrets.contains(name) { return .text(Redaction.mark) }
            if name == "url", !isFromSecretFile { return .text(Redaction.webAddresses(text)) }
        }
        let isProperty = path.components.starts(with: [.name("kafka"), .name("properties")])
        if isProperty, let name = path.names.last, Redaction.isSecret(property: name) { return .text(Redaction.mark) }
        return isFromSecretFile ? .text(Redaction.mark) : value
    }
}

extension ConfigurationSetting {
    /// Of a section that says where tokens come from.
    private var isOfTokens: Bool {
        let sections: [[ConfigurationPath.Component]] = [
            [.name("kafka"), .name("token")], [.name("postgres"), .name("password")],
        ]
        return sections.contains { path.components.starts(with: $0) }
    }

    private var shownOfTokens: ConfigurationValue {
        switch (path.names.last, value) {
        case ("client_secret", _): .text(Redaction.mark)
        // An argument may be one.
        case ("command", .list(let parts)): .list(parts.prefix(1) + parts.dropFirst().map { _ in Redaction.mark })
        case ("command", .text(let text)) where text.hasPrefix("["):
            .text(text.prefix { $0 != "," } + ", \(Redaction.mark)]")
        case ("url", .text(let text)): .text(Redaction.webAddresses(text))
        case ("url", .list(let items)): .list(items.map(Redaction.webAddresses))
        default: value
        }
    }
}

extension ConfigurationSettings {
    /// The text without what settings have from files of their own, for complaints that repeat values.
    func hidingSecrets(in text: String) -> String {
        let secrets = all.filter(\.isFromSecretFile).flatMap { setting -> [String] in
            switch setting.value {
            case .null: []
            case .text(let text): [text]
            case .list(let items): items
            }
        }
        return secrets.filter { !$0.isEmpty }.reduce(text) { $0.replacing($1, with: Redaction.mark) }
    }
}
