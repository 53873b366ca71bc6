/// What is asked of a server.
public struct HTTPRequest: Sendable {
    public enum Method: Sendable {
        case get
        case post([UInt8])
        case put([UInt8])

        var body: [UInt8]? {
            switch self {
            case .get: nil
            case .post(let body), .put(let body): body
            }
        }
    }

    public var method: Method
    /// With `http` or `https`. It may have a user and a password, which go before those of the client.
    public var url: String
    /// Beside those that every request has.
    public var headers: [(name: String, value: String)]

    public init(_ method: Method = .get, _ url: String, headers: [(name: String, value: String)] = []) {
        self.method = method
        self.url = url
        self.headers = headers
    }
}

/// What a server said, whatever its status.
public struct HTTPAnswer: Sendable {
    public var status: Int
    public var body: [UInt8]
    /// By their names in lower case; of several of a name the last.
    public var headers: [String: String] = [:]
    /// Where it sends the client instead. No client goes there by itself: its credentials are for the one that was asked.
    public var redirect: String?
    /// The server's certificate in PEM, where a connection was made for this answer; nil on one that stood before, and without
    /// TLS.
    public var certificate: [UInt8]?
}
