import Foundation

/// What stands in the elements of a short answer in XML. Enough for AWS's, which have neither attributes that count nor texts in
/// several parts.
enum XMLText {
    /// The text of the first element of this name; nil: there is none.
    static func value(of name: String, in text: some StringProtocol) -> String? {
        content(of: name, in: text).map(unescaped)
    }

    /// All that stands in the first element of this name, other elements among it.
    static func content(of name: String, in text: some StringProtocol) -> Substring? {
        let text = Substring(text)
        guard let start = text.firstRange(of: "<\(name)>"),
            let end = text[start.upperBound...].firstRange(of: "</\(name)>")
        else { return nil }
        return text[start.upperBound..<end.lowerBound]
    }

    private static let named: [Substring: String] = [
        "lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'",
    ]

    private static func unescaped(_ text: Substring) -> String {
        var result = ""
        var rest = text
        while let start = rest.firstIndex(of: "&") {
            result += rest[..<start]
            rest = rest[rest.index(after: start)...]
            guard let end = rest.firstIndex(of: ";"), let character = character(rest[..<end]) else {
                result += "&"
                continue
            }
            result += character
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    private static func character(_ name: Substring) -> String? {
        guard name.first == "#" else { return named[name] }
        let digits = name.dropFirst()
        let number = digits.first == "x" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
        return number.flatMap(UnicodeScalar.init).map { String($0) }
    }
}
