import Foundation
import Web

/// Tokens of Microsoft Entra for what runs on Azure: a managed identity's, or those of a workload of Kubernetes.
public final class AzureTokens: TokenSource {
    private let environment: [String: String]
    private let clientID: String?
    private let scope: String
    private let userAgent: String
    private let authorities: String?
    private let extensions: [String: String]
    private let clock = ServerClock()

    /// - Parameters:
    ///   - environment: the variables that Azure itself sets, and its own libraries read.
    ///   - clientID: of the identity that asks; nil: that of the variables, or the only one of the machine.
    ///   - scope: `https://NAMESPACE.servicebus.windows.net/.default`
    ///   - authorities: a PEM file of those that may have signed the certificate of Entra; nil: those of the system.
    public init(
        _ environment: [String: String], clientID: String? = nil, scope: String, extensions: [String: String] = [:],
        authorities: String? = nil, userAgent: String = "loader"
    ) {
        self.environment = environment.filter { !$0.value.isEmpty }
        self.clientID = clientID
        self.scope = scope
        self.authorities = authorities
        self.extensions = extensions
        self.userAgent = userAgent
    }

    public var place: String {
        if environment["AZURE_FEDERATED_TOKEN_FILE"] != nil {
            return "Entra at \(HTTPClient.withoutSecrets(authority))"
        }
        return "the identity endpoint \(HTTPClient.withoutSecrets(environment["IDENTITY_ENDPOINT"] ?? metadata))"
    }

    private var authority: String { environment["AZURE_AUTHORITY_HOST"] ?? "https://login.microsoftonline.com/" }
    private var metadata: String { environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] ?? "http://169.254.169.254" }

    public var note: String? { clock.note(place) }

    public func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
        if let file = environment["AZURE_FEDERATED_TOKEN_FILE"] { return try federated(file, isGivenUp) }
        if let endpoint = environment["IDENTITY_ENDPOINT"], let header = environment["IDENTITY_HEADER"] {
            return try ofPlatform(endpoint, header, isGivenUp)
        }
        return try ofMachine(isGivenUp)
    }

    // MARK: Workload identity

    /// The cluster's own token, which Entra takes in place of a secret.
    private func federated(_ file: String, _ isGivenUp: () -> Bool) throws(CredentialFailure) -> Token {
        guard let tenant = environment["AZURE_TENANT_ID"], let client = clientID ?? environment["AZURE_CLIENT_ID"]
        else {
            throw CredentialFailure(
                .unusable, at: place,
                "AZURE_FEDERATED_TOKEN_FILE is set, and AZURE_TENANT_ID or AZURE_CLIENT_ID is not",
                mend: "let the pod have the label azure.workload.identity/use: \"true\" and its service account the "
                    + "annotation azure.workload.identity/client-id")
        }
        guard SecretPlace.isSafe(authority) else {
            throw CredentialFailure(
                .unusable, at: place, "the token would go there without encryption",
                mend: "mend AZURE_AUTHORITY_HOST: https://login.microsoftonline.com/")
        }
        let assertion = try CredentialFile(path: file, key: "AZURE_FEDERATED_TOKEN_FILE").token()
        let url = "\(authority)\(authority.hasSuffix("/") ? "" : "/")\(tenant.percentEncoded)/oauth2/v2.0/token"
        let form = [
            ("grant_type", "client_credentials"), ("client_id", client), ("scope", scope),
            ("client_assertion_type", OAuthTokens.assertionType), ("client_assertion", assertion),
        ]
        let http = HTTPOptions(tls: HTTPOptions.TLS(authorities: authorities), userAgent: userAgent)
        let exchange = TokenExchange(
            place, http, clock,
            TokenExchange.Mends(
                refused:
                    "look at the identity's federated credential: issuer, subject and audience must be those of the "
                    + "pod's service account; and at client_id and scope",
                unusable: "mend AZURE_AUTHORITY_HOST and AZURE_TENANT_ID"))
        return try exchange.token(.form(form, to: url), extensions: extensions, isGivenUp)
    }

    // MARK: Managed identities

    /// What a token is asked for by: the scope without its end.
    private var resource: String { scope.hasSuffix("/.default") ? String(scope.dropLast("/.default".count)) : scope }

    /// Of App Service, Functions and Container Apps.
    private func ofPlatform(
        _ endpoint: String, _ header: String, _ isGivenUp: () -> Bool
    ) throws(CredentialFailure) -> Token {
        try ask(
            endpoint, "IDENTITY_ENDPOINT", path: "", version: "2019-08-01", header: ("X-IDENTITY-HEADER", header),
            isGivenUp)
    }

    private func ofMachine(_ isGivenUp: () -> Bool) throws(CredentialFailure) -> Token {
        try ask(
            metadata, "AZURE_POD_IDENTITY_AUTHORITY_HOST", path: "/metadata/identity/oauth2/token",
            version: "2018-02-01", header: ("Metadata", "true"), isGivenUp)
    }

    private func ask(
        _ url: String, _ variable: String, path: String, version: String, header: (String, String),
        _ isGivenUp: () -> Bool
    ) throws(CredentialFailure) -> Token {
        guard MetadataPlace.isOwn(url) else {
            throw CredentialFailure(
                .unusable, at: place, "it is at no link-local or loopback address", mend: "unset \(variable)")
        }
        var query = [("api-version", version), ("resource", resource)]
        if let id = clientID ?? environment["AZURE_CLIENT_ID"] { query.append(("client_id", id)) }
        let text = query.map { "\($0.0)=\($0.1.percentEncoded)" }.joined(separator: "&")
        let base = url.hasSuffix("/") ? String(url.dropLast()) : url
        var exchange = TokenExchange(
            place, MetadataPlace.http(userAgent), clock,
            TokenExchange.Mends(
                refused: "give this machine or pod a managed identity; if it has several, say by client_id which",
                unusable: "run it on Azure, or name another source of tokens",
                away: "run it on Azure, with a managed identity; a pod needs a network that lets it ask 169.254.169.254"
            ))
        // Busy with what it has just been given; see "How to use managed identities on a VM", Retry guidance.
        exchange.passingStatuses = [404, 410]
        return try exchange.token(
            HTTPRequest(.get, "\(base)\(path)?\(text)", headers: [header]), extensions: extensions, isGivenUp)
    }

    /// The scope that lets somebody into Event Hubs; nil for brokers that are none of theirs.
    ///
    /// - Parameter brokers: `host:port`, separated by commas.
    public static func scope(ofBrokers brokers: String) -> String? {
        let host = brokers.split(separator: ",").first?.split(separator: ":").first.map(String.init)
        let trimmed = host?.trimmingCharacters(in: .whitespaces).lowercased() ?? ""
        return trimmed.contains(".servicebus.") ? "https://\(trimmed)/.default" : nil
    }
}
