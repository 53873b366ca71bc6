import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("loader verify")
struct VerifyCommandTests {
    private func environment(_ scenario: Scenario, _ topic: String) -> [String: String] {
        [
            "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.group,
            "KAFKA_TOPIC": topic, "DATABASE_URL": scenario.schema.url, "LOADER_TABLE": "t", "LOADER_MODE": "upsert",
        ]
    }

    @Test("0 where all holds, 1 where not; differences are named without values unless they are asked for, and as JSON")
    func differences() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text)") { scenario in
            let topic = try scenario.topic(
                (1...3).map { TestMessage(key: nil, value: #"{"id": \#($0), "v": "secret\#($0)"}"#) })
            try await scenario.load([Route(topic, "t", mode: .upsert)])
            let environment = environment(scenario, topic)
            let whole = try await Command.run(["verify"], environment)
            #expect(whole.status == 0 && whole.output.contains("All that could be compared holds."), "\(whole)")
            try scenario.connection.execute("UPDATE t SET v = 'mine' WHERE id = 2; DELETE FROM t WHERE id = 3")
            let plain = try await Command.run(["verify", "--route", "0"], environment)
            #expect(plain.status == 1 && plain.output.contains("other    id='2'  by \(topic)[0]@1: v"), "\(plain)")
            #expect(
                plain.output.contains("missing  id='3'  by \(topic)[0]@2") && plain.output.contains("2 differences."))
            #expect(!plain.output.contains("mine") && !plain.output.contains("secret"))
            let shown = try await Command.run(["verify", "--show-values"], environment)
            #expect(shown.output.contains("v is 'mine', should be 'secret2'"))
            let json = try await Command.run(["verify", "--json", "--sample", "100%"], environment)
            let document = try json.json()
            #expect(json.status == 1 && document["holds"] as? Bool == false)
            #expect(document["difference_count"] as? Int == 2 && document["messages"] as? Int == 3)
            let table = try #require((document["tables"] as? [[String: Any]])?.first)
            #expect(table["way"] as? String == "keys" && table["rows"] as? Int == 3)
            let first = try #require(
                (table["differences"] as? [[String: Any]])?.first { $0["kind"] as? String == "other" })
            #expect(first["message"] as? String == "\(topic)[0]@1")
            #expect((first["key"] as? [[String: Any]])?.first?["value"] as? String == "2")
            #expect((first["columns"] as? [[String: Any]])?.first?.keys.sorted() == ["name"])
        }
    }

    @Test(
        "a wrong option ends with 64, a route that there is not and a table without a ledger with 78, a database that is away with 69"
    )
    func mistakes() async throws {
        for words in [
            ["--from", "x"], ["--from", "1", "--since", "1h"], ["--since", "-1h"], ["--sample", "0%"],
            ["--sample", "120%"],
            ["--to", "-1"], ["--limit", "-1"],
        ] {
            #expect(try await Command.run(["verify"] + words, [:]).status == 64, "\(words)")
        }
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text)") { scenario in
            let topic = try scenario.topic()
            var environment = environment(scenario, topic)
            let stranger = try await Command.run(["verify", "--route", "7"], environment)
            #expect(stranger.status == 78 && stranger.errors.contains("there is no route 7"))
            environment["LOADER_DELIVERY"] = "at_least_once"
            let without = try await Command.run(["verify"], environment)
            #expect(without.status == 78 && without.errors.contains("delivery: exactly_once"), "\(without)")
            environment["LOADER_DELIVERY"] = nil
            environment["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/none"
            #expect(try await Command.run(["verify"], environment).status == 69)
        }
    }

    @Test("who verifies needs no right to write: the GRANTs that are offered, as they stand, are enough")
    func missingRights() async throws {
        try await Walk.with(tables: "CREATE TABLE events (id int PRIMARY KEY, v text)") { walk in
            try walk.produce(0..<3)
            walk.environment["LOADER_MODE"] = "upsert"
            try await walk.go()
            let database = try walk.owner.query("SELECT current_database()").string(0, 0) ?? ""
            try walk.owner.execute("REVOKE TEMPORARY ON DATABASE \(quoteIdentifier(database)) FROM PUBLIC")
            try await walk.withRole { _ in
                let said = try await walk.stumble("loader verify", saying: "may not read all")
                #expect(!said.contains("INSERT") && !said.contains("UPDATE"))
                for statement in Walk.statements(in: said) { try walk.owner.execute(statement) }
                try await walk.go("loader verify")
            }
        }
    }

    @Test(
        "no lock is taken on the table but ACCESS SHARE, and that before the snapshot: one that is emptied and filled anew by then is compared as it is"
    )
    func locks() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text)") { scenario in
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 1, "v": "a"}"#)])
            try await scenario.load([Route(topic, "t", mode: .upsert)])
            let blocker = try scenario.schema.connect()
            try blocker.execute("BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 'a')")
            let its = try #require(try blocker.query("SELECT pg_backend_pid()").string(0, 0))
            let environment = environment(scenario, topic)
            async let command = Command.run(["verify"], environment)
            let observer = try scenario.schema.connect()
            try await eventually("it waits for the table") {
                try observer.query(
                    "SELECT 1 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted AND mode = 'AccessShareLock'"
                ).rowCount > 0
            }
            #expect(
                try observer.query(
                    "SELECT mode FROM pg_locks WHERE relation = 't'::regclass AND mode <> 'AccessShareLock' AND pid <> \(its)"
                ).rowCount == 0)
            try blocker.execute("COMMIT")
            #expect(try await command.status == 0)
        }
    }
}
