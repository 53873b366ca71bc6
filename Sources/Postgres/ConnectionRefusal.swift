/// Why no connection comes about although waiting does not help: somebody has to mend something, here or there.
///
/// Where the server speaks, its SQLSTATE decides. Where libpq itself ends the attempt it gives no code, so its own words do, as
/// its sources have them; nobody here lets them be translated. What is not known is no refusal but an outage, which is waited
/// for.
public enum ConnectionRefusal: String, Sendable, CaseIterable {
    /// 28P01: the password is wrong, or has ended, or there is no such role. Servers do not say which.
    case password
    /// The server wants a password, and there is none.
    case noPassword
    /// 28000: no such role, or one that may not log in.
    case role
    /// 28000: no line of `pg_hba.conf` lets this in.
    case accessRule
    /// The server wants a certificate, or another one, or one that has not ended.
    case clientCertificate
    /// 28000: refused by what the server asks elsewhere: PAM, LDAP, Kerberos; a token on RDS.
    case method
    /// 28000, and nobody says more.
    case login
    /// 3D000: no such database.
    case database
    /// 42501: the role may not use the database.
    case databaseRight
    /// 55000: the database takes nobody.
    case databaseClosed
    /// The server's certificate is not signed by those who are trusted, or has ended.
    case serverCertificate
    /// The server's certificate is another host's.
    case serverName
    /// The file of those who are trusted is not there, or cannot be read.
    case authorities
    /// TLS is asked for, and the server has none.
    case noTLS
    /// Neither version nor cipher is common to both.
    case tlsVersion
    /// The channel binding that is asked for did not come about.
    case channelBinding
    /// The server authenticates in another way than is asked for.
    case requiredMethod
    /// The file of the own certificate, or of its key, cannot be used.
    case clientFiles
    /// What answers speaks another protocol: TLS from its first byte, HTTP.
    case notPostgres
    /// Whoever gives the password or the URL gives none.
    case secret
    /// libpq cannot read the options.
    case options
}

extension PostgresError {
    /// What somebody has to mend before there is a connection; nil where waiting may help.
    public var refusal: ConnectionRefusal? {
        switch code {
        case .connectionFailed: ConnectionRefusal(libpq: message) ?? sqlState.flatMap { .init($0, message) }
        case .secretMissing: .secret
        case .invalidOptions: .options
        default: nil
        }
    }
}

extension ConnectionRefusal {
    /// - Parameter message: the server's, which says more where it is in English.
    init?(_ state: SQLState, _ message: String) {
        switch state.rawValue {
        case "28P01": self = .password
        case "3D000": self = .database
        case "42501": self = .databaseRight
        case "55000": self = .databaseClosed
        default:
            guard state.classCode == "28" else { return nil }
            self = Self.refused.first { message.contains($0.words) }?.refusal ?? .login
        }
    }

    /// What a server says beside 28000. It only chooses words.
    private static let refused: [(words: String, refusal: ConnectionRefusal)] = [
        ("pg_hba.conf", .accessRule), ("client certificate", .clientCertificate),
        ("certificate authentication failed", .clientCertificate), ("does not exist", .role),
        ("not permitted to log in", .role), (" authentication failed", .method),
    ]

    /// - Parameter message: what libpq says of the attempt, one line for each address and each way that it has tried.
    init?(libpq message: String) {
        let own = message.split(separator: "; ").filter { !$0.contains("FATAL:  ") }
        guard let found = Self.said.first(where: { said in own.contains { $0.contains(said.words) } }) else {
            return nil
        }
        self = found.refusal
    }

    /// What `PortProbe` finds where libpq only knows that somebody has closed.
    static let tlsFirst = "the port speaks TLS from its first byte"

    /// libpq's own messages, and of OpenSSL's those that it passes on (`ssl_alert_desc_string_long` and the reasons of
    /// `ERR_LIB_SSL`). The first that fits counts.
    private static let said: [(words: String, refusal: ConnectionRefusal)] = [
        ("does not match host name", .serverName), ("host name from server certificate", .serverName),
        ("certificate verify failed", .serverCertificate),
        ("root certificate file", .authorities), ("could not load system root certificate", .authorities),
        ("could not get home directory to locate root certificate", .authorities),
        ("server does not support SSL", .noTLS), ("private key file", .clientFiles),
        ("could not read certificate file", .clientFiles), ("could not open certificate file", .clientFiles),
        ("could not load private key", .clientFiles),
        ("alert unknown ca", .clientCertificate), ("alert certificate", .clientCertificate),
        ("alert bad certificate", .clientCertificate), ("alert unsupported certificate", .clientCertificate),
        ("alert access denied", .clientCertificate),
        ("alert protocol version", .tlsVersion), ("alert handshake failure", .tlsVersion),
        ("alert insufficient security", .tlsVersion), ("unsupported protocol", .tlsVersion),
        ("no protocols available", .tlsVersion),
        ("channel binding required", .channelBinding), ("authentication method requirement", .requiredMethod),
        ("no password supplied", .noPassword),
        ("received invalid response to SSL negotiation", .notPostgres), ("wrong version number", .notPostgres),
        ("expected authentication request from server, but received", .notPostgres),
        // "… was impossible" before libpq 17, which says what it lacks.
        (tlsFirst, .notPostgres), ("GSSAPI encryption required but", .requiredMethod),
        ("invalid sslmode value", .options), ("invalid target_session_attrs value", .options),
        ("invalid channel_binding value", .options), ("weak sslmode", .options),
        ("definition of service", .options), ("service file", .options),
    ]
}
