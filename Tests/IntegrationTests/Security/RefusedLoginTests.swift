import Foundation
import Loading
import Postgres
import TestSupport
import Testing

/// A database that lets nobody in: a mistake where a loader starts, an outage where it runs.
@Suite("Refused logins", .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
struct RefusedLoginTests {
    private func environment(_ landing: Landing, _ url: String) -> [String: String] {
        landing.environment.merging(["DATABASE_URL": url, "LOADER_WAIT_AT_START": "false"]) { $1 }
    }

    @Test("each command ends with 78 and says what is refused, and what to do")
    func commands() async throws {
        let secured = try SecuredPostgres()
        try TestDatabase.migrate(secured.server.url)
        let other = try TestCertificates()
        let refusals: [(url: String, says: String, mend: String)] = [
            (secured.url(password: "wrong"), ConnectionRefusal.password.words, "\\password"),
            (
                secured.url(["sslrootcert": other.authority.file]), ConnectionRefusal.serverCertificate.words,
                "sslrootcert"
            ),
        ]
        try await Landing.with(broker: .sharedMock(), server: secured.server, partitions: 1) { landing in
            let commands = [
                ["run", "--until-end"], ["check", "--sample", "0"], ["status"], ["migrate", "status"],
                ["migrate", "up"],
                ["dead-letters", "list"], ["backfill", "--topic", landing.topic, "--to-earliest", "--dry-run"],
            ]
            for refusal in refusals {
                for command in commands {
                    let ended = try await Command.run(command, environment(landing, refusal.url))
                    #expect(ended.status == 78, "\(command): \(ended)")
                    let said = (ended.output + ended.errors).split(whereSeparator: \.isWhitespace).joined(
                        separator: " ")
                    #expect(said.contains(refusal.says), "\(command): \(ended)")
                    #expect(said.replacing("\\\\", with: "\\").contains(refusal.mend), "\(command): \(ended)")
                }
            }
            // Others may leave: that passes.
            let full = try await Command.run(
                ["check", "--sample", "0"], environment(landing, secured.url(as: "limited", password: nil)))
            #expect(full.status == 69, "\(full)")
        }
    }

    @Test("check says over what, to whom and as whom the database is reached")
    func check() async throws {
        let secured = try SecuredPostgres()
        try TestDatabase.migrate(secured.server.url)
        try await Landing.with(broker: .sharedMock(), server: secured.server, partitions: 1) { landing in
            let own = try secured.certificates.make("twofold")
            let path = SecuredPostgres.searchPath(landing.schema)
            // The machine's authorities are those of the variable that OpenSSL has for them.
            let url = secured.url(
                as: "twofold", host: "localhost",
                ["sslcert": own.file, "sslkey": own.key, "sslrootcert": "system", "options": path])
            let authorities = ["SSL_CERT_FILE": secured.certificates.authority.file]
            let report = try await Command.run(
                ["check", "--sample", "0", "--json"], environment(landing, url).merging(authorities) { $1 })
            #expect(report.status == 0, "\(report)")
            let areas = try #require(try report.json()["areas"] as? [[String: Any]])
            let words = try #require(areas.first { $0["name"] as? String == "connection" }?["summary"] as? String)
            #expect(words.hasPrefix("TLSv1."))
            #expect(words.contains("the server is CN=server of CN=an authority of the tests, until 2049-12-31"))
            #expect(words.contains("shown was CN=twofold of CN=an authority of the tests, until 2049-12-31"))
            #expect(words.contains("twofold by scram-sha-256") || words.contains("twofold by a password"))
        }
    }

    @Test("a service's file says where the database is, and what is changed in it is taken up by the next command")
    func serviceFile() async throws {
        let secured = try SecuredPostgres()
        try TestDatabase.migrate(secured.server.url)
        let file = FileManager.default.temporaryDirectory.appending(path: "services-\(UUID().uuidString)").path()
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await Landing.with(broker: .sharedMock(), server: secured.server, partitions: 1) { landing in
            for (password, status) in [("right", Int32(0)), ("wrong", 78)] {
                try """
                [shop]
                host=127.0.0.1
                port=\(secured.port)
                user=app
                password=\(password)
                dbname=postgres
                sslmode=verify-full
                sslrootcert=\(secured.certificates.authority.file)
                """.write(toFile: file, atomically: true, encoding: .utf8)
                var environment = environment(landing, "").merging(["PGSERVICE": "shop", "PGSERVICEFILE": file]) { $1 }
                environment["DATABASE_URL"] = nil
                environment["PGOPTIONS"] = SecuredPostgres.searchPath(landing.schema)
                let check = try await Command.run(["check", "--sample", "0"], environment)
                #expect(check.status == status, "\(check)")
            }
        }
    }

    /// Something that somebody does while a loader runs, and takes back.
    private struct Disturbance {
        var refusal: ConnectionRefusal
        var begin: () throws -> Void
        var end: () throws -> Void
    }

    @Test(
        "who is let in no more while the loader runs is an outage by its name, over once it is mended, and all is in once"
    )
    func later() async throws {
        let secured = try SecuredPostgres()
        let server = secured.server
        try TestDatabase.migrate(server.url)
        let (own, ended) = (
            try secured.certificates.make("twofold"), try secured.certificates.make("ended", isExpired: true)
        )
        let good = try secured.certificates.make("server-2")
        let copies = try [own.file, own.key].map { try String(contentsOfFile: $0, encoding: .utf8) }
        func install(_ file: String, _ key: String) throws {
            try file.write(toFile: own.file, atomically: false, encoding: .utf8)
            try key.write(toFile: own.key, atomically: false, encoding: .utf8)
        }
        func setPassword(_ password: String) throws {
            try server.connect().execute(
                "SET password_encryption = 'scram-sha-256'; ALTER ROLE twofold PASSWORD '\(password)'")
        }
        let disturbances = [
            Disturbance(refusal: .password) {
                try setPassword("other")
            } end: {
                try setPassword("right")
            },
            Disturbance(refusal: .accessRule) {
                try server.letIn([])
            } end: {
                try server.letIn(SecuredPostgres.access)
            },
            Disturbance(refusal: .serverCertificate) {
                try server.use(ended)
            } end: {
                try server.use(good)
            },
            Disturbance(refusal: .clientCertificate) {
                try install(
                    String(contentsOfFile: ended.file, encoding: .utf8),
                    String(contentsOfFile: ended.key, encoding: .utf8))
            } end: {
                try install(copies[0], copies[1])
            },
            Disturbance(refusal: .role) {
                try server.connect().execute("ALTER ROLE twofold NOLOGIN")
            } end: {
                try server.connect().execute("ALTER ROLE twofold LOGIN")
            },
        ]
        try await Landing.with(broker: .sharedMock(), server: server, partitions: 2) { landing in
            var options = landing.options()
            options.database.url = secured.url(
                as: "twofold",
                ["sslcert": own.file, "sslkey": own.key, "options": SecuredPostgres.searchPath(landing.schema)])
            let run = try LoaderRun(options)
            var count = 0
            func more() throws {
                try landing.produce(count..<count + 500)
                count += 500
            }
            try more()
            try await landing.waitForRows(count)
            for disturbance in disturbances {
                try disturbance.begin()
                try secured.cut("twofold")
                try more()
                try await eventually("\(disturbance.refusal) is told") {
                    run.hasEnded
                        || (run.statistics.snapshot.outages == [.database]
                            && run.log.lines.contains { $0.message.hasPrefix(disturbance.refusal.words) })
                }
                try #require(!run.hasEnded)
                try disturbance.end()
                try await landing.waitForRows(count)
                try await eventually("it is over") { run.statistics.snapshot.outages.isEmpty }
            }
            try await run.finish()
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }
}
