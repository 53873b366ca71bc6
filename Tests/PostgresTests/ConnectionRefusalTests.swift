import Foundation
import RegistryMock
import TestSupport
import Testing

@testable import Postgres

/// What is refused is told by its name, by the words of this libpq and of this server.
@Suite("Refused connections")
struct ConnectionRefusalTests {
    private static let secured = Result { try SecuredPostgres() }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var expected: ConnectionRefusal?
        var url: @Sendable (SecuredPostgres) throws -> String

        init(
            _ name: String, _ expected: ConnectionRefusal?,
            _ url: @escaping @Sendable (SecuredPostgres) throws -> String
        ) {
            (self.name, self.expected, self.url) = (name, expected, url)
        }

        var testDescription: String { name }
    }

    private static func client(_ name: String, of secured: SecuredPostgres, isExpired: Bool = false) throws -> [String:
        String]
    {
        let certificate = try secured.certificates.make(name, isExpired: isExpired)
        return ["sslcert": certificate.file, "sslkey": certificate.key]
    }

    static let cases = [
        Case("a wrong password", .password) { $0.url(password: "wrong") },
        Case("no such role, where a password is asked for", .password) { $0.url(as: "nobody") },
        Case("a password that has ended", .password) { $0.url(as: "ended") },
        Case("no password", .noPassword) { $0.url(password: nil, ["passfile": "/nonexistent"]) },
        Case("no such role", .role) { $0.url(as: "absent") },
        Case("no such database", .database) { $0.url(database: "nope") },
        Case("nobody's rule", .accessRule) { $0.url(as: "stranger") },
        Case("no TLS, where it is wanted", .accessRule) { $0.url(as: "tls_only", ["sslmode": "disable"]) },
        Case("no certificate", .clientCertificate) { $0.url(as: "certified") },
        Case("a certificate that has ended", .clientCertificate) {
            $0.url(as: "certified", try client("certified", of: $0, isExpired: true))
        },
        Case("somebody else's certificate", .clientCertificate) {
            $0.url(as: "certified", try client("other", of: $0))
        },
        Case("a certificate of another authority", .clientCertificate) {
            let other = try TestCertificates()
            let made = try other.make("certified")
            // The files go with their authority.
            let kept = try kept(made)
            return $0.url(as: "certified", ["sslcert": kept.file, "sslkey": kept.key])
        },
        Case("a key that others may read", .clientFiles) {
            let made = try $0.certificates.make("readable")
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: made.key)
            return $0.url(as: "certified", ["sslcert": made.file, "sslkey": made.key])
        },
        Case("a key of another certificate", .clientFiles) {
            let (one, other) = (try $0.certificates.make("one"), try $0.certificates.make("another"))
            return $0.url(as: "certified", ["sslcert": one.file, "sslkey": other.key])
        },
        Case("another authority", .serverCertificate) {
            let other = try TestCertificates()
            return $0.url(["sslrootcert": try kept(other.authority).file])
        },
        Case("no file of authorities", .authorities) { $0.url(["sslrootcert": "/nonexistent.pem"]) },
        Case("channel binding without TLS", .channelBinding) {
            $0.url(["sslmode": "disable", "channel_binding": "require"])
        },
        Case("channel binding where nobody is asked for a password", .channelBinding) {
            $0.url(as: "trusted", ["channel_binding": "require"])
        },
        Case("encryption by Kerberos", .requiredMethod) { $0.url(["gssencmode": "require"]) },
        Case("an option of no such value", .options) { $0.url(["target_session_attrs": "writer"]) },
        // Others may leave.
        Case("no connection left", nil) { $0.url(as: "limited") },
    ]

    private static func kept(_ certificate: TestCertificates.Certificate) throws -> TestCertificates.Certificate {
        let directory = FileManager.default.temporaryDirectory.appending(path: "kept-\(UUID().uuidString)").path()
        let files = FileManager.default
        try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try files.copyItem(atPath: certificate.file, toPath: directory + "/pem")
        try files.copyItem(atPath: certificate.key, toPath: directory + "/key")
        return TestCertificates.Certificate(file: directory + "/pem", key: directory + "/key")
    }

    @Test(
        "each is told by its name", .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"),
        arguments: cases)
    func told(_ refused: Case) throws {
        let secured = try Self.secured.get()
        let url = try refused.url(secured)
        let error = #expect(throws: PostgresError.self) { try Connection(ConnectionOptions(url: url)) }
        #expect(error?.refusal == refused.expected, "\(String(describing: error))")
        #expect(error.map { "\($0)" }?.contains("right") == false)
    }

    @Test(
        "a server whose certificate is another host's, has ended, or that has none, is told apart",
        .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
    func serverCertificates() throws {
        let secured = try SecuredPostgres()
        func refusal(_ parameters: [String: String] = [:]) -> ConnectionRefusal? {
            do throws(PostgresError) {
                _ = try Connection(ConnectionOptions(url: secured.url(parameters)))
                return nil
            } catch { return error.refusal }
        }
        #expect(refusal() == nil)
        try secured.server.use(try secured.certificates.make("elsewhere", names: "DNS:db.example"))
        #expect(refusal() == .serverName)
        #expect(refusal(["sslmode": "verify-ca"]) == nil)
        try secured.server.use(try secured.certificates.make("ended", isExpired: true))
        #expect(refusal() == .serverCertificate)
        try secured.server.connect().execute("ALTER SYSTEM SET ssl = off")
        try secured.server.reload()
        #expect(refusal() == .noTLS)
        #expect(refusal(["sslmode": "disable"]) == nil)
    }

    @Test("what does not speak as PostgreSQL does is told, and no outage")
    func otherProtocol() throws {
        let server = try MockHTTPServer { _ in .said(status: 400, body: []) }
        defer { server.stop() }
        for mode in ["disable", "prefer", "require"] {
            let url = "postgresql://app:right@127.0.0.1:\(server.port)/postgres?sslmode=\(mode)"
            let error = #expect(throws: PostgresError.self) { try Connection(ConnectionOptions(url: url)) }
            #expect(error?.refusal == .notPostgres, "\(String(describing: error))")
        }
    }

    @Test(
        "a port that speaks TLS from its first byte is told, and one that just closes is an outage",
        .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
    func tlsFirst() throws {
        let secured = try Self.secured.get()
        let gate = try TLSGate(to: UInt16(secured.port), secured.certificates.make("gate"))
        let closing = try TCPProxy(to: secured.server)
        closing.isDown = true
        for mode in ["disable", "prefer", "verify-full"] {
            func error(_ port: UInt16) -> PostgresError? {
                let url =
                    "postgresql://app:right@127.0.0.1:\(port)/postgres?sslmode=\(mode)"
                    + "&sslrootcert=\(secured.certificates.authority.file)"
                return #expect(throws: PostgresError.self) { try Connection(ConnectionOptions(url: url)) }
            }
            let (other, away) = (error(gate.port), error(closing.port))
            #expect(other?.refusal == .notPostgres, "\(mode): \(String(describing: other))")
            #expect(away != nil && away?.refusal == nil, "\(mode): \(String(describing: away))")
        }
        withExtendedLifetime(gate) {}
    }

    @Test("a server's words choose a name only beside its code, and unknown ones leave the general name")
    func words() {
        func refusal(_ message: String, _ state: String?) -> ConnectionRefusal? {
            PostgresError(.connectionFailed, sqlState: state.map { SQLState(rawValue: $0) }, message: message).refusal
        }
        #expect(refusal("FATAL:  Für Rolle »x« ist alles verboten", "28000") == .login)
        #expect(refusal("FATAL:  PAM authentication failed for user \"x\"", "28000") == .method)
        #expect(refusal("FATAL:  permission denied for database \"x\"", "42501") == .databaseRight)
        #expect(refusal("FATAL:  database \"x\" is not currently accepting connections", "55000") == .databaseClosed)
        #expect(refusal("FATAL:  certificate verify failed, says somebody", nil) == nil)
        #expect(refusal("connection refused", nil) == nil)
        #expect(refusal("server closed the connection unexpectedly", nil) == nil)
        #expect(refusal("SSL SYSCALL error: EOF detected", nil) == nil)
        #expect(refusal("FATAL:  the database system is starting up", "57P03") == nil)
    }
}
