import Foundation

/// A POSIX extended regular expression, which is what librdkafka takes in a subscription.
final class PosixExpression {
    private var expression = regex_t()

    /// Nil if it does not compile.
    init?(_ pattern: String) {
        guard regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) == 0 else { return nil }
    }

    deinit { regfree(&expression) }

    func matches(_ text: String) -> Bool { regexec(&expression, text, 0, nil, 0) == 0 }
}
