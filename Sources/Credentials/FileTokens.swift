import Foundation

/// Tokens that somebody else writes into a file, and anew before they end: Kubernetes' projected ones, or those of a sidecar.
public final class FileTokens: TokenSource {
    private let file: CredentialFile
    private let extensions: [String: String]
    private let now: @Sendable () -> Date

    /// For how long one is kept that does not say until when it is good.
    static let unsaid: TimeInterval = 60

    public init(
        path: String, extensions: [String: String] = [:], now: @escaping @Sendable () -> Date = { Date() }
    ) {
        file = CredentialFile(path: path, key: "path")
        self.extensions = extensions
        self.now = now
    }

    public var place: String { file.place }

    public func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        let now = now()
        let token = Token(
            readable: try file.token(), expires: now.addingTimeInterval(Self.unsaid), extensions: extensions)
        guard let end = token.expires, end > now else {
            throw CredentialFailure(
                .unusable, at: place, "the token in it has ended",
                mend: "let whoever writes the file write the next one in time, and look at this machine's clock")
        }
        return token
    }
}
