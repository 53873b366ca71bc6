/// Reads the line number that the server puts into the CONTEXT of an error raised by `COPY … FROM STDIN`.
///
/// The text is in the server's language (`lc_messages`, which only a superuser may set), so nothing is compared with
/// words. Every translation that PostgreSQL ships says the relation's name, a few words, and then the number:
/// `COPY orders, line 2, column total`, `COPY orders, Zeile 2`, `ordersのCOPY、行 2`, `orders 복사, 2번째 줄`.
enum CopyErrorContext {
    /// The 1-based number of the row within the COPY, or nil where the context names none.
    ///
    /// - Parameter relation: the bare name of the table that the COPY goes into.
    static func line(in context: String, relation: String) -> Int? {
        // The contexts of triggers and functions stand above COPY's own; a value with line breaks can only follow it.
        for text in context.split(separator: "\n") {
            for start in ["COPY " + relation, relation] where text.hasPrefix(start) {
                let rest = text.dropFirst(start.count)
                // `COPY orders2, line 7` is not about `orders`.
                guard let next = rest.first, !(next.isASCII && (next.isLetter || next.isNumber || next == "_")) else {
                    continue
                }
                guard let digit = rest.prefix(longestGap).firstIndex(where: { $0.isASCII && $0.isNumber }) else {
                    continue
                }
                return Int(rest[digit...].prefix { $0.isASCII && $0.isNumber })
            }
        }
        return nil
    }

    /// The column that the context names behind the row's number: `…, line 2, column total: "abc"`. The value that may
    /// follow it is not looked at, nor the row in `…, line 2: "7 total: abc"`, where a trigger has failed.
    static func column(in context: String, line: Int, among columns: [String]) -> String? {
        for text in context.split(separator: "\n") {
            guard let number = text.firstRange(of: String(line)) else { continue }
            let rest = text[number.upperBound...]
            let found = columns.compactMap { column -> (String, String.Index)? in
                // The name stands behind a blank, and a colon or nothing behind the name. French has a blank before its
                // colon.
                let range =
                    rest.hasSuffix(" " + column)
                    ? rest.index(rest.endIndex, offsetBy: -column.count - 1)..<rest.endIndex
                    : rest.firstRange(of: " \(column):") ?? rest.firstRange(of: " \(column) :")
                guard let range, !rest[..<range.lowerBound].contains(where: { $0 == ":" || $0 == "：" }) else {
                    return nil
                }
                return (column, range.lowerBound)
            }
            if let first = found.min(by: { $0.1 < $1.1 }) { return first.0 }
        }
        return nil
    }

    /// More characters than any translation has between the name and the number.
    private static let longestGap = 16

    /// The bare name of the relation in `COPY [schema.]name …`, quoted or not; nil where the statement is none.
    static func relation(ofCopy sql: String) -> String? {
        var rest = Substring(sql).drop { $0.isWhitespace }
        guard rest.prefix(4).uppercased() == "COPY" else { return nil }
        rest = rest.dropFirst(4)
        var name: String?
        repeat {
            rest = rest.drop { $0.isWhitespace || $0 == "." }
            if rest.first == "\"" {
                var quoted = ""
                rest = rest.dropFirst()
                while let character = rest.popFirst() {
                    if character == "\"" {
                        guard rest.first == "\"" else { break }
                        rest = rest.dropFirst()
                    }
                    quoted.append(character)
                }
                name = quoted
            } else {
                let bare = rest.prefix { !$0.isWhitespace && $0 != "." && $0 != "(" }
                rest = rest.dropFirst(bare.count)
                name = bare.lowercased()
            }
            rest = rest.drop { $0.isWhitespace }
        } while rest.first == "."
        return name.flatMap { $0.isEmpty ? nil : $0 }
    }
}
