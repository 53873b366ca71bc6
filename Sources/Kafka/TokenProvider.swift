import Foundation

/// Gives the clients of a process their tokens for SASL's OAUTHBEARER.
public protocol TokenProvider: AnyObject, Sendable {
    /// Answers once, at once or later and then on any thread. It does not wait: librdkafka's own thread is asking.
    ///
    /// - Parameter isRenewal: whoever asks has one still, and wants the next: it has time.
    func provide(
        isRenewal: Bool, _ answer: @escaping @Sendable (Result<BearerToken, BearerTokenFailure>) -> Void)

    /// The brokers refuse the token of this text, though it should still be good: whoever asks to renew it wants another.
    func wasRefused(_ text: String)
}

/// A token as librdkafka takes it.
public struct BearerToken: Sendable {
    public var text: String
    /// librdkafka asks for the next one when four fifths of the time until then are over.
    public var expires: Date
    /// Whom the client claims to be; brokers go by the token.
    public var principal: String
    public var extensions: [String: String]

    public init(text: String, expires: Date, principal: String, extensions: [String: String]) {
        self.text = text
        self.expires = expires
        self.principal = principal
        self.extensions = extensions
    }
}

/// Why there is none, in words without a secret.
public struct BearerTokenFailure: Error, Sendable {
    public var words: String

    public init(words: String) { self.words = words }
}
