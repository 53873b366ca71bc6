import Foundation

/// Tokens for Amazon MSK's own access control, where the loader is to the brokers who it is to AWS.
public final class MSKIAMTokens: TokenSource {
    private let chain: AWSCredentialChain
    private let region: AWSRegion
    private let userAgent: String

    /// - Parameters:
    ///   - region: where the cluster is.
    ///   - userAgent: what AWS's log of requests calls the loader.
    public init(_ chain: AWSCredentialChain, region: AWSRegion, userAgent: String = "loader") {
        self.chain = chain
        self.region = region
        self.userAgent = userAgent
    }

    public var place: String { "AWS's credentials for Amazon MSK" }

    public var note: String? { chain.note }

    public func wasRefused() { chain.renew() }

    public func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        let region = try chain.region(region, isGivenUp)
        let credentials = try chain.credentials(isGivenUp)
        let now = chain.clock.now
        let text = AWSSignature.tokenForMSK(credentials, region: region, at: now, userAgent: userAgent)
        return Token(
            text, expires: chain.clock.local.addingTimeInterval(AWSSignature.lifetime(of: credentials, at: now)),
            principal: credentials.holder ?? credentials.accessKeyID)
    }
}
