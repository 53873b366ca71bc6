import Foundation
import Kafka
import TestSupport
import Testing

/// What brokers and loader have against each other, told at the start.
@Suite(
    "Refusals by brokers",
    .enabled(if: Broker.externalProperties.isEmpty, "they put their own gate before a plain broker"))
struct BrokerRefusalTests {
    /// One way of not coming together.
    struct Way: Sendable, CustomTestStringConvertible {
        enum Listener: Sendable { case tls, mutualTLS, sasl, scram, noSASL, plain, elsewhere, expired, early }

        var name: String
        var listener: Listener
        var properties: [String: String]
        /// What the loader says.
        var words: String
        var mend: String
        /// Certificates by their names in the test.
        var authority = "authority"
        var client: String?

        var testDescription: String { name }
    }

    private static let tls = ["security.protocol": "SSL"]

    private static func plain(
        _ password: String, _ mechanism: String = "PLAIN", user: String = "me"
    ) -> [String: String] {
        [
            "security.protocol": "SASL_SSL", "sasl.mechanisms": mechanism, "sasl.username": user,
            "sasl.password": password,
        ]
    }

    static let ways = [
        Way(
            name: "another authority", listener: .tls, properties: tls,
            words: "a broker's certificate is of an authority that is not trusted here", mend: "ssl.ca.location",
            authority: "other"),
        Way(
            name: "another host", listener: .elsewhere, properties: tls,
            words: "a broker's certificate is for another host", mend: "advertised.listeners"),
        Way(
            name: "an expired certificate", listener: .expired, properties: tls,
            words: "a broker's certificate has expired", mend: "renew the brokers' certificates"),
        Way(
            name: "a certificate of tomorrow, or a clock that is slow", listener: .early, properties: tls,
            words: "a broker's certificate is not valid yet", mend: "set this machine's clock"),
        Way(
            name: "no certificate of the client", listener: .mutualTLS, properties: tls,
            words: "the brokers want a certificate of the loader", mend: "ssl.certificate.location"),
        Way(
            name: "an expired certificate of the client", listener: .mutualTLS, properties: tls,
            words: "the brokers refuse the loader's certificate, which has expired", mend: "renew the file of",
            client: "expired"),
        Way(
            name: "a certificate of the client that nobody knows", listener: .mutualTLS, properties: tls,
            words: "the brokers refuse the loader's certificate", mend: "truststore", client: "stranger"),
        Way(
            name: "a wrong password", listener: .sasl, properties: plain("wrong"),
            words: "the brokers refuse this user, or its password", mend: "sasl.password"),
        Way(
            name: "a user that nobody knows", listener: .sasl, properties: plain("right", user: "nobody"),
            words: "the brokers refuse this user, or its password", mend: "that the brokers know the user"),
        Way(
            name: "a wrong password by SCRAM", listener: .scram, properties: plain("wrong", "SCRAM-SHA-256"),
            words: "the brokers refuse this user, or its password", mend: "sasl.password"),
        Way(
            name: "SASL to a listener that wants none", listener: .noSASL, properties: plain("right"),
            words: "the loader speaks SASL, and the brokers do not", mend: "security.protocol"),
        Way(
            name: "a mechanism that the brokers have not", listener: .sasl, properties: plain("right", "SCRAM-SHA-512"),
            words: "the brokers take other SASL mechanisms", mend: "sasl.mechanisms"),
        Way(
            name: "plain to a listener with TLS", listener: .tls, properties: [:],
            words: "the brokers speak TLS, and the loader does not", mend: "security.protocol"),
        Way(
            name: "TLS to a plain listener", listener: .plain, properties: tls,
            words: "the loader speaks TLS, and the brokers do not", mend: "security.protocol"),
        Way(
            name: "no SASL to a listener that wants it", listener: .sasl, properties: tls,
            words: "the brokers want SASL", mend: "sasl.mechanisms"),
    ]

    @Test("each ends the start with its cause and what to set, and none is taken for an outage", arguments: ways)
    func refused(_ way: Way) async throws {
        let certificates = try TestCertificates()
        let others = try TestCertificates()
        let good = try certificates.make("broker")
        let broker = try Broker.sharedReal()
        var settings: KafkaGate.Settings =
            switch way.listener {
            case .tls: .init(good)
            case .mutualTLS: .init(good, clients: certificates.authority)
            case .sasl: .init(good, mechanisms: ["PLAIN"], users: ["me": "right"])
            case .scram: .init(good, mechanisms: ["SCRAM-SHA-256"], users: ["me": "right"])
            case .noSASL: .init(good)
            case .plain: .init()
            case .elsewhere: .init(try certificates.make("elsewhere", names: "DNS:elsewhere.example"))
            case .expired: .init(try certificates.make("old", isExpired: true))
            case .early: .init(try certificates.make("early", from: Date(timeIntervalSinceNow: 86_400)))
            }
        if way.listener == .noSASL { settings.refusesSASL = true }
        let gate = try KafkaGate(to: broker, settings)
        var properties = way.properties
        if properties["security.protocol"] != nil {
            properties["ssl.ca.location"] = (way.authority == "other" ? others : certificates).authority.file
        }
        if let client = way.client {
            let own = try client == "stranger" ? others.make(client) : certificates.make(client, isExpired: true)
            properties["ssl.certificate.location"] = own.file
            properties["ssl.key.location"] = own.key
        }
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            let run = try await Command.run(["run", "--until-end"], landing.environment(gate, properties))
            #expect(run.status == 78, "\(run.errors)")
            #expect(run.errors.contains(way.words), "\(run.errors)")
            #expect(run.errors.contains(way.mend), "\(run.errors)")
        }
        withExtendedLifetime((gate, certificates, others)) {}
    }

    /// What brokers may begin to refuse under a running loader, as it then says.
    enum Turn: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case expired = "a broker's certificate has expired"
        case otherAuthority = "a broker's certificate is of an authority that is not trusted here"
        case otherMechanism = "the brokers take other SASL mechanisms"

        var testDescription: String { rawValue }
    }

    @Test("each that begins under a running loader is an outage of that name, and survived", arguments: Turn.allCases)
    func refusedLater(_ turn: Turn) async throws {
        let certificates = try TestCertificates()
        let others = try TestCertificates()
        let right = KafkaGate.Settings(
            try certificates.make("broker"), clients: certificates.authority, mechanisms: ["PLAIN"],
            users: ["me": "right"])
        var wrong = right
        func show(_ certificate: TestCertificates.Certificate) {
            (wrong.certificate, wrong.key) = (certificate.file, certificate.key)
        }
        switch turn {
        case .expired: show(try certificates.make("old", isExpired: true))
        case .otherAuthority: show(try others.make("broker"))
        case .otherMechanism: wrong.mechanisms = ["SCRAM-SHA-512"]
        }
        let own = try certificates.make("loader")
        let properties = Self.plain("right").merging([
            "ssl.ca.location": certificates.authority.file, "ssl.certificate.location": own.file,
            "ssl.key.location": own.key,
        ]) { $1 }
        let gate = try KafkaGate(to: .sharedReal(), right)
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<10)
            let loader = try LoaderProcess(landing.environment(gate, properties))
            try await landing.waitForRows(10)
            try gate.change(wrong)
            try gate.cut()
            try await loader.wait(for: "an outage", within: .seconds(90)) {
                loader.metric(#"loader_outage{place="brokers"}"#) == 1
            }
            // That they are away may be known before why.
            try await loader.waitForLog(turn.rawValue, within: .seconds(90))
            try landing.produce(10..<20)
            try gate.change(right)
            // A broker of the tests keeps the place of a member that was cut off for a minute and more.
            try await landing.waitForRows(20, within: .seconds(240))
            try await loader.wait(for: "the end of the outage") {
                loader.metric(#"loader_outage{place="brokers"}"#) == 0
            }
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
        withExtendedLifetime((gate, certificates, others)) {}
    }

    @Test("a listener that closes without a word, as one with nobody behind it does, is away and not wrongly spoken to")
    func silent() async throws {
        let proxy = try TCPProxy(to: try PostgresServer())
        proxy.isDown = true
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            for properties in [[:], Self.tls] {
                var settings = landing.environment
                settings["KAFKA_BROKERS"] = "127.0.0.1:\(proxy.port)"
                settings["LOADER_WAIT_AT_START"] = "false"
                settings.merge(properties.asVariables) { $1 }
                let run = try await Command.run(["run", "--until-end"], settings)
                #expect(run.status == 69, "\(properties): \(run.errors)")
            }
        }
    }

    @Test(
        "brokers that say they are where nobody is are told at the start and by check with that address, are an outage, and survived"
    )
    func elsewhere() async throws {
        var settings = KafkaGate.Settings()
        settings.advertised = 1
        let gate = try KafkaGate(to: .sharedReal(), settings)
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<10)
            let words = "the brokers answer, but not those of them that hold \(landing.topic): 127.0.0.1:1"
            // So long a rebalance may take, in which a coordinator is silent, too.
            var environment = landing.environment(gate, ["max.poll.interval.ms": "6000"])
            environment["LOADER_POSTGRES_LOCK_TIMEOUT"] = "2s"
            let check = try await Command.run(["check"], environment)
            let said = check.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(check.status == 69, "\(check)")
            #expect(said.contains(words) && said.contains("advertised.listeners"), "\(said)")
            #expect(!said.contains("DESCRIBE"), "no right is missing: \(said)")

            let loader = try LoaderProcess(environment)
            try await loader.wait(for: "it says that they cannot be reached", within: .seconds(60)) {
                loader.output.contains(words)
            }
            try await loader.wait(for: "an outage", within: .seconds(60)) {
                loader.metric(#"loader_outage{place="brokers"}"#) == 1
            }
            // A newer librdkafka lets go of those that it was given, and nobody answers for a while.
            let outages = ["but not all of those that lead the partitions and the group", "the brokers are away"]
            #expect(outages.contains { loader.output.contains($0) })
            #expect(loader.output.contains("advertised.listeners"))
            settings.advertised = Int(gate.port)
            try gate.change(settings)
            try await landing.waitForRows(10)
            try await loader.wait(for: "the end of the outage", within: .seconds(60)) {
                loader.metric(#"loader_outage{place="brokers"}"#) == 0
            }
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
        withExtendedLifetime(gate) {}
    }

    @Test(
        "a client that knows but brokers that are nowhere, and does not go back by itself to those that it began with, is sent back to them",
        .enabled("no librdkafka of 2.10 or newer is here") { try await letsGoOfBrokers() })
    func sentBack() async throws {
        let library = try #require(WriteRightTests.newLibrary)
        var settings = KafkaGate.Settings()
        settings.advertised = 1
        let gate = try KafkaGate(to: .sharedReal(), settings)
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<10)
            // So long a rebalance may take, in which a coordinator is silent, too.
            let properties = Self.neverBack.merging(["max.poll.interval.ms": "6000"]) { $1 }
            var environment = landing.environment(gate, properties).merging(library) { $1 }
            environment["LOADER_POSTGRES_LOCK_TIMEOUT"] = "2s"
            let loader = try LoaderProcess(environment)
            try await loader.wait(for: "an outage", within: .seconds(90)) {
                loader.metric(#"loader_outage{place="brokers"}"#) == 1
            }
            settings.advertised = Int(gate.port)
            try gate.change(settings)
            try await landing.waitForRows(10, within: .seconds(90))
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
        withExtendedLifetime(gate) {}
    }

    /// What librdkafka does by itself from 2.10 on, it misses now and then; so it misses it always.
    private static let neverBack = ["metadata.recovery.strategy": "none"]

    private static func letsGoOfBrokers() async throws -> Bool {
        guard let library = WriteRightTests.newLibrary else { return false }
        let variables = neverBack.asVariables.merging(library) { $1 }
        return try await !Command.run(["config"], variables).errors.contains("metadata.recovery.strategy")
    }

    @Test(
        "brokers that begin to want SASL under a running loader are an outage of that name, and survived",
        .enabled(if: WriteRightTests.newLibrary != nil, "no librdkafka of 2.3 or newer is here"))
    func wantSASLLater() async throws {
        let library = try #require(WriteRightTests.newLibrary)
        try await outage(library, .init(mechanisms: ["PLAIN"]), .init(mechanisms: [])) { loader, _ in
            // That they are away may be known before why.
            try await loader.waitForLog(
                "the brokers want SASL, and the loader does not say who it is", within: .seconds(90))
        }
    }

    @Test(
        "brokers that go as soon as they are reached are away, and are not said to want SASL",
        .enabled(if: WriteRightTests.newLibrary != nil, "no librdkafka of 2.3 or newer is here"))
    func going() async throws {
        let library = try #require(WriteRightTests.newLibrary)
        let loader = try await outage(library, .init(going: true), .init(going: false)) { loader, gate in
            try await loader.waitForLog("the brokers are away", within: .seconds(90))
            try await eventually("they are asked whether they want SASL", within: .seconds(90)) {
                try gate.count().tried["in vain", default: 0] > 0
            }
        }
        #expect(!loader.output.contains("want SASL"), "\(loader.output)")
    }

    /// A loader that is cut off from a plain gate which is another one then, and after a while as before.
    @discardableResult
    private func outage(
        _ library: [String: String], _ other: KafkaGate.Settings, _ before: KafkaGate.Settings,
        _ meanwhile: (LoaderProcess, KafkaGate) async throws -> Void
    ) async throws -> LoaderProcess {
        let gate = try KafkaGate(to: .sharedReal(), .init())
        defer { withExtendedLifetime(gate) {} }
        return try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<10)
            let loader = try LoaderProcess(landing.environment(gate, [:]).merging(library) { $1 })
            try await landing.waitForRows(10)
            try gate.change(other)
            try gate.cut()
            try await loader.wait(for: "an outage", within: .seconds(90)) {
                loader.metric(#"loader_outage{place="brokers"}"#) == 1
            }
            try await meanwhile(loader, gate)
            try gate.change(before)
            try await loader.wait(for: "the end of the outage", within: .seconds(90)) {
                loader.metric(#"loader_outage{place="brokers"}"#) == 0
            }
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
            return loader
        }
    }

    @Test("one of several brokers that is away is named at the start with its partitions, is an outage, and survived")
    func oneAway() async throws {
        let broker = try Broker(mockBrokers: 3)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 3) { landing in
            for index in 0..<Int32(3) {
                try mock.setLeader(index + 1, of: TopicPartition(topic: landing.topic, partition: index))
            }
            try mock.setCoordinator(1, ofGroup: landing.group)
            try landing.produce(0..<30)
            try mock.setDown(3)
            let loader = try LoaderProcess(landing.environment)
            try await loader.wait(for: "a warning of the partition", within: .seconds(60)) {
                loader.output.contains("but not those of them that hold \(landing.topic)[2]: ")
            }
            try await loader.wait(for: "an outage", within: .seconds(90)) {
                loader.metric(#"loader_outage{place="brokers"}"#) == 1
            }
            try mock.setUp(3)
            try await landing.waitForRows(30)
            try await loader.wait(for: "the end of the outage") {
                loader.metric(#"loader_outage{place="brokers"}"#) == 0
            }
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
    }
}

extension Landing {
    /// The settings of a loader that goes through a gate.
    func environment(_ gate: KafkaGate, _ properties: [String: String]) -> [String: String] {
        environment.merging(properties.asVariables) { $1 }
            .merging(["KAFKA_BROKERS": gate.bootstrapServers, "LOADER_WAIT_AT_START": "false"]) { $1 }
    }
}
