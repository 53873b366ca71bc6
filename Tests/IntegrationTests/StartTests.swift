import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@testable import Loader

/// What cannot be right is said at the start, and `check` says of it what `run` does.
@Suite("The start")
struct StartTests {
    /// A way to set a loader up, what becomes of it, and what is said.
    struct SetUp: CustomTestStringConvertible, Sendable {
        var name: String
        var environment: [String: String] = [:]
        var before: @Sendable (LedgerScenario) throws -> Void = { _ in }
        var status: Int32
        var says: [String] = []
        var testDescription: String { name }
    }

    static let setUps: [SetUp] = [
        SetUp(name: "all is well", status: 0),
        SetUp(name: "no such table", environment: ["LOADER_TABLE": "evnts"], status: 78, says: ["no table evnts"]),
        SetUp(
            name: "no such topic", environment: ["KAFKA_TOPIC": "%topic%x"], status: 78,
            says: ["no topic %topic%x", "did you mean %topic%?"]),
        SetUp(
            name: "an expression that matches nothing", environment: ["KAFKA_TOPIC": "^nothing-at-all-.*"], status: 78,
            says: ["no topic matches ^nothing-at-all-.*"]),
        SetUp(
            name: "several mistakes at once", environment: ["KAFKA_TOPIC": "%topic%x", "LOADER_TABLE": "evnts"],
            status: 78,
            says: ["no topic %topic%x", "no table evnts"]),
        SetUp(
            name: "brokers of no name", environment: ["KAFKA_BROKERS": "no-such-host.invalid:9092"], status: 78,
            says: ["no host no-such-host.invalid"]),
        SetUp(
            name: "no broker there", environment: ["KAFKA_BROKERS": "127.0.0.1:1"], status: 69,
            says: ["no broker answers"]),
        SetUp(
            name: "no broker there, and a mistake",
            environment: ["KAFKA_BROKERS": "127.0.0.1:1", "LOADER_TABLE": "evnts"],
            status: 78, says: ["no broker answers", "no table evnts"]),
        SetUp(
            name: "a database of no name", environment: ["DATABASE_URL": "postgresql://no-such-host.invalid/x"],
            status: 78,
            says: ["no host no-such-host.invalid"]),
        SetUp(
            name: "no database there", environment: ["DATABASE_URL": "postgresql://127.0.0.1:1/x"], status: 69,
            says: ["the database is away"]),
        SetUp(
            name: "no such database", environment: ["DATABASE_URL": "%url%&dbname=no_such_database"], status: 78,
            says: ["the server has no such database"]),
        SetUp(
            name: "upsert without a key", environment: ["LOADER_MODE": "upsert"],
            status: 78),
        SetUp(
            name: "a group that loads another database",
            before: { try $0.setGroup(0, metadata: "loader/1 00000000-0000-0000-0000-000000000000") }, status: 78,
            says: ["another database"]),
        SetUp(
            name: "a position that is lost", before: { try $0.setPosition(1000) }, status: 78, says: ["outside"]),
        SetUp(
            name: "no position", environment: ["LOADER_KAFKA_AUTO_OFFSET_RESET": "error"], status: 78,
            says: ["auto_offset_reset"]),
        SetUp(
            name: "a librdkafka property of no such value",
            environment: ["LOADER_KAFKA_PROPERTIES_FETCH_MIN_BYTES": "few"],
            status: 78),
        SetUp(
            name: "traces by a protocol that is not spoken",
            environment: [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_TRACES_EXPORTER": "otlp",
            ], status: 78),
    ]

    private func environment(_ scenario: LedgerScenario, _ more: [String: String]) -> [String: String] {
        [
            "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.options.group,
            "KAFKA_TOPIC": scenario.topic, "DATABASE_URL": scenario.options.database.url, "LOADER_TABLE": "events",
            "LOADER_ROUTES_0_COLUMNS_ID": "id", "LOADER_HTTP_LISTEN": "off",
        ].merging(
            more.mapValues {
                $0.replacing("%topic%", with: scenario.topic).replacing("%url%", with: scenario.options.database.url)
            }
        ) { $1 }
    }

    @Test("check ends as a run would, and both say why, all of it at once", arguments: setUps)
    func agreement(setUp: SetUp) async throws {
        try await LedgerScenario.with(try Broker.sharedMock(), partitions: 1) { scenario in
            try scenario.produce(3)
            try setUp.before(scenario)
            let environment = environment(scenario, setUp.environment)
            let check = try await Command.run(["check", "--sample", "0"], environment)
            let run = try await Command.run(["run", "--until-end"], environment)
            #expect(check.status == setUp.status, "\(check)")
            #expect(run.status == setUp.status, "\(run)")
            for words in setUp.says {
                let words = words.replacing("%topic%", with: scenario.topic)
                // The report is broken into lines.
                let said = check.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(said.contains(words), "\(check)")
                #expect(run.errors.contains(words), "\(run)")
            }
        }
    }

    @Test("a group that refuses the member ends the start with what it says, as check has it")
    func refusedMember() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await LedgerScenario.with(broker, partitions: 1) { scenario in
            try scenario.produce(1)
            mock.fail(.joinGroup, with: Array(repeating: .invalidSessionTimeout, count: 200))
            let environment = environment(scenario, [:])
            let run = try await Command.run(["run", "--until-end"], environment)
            #expect(run.status == 78 && run.errors.contains("INVALID_SESSION_TIMEOUT"), "\(run)")
            let check = try await Command.run(["check", "--sample", "0"], environment)
            #expect(check.status == 78 && check.output.contains("INVALID_SESSION_TIMEOUT"), "\(check)")
        }
    }

    @Test("with --wait a start says what is not there yet, and goes on by itself once it is")
    func waits() async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        // Not the mock, which makes a topic of each name that it is asked about.
        try await Landing.with(broker: .sharedReal(), server: server, partitions: 1) { landing in
            let later = landing.topic + "-later"
            var environment = landing.environment.merging(["KAFKA_TOPIC": later]) { $1 }
            environment["LOADER_WAIT_AT_START"] = nil
            try server.stop()
            let loader = try LoaderProcess(environment, arguments: ["--wait"])
            try await loader.waitForLog("the database is away; it is tried until it answers")
            try server.start()
            try await loader.waitForLog("the brokers show no topic \(later)")
            #expect(loader.isRunning)
            try landing.broker.createTopic(later, partitions: 1)
            try landing.broker.produce([TestMessage(partition: 0, value: Landing.value(1))], to: later)
            try await landing.waitForRows(1)
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
        }
    }
}
