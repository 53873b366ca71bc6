import Foundation

/// Asks before something is done that cannot be undone: on a terminal for a word, elsewhere for `--yes`.
enum Confirmation {
    enum Answer: Equatable {
        case given
        /// Something else was typed, or nothing.
        case refused
        /// Nobody can be asked.
        case missing
    }

    /// - Parameters:
    ///   - isGiven: whether the command line has `--yes`.
    ///   - word: what has to be typed: a name that makes one look at what is meant.
    ///   - consequence: what happens then, as in "Type shop to …".
    static func ask(_ isGiven: Bool, word: String, to consequence: String) -> Answer {
        if isGiven { return .given }
        guard isatty(STDIN_FILENO) == 1 else { return .missing }
        print("Type \(word) to \(consequence): ", terminator: "")
        fflush(nil)
        return readLine()?.trimmingCharacters(in: .whitespaces) == word ? .given : .refused
    }
}
