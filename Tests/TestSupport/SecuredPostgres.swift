import Foundation
import Postgres

/// A PostgreSQL of the tests' own that asks everybody but the superuser for something: a password by SCRAM, TLS, a certificate.
public struct SecuredPostgres: Sendable {
    public let certificates: TestCertificates
    public let server: PostgresServer

    /// Who may come how. `app` has the password `right`.
    public static let access = [
        "hostssl all certified 127.0.0.1/32 cert",
        "hostssl all twofold 127.0.0.1/32 scram-sha-256 clientcert=verify-ca",
        "hostssl all tls_only 127.0.0.1/32 scram-sha-256", "host all trusted,absent 127.0.0.1/32 trust",
        "host all limited 127.0.0.1/32 trust", "hostssl all by_pam 127.0.0.1/32 pam",
        "host all app,ended,nobody 127.0.0.1/32 scram-sha-256",
    ]

    /// The server may have been built without TLS.
    public static var isPossible: Bool {
        get throws { try PostgresServer.shared().connect().query("SHOW ssl_library").string(0, 0) != "" }
    }

    public init(settings: [String: String] = [:]) throws {
        certificates = try TestCertificates()
        server = try PostgresServer(
            settings: settings, access: Self.access, certificate: certificates.make("server"),
            authority: certificates.authority)
        try server.connect().execute(
            """
            SET password_encryption = 'scram-sha-256';
            CREATE ROLE app LOGIN SUPERUSER PASSWORD 'right'; CREATE ROLE twofold LOGIN SUPERUSER PASSWORD 'right';
            CREATE ROLE tls_only LOGIN PASSWORD 'right'; CREATE ROLE certified LOGIN; CREATE ROLE trusted LOGIN;
            CREATE ROLE ended LOGIN PASSWORD 'right' VALID UNTIL '2020-01-01';
            CREATE ROLE limited LOGIN CONNECTION LIMIT 0; CREATE ROLE by_pam LOGIN
            """)
    }

    /// The server, over TLS that checks everything, as one of its roles.
    ///
    /// - Parameters:
    ///   - parameters: go over those.
    public func url(
        as role: String = "app", password: String? = "right", host: String = "127.0.0.1", database: String = "postgres",
        _ parameters: [String: String] = [:]
    ) -> String {
        let all = ["sslmode": "verify-full", "sslrootcert": certificates.authority.file].merging(parameters) { $1 }
        let unreserved = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~/"))
        let query = all.sorted { $0.key < $1.key }.map { key, value in
            "\(key)=\(value.addingPercentEncoding(withAllowedCharacters: unreserved) ?? value)"
        }.joined(separator: "&")
        let user = role + (password.map { ":" + $0 } ?? "")
        return "postgresql://\(user)@\(host):\(port)/\(database)?\(query)"
    }

    public var port: Int { URLComponents(string: server.url)?.port ?? 0 }

    /// What makes tables of a test's schema the first that are found.
    public static func searchPath(_ schema: PostgresServer.Schema) -> String { "-csearch_path=\(schema.name),public" }

    /// Ends the sessions of a role.
    public func cut(_ role: String) throws {
        _ = try server.connect().query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1", [.text(role)])
    }
}
