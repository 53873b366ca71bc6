import Foundation
import Kafka
import Loading
import Operating
import TestSupport
import Testing

/// The command line of `loader backfill`.
@Suite("The backfill command")
struct BackfillCommandTests {
    /// Five messages that are loaded, and the environment of a loader that upserts them.
    private func with(_ body: (LedgerScenario, [String: String]) async throws -> Void) async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            let environment = [
                "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.options.group,
                "KAFKA_TOPIC": scenario.topic, "DATABASE_URL": scenario.options.database.url,
                "LOADER_TABLE": "events", "LOADER_MODE": "upsert", "LOADER_ROUTES_0_COLUMNS_ID": "id",
            ]
            try await body(scenario, environment)
        }
    }

    @Test("it shows its table and moves nothing with --dry-run; with a broken destination it ends with 64")
    func moves() async throws {
        try await with { scenario, environment in
            let destinations: [([String], Int64)] = [
                (["--to-earliest"], 0), (["--to-latest"], 5), (["--to-offset", "2"], 2),
                (["--to-datetime", "2020-01-01T00:00:00.5Z"], 0), (["--to-datetime", "2020-01-01"], 0),
                (["--by-duration", "0s"], 5), (["--shift-by", "-1"], 4),
            ]
            for (destination, _) in destinations {
                let dry = try await Command.run(
                    ["backfill", "--topic", scenario.topic, "--dry-run"] + destination, environment)
                #expect(dry.status == 0 && dry.output.contains("Nothing was changed"), "\(destination) \(dry.errors)")
                #expect(try scenario.position() == 5)
                if destination.last == "2020-01-01" { #expect(dry.output.contains("2020-01-01T00:00:00.000Z")) }
            }
            for (destination, offset) in destinations {
                try scenario.setPosition(5)
                let run = try await Command.run(
                    ["backfill", "--topic", scenario.topic, "--yes"] + destination, environment)
                #expect(run.status == 0, "\(destination) \(run.errors)")
                #expect(try scenario.position() == offset, "\(destination)")
                #expect(try scenario.group() == scenario.marked(offset), "\(destination)")
            }
            // What the brokers do not take moves nothing.
            try scenario.setPosition(5)
            let refused = try await Command.run(
                ["backfill", "--topic", scenario.topic, "--to-earliest", "--yes"],
                environment.merging(["LOADER_FAILPOINTS": "backfill=error"]) { $1 })
            #expect(refused.status != 0)
            #expect(try scenario.position() == 5)
            let both = ["backfill", "--topic", scenario.topic, "--to-earliest", "--to-latest"]
            #expect(try await Command.run(both, environment).status == 64)
        }
    }

    @Test("without --yes and a terminal it shows what would happen, changes nothing and ends with 64")
    func nobodyToAsk() async throws {
        try await with { scenario, environment in
            let run = try await Command.run(["backfill", "--topic", scenario.topic, "--to-earliest"], environment)
            #expect(run.status == 64)
            #expect(run.output.contains("loaded again") && run.output.contains("\(scenario.topic)[0]"))
            #expect(run.errors.contains("--yes"))
            #expect(try scenario.position() == 5)
            #expect(try scenario.group() == scenario.marked(5))
        }
    }

    @Test("on a terminal it asks for the topic's name: another word changes nothing, the name moves them")
    func asked() async throws {
        try await with { scenario, environment in
            let command = ["backfill", "--topic", scenario.topic, "--to-offset", "2"]
            let other = try await Command.run(command, environment, typing: "yes")
            #expect(other.status == 64, "\(other.output)")
            #expect(other.output.contains("Type \(scenario.topic) to"))
            #expect(try scenario.position() == 5)
            let named = try await Command.run(command, environment, typing: scenario.topic)
            #expect(named.status == 0, "\(named.output)")
            #expect(try scenario.position() == 2)
        }
    }

    @Test("a position that has moved since the table was shown is not moved")
    func movedMeanwhile() async throws {
        try await with { scenario, _ in
            let backfill = try Backfill(scenario.options, topic: scenario.topic, partitions: nil, to: .earliest)
            let moves = try backfill.plan(on: scenario.connection)
            try scenario.setPosition(4)
            let refusal = #expect(throws: Backfill.Refusal.self) {
                try backfill.carryOut(moves, on: scenario.connection)
            }
            #expect(refusal?.code == .moved)
            #expect(try scenario.position() == 4)
            #expect(try scenario.group() == scenario.marked(5))
        }
    }
}
