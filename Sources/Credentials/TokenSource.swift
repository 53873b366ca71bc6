import Foundation

/// Where tokens come from: a cloud, a token server, a file, a command. Whatever prints one, prints no secret.
public protocol TokenSource: AnyObject, Sendable, CustomReflectable {
    /// What it is and where, without a secret: `the token server https://login.example.com/token`.
    var place: String { get }

    /// Gets a new one. It is called by one thread at a time, which waits in it, for no longer than 15 s.
    ///
    /// - Parameter isGivenUp: asked while it waits; once true, nobody needs the token any more.
    func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token

    /// What somebody should know of the last attempt, although it has brought a token; nil: nothing. Without a secret.
    var note: String? { get }

    /// Whoever takes the last token has refused it before its end: what it was made with may be good no more.
    func wasRefused()
}

extension TokenSource {
    public var note: String? { nil }
    public func wasRefused() {}
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why there is no token, or no credentials. It holds no secret, so it may be logged.
public struct CredentialFailure: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Equatable {
        /// Nobody answers, or says that he cannot now: 408, 429, 5xx. It may come by itself.
        case away
        /// Whoever was asked does not know this client, or not with this secret, or gives it no such right.
        case refused
        /// What is there is no token, or no configuration that one could be had by.
        case unusable
    }

    public var code: Code
    /// Who was asked, without a secret: `the metadata service http://169.254.169.254`.
    public var place: String
    /// What happened, in our words or in theirs: `HTTP status 401, invalid_client`.
    public var words: String
    /// What to do about it.
    public var mend: String
    /// What somebody else wrote when it happened. It may hold anything, and is only for who looks for it: logs of the level debug.
    public var detail: String?

    public init(_ code: Code, at place: String, _ words: String, mend: String, detail: String? = nil) {
        self.code = code
        self.place = place
        self.words = words
        self.mend = mend
        self.detail = detail
    }

    public var description: String { "\(place): \(words)" }
}
