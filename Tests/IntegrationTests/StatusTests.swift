import Foundation
import Kafka
import Loading
import Operating
import TestSupport
import Testing

@Suite("loader status")
struct StatusTests {
    private func report(_ scenario: LedgerScenario) throws -> PositionReport {
        PositionReport.read(scenario.options, try Admin(properties: scenario.options.clientProperties))
    }

    private func environment(_ scenario: LedgerScenario) -> [String: String] {
        [
            "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.options.group,
            "KAFKA_TOPIC": scenario.topic, "DATABASE_URL": scenario.options.database.url, "LOADER_TABLE": "events",
            "LOADER_MODE": "upsert", "LOADER_ROUTES_0_COLUMNS_ID": "id",
        ]
    }

    @Test("without a loader it shows positions, watermarks, lag, and what a start would do; it changes nothing")
    func withoutLoader() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 2, mode: .upsert) { scenario in
            try scenario.produce(5)
            let fresh = try report(scenario)
            #expect(fresh.partitions.map(\.finding.code) == [.notBegun, .notBegun])
            #expect(fresh.lag == 5 && fresh.problems.isEmpty)
            #expect(try scenario.position() == nil)
            try await scenario.load()
            try scenario.produce(3)
            try scenario.produce(2, to: 1)
            let loaded = try report(scenario)
            #expect(loaded.partitions.map(\.finding.code) == [.ok, .ok])
            #expect(loaded.partitions.map(\.lag) == [3, 2])
            #expect(loaded.partitions.map(\.ledger) == [5, 0])
            #expect(loaded.partitions[0].watermarks == Watermarks(low: 0, high: 8))
            #expect(loaded.members?.members.isEmpty == true)
            try scenario.setGroup(2)
            let reset = try report(scenario)
            #expect(reset.partitions.map(\.finding.code) == [.resetPending, .ok])
            #expect(reset.partitions[0].start == 2 && reset.partitions[0].lag == 6)
            #expect(try scenario.position() == 5)
        }
    }

    @Test("with a loader its members are named, each with its partitions")
    func withLoader() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(1)
            let loader = try scenario.start()
            try await eventually("the group has been told") { try scenario.group() == scenario.marked(1) }
            let found = try report(scenario)
            #expect(found.members?.state == "Stable")
            #expect(found.partitions[0].member?.contains("loader at ") == true)
            #expect(found.partitions[0].finding.code == .ok)
            try await loader.finish()
        }
    }

    @Test(
        "what messages did, a loader that runs tells by route; one that does not answer, or is another group's, is only said"
    )
    func operations() async throws {
        try await LedgerScenario.with(try Broker.sharedMock(), mode: .upsert) { scenario in
            try scenario.broker.produce(
                [TestMessage(key: "1", value: #"{"id":1}"#), TestMessage(key: "1", value: nil)], to: scenario.topic)
            var environment = environment(scenario)
            let address = "127.0.0.1:\(try freeLoopbackPort())"
            environment["LOADER_HTTP_LISTEN"] = address
            let silent = try await Command.run(["status"], environment)
            #expect(silent.status == 0, "\(silent.output)")
            #expect(silent.output.contains("none tells it at \(address)"))
            let loader = try LoaderProcess(environment)
            try await eventually("two messages are in") { loader.metric("loader_messages_total") == 2 }
            let text = try await Command.run(["status"], environment).output
            #expect(text.contains("by the loader at \(address)"))
            #expect(text.contains(/routes\[0\] +\S*events +1 +1 +0\n/), "\(text)")
            environment["LOADER_HTTP_LISTEN"] = "off"
            #expect(try await Command.run(["status", "--json"], environment).json()["loader"] == nil)
            let named = ["status", "--json", "--loader", address]
            let json = try #require(try await Command.run(named, environment).json()["loader"] as? [String: Any])
            let route = try #require((json["routes"] as? [[String: Any]])?.first)
            #expect(route["operations"] as? [String: Int] == ["row": 1, "deletion": 1] && json["since"] is String)
            environment["KAFKA_CONSUMER_GROUP"] = "another"
            let other = try await Command.run(named, environment).json()["loader"] as? [String: Any]
            #expect((other?["silence"] as? String)?.contains("of the group \(scenario.options.group)") == true)
        }
    }

    @Test("the command ends with 0 where all is well, 78 where a start would stop and says why, and speaks JSON")
    func command() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(4)
            try await scenario.load()
            try scenario.produce(2)
            let well = try await Command.run(["status"], environment(scenario))
            #expect(well.status == 0, "\(well.errors)")
            #expect(well.output.contains("\(scenario.topic)[0]") && well.output.contains("lag 2 in 1 partitions"))
            let json = try await Command.run(["status", "--json"], environment(scenario)).json()
            #expect(json["lag"] as? Int == 2 && json["state"] as? String == "Empty")
            let partition = try #require((json["partitions"] as? [[String: Any]])?.first)
            #expect(partition["ledger_offset"] as? Int == 4 && partition["finding"] as? String == "ok")
            try scenario.setGroup(4, metadata: "loader/1 00000000-0000-0000-0000-000000000000")
            let foreign = try await Command.run(["status"], environment(scenario))
            #expect(foreign.status == 78)
            #expect(foreign.output.contains("STOPS") && foreign.output.contains("loader backfill --topic"))
        }
    }

    @Test(
        "brokers that do not tell who is in a group keep no loader from starting, and no backfill from saying why it refuses"
    )
    func membersNotTold() async throws {
        try await LedgerScenario.with(try Broker.sharedMock(), mode: .upsert) { scenario in
            try scenario.produce(2)
            try await scenario.load()
            let status = try await Command.run(["status"], environment(scenario))
            #expect(status.status == 0, "\(status.output + status.errors)")
            #expect(status.output.contains("members not known") && status.output.contains("lag 0 in 1 partitions"))
            let backfill = try await Command.run(
                ["backfill", "--topic", scenario.topic, "--to-earliest", "--dry-run"], environment(scenario))
            #expect(backfill.status == 78)
            #expect(backfill.errors.contains("do not tell who is in the group \(scenario.options.group)"))
        }
    }

    @Test("a database or brokers that are away end it with 69, and the other side is shown all the same")
    func away() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(4)
            try await scenario.load()
            var environment = environment(scenario)
            // Nobody listens on the port for "discard".
            environment["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/none"
            let withoutDatabase = try await Command.run(["status"], environment)
            #expect(withoutDatabase.status == 69)
            #expect(withoutDatabase.output.contains("the ledger cannot be read"))
            #expect(withoutDatabase.output.contains("\(scenario.topic)[0]"))
            environment["DATABASE_URL"] = scenario.options.database.url
            environment["KAFKA_BROKERS"] = "127.0.0.1:9"
            let withoutBrokers = try await Command.run(["status"], environment)
            #expect(withoutBrokers.status == 69)
            #expect(withoutBrokers.output.contains("the brokers cannot be asked"))
            #expect(withoutBrokers.output.contains("\(scenario.topic)[0]"))
        }
    }
}
