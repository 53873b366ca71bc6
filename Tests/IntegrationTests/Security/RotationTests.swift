import Foundation
import Postgres
import TestSupport
import Testing

/// Secrets that others change while the loader runs.
@Suite("Rotation", .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
struct RotationTests {
    @Test("a password and a certificate that change twenty times under load lose and double nothing")
    func underLoad() async throws {
        let secured = try SecuredPostgres()
        let server = secured.server
        try TestDatabase.migrate(server.url)
        let directory = FileManager.default.temporaryDirectory.appending(path: "rotation-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let certificates = try (0..<3).map { try secured.certificates.make("twofold-\($0)") }

        /// As Kubernetes does: another file takes the place of the first.
        func put(_ text: String, _ name: String) throws {
            let (new, path) = ("\(directory)/.\(name)", "\(directory)/\(name)")
            try text.write(toFile: new, atomically: false, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: new)
            guard rename(new, path) == 0 else { throw POSIXError(.EIO) }
        }
        func rotate(_ number: Int) throws {
            let certificate = certificates[number % certificates.count]
            try put(String(contentsOfFile: certificate.file, encoding: .utf8), "client.pem")
            try put(String(contentsOfFile: certificate.key, encoding: .utf8), "client.key")
            try put("secret \(number): @/?", "password")
            try server.connect().execute(
                "SET password_encryption = 'scram-sha-256'; ALTER ROLE twofold PASSWORD 'secret \(number): @/?'")
        }
        try rotate(0)

        try await Landing.with(broker: .sharedMock(), server: server, partitions: 4) { landing in
            let parameters = [
                "host=127.0.0.1", "port=\(secured.port)", "user=twofold", "dbname=postgres", "sslmode=verify-full",
                "sslrootcert=\(secured.certificates.authority.file)", "sslcert=\(directory)/client.pem",
                "sslkey=\(directory)/client.key", "options=\(SecuredPostgres.searchPath(landing.schema))",
                "password='${file:\(directory)/password}'",
            ]
            let file = "\(directory)/loader.yaml"
            try "postgres:\n  url: \"\(parameters.joined(separator: " "))\"\n"
                .write(toFile: file, atomically: true, encoding: .utf8)
            var environment = landing.environment
            environment["DATABASE_URL"] = nil
            let traffic = try Traffic(landing, rate: 1000, generator: .random(for: "rotation"))
            let loader = try LoaderProcess(environment, arguments: ["--config", file])
            try await loader.waitForFirstBatch()
            for number in 1...20 {
                try rotate(number)
                try secured.cut("twofold")
                // What was written by now goes in by the new secrets.
                try await landing.waitForRows(traffic.written)
                #expect(loader.isRunning)
            }
            try await landing.waitForRows(try await traffic.stop())
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }
}
