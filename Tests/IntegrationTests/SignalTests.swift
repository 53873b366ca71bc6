import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Signals")
struct SignalTests {
    /// Batches that only a signal hands over before they hold 100 rows.
    private static func patient(_ landing: Landing) -> [String: String] {
        landing.environment.merging(["LOADER_BATCH_MAX_ROWS": "100", "LOADER_BATCH_MAX_DELAY": "10m"]) { $1 }
    }

    @Test("a signal loads and commits what was taken, leaves the group and ends with 0", arguments: [SIGTERM, SIGINT])
    func orderlyEnd(signal: Int32) async throws {
        let broker = try Broker.sharedReal()
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<130)
            let loader = try LoaderProcess(Self.patient(landing))
            // The other 30 came with the same fetch.
            try await landing.waitForRows(100)
            #expect(try landing.rowCount() == 100)
            loader.kill(signal)
            #expect(try await loader.waitForExit() == 0)
            #expect(try landing.rowCount() == 130)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
            let group = try broker.withAdmin { try $0.group(landing.group, timeout: .seconds(10)) }
            #expect(group.members.isEmpty)
        }
    }

    @Test("with PostgreSQL away a signal ends with 0, and the next run loads what was not committed")
    func databaseAway() async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        try await Landing.with(broker: .sharedReal(), server: server, partitions: 1) { landing in
            try landing.produce(0..<130)
            let loader = try LoaderProcess(Self.patient(landing))
            try await landing.waitForRows(100)
            try server.stop(.immediate)
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit(within: .seconds(25)) == 0)
            #expect(loader.output.contains("dropped, not committed"))
            try server.start()
            #expect(try landing.rowCount() == 100)
            let next = try LoaderProcess(landing.environment, arguments: ["--until-end"])
            #expect(try await next.waitForExit() == 0)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }

    @Test("with PostgreSQL not answering a signal still ends within shutdown_timeout")
    func databaseSilent() async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        let proxy = try TCPProxy(to: server)
        try await Landing.with(broker: .sharedReal(), server: server, partitions: 1) { landing in
            try landing.produce(0..<130)
            var environment = Self.patient(landing)
            environment["DATABASE_URL"] = proxy.url(landing.schema.url)
            environment["LOADER_SHUTDOWN_TIMEOUT"] = "5s"
            // The server's own patience must not be what ends the wait.
            environment["LOADER_POSTGRES_CONNECT_TIMEOUT"] = "60s"
            environment["LOADER_POSTGRES_STATEMENT_TIMEOUT"] = "60s"
            let loader = try LoaderProcess(environment)
            try await landing.waitForRows(100)
            proxy.isStalled = true
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit(within: .seconds(15)) == 0)
            proxy.isStalled = false
            #expect(try landing.rowCount() == 100)
            let next = try LoaderProcess(landing.environment, arguments: ["--until-end"])
            #expect(try await next.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
    }

    @Test("with the brokers away a signal loads what was taken and ends with 0; the next run repeats nothing")
    func brokersAway() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<130)
            var environment = Self.patient(landing)
            // Leaving a group whose broker is away may take all of it.
            environment["LOADER_SHUTDOWN_TIMEOUT"] = "10s"
            let loader = try LoaderProcess(environment)
            try await landing.waitForRows(100)
            // The rest comes with the same fetch, or the one behind it. A group that rebalances on a busy machine has it loaded.
            try await loader.wait(for: "the rest is taken") {
                try loader.metric("loader_buffer_messages") == 30 || landing.rowCount() == 130
            }
            try mock.setDown()
            // At once: once the session is over, what was taken is dropped, as it should be.
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit(within: .seconds(25)) == 0)
            #expect(try landing.rowCount() == 130)
            try mock.setUp()
            let next = try LoaderProcess(landing.environment, arguments: ["--until-end"])
            #expect(try await next.waitForExit() == 0)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }

    @Test("with a backlog, neither the brokers nor the database answering, a signal still ends within shutdown_timeout")
    func backlogAndNobodyThere() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<100_000)
            let blocker = try landing.schema.connect()
            try blocker.execute("BEGIN; LOCK TABLE landed")
            var environment = landing.environment
            environment["LOADER_SHUTDOWN_TIMEOUT"] = "5s"
            environment["LOADER_POSTGRES_STATEMENT_TIMEOUT"] = "60s"
            let loader = try LoaderProcess(environment)
            try await loader.waitForLog(#""message":"loading""#)
            try mock.setDown()
            try await loader.waitForLog("the brokers are away")
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit(within: .seconds(15)) == 0)
            try blocker.execute("ROLLBACK")
            try mock.setUp()
            let next = try LoaderProcess(landing.environment, arguments: ["--until-end"])
            #expect(try await next.waitForExit(within: .seconds(120)) == 0)
            try landing.expectExactlyOnce()
        }
    }

    /// librdkafka before 2.6.1 does not come back from its end when it holds messages of a topic that is gone.
    @Test("after a topic was deleted whose messages are taken a signal still ends within shutdown_timeout")
    func deletedTopic() async throws {
        let broker = try Broker.sharedReal()
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 2) { landing in
            try landing.produce(0..<100_000)
            let blocker = try landing.schema.connect()
            try blocker.execute("BEGIN; LOCK TABLE landed")
            var environment = landing.environment
            environment["LOADER_SHUTDOWN_TIMEOUT"] = "5s"
            environment["LOADER_POSTGRES_STATEMENT_TIMEOUT"] = "60s"
            environment["LOADER_KAFKA_PROPERTIES_TOPIC_METADATA_REFRESH_INTERVAL_MS"] = "500"
            let loader = try LoaderProcess(environment)
            try await loader.waitForLog(#""message":"loading""#)
            broker.deleteTopic(landing.topic)
            try await loader.waitForLog("UNKNOWN_TOPIC_OR_PART")
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit(within: .seconds(15)) == 0)
            try blocker.execute("ROLLBACK")
        }
    }

    @Test("a second signal ends at once, with 128 and the signal's number")
    func secondSignal() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<130)
            var environment = Self.patient(landing)
            environment["LOADER_POSTGRES_STATEMENT_TIMEOUT"] = "60s"
            let loader = try LoaderProcess(environment)
            try await landing.waitForRows(100)
            // The orderly end has to wait for the table.
            let blocker = try landing.schema.connect()
            try blocker.execute("BEGIN; LOCK TABLE landed")
            loader.kill(SIGTERM)
            try await loader.waitForLog("stopping")
            #expect(loader.isRunning)
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit(within: .seconds(10)) == 128 + SIGTERM)
            try blocker.execute("ROLLBACK")
            let next = try LoaderProcess(landing.environment, arguments: ["--until-end"])
            #expect(try await next.waitForExit() == 0)
            try landing.expectExactlyOnce()
        }
    }
}
