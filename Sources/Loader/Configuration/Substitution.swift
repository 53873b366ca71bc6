/// Replaces `${NAME}`, `${NAME:-default}` and `${file:/path}` in the file's text values. A default and a path may hold
/// substitutions themselves: `${file:${CREDENTIALS_DIRECTORY}/pg}`.
///
/// Only `${` begins a substitution; `$value` and `$$name`, which are column expressions, stay as they are, and `$${`
/// stands for a literal `${`. Values are replaced after YAML was parsed, so a secret may hold any character.
struct Substitution: Sendable {
    struct Result: Equatable {
        var text = ""
        /// The variables and files that were read, as written: `DATABASE_URL`, `file:/run/secrets/pg`.
        var sources: [String] = []
        var mistakes: [ValueMistake] = []
    }

    /// Where nothing can be read.
    static var none: Substitution { Substitution(environment: [:], readFile: { _ in nil }) }

    var environment: [String: String]
    /// Answers nil for a file that cannot be read.
    var readFile: @Sendable (String) -> String?

    /// - Parameter keepsFields: `${…}` in which a letter is small, or a dot, stays: what a message has is written so, and no variable.
    func apply(_ text: String, keepsFields: Bool = false) -> Result {
        var result = Result()
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result.text += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result.text += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                let body = rest.dropFirst(2)
                guard let end = closingBrace(of: body) else {
                    result.mistakes.append(
                        ValueMistake(
                            .unresolvedSubstitution, "`${` has no closing brace",
                            "Close it with }, or write $${ for a literal ${."))
                    return result
                }
                if keepsFields, Self.isField(body[..<end]) {
                    result.text += "${\(body[..<end])}"
                } else {
                    replace(body[..<end], in: &result)
                }
                rest = body[body.index(after: end)...]
            } else {
                result.text += "$"
                rest = rest.dropFirst()
            }
        }
        result.text += rest
        return result
    }

    private static func isField(_ body: Substring) -> Bool {
        !body.hasPrefix("file:") && !body.contains(":-") && body.contains { $0.isLowercase || $0 == "." }
    }

    private func replace(_ body: Substring, in result: inout Result) {
        if body.hasPrefix("file:") {
            result.sources.append(String(body))
            let inner = apply(String(body.dropFirst("file:".count)))
            result.sources += inner.sources
            result.mistakes += inner.mistakes
            guard inner.mistakes.isEmpty else { return }
            let path = inner.text
            guard let text = readFile(path) else {
                result.mistakes.append(
                    ValueMistake(
                        .unresolvedSubstitution, "the file \(path) cannot be read",
                        "Create it, or let the loader's user read it."))
                return
            }
            result.text += text.hasSuffix("\n") || text.hasSuffix("\r\n") ? text.dropLast() : text[...]
            return
        }
        let name = body.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        let tail = body[name.endIndex...]
        guard let first = name.first, !first.isNumber, tail.isEmpty || tail.hasPrefix(":-") else {
            result.mistakes.append(
                ValueMistake(
                    .unresolvedSubstitution, "`${\(body)}` is no substitution",
                    "Write ${NAME}, ${NAME:-default} or ${file:/path}, or $${ for a literal ${."))
            return
        }
        result.sources.append(String(name))
        let value = environment[String(name)]
        if tail.isEmpty {
            guard let value else {
                result.mistakes.append(
                    ValueMistake(
                        .unresolvedSubstitution, "the environment variable \(name) is not set",
                        "Set it, or give a default: ${\(name):-default}."))
                return
            }
            result.text += value
        } else if let value, !value.isEmpty {
            result.text += value
        } else {
            let inner = apply(String(tail.dropFirst(2)))
            result.text += inner.text
            result.sources += inner.sources
            result.mistakes += inner.mistakes
        }
    }

    /// A default or a path may hold substitutions itself, so braces are counted.
    private func closingBrace(of body: Substring) -> Substring.Index? {
        var depth = 0
        var previous: Character?
        for index in body.indices {
            let character = body[index]
            if character == "{", previous == "$" {
                depth += 1
            } else if character == "}" {
                if depth == 0 { return index }
                depth -= 1
            }
            previous = character
        }
        return nil
    }
}
