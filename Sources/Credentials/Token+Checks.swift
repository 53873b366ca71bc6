import Foundation

extension Token {
    /// Whether a text can go as a token to a broker, a database or a server: without white space, and not without end.
    static func isOne(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 65536 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// `2026-01-02T03:04:05Z`, with fractions of a second or without.
    static func date(_ text: String) -> Date? {
        (try? Date(text, strategy: .iso8601))
            ?? (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    }

    /// A token that says itself whom it is for and until when it is good, as far as it does.
    ///
    /// - Parameters:
    ///   - expires: what is said beside it; what it says itself goes before that.
    ///   - skew: how much this machine's clock is ahead of the one that the token goes by.
    init(
        readable text: String, expires: Date?, principal: String? = nil, extensions: [String: String] = [:],
        skew: TimeInterval = 0
    ) {
        let said = JSONWebToken(text)
        self.init(
            text, expires: said?.expires.map { $0.addingTimeInterval(skew) } ?? expires,
            principal: principal ?? said?.subject, extensions: extensions)
    }
}
