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

        public var url: String
        var id: String
        var secret: String
        var scope: String?
        var authentication: Authentication

        public init(
            url: String, id: String, secret: String, scope: String? = nil, authentication: Authentication = .basic
        ) {
            self.url = url
            self.id = id
            self.secret = secret
            self.scope = scope
            self.authentication = authentication
        }
    }

    private let client: Client
    private let http: HTTPOptions
    private let extensions: [String: String]

    /// - Parameter extensions: of SASL, which go with each token to a broker.
    public init(_ client: Client, _ http: HTTPOptions, extensions: [String: String] = [:]) {
        self.client = client
        var http = http
        http.credentials =
            switch client.authentication {
            // Each is encoded as in a form before they are put together.
            case .basic: .basic(user: client.id.percentEncoded, password: client.secret.percentEncoded)
            case .body: .none
            }
        self.http = http
        self.extensions = extensions
    }

    public var place: String { "the token server \(HTTPClient.withoutSecrets(client.url))" }

    public func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        var form = [("grant_type", "client_credentials")]
        if let scope = client.scope { form.append(("scope", scope)) }
        if client.authentication == .body { form += [("client_id", client.id), ("client_secret", client.secret)] }
        return try exchange.token(.form(form, to: client.url), extensions: extensions, isGivenUp)
    }

    private var exchange: TokenExchange {
        TokenExchange(
            place, http,
            TokenExchange.Mends(
                refused: "mend client_id, client_secret and scope, or let the token server know the client",
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

extension OAuthTokens.Client: CustomStringConvertible, CustomReflectable {
    public var description: String { "a client of \(HTTPClient.withoutSecrets(url))" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
