import Foundation
import Kafka
import Loading
import TestSupport
import Testing

/// A group that is new to a ledger in which another has loaded the same.
@Suite("A new group")
struct NewGroupTests {
    private func environment(_ scenario: LedgerScenario, _ group: String) -> [String: String] {
        [
            "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": group,
            "KAFKA_TOPIC": scenario.topic, "DATABASE_URL": scenario.options.database.url,
            "LOADER_TABLE": "events", "LOADER_ROUTES_0_COLUMNS_ID": "id", "LOADER_HTTP_LISTEN": "off",
        ]
    }

    @Test("does not double a table that only grows: run, check and status name the other group and both ways on")
    func refused() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(4)
            try await scenario.load()
            try await scenario.broker.withGroup { group in
                let environment = environment(scenario, group)
                for command in [["run", "--until-end"], ["check"], ["status"]] {
                    let run = try await Command.run(command, environment)
                    let said = run.output + run.errors
                    #expect(run.status == 78, "\(command) \(said)")
                    #expect(said.contains(scenario.options.group) && said.contains("loader run --new-group"), "\(said)")
                }
                #expect(try scenario.ids() == Array(0..<4))

                // As its mend says; and then it is no longer new.
                #expect(try await Command.run(["check", "--new-group"], environment).status == 0)
                #expect(try await Command.run(["run", "--until-end", "--new-group"], environment).status == 0)
                #expect(try scenario.ids().count == 8)
                #expect(try await Command.run(["run", "--until-end"], environment).status == 0)
                #expect(try scenario.ids().count == 8)
                _ = try scenario.connection.query(
                    "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(group)])
            }
        }
    }

    @Test("is asked about where a group of an older loader has loaded the topic, whose tables nobody noted")
    func older() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(2)
            try scenario.connection.execute(
                "INSERT INTO loader.positions VALUES ('an older one \(scenario.topic)', '\(scenario.topic)', 0, 2)")
            try scenario.connection.execute("INSERT INTO events VALUES (0), (1)")
            let failure = try await scenario.failure()
            #expect(failure?.problems.map(\.code) == [.group])
            #expect(failure?.problems.first?.problem.contains("perhaps into") == true)
            scenario.options.isNewGroup = true
            try await scenario.load()
            scenario.options.isNewGroup = false
            #expect(try await scenario.load().messages == 0)
            _ = try scenario.connection.query(
                "DELETE FROM loader.positions WHERE topic = $1", [.text(scenario.topic)])
        }
    }

    @Test("begins without a question in a table that was emptied, whose rows can be there only once")
    func emptied() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(2)
            try await scenario.load()
            try scenario.connection.execute("TRUNCATE events")
            try await scenario.broker.withGroup { group in
                let first = scenario.options.group
                scenario.options.group = group
                try await scenario.load()
                #expect(try scenario.ids() == [0, 1])
                _ = try scenario.connection.query(
                    "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(group)])
                scenario.options.group = first
            }
        }
    }

    @Test("begins without a question in a mode with a key, in another table, and without the ledger")
    func harmless() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(2)
            try await scenario.load()
            try scenario.connection.execute("CREATE TABLE keyed (LIKE events, PRIMARY KEY (id))")
            try scenario.connection.execute("CREATE TABLE other (LIKE events)")
            let first = scenario.options
            for (table, mode) in [("keyed", Route.Mode.upsert), ("other", .insert)] {
                try await scenario.broker.withGroup { group in
                    scenario.options.group = group
                    scenario.options.routes[0].table.name = table
                    scenario.options.routes[0].mode = mode
                    try await scenario.load()
                    #expect(try scenario.connection.query("SELECT 1 FROM \(table)").rowCount == 2)
                    _ = try scenario.connection.query(
                        "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(group)])
                }
            }
            try await scenario.broker.withGroup { group in
                scenario.options = first
                scenario.options.group = group
                scenario.options.delivery = .atLeastOnce
                try await scenario.load()
            }
            scenario.options = first
        }
    }
}
