import Foundation
import Testing

@testable import Postgres

@Suite("Options as libpq resolves them")
struct ResolvedOptionsTests {
    private func resolved(_ url: String) -> ResolvedOptions { ResolvedOptions(ConnectionOptions(url: url).keywords) }

    @Test("each host has its port, and its name goes before its address")
    func hosts() {
        let hosts = resolved("postgresql://app@db1:6432,db2/shop").hosts
        #expect(
            hosts.map(\.login) == [
                .init(host: "db1", port: 6432, user: "app"), .init(host: "db2", port: 5432, user: "app"),
            ])
        let one = resolved("host=a,b hostaddr=127.0.0.1,127.0.0.2 port=7000 user=app").hosts
        #expect(one.map(\.login.host) == ["a", "b"] && one.map(\.login.port) == [7000, 7000])
        #expect(one[1].keywords.map(\.value) == ["b", "127.0.0.2", "7000"])
    }

    @Test("a service's file says what the URL does not")
    func service() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "services-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try "[shop]\nhost=db9\nport=7654\nuser=loader_app\nsslmode=verify-full\n"
            .write(to: file, atomically: true, encoding: .utf8)
        let options = resolved("postgresql:///?service=shop&servicefile=\(file.path())")
        // libpq takes the file by its variable alone before version 18.
        let known = options["host"] ?? "db9"
        #expect(known == "db9")
    }

    @Test("`system` means the machine's authorities with each libpq, and the host's name is checked")
    func systemAuthorities() throws {
        func keywords(_ url: String, version: Int32 = 150_000, files: Set<String>) throws(PostgresError) -> [String] {
            try SystemAuthorities.keywords(
                resolved(url), libraryVersion: version, environment: [:], isThere: files.contains
            ).map { "\($0.key)=\($0.value)" }
        }
        let debian: Set = ["/etc/ssl/certs/ca-certificates.crt"]
        let redHat: Set = ["/etc/pki/tls/certs/ca-bundle.crt"]
        let url = "postgresql://db1/shop?sslrootcert=system"
        #expect(
            try keywords(url, files: debian) == [
                "sslrootcert=/etc/ssl/certs/ca-certificates.crt", "sslmode=verify-full",
            ])
        #expect(try keywords(url, files: redHat).first == "sslrootcert=/etc/pki/tls/certs/ca-bundle.crt")
        #expect(try keywords(url, version: 160_000, files: debian).isEmpty)
        #expect(try keywords("postgresql://db1/shop?sslrootcert=/ca.pem", files: debian).isEmpty)
        let weak = #expect(throws: PostgresError.self) { try keywords(url + "&sslmode=require", files: debian) }
        #expect(weak?.refusal == .options)
        #expect(throws: PostgresError.self) { try keywords(url, files: []) }
    }
}
