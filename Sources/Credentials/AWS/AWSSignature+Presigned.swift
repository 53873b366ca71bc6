import Foundation
import Web

extension AWSSignature {
    /// For how long a presigned request that lets somebody in is good: AWS's own signers know no other, and what lasts longer
    /// is refused.
    static let lifetime: TimeInterval = 900

    /// For how long a request signed by these credentials is good: it ends with them, whatever it says itself.
    static func lifetime(of credentials: AWSCredentials, at date: Date) -> TimeInterval {
        min(lifetime, credentials.expires?.timeIntervalSince(date) ?? lifetime)
    }

    /// The request as a URL without its scheme, with the signature in its query: whoever has it may send it, once or often,
    /// for a quarter of an hour. It is a secret.
    ///
    /// Source: "Authenticating requests: using query parameters" in AWS's documentation.
    func presigned(_ request: Request, at date: Date) -> String {
        let time = Self.time(date)
        let scope = scope(time)
        var request = request
        request.query += [
            ("X-Amz-Algorithm", Self.algorithm), ("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope)"),
            ("X-Amz-Date", time), ("X-Amz-Expires", String(Int(Self.lifetime))),
            // Nobody who is shown the request hears its headers, so none but the host is signed.
            ("X-Amz-SignedHeaders", "host"),
        ]
        if let token = credentials.sessionToken { request.query.append(("X-Amz-Security-Token", token)) }
        var signed = request
        // The scheme's own port is no part of the host's header, and so of what is signed.
        if signed.host.hasSuffix(":443") { signed.host.removeLast(4) }
        let (canonical, _) = Self.canonical(signed, [])
        request.query.append(("X-Amz-Signature", signature(of: canonical, time)))
        let query = request.query.map { "\($0.name.percentEncoded)=\($0.value.percentEncoded)" }
        return "\(request.host)\(request.path)?\(query.joined(separator: "&"))"
    }
}
