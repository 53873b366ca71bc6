import Foundation
import Web

/// Tokens of OAuth 2.0 that a client gets by its own credentials (RFC 6749, 4.4), as servers of OpenID Connect give them.
public final class OAuthTokens: TokenSource {
    /// Who asks, and where. Whatever prints it, prints no secret.
    public struct Client: Sendable, Equatable {
        /// How a client says its secret (RFC 6749, 2.3.1).
        public enum Authentication: String, Sendable, CaseIterable {
            /// In the header `Authorization`.
            case basic
            /// In the request's body, for servers that look nowhere else.
            case body
        }

        /// What it shows to be that client.
        public enum Proof: Sendable, Equatable {
            case secret(String, Authentication = .basic)
            /// A token of its own, signed by the key in a PEM file (RFC 7523, 2.2): `private_key_jwt` of OpenID Connect.
            ///
            /// - id: by which the server finds the public one; nil: it has but one.
            case key(path: String, id: String? = nil)
        }

        public var url: String
        var id: String
        var proof: Proof
        var scope: String?

        public init(url: String, id: String, proof: Proof, scope: String? = nil) {
            self.url = url
            self.id = id
            self.proof = proof
            self.scope = scope
        }
    }

    private let client: Client
    private let http: HTTPOptions
    private let extensions: [String: String]
    private let readSecret: (@Sendable () -> String?)?
    private let clock = ServerClock()

    /// - Parameters:
    ///   - extensions: of SASL, which go with each token to a broker.
    ///   - readSecret: what the client's secret is by now, where that may change; nil while that cannot be said.
    public init(
        _ client: Client, _ http: HTTPOptions, extensions: [String: String] = [:],
        readSecret: (@Sendable () -> String?)? = nil
    ) {
        self.client = client
        self.http = http
        self.extensions = extensions
        self.readSecret = readSecret
    }

    public var place: String { "the token server \(HTTPClient.withoutSecrets(client.url))" }

    public var note: String? { clock.note(place) }

    public func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        var form = [("grant_type", "client_credentials")]
        if let scope = client.scope { form.append(("scope", scope)) }
        var http = http
        switch client.proof {
        case .secret(let secret, .basic):
            // Each is encoded as in a form before they are put together.
            http.credentials = .basic(
                user: client.id.percentEncoded, password: (readSecret?() ?? secret).percentEncoded)
        case .secret(let secret, .body):
            form += [("client_id", client.id), ("client_secret", readSecret?() ?? secret)]
        case .key(let path, let id):
            form += [
                ("client_id", client.id), ("client_assertion_type", Self.assertionType),
                ("client_assertion", try assertion(path, id)),
            ]
        }
        return try exchange(http).token(.form(form, to: client.url), extensions: extensions, isGivenUp)
    }

    /// A token of a client's own in place of a secret (RFC 7523, 2.2).
    static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    private func assertion(_ path: String, _ id: String?) throws(CredentialFailure) -> String {
        let file = CredentialFile(path: path, key: "key")
        let now = Int(Date().timeIntervalSince1970)
        // Good for one request, which is soon there.
        let claims: [String: Any] = [
            "iss": client.id, "sub": client.id, "aud": client.url, "jti": UUID().uuidString, "iat": now,
            "exp": now + 120,
        ]
        guard let key = SigningKey(pem: try file.read()),
            let assertion = JSONWebToken.signed(claims, by: key, keyID: id)
        else {
            throw CredentialFailure(
                .unusable, at: file.place, "it is no private key of RSA or P-256 in PEM, without a password",
                mend: "mend key")
        }
        return assertion
    }

    private func exchange(_ http: HTTPOptions) -> TokenExchange {
        let proof =
            switch client.proof {
            case .secret: "client_secret"
            case .key: "key"
            }
        return TokenExchange(
            place, http, clock,
            TokenExchange.Mends(
                refused: "mend client_id, \(proof) and scope, or let the token server know the client",
                unusable: "mend url: it is the server's token endpoint, token_endpoint in its "
                    + "/.well-known/openid-configuration"))
    }
}

extension HTTPRequest {
    /// A form, as token servers want one.
    static func form(_ fields: [(name: String, value: String)], to url: String) -> HTTPRequest {
        let body = fields.map { "\($0.name)=\($0.value.percentEncoded)" }.joined(separator: "&")
        return HTTPRequest(
            .post(Array(body.utf8)), url,
            headers: [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")])
    }
}

extension OAuthTokens.Client.Proof: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String {
        switch self {
        case .secret: "a secret"
        case .key(let path, _): "the key in \(path)"
        }
    }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension OAuthTokens.Client: CustomStringConvertible, CustomReflectable {
    public var description: String { "a client of \(HTTPClient.withoutSecrets(url))" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
