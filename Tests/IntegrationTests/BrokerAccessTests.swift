import Foundation
import RegistryMock
import Synchronization
import TestSupport
import Testing

/// Getting in where brokers let nobody in by default, and staying in while secrets change.
@Suite(
    "Access to brokers",
    .enabled(if: Broker.externalProperties.isEmpty, "they put their own gate before a plain broker"))
struct BrokerAccessTests {
    // A member that is shut out cannot leave its group, and only a broker that expires members has others go on: a mock, or a
    // real one.

    private static let password = [
        "security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN", "sasl.username": "me",
    ]

    private func withFile<Result>(
        _ text: String, _ body: (URL) async throws -> Result
    ) async throws -> Result {
        let file = FileManager.default.temporaryDirectory.appending(path: "secret-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try text.write(to: file, atomically: true, encoding: .utf8)
        return try await body(file)
    }

    @Test(
        "a password or a certificate of the loader's own lets it in, and check says who it is, by what, and until when")
    func letsIn() async throws {
        let certificates = try TestCertificates()
        let broker = try Broker.sharedReal()
        let server = try certificates.make("broker")
        let own = try certificates.make("loader")
        let ways: [(KafkaGate.Settings, [String: String], String)] = [
            (
                .init(server, mechanisms: ["PLAIN"], users: ["me": "right"]),
                Self.password.merging(["sasl.password": "right"]) { $1 }, "PLAIN as me"
            ),
            (
                .init(server, mechanisms: ["SCRAM-SHA-256"], users: ["me": "right"]),
                Self.password.merging(["sasl.password": "right", "sasl.mechanisms": "SCRAM-SHA-256"]) { $1 },
                "SCRAM-SHA-256 as me"
            ),
            (
                .init(server, clients: certificates.authority),
                [
                    "security.protocol": "SSL", "ssl.certificate.location": own.file, "ssl.key.location": own.key,
                ], "until 2049-12-31"
            ),
        ]
        for (settings, properties, words) in ways {
            let gate = try KafkaGate(to: broker, settings)
            try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 2) { landing in
                try landing.produce(0..<100)
                let all = landing.environment(
                    gate, properties.merging(["ssl.ca.location": certificates.authority.file]) { $1 })
                let check = try await Command.run(["check"], all)
                #expect(check.status == 0, "\(check.output)")
                #expect(check.output.contains(words), "\(check.output)")
                #expect(check.output.contains("TLS, a broker's certificate of CN"), "\(check.output)")
                let run = try await Command.run(["run", "--until-end"], all)
                #expect(run.status == 0, "\(run.errors)")
                try landing.expectExactlyOnce()
            }
        }
    }

    @Test(
        "a password that changes in its file is taken up, before or after the brokers refuse the old one, and no row is lost"
    )
    func passwordRotates() async throws {
        let certificates = try TestCertificates()
        let broker = try Broker(mockBrokers: 1)
        let gate = try KafkaGate(
            to: broker,
            .init(try certificates.make("broker"), mechanisms: ["PLAIN"], users: ["me": "password-0"]))
        try await withFile("password-0") { file in
            try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 2) { landing in
                try landing.produce(0..<100)
                var settings = landing.environment(
                    gate, Self.password.merging(["ssl.ca.location": certificates.authority.file]) { $1 })
                let written = file.path() + ".yaml"
                defer { try? FileManager.default.removeItem(atPath: written) }
                try "kafka: { properties: { sasl.password: '${file:\(file.path())}' } }".write(
                    toFile: written, atomically: true, encoding: .utf8)
                settings["LOADER_CONFIG"] = written
                let loader = try LoaderProcess(settings)
                try await landing.waitForRows(100)
                for round in 1...2 {
                    let change = { try "password-\(round)".write(to: file, atomically: true, encoding: .utf8) }
                    if round == 1 { try change() }
                    if round == 1 { try await loader.waitForLog("a new client goes on with it") }
                    try gate.change(.init(users: ["me": "password-\(round)"]))
                    try gate.cut()
                    if round == 2 {
                        try await loader.waitForLog("the brokers refuse this user, or its password")
                        try change()
                        try await loader.waitForLog("the brokers are back")
                    }
                    try landing.produce(round * 100..<round * 100 + 100)
                    try await landing.waitForRows(round * 100 + 100)
                }
                #expect(loader.isRunning)
                loader.kill(SIGTERM)
                #expect(try await loader.waitForExit() == 0)
                try landing.expectExactlyOnce()
                for round in 0...2 { #expect(!loader.output.contains("password-\(round)")) }
            }
        }
    }

    @Test(
        "a renewed certificate is taken up without a restart, and a key that does not fit it yet leaves the old one at work"
    )
    func certificateRotates() async throws {
        let certificates = try TestCertificates()
        let others = try TestCertificates()
        let broker = try Broker(mockBrokers: 1)
        let gate = try KafkaGate(
            to: broker, .init(try certificates.make("broker"), clients: certificates.authority))
        let first = try certificates.make("loader")
        let second = try others.make("loader")
        let own = FileManager.default.temporaryDirectory.appending(path: "own-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: own, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: own) }
        func put(_ file: String, as name: String) throws {
            try Data(contentsOf: URL(filePath: file)).write(to: own.appending(path: name), options: .atomic)
        }
        try put(first.file, as: "tls.crt")
        try put(first.key, as: "tls.key")
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 2) { landing in
            try landing.produce(0..<100)
            let loader = try LoaderProcess(
                landing.environment(
                    gate,
                    [
                        "security.protocol": "SSL", "ssl.ca.location": certificates.authority.file,
                        "ssl.certificate.location": own.appending(path: "tls.crt").path(),
                        "ssl.key.location": own.appending(path: "tls.key").path(),
                    ]))
            try await landing.waitForRows(100)
            try put(second.file, as: "tls.crt")
            try await loader.waitForLog("cannot be used; the one before goes on")
            try landing.produce(100..<200)
            try await landing.waitForRows(200)
            try gate.change(.init(clients: others.authority))
            try gate.cut()
            try put(second.key, as: "tls.key")
            try await loader.waitForLog("a new client goes on with it")
            try landing.produce(200..<300)
            try await landing.waitForRows(300)
            #expect(loader.isRunning)
            try landing.expectExactlyOnce()
        }
    }

    @Test("sessions that end every other second lose nothing and alarm nobody, and each client has its tokens")
    func sessionsEnd() async throws {
        let certificates = try TestCertificates()
        let (first, second) = ("t0k3n-first-\(UUID().uuidString)", "t0k3n-second-\(UUID().uuidString)")
        let gate = try KafkaGate(
            to: .sharedReal(),
            .init(
                try certificates.make("broker"), mechanisms: ["OAUTHBEARER"], tokens: [first, second], session: 2))
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 2) { landing in
            let tokens = try TokenServer(lifetime: 4) { $0 == 0 ? first : second }
            defer { tokens.stop() }
            var settings = landing.environment(gate, ["ssl.ca.location": certificates.authority.file])
            settings.merge(tokens.settings) { $1 }
            settings["LOADER_DEAD_LETTERS_TOPIC"] = landing.topic + "-dead"
            try landing.broker.createTopic(landing.topic + "-dead", partitions: 1)
            defer { landing.broker.deleteTopic(landing.topic + "-dead") }
            let loader = try LoaderProcess(settings)
            for round in 0..<8 {
                // Each with clients that have been shut out since the last.
                let tried = try gate.count().tried["OAUTHBEARER"] ?? 0
                if round > 0 {
                    try await loader.wait(for: "a session ends") {
                        try gate.count().tried["OAUTHBEARER"] ?? 0 > tried
                    }
                }
                try landing.produce(round * 50..<round * 50 + 50) { $0 % 50 == 7 }
                try await landing.waitForRows(round * 49 + 49)
            }
            try await loader.wait(for: "a second token is shown") { try gate.count().tokens.contains(second) }
            #expect(try gate.count().refused.isEmpty)
            #expect(loader.metric(#"loader_outages_total{place="brokers"}"#) ?? 0 == 0)
            #expect(!loader.output.contains("away") && !loader.output.contains("refuse"), "\(loader.output)")
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
            #expect(!loader.output.contains("t0k3n"))
        }
    }

    @Test(
        "a token that is refused ends a start, and later is an outage of that name, over once there is one that is taken"
    )
    func tokenRefused() async throws {
        let certificates = try TestCertificates()
        let gate = try KafkaGate(
            to: .sharedReal(),
            .init(try certificates.make("broker"), mechanisms: ["OAUTHBEARER"], tokens: ["good-one"]))
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            let bad = try TokenServer(lifetime: 2) { _ in "bad-one" }
            defer { bad.stop() }
            let settings = landing.environment(gate, ["ssl.ca.location": certificates.authority.file])
            let run = try await Command.run(["run", "--until-end"], settings.merging(bad.settings) { $1 })
            #expect(run.status == 78 && run.errors.contains("the brokers refuse the loader's token"), "\(run.errors)")
            let tokens = try TokenServer(lifetime: 2, ahead: 7200) { _ in "good-one" }
            defer { tokens.stop() }
            let behind = " s behind that of the token server"
            let check = try await Command.run(["check"], settings.merging(tokens.settings) { $1 })
            #expect(check.status == 0 && check.output.contains(behind), "\(check.output)")
            try landing.produce(0..<50)
            let loader = try LoaderProcess(settings.merging(tokens.settings) { $1 })
            try await landing.waitForRows(50)
            try await loader.waitForLog("the token for the brokers is there, and not all is well")
            #expect(loader.output.contains(behind))
            try gate.change(.init(tokens: ["better-one"]))
            try gate.cut()
            try await loader.waitForLog("the brokers refuse the loader's token")
            #expect(loader.metric(#"loader_outage{place="brokers"}"#) == 1)
            try gate.change(.init(tokens: ["good-one"]))
            try await loader.waitForLog("the brokers are back")
            try landing.produce(50..<100)
            try await landing.waitForRows(100)
            try landing.expectExactlyOnce()
        }
    }

    @Test("a token that the brokers refuse long before its end is replaced by the next one at once")
    func tokenReplaced() async throws {
        let certificates = try TestCertificates()
        let gate = try KafkaGate(
            to: .sharedReal(),
            .init(try certificates.make("broker"), mechanisms: ["OAUTHBEARER"], tokens: ["of-old-keys"]))
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            let tokens = try TokenServer(lifetime: 86_400) { $0 == 0 ? "of-old-keys" : "of-new-keys" }
            defer { tokens.stop() }
            var settings = landing.environment(gate, ["ssl.ca.location": certificates.authority.file])
            // A secret for a server of this machine goes to no other.
            settings["http_proxy"] = "http://127.0.0.1:1"
            try landing.produce(0..<50)
            let loader = try LoaderProcess(settings.merging(tokens.settings) { $1 })
            try await landing.waitForRows(50)
            try gate.change(.init(tokens: ["of-new-keys"]))
            try gate.cut()
            try landing.produce(50..<100)
            try await landing.waitForRows(100, within: .seconds(120))
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
    }

    @Test(
        "a token server that takes too long is told while the old token serves, and is an outage once that has ended",
        .enabled(
            if: ProcessInfo.processInfo.environment["KAFKA_BROKERS"] != nil,
            "it takes minutes: with a broker of your own"))
    func slowTokens() async throws {
        let certificates = try TestCertificates()
        let gate = try KafkaGate(
            to: .sharedReal(),
            .init(try certificates.make("broker"), mechanisms: ["OAUTHBEARER"], tokens: ["good-one"], session: 2))
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            let delay = Mutex<Int64>(0)
            // It is waited for for ten seconds, in the last fifth of the token's time.
            let tokens = try TokenServer(lifetime: 90, delay: { _ in delay.withLock { $0 } }) { _ in "good-one" }
            defer { tokens.stop() }
            let settings = landing.environment(gate, ["ssl.ca.location": certificates.authority.file])
            try landing.produce(0..<50)
            let loader = try LoaderProcess(settings.merging(tokens.settings) { $1 })
            try await landing.waitForRows(50)
            delay.withLock { $0 = 20 }
            try await loader.waitForLog(
                "the next token for the brokers cannot be had; the one at hand serves until", within: .seconds(150))
            try landing.produce(50..<100)
            try await landing.waitForRows(100)
            let outage = #"loader_outage{place="tokens"}"#
            try await loader.wait(for: "an outage", within: .seconds(150)) { loader.metric(outage) == 1 }
            delay.withLock { $0 = 0 }
            try await loader.wait(for: "its end", within: .seconds(60)) { loader.metric(outage) == 0 }
            try landing.produce(100..<150)
            try await landing.waitForRows(150)
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
    }
}

/// A token server that gives what it is told to.
private struct TokenServer {
    private let server: MockHTTPServer

    /// - Parameters:
    ///   - ahead: by how many seconds its clock is before this machine's.
    ///   - delay: how many seconds it takes for an answer, by how many were given before.
    ///   - token: by the same.
    init(
        lifetime: Int, ahead: TimeInterval = 0, delay: @escaping @Sendable (Int) -> Int64 = { _ in 0 },
        token: @escaping @Sendable (Int) -> String
    ) throws {
        let given = Counter()
        server = try MockHTTPServer { _ in
            let number = given.next()
            let text = #"{"access_token":"\#(token(number))","token_type":"Bearer","expires_in":\#(lifetime)}"#
            let answer = MockHTTPServer.Answer.said(status: 200, body: Array(text.utf8))
                .dated(Date(timeIntervalSinceNow: ahead))
            return delay(number) == 0 ? answer : .later(milliseconds: delay(number) * 1000, answer)
        }
    }

    func stop() { server.stop() }

    var settings: [String: String] {
        [
            "LOADER_KAFKA_TOKEN_SOURCE": "oidc", "LOADER_KAFKA_TOKEN_URL": server.url + "/token",
            "LOADER_KAFKA_TOKEN_CLIENT_ID": "loader", "LOADER_KAFKA_TOKEN_CLIENT_SECRET": "hush-hush",
        ]
    }

    private final class Counter: @unchecked Sendable {
        // Unchecked: the number is touched only under `lock`.
        private let lock = NSLock()
        private var number = 0

        func next() -> Int {
            lock.withLock {
                defer { number += 1 }
                return number
            }
        }
    }
}
