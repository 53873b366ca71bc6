/// How an HTTP client speaks to its servers.
public struct HTTPOptions: Sendable {
    /// Who it is, for requests whose URL does not say so itself.
    public enum Credentials: Sendable {
        case none
        case basic(user: String, password: String)
        case bearer(token: String)
    }

    /// Files in PEM, read at each new connection. TLS is 1.2 at least, and servers are always checked.
    public struct TLS: Sendable {
        /// The authorities that may have signed a server's certificate; nil: those of the system.
        public var authorities: String?
        /// The client's own certificate, and those between it and its authority.
        public var certificate: String?
        /// Its key, if that is not in the same file.
        public var key: String?

        public init(authorities: String? = nil, certificate: String? = nil, key: String? = nil) {
            self.authorities = authorities
            self.certificate = certificate
            self.key = key
        }
    }

    public var credentials: Credentials
    public var tls: TLS
    /// Until a connection stands, TLS included.
    public var connectTimeout: Duration
    /// Until an answer is there in full.
    public var timeout: Duration
    /// Bytes of an answer's body.
    public var largestAnswer: Int
    public var userAgent: String
    /// Past every proxy of the environment: what only this machine's own network has must not be asked for elsewhere.
    public var isDirect: Bool

    public init(
        credentials: Credentials = .none, tls: TLS = TLS(), connectTimeout: Duration = .seconds(5),
        timeout: Duration = .seconds(10), largestAnswer: Int = 16 << 20, userAgent: String = "loader",
        isDirect: Bool = false
    ) {
        self.credentials = credentials
        self.tls = tls
        self.connectTimeout = connectTimeout
        self.timeout = timeout
        self.largestAnswer = largestAnswer
        self.userAgent = userAgent
        self.isDirect = isDirect
    }
}
