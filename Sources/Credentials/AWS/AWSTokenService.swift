import Foundation
import Web

/// AWS's Security Token Service: gives credentials of a role to whoever may take it on.
///
/// Source: the API reference of AWS STS, version 2011-06-15.
struct AWSTokenService {
    let exchange: AWSExchange
    /// Where it is, `https://sts.eu-west-1.amazonaws.com`, and the region that requests are signed for.
    let endpoint: (url: String, region: String)
    /// What AWS's log of requests calls the sessions of roles that have no name of their own. The same for the process: with
    /// another the brokers would take the next token for somebody else's.
    let sessionName: String

    /// Nobody who hears of this service's tokens may be elsewhere than where it is.
    static func endpoint(
        region: String?, environment: [String: String], profile: (String) -> String?
    ) throws(CredentialFailure) -> (url: String, region: String) {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let url = AWSEndpoint.own("STS", environment: environment, profile: profile) {
            return (try AWSEndpoint.checked(url, "STS"), region ?? "us-east-1")
        }
        let kind = value("AWS_STS_REGIONAL_ENDPOINTS") ?? profile("sts_regional_endpoints")
        guard let region, kind?.lowercased() != "legacy" else {
            return ("https://sts.amazonaws.com", "us-east-1")
        }
        let isFIPS = (value("AWS_USE_FIPS_ENDPOINT") ?? profile("use_fips_endpoint"))?.lowercased() == "true"
        return ("https://sts\(isFIPS ? "-fips" : "").\(region).\(AWSRegion.domain(region))", region)
    }

    /// The credentials of a role, for somebody who has others.
    func assume(_ role: AWSRole, by credentials: AWSCredentials) throws(CredentialFailure) -> AWSCredentials {
        var form = [("Action", "AssumeRole")] + parameters(role)
        if let id = role.externalID { form.append(("ExternalId", id)) }
        let body = Self.body(form)
        let mend = """
            let the trust policy of the role name who asks, with sts:AssumeRole; `aws sts get-caller-identity` says who that is
            """
        return try ask(body, AWSCredentialSource.role(role, .written(credentials)).place, mend) {
            let signature = AWSSignature(credentials, region: endpoint.region, service: "sts")
            let parts = URLComponents(string: endpoint.url)
            let host = (parts?.host ?? "") + (parts?.port.map { ":\($0)" } ?? "")
            let request = AWSSignature.Request("POST", host: host, headers: Self.headers, body: body)
            return signature.headers(request, at: exchange.clock.now)
        }
    }

    /// The credentials of a role, for somebody who has a token of another authority.
    func assume(_ role: AWSRole, webIdentity token: String) throws(CredentialFailure) -> AWSCredentials {
        let form =
            [("Action", "AssumeRoleWithWebIdentity")] + parameters(role) + [("WebIdentityToken", token)]
        let mend = """
            let the trust policy of the role name the cluster's OIDC provider and this service account, with \
            sts:AssumeRoleWithWebIdentity
            """
        return try ask(Self.body(form), AWSCredentialSource.webIdentity(role, tokenFile: "").place, mend) { [] }
    }

    private static let headers = [(name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8")]

    private func parameters(_ role: AWSRole) -> [(String, String)] {
        var form = [
            ("Version", "2011-06-15"), ("RoleArn", role.arn), ("RoleSessionName", role.sessionName ?? sessionName),
        ]
        if let duration = role.duration { form.append(("DurationSeconds", String(duration))) }
        return form
    }

    private static func body(_ form: [(String, String)]) -> [UInt8] {
        Array(form.map { "\($0.percentEncoded)=\($1.percentEncoded)" }.joined(separator: "&").utf8)
    }

    /// - Parameter signing: the headers that the request needs; made anew for each try, because they hold the time.
    private func ask(
        _ body: [UInt8], _ place: String, _ mend: String, signing: () -> [(name: String, value: String)]
    ) throws(CredentialFailure) -> AWSCredentials {
        try exchange.again { () throws(CredentialFailure) in
            let skew = exchange.clock.skew
            let answer: HTTPAnswer
            do throws(HTTPFailure) {
                let request = HTTPRequest(.post(body), endpoint.url + "/", headers: Self.headers + signing())
                answer = try exchange.send(request, AWSExchange.far)
            } catch {
                throw CredentialFailure(error, at: place)
            }
            let text = String(decoding: answer.body, as: UTF8.self)
            guard answer.status == 200 else {
                var failure = Self.refusal(answer, text, place, mend)
                // It has told its time along with the refusal, by which the next try is signed.
                if failure.code == .refused, exchange.clock.skew != skew { failure.code = .away }
                throw failure
            }
            guard let credentials = Self.credentials(in: text) else {
                throw CredentialFailure(
                    .unusable, at: place, "what it answers has no credentials in it",
                    mend: "look at AWS_ENDPOINT_URL_STS and https_proxy: something else answers")
            }
            return credentials
        }
    }

    /// Out of the answer in XML; nil: there are none in it.
    static func credentials(in text: String) -> AWSCredentials? {
        guard let inner = XMLText.content(of: "Credentials", in: text),
            let key = XMLText.value(of: "AccessKeyId", in: inner),
            let secret = XMLText.value(of: "SecretAccessKey", in: inner), !key.isEmpty, !secret.isEmpty,
            let token = XMLText.value(of: "SessionToken", in: inner),
            let expires = XMLText.value(of: "Expiration", in: inner).flatMap(Token.date)
        else { return nil }
        let user = XMLText.content(of: "AssumedRoleUser", in: text)
        return AWSCredentials(
            accessKeyID: key, secretAccessKey: secret, sessionToken: token, expires: expires,
            holder: user.flatMap { XMLText.value(of: "Arn", in: $0) })
    }

    static func refusal(_ answer: HTTPAnswer, _ text: String, _ place: String, _ mend: String) -> CredentialFailure {
        let code = XMLText.value(of: "Code", in: text).map { String($0.prefix(60)) }
        let words = "HTTP status \(answer.status), \(code ?? "nothing that AWS says")"
        func failure(_ kind: CredentialFailure.Code, _ mend: String) -> CredentialFailure {
            CredentialFailure(kind, at: place, words, mend: mend)
        }
        if answer.isAway { return failure(.away, "wait, or look at AWS's health page for STS in this region") }
        guard let code else {
            return failure(.unusable, "look at AWS_ENDPOINT_URL_STS and https_proxy: something else answers")
        }
        switch code {
        case "Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError":
            return failure(.away, "wait, and have fewer ask for the role at a time")
        case "AccessDenied", "AccessDeniedException", "InvalidIdentityToken", "IDPRejectedClaim":
            return failure(.refused, mend)
        case "ExpiredTokenException", "ExpiredToken":
            return failure(
                .refused, "get new credentials where the old ones came from; `date -u` says whether the clock is right")
        case "RequestExpired", "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException":
            return failure(.refused, "look at the key and its secret, and whether `date -u` is right")
        case "RegionDisabledException":
            return failure(
                .refused, "switch STS on for this region in the account's settings, or set AWS_REGION to another")
        default:
            return failure(.unusable, "look at role_arn, role_session_name and duration_seconds: \(code)")
        }
    }
}
