import Web

/// Why a registry has told nothing. It holds no secret and nothing of a message.
public struct RegistryFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// Nobody answers, or with an error of the server's own, or not for now: 408, 429, 5xx.
        case away
        /// The two do not trust each other.
        case tls
        /// The client's own certificates cannot be read.
        case files
        /// 401: the user, password or token is wrong, or missing.
        case credentials
        /// 403: it is known who asks, and it may not.
        case rights
        /// It has no such schema, subject or version.
        case unknown
        /// What answers is no registry, or one at another path.
        case noRegistry = "no_registry"
        case url
        case givenUp = "given_up"
    }

    public var code: Code
    /// Whose registry it is.
    public var kind = RegistryKind.confluent
    /// The HTTP status, where there was an answer.
    public var status: Int?
    /// The registry's own words, or libcurl's.
    public var words: String
    /// What was asked for, without user, password and query.
    public var url: String

    init(_ code: Code, status: Int? = nil, _ words: String, url: String) {
        self.code = code
        self.status = status
        self.words = words
        self.url = url
    }

    init(_ failure: HTTPFailure) {
        let code: Code =
            switch failure.code {
            case .tls: .tls
            case .files: .files
            case .url: .url
            case .protocolError, .tooLarge: .noRegistry
            case .givenUp: .givenUp
            case .resolve, .connect, .timeout, .reset, .proxy, .other: .away
            }
        self.init(code, failure.words, url: failure.url)
    }

    /// Only somebody who changes something ends it, here or there.
    public var isSetup: Bool {
        switch code {
        case .tls, .files, .credentials, .rights, .noRegistry, .url: true
        case .away, .unknown, .givenUp: false
        }
    }

    public var description: String {
        "\(url): \(status.map { "HTTP status \($0), " } ?? "")\(words)"
    }
}
