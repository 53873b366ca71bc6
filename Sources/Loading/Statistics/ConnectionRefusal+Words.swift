import Postgres

extension ConnectionRefusal {
    /// What is the matter, as the beginning of a sentence.
    package var words: String {
        switch self {
        case .password: "the database refuses the password"
        case .noPassword: "the database asks for a password, and there is none"
        case .role: "the database has no such role, or does not let it log in"
        case .accessRule: "no rule of the database lets this connection in"
        case .clientCertificate: "the database wants a certificate of the loader's, or refuses the one it has"
        case .method: "what the database asks about who comes refuses this role"
        case .login: "the database does not let this role in"
        case .database: "the server has no such database"
        case .databaseRight: "the role may not connect to this database"
        case .databaseClosed: "this database takes no connections"
        case .serverCertificate: "the database's certificate is not trusted, or has ended"
        case .serverName: "the database's certificate is another host's"
        case .authorities: "there is nothing to hold the database's certificate against"
        case .noTLS: "the database has no TLS, and it is asked for"
        case .tlsVersion: "the database and the loader have no version of TLS in common"
        case .channelBinding: "the database does not prove that it holds the other end of the connection"
        case .requiredMethod: "the database does not authenticate in the way that is asked for"
        case .clientFiles: "the loader's certificate, or the key of it, cannot be used"
        case .notPostgres: "what answers does not speak as PostgreSQL does"
        case .secret: "the database's password cannot be had"
        case .options: "the options of the connection to the database cannot be used"
        }
    }
}
