import Foundation
import Postgres
import RegistryMock
import TestSupport
import Testing

/// No secret is anywhere that somebody reads: whatever is configured, whatever fails, however much is logged.
@Suite("Secrets", .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
struct SecretsTests {
    /// A way to be configured, with the secrets that are in it.
    private struct SetUp: Sendable {
        var name: String
        var yaml: String
        var environment: [String: String] = [:]
        var secrets: [String]

        /// Runs a command and looks through all that it says.
        func expectSilence(of command: [String], _ settings: [String: String]) async throws {
            let ended = try await Command.run(command, settings.merging(environment) { $1 })
            #expect(ended.status != 64, "\(name): \(command): \(ended)")
            for secret in secrets {
                #expect(!ended.output.contains(secret), "\(name): \(command) prints \(secret)")
                let line = ended.errors.split(separator: "\n").first { $0.contains(secret) }
                #expect(line == nil, "\(name): \(command): \(line ?? "")")
            }
        }
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
        let (address, native, variable, identity) = (
            Self.secret("address"), Self.secret("native"), Self.secret("variable"), Self.secret("identity")
        )
        let (password, store, body, own) = (
            Self.secret("password"), Self.secret("store"), Self.secret("body"), Self.secret("own")
        )
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
            SetUp(
                name:
                    "a user in the registry's URL, librdkafka's own names for tokens, and a password by libpq's variable",
                yaml: """
                    kafka: { properties: { debug: all, security.protocol: SASL_PLAINTEXT, sasl.mechanisms: OAUTHBEARER, sasl.oauthbearer.method: oidc, sasl.oauthbearer.token.endpoint.url: "http://127.0.0.1:1", sasl.oauthbearer.client.id: i, sasl.oauthbearer.client.secret: \(native) } }
                    postgres: { url: "\(secured.url(password: nil, path))" }
                    schema_registry: { url: "http://u:\(address)@127.0.0.1:1" }
                    """, environment: ["PGPASSWORD": password], secrets: [native, address, password]),
            SetUp(
                name:
                    "keys for AWS by variables, a keystore's password, the key's of a certificate for the database, and a program's token",
                yaml: """
                    kafka: { token: { source: msk_iam, region: eu-west-1 }, properties: { debug: all, ssl.keystore.password: \(store) } }
                    postgres: { url: "\(secured.url(password: wrong, path.merging(["sslpassword": own]) { $1 }))" }
                    schema_registry: { url: "http://127.0.0.1:1", oauth: { source: azure, scope: "api://x/.default" } }
                    """,
                environment: [
                    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": variable,
                    "IDENTITY_ENDPOINT": "http://127.0.0.1:1", "IDENTITY_HEADER": identity,
                ], secrets: [variable, store, wrong, own, identity]),
            SetUp(
                name: "a program's token, and a client's secret in the body of what is asked of nobody",
                yaml: """
                    kafka: { token: { source: command, command: [echo, \(printed)] }, properties: { debug: all } }
                    postgres: { url: "\(good)" }
                    schema_registry: { url: "http://127.0.0.1:1", oauth: { url: "http://127.0.0.1:1", client_id: i, client_secret: \(body) } }
                    """, secrets: [printed, role, body]),
        ]
    }

    /// Each command that reads a configuration, in an order in which the first finds something to do.
    private static func commands(on topic: String) -> [[String]] {
        [
            ["config"], ["config", "--json"], ["check"], ["check", "--json"], ["run", "--until-end"], ["status"],
            ["status", "--json"], ["verify", "--show-values"], ["migrate", "up"], ["migrate", "status"],
            ["infer", "--topic", topic], ["dead-letters", "list"], ["dead-letters", "show", "1"],
            ["dead-letters", "replay", "--dry-run"], ["dead-letters", "purge", "1", "--yes"],
            ["backfill", "--topic", topic, "--to-earliest", "--dry-run"], ["demo", "report"], ["demo", "replica"],
            ["migrate", "down"], ["migrate", "drop-ledger", "--yes"],
        ]
    }

    /// Those that meet what is away, refused or wrong each in a way of its own.
    private static func failing(on topic: String) -> [[String]] {
        [
            ["config"], ["config", "--json"], ["check"], ["run", "--until-end"], ["status", "--json"],
            ["infer", "--topic", topic], ["dead-letters", "list"],
        ]
    }

    /// Those that are given no configuration, and so no secret.
    private static let unconfigured: Set = [
        ["migrate", "new"], ["demo", "produce"], ["demo", "changes"], ["version"],
    ]

    @Test("of every command it is tried whether it prints one, unless it is given none")
    func allCommands() async throws {
        struct Node: Decodable {
            var commandName: String
            var subcommands: [Node]?

            func leaves(_ path: [String]) -> [[String]] {
                let below = (subcommands ?? []).filter { $0.commandName != "help" }
                return below.isEmpty ? [path] : below.flatMap { $0.leaves(path + [$0.commandName]) }
            }
        }
        struct Dump: Decodable { var command: Node }
        let dump = try await Command.run(["--experimental-dump-help"], [:])
        let all = Set(try JSONDecoder().decode(Dump.self, from: Data(dump.output.utf8)).command.leaves([]))
        let tried = Self.commands(on: "t")
        #expect(all.contains(["run"]) && all.contains(["dead-letters", "purge"]))
        #expect(all.filter { leaf in !tried.contains { $0.starts(with: leaf) } } == Self.unconfigured)
        for command in Self.unconfigured {
            let help = try await Command.run(command + ["--help"], [:]).output
            #expect(!help.contains("--config"), "\(command) reads a configuration by now")
        }
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
            let setUps = try setUps(secured, landing, directory)
            for (number, setUp) in setUps.enumerated() {
                try setUp.yaml.write(toFile: "\(directory)/\(number).yaml", atomically: true, encoding: .utf8)
            }
            let (topic, settings) = (landing.topic, environment)
            try await withThrowingTaskGroup { group in
                // These change what the next one meets.
                group.addTask {
                    for command in Self.commands(on: topic) {
                        try await setUps[0].expectSilence(of: command + ["--config", "\(directory)/0.yaml"], settings)
                    }
                }
                // These mostly wait for somebody who is not there.
                var others = setUps.enumerated().dropFirst().flatMap { number, setUp in
                    Self.failing(on: topic).map { (setUp, $0 + ["--config", "\(directory)/\(number).yaml"]) }
                }
                for _ in 0..<8 {
                    guard let (setUp, command) = others.popLast() else { break }
                    group.addTask { try await setUp.expectSilence(of: command, settings) }
                }
                for try await _ in group {
                    guard let (setUp, command) = others.popLast() else { continue }
                    group.addTask { try await setUp.expectSilence(of: command, settings) }
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
