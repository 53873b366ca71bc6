import Credentials
import Web

/// Where a registry is, and who asks it.
public struct RegistryOptions: Sendable {
    /// Several of the same registry, which are tried in turn. A path behind the host is kept, as Apicurio's
    /// `/apis/ccompat/v7`, or `/contexts/.name` for a context of Confluent's. None: AWS's own, in the region of who asks.
    public var urls: [String]
    /// Whose it is, and how messages name its schemas.
    public var naming: SchemaNaming
    public var http: HTTPOptions
    /// Where the tokens to ask with come from, in place of the credentials of `http`.
    public var tokens: TokenKeeper?
    /// The credentials of `http` as they are now, where files hold them; nil while those cannot be read.
    public var readCredentials: (@Sendable () -> HTTPOptions.Credentials?)?
    /// Beside those that every request has.
    public var headers: [(name: String, value: String)]
    /// Who asks AWS; only of `glue`.
    public var aws: AWS?
    /// What was seen of both sides' certificates.
    let certificates = RegistryCertificatesSeen()

    public struct AWS: Sendable {
        /// Nil: the one that the URL's host says, or AWS's own settings.
        public var region: String?
        public var chain: AWSCredentialChain

        public init(region: String?, chain: AWSCredentialChain) {
            self.region = region
            self.chain = chain
        }

        /// Where Glue is in a region.
        public static func url(ofRegion region: String) -> String {
            "https://glue.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
        }
    }

    public init(
        urls: [String], naming: SchemaNaming = SchemaNaming(), http: HTTPOptions = HTTPOptions(), aws: AWS? = nil,
        tokens: TokenKeeper? = nil, headers: [(name: String, value: String)] = [],
        readCredentials: (@Sendable () -> HTTPOptions.Credentials?)? = nil
    ) {
        self.urls = urls.map { url in
            var url = Substring(url)
            while url.last == "/" { url.removeLast() }
            return String(url)
        }
        self.naming = naming
        self.http = http
        self.aws = aws
        self.tokens = tokens
        self.headers = headers
        self.readCredentials = readCredentials
    }

    /// The same for people: without users and passwords.
    public var place: String {
        urls.isEmpty ? "AWS Glue" : urls.map(HTTPClient.withoutSecrets).joined(separator: ", ")
    }
}
