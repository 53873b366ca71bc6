/// The words of a command as a shell parts them, without anything that a shell does beside that: nothing is expanded, and no shell
/// is asked (POSIX, Shell Command Language, 2.2).
enum CommandWords {
    /// A quote that does not end, or a backslash with nothing behind it.
    struct Open: Error {}

    static func split(_ text: String) throws(Open) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                // Within double quotes a backslash is one, but before what means something there.
                if quote == "\"", !"\"\\$`\n".contains(character) { word = (word ?? "") + "\\" }
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + String(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                // Also an empty one is a word.
                word = word ?? ""
            } else if character.isWhitespace {
                if let word { words.append(word) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        guard quote == nil, !isEscaped else { throw Open() }
        if let word { words.append(word) }
        return words
    }
}
