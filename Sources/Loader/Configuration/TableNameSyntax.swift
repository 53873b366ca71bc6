import Postgres

/// Reads `orders`, `public.orders` or `"Odd Schema"."Odd.Table"` as PostgreSQL does: what is not quoted is folded to
/// lower case.
func parseTableName(_ text: String) throws(ValueMistake) -> TableName {
    let mend =
        "Write table or schema.table; put names with other characters in double quotes: \"Odd Schema\".\"Odd Table\"."
    var parts: [String] = []
    var rest = text[...]
    repeat {
        if !parts.isEmpty { rest.removeFirst() }
        guard let part = takeIdentifier(&rest), !part.isEmpty, rest.isEmpty || rest.first == "." else {
            throw ValueMistake(.invalidValue, "\(text) is no table's name", mend)
        }
        try checkIdentifierLength(part)
        parts.append(part)
    } while !rest.isEmpty
    switch parts.count {
    case 1: return TableName(schema: nil, name: parts[0])
    case 2: return TableName(schema: parts[0], name: parts[1])
    default: throw ValueMistake(.invalidValue, "\(text) has more than two parts", mend)
    }
}

/// PostgreSQL would cut a longer name off in silence.
func checkIdentifierLength(_ name: String) throws(ValueMistake) {
    guard name.utf8.count <= 63 else {
        throw ValueMistake(
            .invalidValue, "\(name) has \(name.utf8.count) bytes, PostgreSQL's names at most 63",
            "Give the name as it is in the database.")
    }
}

/// Takes one identifier off the front; nil where none stands there.
private func takeIdentifier(_ text: inout Substring) -> String? {
    guard text.first == "\"" else {
        let name = text.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "$" }
        guard let first = name.first, !first.isNumber, first != "$" else { return nil }
        text = text.dropFirst(name.count)
        return String(name.map { $0.isASCII ? Character($0.lowercased()) : $0 })
    }
    var name = ""
    text.removeFirst()
    while let character = text.popFirst() {
        if character != "\"" {
            name.append(character)
        } else if text.first == "\"" {
            name.append("\"")
            text.removeFirst()
        } else {
            return name
        }
    }
    return nil
}
