import Foundation
import TestSupport
import Testing

@testable import Postgres

/// What libpq can do about security, and what is said of it.
@Suite("Secured connections")
struct ConnectionSecurityTests {
    private static let secured = Result { try SecuredPostgres() }

    private func connect(_ url: String) throws -> Connection { try Connection(ConnectionOptions(url: url)) }

    @Test(
        "a connection says who is on the other side, until when, and how that is known",
        .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
    func facts() throws {
        let secured = try Self.secured.get()
        let own = try secured.certificates.make("certified")
        let connection = try connect(
            secured.url(as: "certified", password: nil, ["sslcert": own.file, "sslkey": own.key]))
        let security = try #require(connection.security)
        #expect(security.isLocal && security.version?.hasPrefix("TLSv1.") == true && security.check == .host)
        #expect(security.certificate?.subject == "CN=server")
        #expect(security.certificate?.issuer == "CN=an authority of the tests")
        #expect(security.certificate?.ends == Date(timeIntervalSince1970: 2_524_521_600))  // 2049-12-31
        #expect(security.ownCertificate?.subject == "CN=certified")
        #expect(!security.usedPassword && !security.isOpenToOthers)

        let plain = try #require(try connect(secured.url(["sslmode": "disable"])).security)
        #expect(plain.version == nil && plain.certificate == nil && plain.usedPassword && plain.check == .nothing)
        // A file of authorities is asked in each mode.
        #expect(try connect(secured.url(["sslmode": "require"])).security?.check == .authority)
        #expect(try connect(secured.url(["sslmode": "verify-ca"])).security?.check == .authority)
        #expect(
            try connect(secured.url(["sslmode": "require", "sslrootcert": "/nonexistent"])).security?.check == .nothing)
    }

    @Test(
        "only what nobody can get in between of is not open to others",
        arguments: [
            ("db", "10.0.0.1", "TLSv1.3", ConnectionSecurity.Check.host, false),
            ("db", "10.0.0.1", "TLSv1.3", .authority, true),
            ("db", "10.0.0.1", "TLSv1.3", .nothing, true), ("db", "10.0.0.1", nil, .nothing, true),
            ("localhost", "127.0.0.1", nil, .nothing, false), ("localhost", "::1", nil, .nothing, false),
            ("/run/postgresql", "", nil, .nothing, false), ("@socket", "", nil, .nothing, false),
            ("127.example.com", "10.1.2.3", nil, .nothing, true),
        ] as [(String, String, String?, ConnectionSecurity.Check, Bool)])
    func openToOthers(host: String, address: String, version: String?, check: ConnectionSecurity.Check, isOpen: Bool) {
        let isLocal = ConnectionSecurity.isLocal(host: host, address: address)
        #expect(ConnectionSecurity(isLocal: isLocal, version: version, check: check).isOpenToOthers == isOpen)
    }

    @Test(
        "a password by SCRAM bound to the channel, from a file of passwords as well",
        .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
    func channelBinding() throws {
        let secured = try Self.secured.get()
        let file = FileManager.default.temporaryDirectory.appending(path: "pgpass-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try "127.0.0.1:\(secured.port):*:app:right\n".write(to: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path())
        for more in [[:], ["passfile": file.path()]] {
            let url = secured.url(
                password: more.isEmpty ? "right" : nil, more.merging(["channel_binding": "require"]) { $1 })
            #expect(try connect(url).query("SELECT current_user").string(0, 0) == "app")
        }
        // What was changed there is taken up by the next connection.
        try "127.0.0.1:\(secured.port):*:app:wrong\n".write(to: file, atomically: false, encoding: .utf8)
        #expect(throws: PostgresError.self) { try connect(secured.url(password: nil, ["passfile": file.path()])) }
    }

    @Test(
        "a certificate together with a password, each taken from its file at each connection",
        .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
    func bothSecrets() throws {
        let secured = try Self.secured.get()
        let own = try secured.certificates.make("twofold")
        let url = secured.url(as: "twofold", ["sslcert": own.file, "sslkey": own.key])
        _ = try connect(url)
        let ended = try secured.certificates.make("twofold-ended", isExpired: true)
        for (from, to) in [(ended.file, own.file), (ended.key, own.key)] {
            try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to))
        }
        let error = #expect(throws: PostgresError.self) { try connect(url) }
        #expect(error?.refusal == .clientCertificate)
    }
}
