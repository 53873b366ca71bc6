import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("RESET_OFFSET_ON_START")
struct DeploymentResetTests {
    @Test("a deployment loads everything again once; a restart of it, and one that comes back, do not")
    func oncePerDeployment() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(5)
            func load(_ deployment: String?) async throws -> Int {
                scenario.options.resetForDeployment = deployment
                return try await scenario.load().messages
            }
            #expect(try await load(nil) == 5)
            #expect(try await load("a") == 5)
            #expect(try await load("a") == 0, "a crash and a restart are the same deployment")
            #expect(try await load("b") == 5)
            #expect(try await load("a") == 0, "an older instance that starts again is none")
            #expect(try scenario.ids() == Array(0..<5))
        }
    }

    @Test("a reset of the group that no start has followed yet does not count for more")
    func overPendingReset() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            try scenario.setGroup(4)
            scenario.options.resetForDeployment = "a"
            #expect(try await scenario.load().messages == 5)
        }
    }

    @Test("a member that still runs begins again as well, instead of undoing it")
    func whileRunning() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(3)
            let old = try scenario.start()
            try await eventually("the old one has loaded") { try scenario.ids() == [0, 1, 2] }
            try scenario.connection.execute("DELETE FROM events")
            scenario.options.resetForDeployment = "b"
            let new = try scenario.start()
            try await eventually("the new one has reset it") {
                try scenario.position() == 0 || scenario.ids().count > 0
            }
            try scenario.produce(1)
            try await eventually("all is loaded again") { try scenario.ids() == [0, 1, 2, 3] }
            try await new.finish()
            try await old.finish()
            #expect(try scenario.position() == 4)
        }
    }

    @Test("a route that only appends is refused once something is loaded, and nothing moves")
    func appendOnly() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(2)
            scenario.options.resetForDeployment = "a"
            try await scenario.load()
            scenario.options.resetForDeployment = "b"
            #expect(try await scenario.failure()?.code == .unsafeReplay)
            #expect(try scenario.position() == 2)
        }
    }

    @Test("a route that only appends is in the way of a reset only where messages of its own topic are loaded")
    func appendOnlyOfAnotherTopic() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try await scenario.broker.withTopic(partitions: 1) { other in
                try scenario.connection.execute("CREATE TABLE audit (id int)")
                scenario.options.routes.append(
                    Route(
                        topics: [.name(other)], table: TableName(schema: nil, name: "audit"), mode: .insert,
                        columns: [.init(name: "id", source: .field(.init(["id"])))]))
                try scenario.produce(3)
                for deployment in ["a", "b"] {
                    scenario.options.resetForDeployment = deployment
                    #expect(try await scenario.load().messages == 3)
                }
                try scenario.broker.produce([TestMessage(partition: 0, value: #"{"id": 1}"#)], to: other)
                #expect(try await scenario.load().messages == 1)
                scenario.options.resetForDeployment = "c"
                let failure = try await scenario.failure()
                #expect(failure?.code == .unsafeReplay)
                #expect(failure?.message.contains("the rows of 1 messages") == true, "\(failure?.message ?? "")")
            }
        }
    }

    @Test("with `true`, the same program with the same routes is one deployment, and another route is another")
    func fingerprint() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(3)
            var environment = [
                "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.options.group,
                "KAFKA_TOPIC": scenario.topic, "DATABASE_URL": scenario.options.database.url, "LOADER_TABLE": "events",
                "LOADER_MODE": "upsert", "LOADER_ROUTES_0_COLUMNS_ID": "id", "LOADER_HTTP_LISTEN": "off",
                "LOADER_LOG_FORMAT": "json", "RESET_OFFSET_ON_START": "true",
            ]
            func run() async throws -> String {
                let run = try await Command.run(["run", "--until-end"], environment)
                #expect(run.status == 0, "\(run.errors)")
                return run.errors
            }
            #expect(try await run().contains("THE GROUP BEGINS AT THE EARLIEST MESSAGES AGAIN"))
            environment["LOADER_LOG_LEVEL"] = "debug"
            let second = try await run()
            #expect(second.contains("has been reset before"))
            #expect(!second.contains("AGAIN, once"))
            environment["LOADER_ROUTES_0_COLUMNS_AT"] = "$offset"
            #expect(try await run().contains("THE GROUP BEGINS AT THE EARLIEST MESSAGES AGAIN"))
            #expect(try scenario.connection.query("SELECT count(*) FROM events WHERE at IS NOT NULL").int(0, 0) == 3)
        }
    }
}
