import Foundation
import Web

/// The metadata service of EC2, version 2: who the instance is, and where. Version 1, which answers whoever can make this machine
/// ask a URL, is not asked.
///
/// Source: "Use IMDS to access instance metadata" in the user guide of EC2.
struct AWSInstanceMetadata {
    let exchange: AWSExchange
    /// `http://169.254.169.254`
    let endpoint: String

    private var place: String { AWSCredentialSource.instance(endpoint: endpoint).place }
    /// Where it is, it answers in a thousandth of that.
    private static let patience = Duration.seconds(1)

    func credentials() throws(CredentialFailure) -> AWSCredentials {
        try exchange.again { () throws(CredentialFailure) in
            let token = try token()
            let path = "/latest/meta-data/iam/security-credentials/"
            let answer = try get(path, token)
            let role = String(decoding: answer.body, as: UTF8.self).split { $0.isNewline }.first
            guard answer.status == 200, let role else {
                throw CredentialFailure(
                    answer.isAway ? .away : .unusable, at: place,
                    answer.status == 404 || answer.status == 200
                        ? "the instance has no role" : "HTTP status \(answer.status) for the name of its role",
                    mend:
                        "attach an instance profile: `aws ec2 associate-iam-instance-profile`; or set AWS_PROFILE, or the keys"
                )
            }
            let body = try get(path + String(role).percentEncoded, token)
            guard body.status == 200, let said = AWSCredentialAnswer(body.body) else {
                throw CredentialFailure(
                    body.isAway || body.status == 404 ? .away : .unusable, at: place,
                    "HTTP status \(body.status) for the credentials of the role \(role)",
                    mend: "wait a minute after the role was attached, then look at it again")
            }
            guard var credentials = said.credentials else {
                throw CredentialFailure(
                    .refused, at: place, "no credentials for the role \(role): \(said.code?.prefix(60) ?? "no code")",
                    mend: "let the trust policy of the role name ec2.amazonaws.com")
            }
            credentials.holder = "the instance's role \(role)"
            return credentials
        }
    }

    /// The region that the instance is in.
    func region() throws(CredentialFailure) -> String {
        let answer = try get("/latest/meta-data/placement/region", try token())
        let region = String(decoding: answer.body, as: UTF8.self)
        guard answer.status == 200, AWSRegion.isRegion(region) else {
            throw CredentialFailure(
                .unusable, at: place, "HTTP status \(answer.status) for the region", mend: "set AWS_REGION")
        }
        return region
    }

    private func token() throws(CredentialFailure) -> String {
        let answer = try send(
            HTTPRequest(
                .put([]), endpoint + "/latest/api/token",
                headers: [("X-aws-ec2-metadata-token-ttl-seconds", "21600")]))
        guard answer.status == 200, !answer.body.isEmpty else {
            throw CredentialFailure(
                answer.isAway ? .away : .unusable, at: place, "HTTP status \(answer.status) for a token of IMDSv2",
                mend: "switch it on: `aws ec2 modify-instance-metadata-options --http-endpoint enabled --instance-id …`"
            )
        }
        return String(decoding: answer.body, as: UTF8.self)
    }

    private func get(_ path: String, _ token: String) throws(CredentialFailure) -> HTTPAnswer {
        try send(HTTPRequest(.get, endpoint + path, headers: [("X-aws-ec2-metadata-token", token)]))
    }

    private func send(_ request: HTTPRequest) throws(CredentialFailure) -> HTTPAnswer {
        do throws(HTTPFailure) {
            return try exchange.send(request, AWSExchange.near(Self.patience))
        } catch {
            guard error.code == .timeout else {
                throw CredentialFailure(
                    .away, at: place, "IMDS does not answer: \(error.words)",
                    mend: "outside of EC2 set AWS_PROFILE, or the keys; in EKS give the service account a role")
            }
            throw CredentialFailure(
                .away, at: place, "IMDS did not answer within 1 s: in a container the hop limit must be 2",
                mend: "run `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 --instance-id …`; "
                    + "outside of EC2 set AWS_PROFILE, or the keys")
        }
    }
}
