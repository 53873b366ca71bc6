/// Reads the SQL that the loader writes, and no other: what is not known here ends the simulation.
struct SQLParser {
    private let sql: String
    private let tokens: [SQLToken]
    private var place = 0

    private init(_ sql: String) throws(SQLFailure) {
        self.sql = sql
        tokens = try SQLToken.read(sql)
    }

    /// The statements of a text, in their order.
    static func statements(_ sql: String) throws(SQLFailure) -> [SQLStatement] {
        if let known = KnownQuery(sql) {
            guard known == .constantDefaults, let start = sql.firstRange(of: ") SELECT ") else {
                return [.known(known)]
            }
            var parser = try SQLParser(String(sql[start.upperBound...]))
            let plan = CatalogAnswers.plan(of: try parser.items().map(\.value))
            return [.query(SQLQuery(selects: [SQLSelect(items: [(.value(.text(plan)), nil)])]))]
        }
        var parser = try SQLParser(sql)
        var statements: [SQLStatement] = []
        while true {
            while parser.takes(";") {}
            if parser.token == .end { return statements }
            statements.append(try parser.statement())
            guard parser.token == .end || parser.token == .symbol(";") else { throw parser.unknown() }
        }
    }

    /// A condition by itself, such as a CHECK's.
    static func expression(_ sql: String) throws(SQLFailure) -> SQLExpression {
        var parser = try SQLParser(sql)
        let expression = try parser.expression()
        guard parser.token == .end else { throw parser.unknown() }
        return expression
    }

    // MARK: Tokens

    var token: SQLToken { tokens[place] }

    func unknown() -> SQLFailure {
        .unknown("\(tokens[place]), the word \(place) of the statement: \(sql)")
    }

    func sees(_ words: String...) -> Bool {
        for (index, word) in words.enumerated() {
            guard place + index < tokens.count else { return false }
            guard tokens[place + index] == .word(word) || tokens[place + index] == .symbol(word) else { return false }
        }
        return true
    }

    mutating func takes(_ words: String...) -> Bool {
        for (index, word) in words.enumerated() {
            guard place + index < tokens.count else { return false }
            guard tokens[place + index] == .word(word) || tokens[place + index] == .symbol(word) else { return false }
        }
        place += words.count
        return true
    }

    mutating func expect(_ words: String...) throws(SQLFailure) {
        for word in words {
            guard takes(word) else { throw unknown() }
        }
    }

    mutating func identifier() throws(SQLFailure) -> String {
        switch token {
        case .word(let name), .name(let name):
            place += 1
            return name
        default: throw unknown()
        }
    }

    /// A name that is no keyword where an alias may stand.
    mutating func aliasIfAny() throws(SQLFailure) -> String? {
        if takes("as") { return try identifier() }
        switch token {
        case .name(let name):
            place += 1
            return name
        case .word(let word) where !Self.keywords.contains(word):
            place += 1
            return word
        default: return nil
        }
    }

    private static let keywords: Set<String> = [
        "from", "where", "group", "having", "order", "limit", "on", "join", "left", "cross", "inner", "union", "set",
        "using", "returning", "for", "as", "with", "overriding", "select", "default", "values", "and", "or", "then",
        "else", "end", "when", "asc", "desc", "nulls", "is", "not", "in", "filter", "over", "partition",
    ]

    mutating func text() throws(SQLFailure) -> String {
        guard case .text(let text) = token else { throw unknown() }
        place += 1
        return text
    }

    mutating func number() -> String? {
        guard case .number(let number) = token else { return nil }
        place += 1
        return number
    }

    mutating func parameter() -> Int? {
        guard case .parameter(let number) = token else { return nil }
        place += 1
        return number
    }

    mutating func list<Item>(
        _ item: (inout SQLParser) throws(SQLFailure) -> Item
    ) throws(SQLFailure) -> [Item] {
        var items = [try item(&self)]
        while takes(",") { items.append(try item(&self)) }
        return items
    }

    mutating func tableName() throws(SQLFailure) -> SQLName {
        let first = try identifier()
        guard takes(".") else { return SQLName(schema: nil, name: first) }
        return SQLName(schema: first, name: try identifier())
    }

    mutating func columnsIfAny() throws(SQLFailure) -> [String]? {
        guard takes("(") else { return nil }
        let columns = try list { parser throws(SQLFailure) in try parser.identifier() }
        try expect(")")
        return columns
    }

    mutating func type() throws(SQLFailure) -> SQLType {
        var name = try identifier()
        if name == "timestamp", takes("with", "time", "zone") { name = "timestamptz" }
        if name == "double", takes("precision") { name = "float8" }
        if name == "character", takes("varying") { name = "varchar" }
        if takes("[", "]") { name += "[]" }
        guard let type = SQLType(name: name) else { throw unknown() }
        return type
    }
}
