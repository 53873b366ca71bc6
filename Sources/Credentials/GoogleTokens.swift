import Foundation
import Web

/// Tokens of Google for a service account: from the machine's metadata, by a key, or for a workload that may act as one.
public final class GoogleTokens: TokenSource {
    /// What a token is wrapped in.
    public enum Form: Sendable {
        /// As it is.
        case bare
        /// As the brokers of Managed Service for Apache Kafka want it: in the middle part of a JSON Web Token that nobody has
        /// signed is whom it is for, and the token is the last; see github.com/googleapis/managedkafka.
        case kafka
    }

    private let form: Form
    private let environment: [String: String]
    private let path: String?
    private let scope: String
    private let userAgent: String
    private let clock = ServerClock()

    /// The right to all that the account may do.
    public static let wholeScope = "https://www.googleapis.com/auth/cloud-platform"

    /// - Parameters:
    ///   - environment: the variables that Google's own libraries read.
    ///   - path: a file of credentials; nil: that of the variables, or none.
    public init(
        _ form: Form, _ environment: [String: String], path: String? = nil, scope: String = wholeScope,
        userAgent: String = "loader"
    ) {
        self.form = form
        self.environment = environment.filter { !$0.value.isEmpty }
        self.path = path
        self.scope = scope
        self.userAgent = userAgent
    }

    private var file: CredentialFile? {
        if let path { return CredentialFile(path: path, key: "path") }
        let variable = "GOOGLE_APPLICATION_CREDENTIALS"
        return environment[variable].map { CredentialFile(path: $0, key: variable) }
    }

    /// By its address: a name could be somebody else's.
    private var metadata: String {
        let host = environment["GCE_METADATA_HOST"] ?? ""
        return "http://\(["", "metadata.google.internal"].contains(host) ? "169.254.169.254" : host)"
    }

    public var place: String {
        file.map { "Google, as \($0.place) says" } ?? "the metadata server \(HTTPClient.withoutSecrets(metadata))"
    }

    /// A token, and whose it is.
    private struct Grant {
        var token: Token
        var email: String?
    }

    public var note: String? { clock.note(place) }

    public func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        let asked = Date()
        let grant: Grant
        if let file {
            let credentials = try GoogleCredentials(file)
            switch credentials.type {
            case "service_account": grant = try account(credentials, isGivenUp)
            case "external_account": grant = try workload(credentials, isGivenUp)
            default:
                throw CredentialFailure(
                    .unusable, at: place, "credentials of the type \(credentials.type.prefix(40)) are not for programs",
                    mend: "name a file of the type service_account or external_account; on Google's own machines none")
            }
        } else {
            grant = try machine(isGivenUp)
        }
        var token = grant.token
        token.principal = environment["GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL"] ?? grant.email ?? token.principal
        if form == .kafka { token.text = try wrapped(token, asked) }
        return token
    }

    private func wrapped(_ token: Token, _ asked: Date) throws(CredentialFailure) -> String {
        guard let email = token.principal else {
            throw CredentialFailure(
                .unusable, at: place, "nothing says which service account the token is for",
                mend: "set GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL to its e-mail address")
        }
        let end = token.expires ?? asked.addingTimeInterval(TokenKeeper.unsaid)
        let parts: [[String: Any]] = [
            ["typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"],
            [
                "exp": Int(end.timeIntervalSince1970), "iat": Int(asked.timeIntervalSince1970), "iss": "Google",
                "scope": "kafka", "sub": email,
            ],
        ]
        let texts = parts.compactMap { try? JSONSerialization.data(withJSONObject: $0, options: .sortedKeys) }
        return (texts + [Data(token.text.utf8)]).map(\.base64URL).joined(separator: ".")
    }

    // MARK: The machine's own account

    private func machine(_ isGivenUp: () -> Bool) throws(CredentialFailure) -> Grant {
        guard MetadataPlace.isOwn(metadata) else {
            throw CredentialFailure(
                .unusable, at: place, "it is at no link-local or loopback address", mend: "unset GCE_METADATA_HOST")
        }
        let exchange = TokenExchange(
            place, MetadataPlace.http(userAgent), clock,
            TokenExchange.Mends(
                refused: "give this machine or pod a service account, and its scopes cloud-platform",
                unusable: "give this machine or pod a service account; elsewhere name a file of credentials",
                away: "run it on Google Cloud, or name a file of credentials by path or GOOGLE_APPLICATION_CREDENTIALS")
        )
        let account = "\(metadata)/computeMetadata/v1/instance/service-accounts/default"
        func request(_ what: String) -> HTTPRequest {
            HTTPRequest(.get, "\(account)/\(what)", headers: [("Metadata-Flavor", "Google")])
        }
        let token = try exchange.token(request("token?scopes=\(scope.percentEncoded)"), isGivenUp)
        guard form == .kafka else { return Grant(token: token, email: nil) }
        let answer = try exchange.answer(request("email"), isGivenUp)
        let email = String(decoding: answer.body, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return Grant(token: token, email: email.contains("@") && Token.isOne(email) ? email : nil)
    }

    // MARK: A service account's key

    private func account(
        _ credentials: GoogleCredentials, _ isGivenUp: () -> Bool
    ) throws(CredentialFailure) -> Grant {
        guard let email = credentials.email, let pem = credentials.key, let key = SigningKey(pem: Array(pem.utf8))
        else {
            throw CredentialFailure(
                .unusable, at: place, "it has no e-mail address, or no private key that can be read",
                mend: "let Google make another key: gcloud iam service-accounts keys create")
        }
        let url = try checked(credentials.tokenURL ?? "https://oauth2.googleapis.com/token", "token_uri")
        let now = Int(Date().timeIntervalSince1970)
        let claims: [String: Any] = ["iss": email, "scope": scope, "aud": url, "iat": now, "exp": now + 3600]
        guard let assertion = JSONWebToken.signed(claims, by: key, keyID: credentials.keyID) else {
            throw CredentialFailure(.unusable, at: place, "its key signs nothing", mend: "let Google make another key")
        }
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)]
        return Grant(token: try elsewhere.token(.form(form, to: url), isGivenUp), email: email)
    }

    // MARK: Workload identity federation

    private func workload(
        _ credentials: GoogleCredentials, _ isGivenUp: () -> Bool
    ) throws(CredentialFailure) -> Grant {
        guard let audience = credentials.audience, let type = credentials.subjectType,
            let source = credentials.source, let file = source.file
        else {
            throw CredentialFailure(
                .unusable, at: place, "it names no file with the workload's own token",
                mend: "make it with gcloud iam workload-identity-pools create-cred-config … --credential-source-file")
        }
        let subject = try subject(CredentialFile(path: file, key: "credential_source.file"), source.format)
        let url = try checked(credentials.exchangeURL ?? "https://sts.googleapis.com/v1/token", "token_url")
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("audience", audience),
            ("scope", credentials.impersonationURL == nil ? scope : Self.wholeScope),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", type), ("subject_token", subject),
        ]
        let token = try elsewhere.token(.form(form, to: url), isGivenUp)
        guard let other = credentials.impersonationURL else { return Grant(token: token, email: nil) }
        return try impersonate(checked(other, "service_account_impersonation_url"), by: token, isGivenUp)
    }

    private func subject(
        _ file: CredentialFile, _ format: GoogleCredentials.Source.Format?
    ) throws(CredentialFailure) -> String {
        guard format?.type == "json" else { return try file.token() }
        let fields = (try? JSONSerialization.jsonObject(with: Data(try file.read()))) as? [String: Any]
        guard let text = format?.field.flatMap({ fields?[$0] }) as? String, Token.isOne(text) else {
            throw CredentialFailure(
                .unusable, at: file.place, "it has no token in the field that the credentials name",
                mend: "mend credential_source.format")
        }
        return text
    }

    private struct Impersonated: Decodable {
        var accessToken: String
        var expireTime: String
    }

    private func impersonate(
        _ url: String, by token: Token, _ isGivenUp: () -> Bool
    ) throws(CredentialFailure) -> Grant {
        let body = (try? JSONSerialization.data(withJSONObject: ["scope": [scope], "lifetime": "3600s"])) ?? Data()
        let request = HTTPRequest(
            .post(Array(body)), url,
            headers: [("Content-Type", "application/json"), ("Authorization", "Bearer \(token.text)")])
        let answer = try elsewhere.answer(request, isGivenUp)
        guard let said = try? JSONDecoder().decode(Impersonated.self, from: Data(answer.body)),
            Token.isOne(said.accessToken), let end = Token.date(said.expireTime)
        else {
            throw CredentialFailure(
                .unusable, at: place, "what it gives for the service account is no token",
                mend: "mend service_account_impersonation_url")
        }
        // …/serviceAccounts/EMAIL:generateAccessToken
        let email = url.split(separator: "/").last?.split(separator: ":").first.map(String.init)
        return Grant(token: Token(said.accessToken, expires: end), email: email?.removingPercentEncoding)
    }

    private var elsewhere: TokenExchange {
        TokenExchange(
            place, HTTPOptions(userAgent: userAgent), clock,
            TokenExchange.Mends(
                refused:
                    "look whether the account is there and enabled, whether its key is, and what the workload may do",
                unusable: "mend the file of credentials"))
    }

    private func checked(_ url: String, _ field: String) throws(CredentialFailure) -> String {
        guard SecretPlace.isSafe(url) else {
            throw CredentialFailure(
                .unusable, at: place, "\(field) is no URL of https", mend: "mend \(field) in the file of credentials")
        }
        return url
    }
}
