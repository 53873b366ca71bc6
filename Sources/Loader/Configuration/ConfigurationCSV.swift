extension ConfigurationKind where Value == UInt8 {
    /// One character of ASCII that is no line end. A tab may be written as `\\t`, as in a variable.
    static var delimiter: ConfigurationKind { character("a character of ASCII, or `\\t`") }

    static var quote: ConfigurationKind { character("a character of ASCII") }

    private static func character(_ domain: String) -> ConfigurationKind {
        .scalar("character", domain: domain) { text throws(ValueMistake) in
            let text = text == "\\t" ? "\t" : text
            guard let character = text.utf8.first, text.utf8.count == 1, character < 0x80, character != 0x0A,
                character != 0x0D
            else {
                throw ValueMistake(.invalidValue, "is no single character", "Give one, such as a semicolon or `\\t`.")
            }
            return character
        }
    }
}

extension ConfigurationKind where Value == [String] {
    static var fieldNames: ConfigurationKind {
        ConfigurationKind(name: "list", domain: "names", form: .list) { value throws(ValueMistake) in
            let names = try value.items(what: "a list of names")
            var seen: Set<String> = []
            if let name = names.first(where: { !seen.insert($0).inserted }) {
                throw ValueMistake(.invalidValue, "\(name) is in it twice", "Name each field once.")
            }
            return names
        }
    }
}
