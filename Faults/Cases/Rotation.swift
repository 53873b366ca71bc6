import Foundation
import Postgres
import TestSupport

/// Secrets are replaced under load, at both ends, again and again.
struct Rotation: FaultCase {
    let name = "rotation"
    let summary =
        "passwords, client certificates and tokens change under load, for brokers and for the database, in the file first or "
        + "on the server first; each time the old one is no good any more and all connections are cut"
    /// Its gate stands before one broker of its own.
    let need = ClusterNeed.mock

    /// What changes, and on which side.
    enum Secret: String, CaseIterable, Sendable {
        case password = "passwords for the brokers"
        case certificate = "certificates for the brokers"
        case token = "tokens for the brokers"
        case database = "passwords and certificates for the database"
    }

    func least(_ scale: FaultScale) -> FaultCounts {
        let (each, midRun) = scale == .full ? (20, 60) : (2, 4)
        let kinds = Secret.allCases.map { ($0.rawValue, each) }
        return FaultCounts(kinds: Dictionary(uniqueKeysWithValues: kinds), midRun: midRun)
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        return try await context.sideBySide(Secret.allCases, limit: 4) { index, secret in
            var generator = context.generator(index)
            let files = try SecretFiles()
            if secret == .database {
                return try await database(context, files, &generator)
            }
            return try await Landing.with(broker: Broker(mockBrokers: 1), server: server, partitions: 4) { landing in
                try await brokers(secret, landing, context, files, &generator)
            }
        }
    }

    // MARK: Brokers

    private func brokers(
        _ secret: Secret, _ landing: Landing, _ context: FaultContext, _ files: SecretFiles,
        _ generator: inout SeededGenerator
    ) async throws -> FaultReport {
        let certificates = try TestCertificates()
        // Each number is an authority of its own, so that the gate can take one certificate and not the next.
        let authorities = try (0..<2).map { _ in try TestCertificates() }
        let own = try authorities.map { try $0.make("loader") }
        func settings(_ number: Int) -> KafkaGate.Settings {
            switch secret {
            case .password: .init(users: ["me": "password-\(number)"])
            case .certificate: .init(clients: authorities[number % 2].authority)
            case .token, .database: .init(tokens: ["token-\(number)"])
            }
        }
        func write(_ number: Int) throws {
            switch secret {
            case .password: try files.put("password-\(number)", "password")
            case .certificate:
                try files.put(String(contentsOfFile: own[number % 2].file, encoding: .utf8), "tls.crt")
                try files.put(String(contentsOfFile: own[number % 2].key, encoding: .utf8), "tls.key")
            case .token, .database: try files.put("token-\(number)", "token")
            }
        }
        var first = settings(0)
        let broker = try certificates.make("broker")
        (first.certificate, first.key) = (broker.file, broker.key)
        first.mechanisms =
            switch secret {
            case .password: ["SCRAM-SHA-256"]
            case .certificate: nil
            case .token, .database: ["OAUTHBEARER"]
            }
        let gate = try KafkaGate(to: landing.broker, first)
        try write(0)
        let configuration = try files.put(
            configuration(secret, files, gate, authority: certificates.authority.file), "loader.yaml")
        var environment = landing.environment
        environment["KAFKA_BROKERS"] = nil
        return try await load(secret, landing, context, environment, configuration, &generator) { number, isFileFirst in
            if isFileFirst { try write(number) }
            try gate.change(settings(number))
            try gate.cut()
            if !isFileFirst { try write(number) }
        }
    }

    private func configuration(
        _ secret: Secret, _ files: SecretFiles, _ gate: KafkaGate, authority: String
    ) throws -> String {
        let head = "kafka:\n  brokers: \(gate.bootstrapServers)\n"
        let trust = "    ssl.ca.location: \(authority)\n"
        switch secret {
        case .password:
            return head + "  properties:\n" + trust
                + "    security.protocol: SASL_SSL\n    sasl.mechanisms: SCRAM-SHA-256\n    sasl.username: me\n"
                + "    sasl.password: '${file:\(files.path("password"))}'\n"
        case .certificate:
            return head + "  properties:\n" + trust + "    security.protocol: SSL\n"
                + "    ssl.certificate.location: \(files.path("tls.crt"))\n"
                + "    ssl.key.location: \(files.path("tls.key"))\n"
        case .token, .database:
            // What it prints ends soon, so that the next is asked for while there is traffic.
            let script = try files.put(
                """
                end=$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ)
                printf '{"token": "%s", "expires_at": "%s"}' "$(cat '\(files.path("token"))')" "$end"
                """, "token.sh")
            return head + "  token: { source: command, command: [/bin/sh, '\(script)'] }\n  properties:\n" + trust
        }
    }

    // MARK: The database

    private func database(
        _ context: FaultContext, _ files: SecretFiles, _ generator: inout SeededGenerator
    ) async throws -> FaultReport {
        let secured = try SecuredPostgres(settings: ["max_connections": "300"])
        let server = secured.server
        try TestDatabase.migrate(server.url, program: context.loader)
        let certificates = try (0..<3).map { try secured.certificates.make("twofold-\($0)") }
        func write(_ number: Int) throws {
            let certificate = certificates[number % certificates.count]
            try files.put(String(contentsOfFile: certificate.file, encoding: .utf8), "client.pem")
            try files.put(String(contentsOfFile: certificate.key, encoding: .utf8), "client.key")
            try files.put("secret \(number): @/?", "password")
        }
        func change(_ number: Int) throws {
            try server.connect().execute(
                "SET password_encryption = 'scram-sha-256'; ALTER ROLE twofold PASSWORD 'secret \(number): @/?'")
            try secured.cut("twofold")
        }
        try write(0)
        try change(0)
        return try await Landing.with(broker: Broker(mockBrokers: 1), server: server, partitions: 4) { landing in
            let parameters = [
                "host=127.0.0.1", "port=\(secured.port)", "user=twofold", "dbname=postgres", "sslmode=verify-full",
                "sslrootcert=\(secured.certificates.authority.file)", "sslcert=\(files.path("client.pem"))",
                "sslkey=\(files.path("client.key"))", "options=\(SecuredPostgres.searchPath(landing.schema))",
                "password='${file:\(files.path("password"))}'",
            ]
            let configuration = try files.put(
                "postgres:\n  url: \"\(parameters.joined(separator: " "))\"\n", "loader.yaml")
            var environment = landing.environment
            environment["DATABASE_URL"] = nil
            return try await load(.database, landing, context, environment, configuration, &generator) {
                number, isFileFirst in
                if isFileFirst { try write(number) }
                try change(number)
                if !isFileFirst { try write(number) }
            }
        }
    }

    // MARK: Both

    /// Loads what is written meanwhile, and has the secret change again and again.
    ///
    /// - Parameter rotate: makes another of it, in the file first or on the server first.
    private func load(
        _ secret: Secret, _ landing: Landing, _ context: FaultContext, _ environment: [String: String],
        _ configuration: String, _ generator: inout SeededGenerator,
        _ rotate: (_ number: Int, _ isFileFirst: Bool) throws -> Void
    ) async throws -> FaultReport {
        var report = FaultReport()
        let traffic = try Traffic(landing, rate: 500, generator: context.generator(10))
        let loader = try context.start(environment, command: ["run", "--config", configuration])
        try await loader.waitForFirstBatch()
        let progress = LoadingProgress(landing)
        for number in 1...context.figure(20, slice: 2) {
            let isFileFirst = Bool.random(using: &generator)
            let began = ContinuousClock.now
            try rotate(number, isFileFirst)
            let isMidRun = try await progress.answer() < traffic.written
            report.faults.count(secret.rawValue, midRun: isMidRun)
            // What was written by now goes in by the new one.
            try await landing.waitForRows(traffic.written, within: .seconds(120))
            report.recoveries.append(began.age)
            report.expect(loader.isRunning, "the loader has ended: \(loader.log.path())")
        }
        try await landing.waitForRows(try await traffic.stop(), within: .seconds(120))
        report.add(failure: try await context.stop(loader))
        let words = loader.output
        report.expect(
            !words.contains("password-") && !words.contains("token-") && !words.contains("secret "),
            "a secret is in the log: \(loader.log.path())")
        try await report.add(landing)
        return report
    }
}

/// Files with secrets, replaced as Kubernetes does it: another file takes the place of the first.
private final class SecretFiles: Sendable {
    private let directory: String

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "rotation-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// - Returns: where it is.
    @discardableResult
    func put(_ text: String, _ name: String) throws -> String {
        let (new, path) = (self.path(".\(name)"), self.path(name))
        try text.write(toFile: new, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: new)
        guard rename(new, path) == 0 else { throw POSIXError(.EIO) }
        return path
    }
}
