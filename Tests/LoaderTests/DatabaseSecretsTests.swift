import Credentials
import Foundation
import Postgres
import RegistryMock
import Synchronization
import TestSupport
import Testing

@testable import Loader

/// Passwords of the database that come from elsewhere.
@Suite("Secrets of the database")
struct DatabaseSecretsTests {
    private static let login = Login(host: "db1", port: 5432, user: "loader")

    private func secrets(
        _ settings: String..., readFile: @escaping @Sendable (String) -> String? = { _ in nil }
    ) throws -> any ConnectionSecrets {
        let configuration = try Configuration(
            ConfigurationSources(file: ("loader.yaml", completeYAML), assignments: settings, readFile: readFile))
        return try #require(configuration.loading.database.connectionOptions("x").secrets)
    }

    @Test("Amazon RDS has a password signed for each host, port and user")
    func rds() throws {
        let configuration = try Configuration(
            ConfigurationSources(
                file: ("loader.yaml", completeYAML),
                environment: [
                    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "eu-west-1",
                ], assignments: ["postgres.password.source=rds_iam"]))
        let secrets = try #require(configuration.loading.database.secrets)
        #expect(secrets.givesPasswords && secrets.needsTLS)
        for (host, user) in [("db1.example.com", "loader"), ("db2.example.com", "other")] {
            let login = Login(host: host, port: 6432, user: user)
            let password = try secrets.password(for: login, within: .seconds(30)) { false }
            #expect(password.hasPrefix("\(host):6432/?Action=connect&DBUser=\(user)&X-Amz-Algorithm="))
            #expect(password.contains("eu-west-1") && !password.contains("hush"))
        }
    }

    private func password(_ secrets: any ConnectionSecrets) throws(SecretFailure) -> String {
        try secrets.password(for: Self.login, within: .seconds(30)) { false }
    }

    @Test("a file is read at each connection, whatever is in it but its last line break")
    func file() throws {
        let text = Mutex<String?>(" p: [x]}#${HOME} ü\n\n")
        let secrets = try secrets("postgres.password.source=file", "postgres.password.path=/run/pg") { path in
            path == "/run/pg" ? text.withLock { $0 } : nil
        }
        #expect(secrets.givesPasswords && !secrets.needsTLS)
        #expect(try password(secrets) == " p: [x]}#${HOME} ü\n")
        text.withLock { $0 = "second" }
        #expect(try password(secrets) == "second")
        for bad in [nil, "", "\n", "a\0b"] as [String?] {
            text.withLock { $0 = bad }
            let failure = #expect(throws: SecretFailure.self) { try password(secrets) }
            #expect(failure?.place == "the file /run/pg" && failure?.passes == false)
            #expect(failure?.mend.contains("postgres.password.path") == true)
        }
    }

    @Test("a program is run at each connection, and what it prints may be any text")
    func command() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "printed-\(UUID().uuidString)").path()
        defer { try? FileManager.default.removeItem(atPath: file) }
        let secrets = try secrets("postgres.password.source=command", "postgres.password.command=[/bin/cat, \(file)]")
        for (printed, expected) in [("a b ü\n", "a b ü"), ("{not json", "{not json"), ("{\"token\": \"t\"}", "t")] {
            try printed.write(toFile: file, atomically: true, encoding: .utf8)
            #expect(try password(secrets) == expected)
        }
        try FileManager.default.removeItem(atPath: file)
        let failure = #expect(throws: SecretFailure.self) { try password(secrets) }
        #expect(failure?.passes == false && failure?.place == "the command /bin/cat")
    }

    /// Answers once it may, and counts.
    private final class Gate: TokenSource {
        let place = "a gate"
        let state = Mutex((count: 0, isOpen: false))

        func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
            let number = state.withLock { state in
                state.count += 1
                return state.count
            }
            while !state.withLock({ $0.isOpen }) { usleep(1000) }
            return Token("token \(number)")
        }
    }

    private final class Gathered: Sendable {
        let texts = Mutex<[String]>([])
        let come = Mutex(0)
    }

    @Test("who waits at the same time is asked for once, and who comes later anew")
    func together() async throws {
        let gate = Gate()
        let tokens = FreshTokens(gate)
        let answers = Gathered()
        let count = 10
        for _ in 0..<count {
            Thread {
                answers.come.withLock { $0 += 1 }
                let text = (try? tokens.next { false })?.text ?? "none"
                answers.texts.withLock { $0.append(text) }
            }.start()
        }
        try await eventually("one asks") { gate.state.withLock { $0.count } == 1 }
        try await eventually("all have come") { answers.come.withLock { $0 } == count }
        gate.state.withLock { $0.isOpen = true }
        try await eventually("all have one") { answers.texts.withLock { $0.count } == count }
        let asked = gate.state.withLock { $0.count }
        // Whoever came before the first was asked has the first; the rest share the one after.
        #expect(asked < count)
        #expect(try tokens.next { false }.text == "token \(asked + 1)")
    }

    @Test(
        "what contradicts itself, or does nothing, is a mistake",
        arguments: [
            (["postgres.password.source=file"], "path"),
            (["postgres.password.path=/x"], "has no effect without source"),
            (
                ["postgres.password.source=command", "postgres.password.command=x", "postgres.password.path=/x"],
                "has no effect"
            ),
            (["postgres.password.source=oidc"], "no choice"),
            (["postgres.password.source=azure", "postgres.password.extensions=a=b"], "unknown key"),
            (
                [
                    "postgres.password.source=file", "postgres.password.path=/x",
                    "postgres.url=postgresql://loader:hush@db1/shop",
                ], "postgres.url has a password as well"
            ),
        ])
    func mistakes(settings: [String], words: String) throws {
        let found = try LoaderTests.mistakes(set: settings)
        #expect(found.contains { "\($0)".contains(words) || $0.message.contains(words) }, "\(found)")
        #expect(!"\(found)".contains("hush"))
    }

    @Test("a token of a cloud goes over TLS only, and one that was refused is not given again")
    func clouds() throws {
        for source in ["azure", "gcp"] {
            #expect(try secrets("postgres.password.source=\(source)").needsTLS)
        }
        let given = Mutex(0)
        let metadata = try MockHTTPServer { _ in
            let number = given.withLock { given in
                given += 1
                return given
            }
            let text = #"{"access_token":"token-\#(number)","expires_in":3600}"#
            return .said(status: 200, body: Array(text.utf8)).dated(Date(timeIntervalSinceNow: 7200))
        }
        defer { metadata.stop() }
        let configuration = try Configuration(
            ConfigurationSources(
                file: ("loader.yaml", completeYAML),
                environment: ["GCE_METADATA_HOST": String(metadata.url.dropFirst("http://".count))],
                assignments: ["postgres.password.source=gcp"]))
        let secrets = try #require(configuration.loading.database.secrets)
        let notes = Mutex<[String?]>([])
        secrets.watch { note in notes.withLock { $0.append(note) } }
        #expect(try password(secrets) == "token-1")
        #expect(try password(secrets) == "token-1")
        secrets.wasRefused("token-1", for: Self.login)
        #expect(try password(secrets) == "token-2")
        #expect(given.withLock { $0 } == 2)
        let told = notes.withLock { $0.compactMap(\.self) }
        #expect(told.count == 3 && told[0].contains(" s behind that of the metadata server") && Set(told).count == 1)
    }
}
