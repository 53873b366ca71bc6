import Foundation
import Postgres
import RegistryMock
import TestSupport
import Testing

/// No secret is anywhere that somebody reads: whatever is configured, whatever fails, however much is logged.
@Suite("Secrets", .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
struct SecretsTests {
    /// A way to be configured, with the secrets that are in it.
    private struct SetUp {
        var name: String
        var yaml: String
        var secrets: [String]
    }

    /// Something that nothing else has.
    private static func secret(_ kind: String) -> String {
        "s3cr3t-\(kind)-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    }

    private func setUps(_ secured: SecuredPostgres, _ landing: Landing, _ directory: String) throws -> [SetUp] {
        func put(_ text: String, _ name: String) throws -> String {
            try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
            return "\(directory)/\(name)"
        }
        let role = Self.secret("role")
        try secured.server.connect().execute(
            "SET password_encryption = 'scram-sha-256'; ALTER ROLE app PASSWORD '\(role)'")
        let path = ["options": SecuredPostgres.searchPath(landing.schema)]
        let good = secured.url(password: role, path)
        let (sasl, key, pem) = (Self.secret("sasl"), Self.secret("key"), Self.secret("pem"))
        let (registry, oauth, header) = (Self.secret("registry"), Self.secret("oauth"), Self.secret("header"))
        let (wrong, file, token) = (Self.secret("wrong"), Self.secret("file"), Self.secret("token"))
        let (client, printed) = (Self.secret("client"), Self.secret("printed"))
        let (access, session) = (Self.secret("access"), Self.secret("session"))
        let properties = "debug: all, sasl.username: u, sasl.password: \(sasl), ssl.key.password: \(key)"
        return [
            SetUp(
                name: "all well",
                yaml: """
                    kafka: { properties: { \(properties) } }
                    postgres: { url: "\(good)" }
                    """, secrets: [role, sasl, key]),
            SetUp(
                name: "a password from a file, which is refused, and a registry that is away",
                yaml: """
                    kafka: { properties: { \(properties) } }
                    postgres: { url: "\(secured.url(password: nil, path))", password: { source: file, path: \(try put(file, "password")) } }
                    schema_registry: { url: "http://127.0.0.1:1", user: u, password: \(registry), headers: ["x-key: \(header)"] }
                    """, secrets: [file, sasl, key, registry, header]),
            SetUp(
                name: "a wrong password in the URL, a broker that speaks no TLS, and a token server that is away",
                yaml: """
                    kafka: { properties: { debug: all, security.protocol: SASL_SSL, sasl.mechanism: PLAIN, sasl.username: u, sasl.password: \(sasl), ssl.key.pem: \(pem) } }
                    postgres: { url: "\(secured.url(password: wrong, path))" }
                    schema_registry: { url: "http://127.0.0.1:1", oauth: { url: "http://127.0.0.1:1", client_id: i, client_secret: \(oauth) } }
                    """, secrets: [wrong, sasl, pem, oauth]),
            SetUp(
                name: "a token for brokers that want none, and a part of the URL from a file",
                yaml: """
                    kafka: { token: { source: file, path: \(try put(token, "token")) }, properties: { debug: all } }
                    postgres: { url: "postgresql://app:${file:\(try put(file, "part"))}@127.0.0.1:\(secured.port)/postgres" }
                    schema_registry: { url: "http://127.0.0.1:1", token: \(registry) }
                    """, secrets: [token, file, registry]),
            SetUp(
                name: "a token server that is away, a password that a program prints, and keys for AWS",
                yaml: """
                    kafka: { token: { source: oidc, url: "http://127.0.0.1:1", client_id: i, client_secret: \(client) }, properties: { debug: all } }
                    postgres: { url: "\(secured.url(password: nil, path))", password: { source: command, command: [echo, \(printed)] } }
                    schema_registry: { kind: glue, region: eu-west-1, url: "http://127.0.0.1:1", access_key_id: a, secret_access_key: \(access), session_token: \(session) }
                    """, secrets: [client, printed, access, session]),
        ]
    }

    @Test("no command prints a secret, whatever is configured, fails or is logged")
    func commands() async throws {
        let secured = try SecuredPostgres()
        try TestDatabase.migrate(secured.server.url)
        let directory = FileManager.default.temporaryDirectory.appending(path: "secrets-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await Landing.with(broker: .sharedMock(), server: secured.server, partitions: 1) { landing in
            try landing.produce(0..<5) { $0 == 2 }
            var environment = landing.environment.merging(
                ["LOADER_LOG_LEVEL": "trace", "LOADER_WAIT_AT_START": "false", "LOADER_DEAD_LETTERS_MAX_SHARE": "1"]
            ) { $1 }
            environment["DATABASE_URL"] = nil
            for (number, setUp) in try setUps(secured, landing, directory).enumerated() {
                let file = "\(directory)/loader-\(number).yaml"
                try setUp.yaml.write(toFile: file, atomically: true, encoding: .utf8)
                let commands = [
                    ["config"], ["config", "--json"], ["check"], ["run", "--until-end"], ["status"],
                    ["migrate", "status"], ["infer", "--topic", landing.topic], ["dead-letters", "list"],
                    ["backfill", "--topic", landing.topic, "--to-earliest", "--dry-run"],
                ]
                for command in commands {
                    let ended = try await Command.run(command + ["--config", file], environment)
                    #expect(ended.status != 64, "\(setUp.name): \(command): \(ended)")
                    for secret in setUp.secrets {
                        #expect(!ended.output.contains(secret), "\(setUp.name): \(command) prints \(secret)")
                        let line = ended.errors.split(separator: "\n").first { $0.contains(secret) }
                        #expect(line == nil, "\(setUp.name): \(command): \(line ?? "")")
                    }
                }
            }
        }
    }

    @Test("no page, metric, trace, dead letter or line of a running loader has a secret")
    func running() async throws {
        let secured = try SecuredPostgres()
        try TestDatabase.migrate(secured.server.url)
        let directory = FileManager.default.temporaryDirectory.appending(path: "secrets-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let receiver = try await TraceReceiver()
        try await Landing.with(broker: .sharedMock(), server: secured.server, partitions: 1) { landing in
            let setUp = try #require(setUps(secured, landing, directory).first)
            let file = "\(directory)/loader.yaml"
            try setUp.yaml.write(toFile: file, atomically: true, encoding: .utf8)
            let headers = Self.secret("otlp")
            var environment = landing.environment.merging([
                "LOADER_LOG_LEVEL": "trace", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=\(headers)", "LOADER_DEAD_LETTERS_MAX_SHARE": "1",
            ]) { $1 }
            environment["DATABASE_URL"] = nil
            try landing.produce(0..<5) { $0 == 2 }
            let loader = try LoaderProcess(environment, arguments: ["--config", file])
            try await landing.waitForRows(4)
            // An outage by a refused password has its words everywhere, too.
            try secured.server.connect().execute("ALTER ROLE app PASSWORD 'another'")
            try secured.cut("app")
            try landing.produce(5..<10)
            try await eventually("it is told") { loader.output.contains("the database refuses the password") }
            try await eventually("a trace has come") { receiver.requestCount > 0 }
            let port = try #require(loader.listeningPorts.first)
            let pages = try ["/", "/status.json", "/metrics", "/health/ready"].map { try httpGet($0, port: port) }
            let letters = try secured.server.connect().query(
                "SELECT coalesce(string_agg(l::text, ' '), '') FROM loader.dead_letters l")
            loader.kill(SIGTERM)
            _ = try await loader.waitForEnd()
            let everything =
                pages + ["\(receiver.requests.map(\.document))", letters.string(0, 0) ?? "", loader.output]
            #expect(letters.string(0, 0)?.isEmpty == false)
            for secret in setUp.secrets + [headers] {
                for text in everything { #expect(!text.contains(secret), "\(secret)") }
            }
        }
        await receiver.stop()
    }
}
