import Foundation

/// Passwords for databases of Amazon RDS, Aurora and Aurora DSQL that know their users by AWS's own access control.
///
/// Each lets in for a quarter of an hour; a connection that stands outlives it.
public final class RDSIAMPasswords: Sendable {
    private let chain: AWSCredentialChain
    private let region: String?

    /// - Parameter region: where the databases are; nil: where their names or AWS's own settings say.
    public init(_ chain: AWSCredentialChain, region: String? = nil) {
        self.chain = chain
        self.region = region
    }

    /// What is asked, for people.
    public var place: String { "AWS's credentials for Amazon RDS" }

    /// What somebody should know although there are passwords; nil: nothing.
    public var note: String? { chain.note }

    /// A password for a connection that begins now. It waits for AWS only where the credentials at hand are at their end.
    ///
    /// - Parameter host: as the database is called in AWS; another name that leads there is none to it.
    public func password(
        host: String, port: Int, user: String, _ isGivenUp: () -> Bool = { false }
    ) throws(CredentialFailure) -> Token {
        let region = try chain.region(AWSRegion(named: region, hosts: [host]), isGivenUp)
        let credentials = try chain.credentials(isGivenUp)
        let now = chain.clock.now
        let text = AWSSignature.passwordForRDS(
            credentials, region: region, host: host, port: port, user: user, at: now)
        return Token(
            text, expires: chain.clock.local.addingTimeInterval(AWSSignature.lifetime(of: credentials, at: now)),
            principal: user)
    }
}
