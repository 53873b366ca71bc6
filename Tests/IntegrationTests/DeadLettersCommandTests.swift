import Foundation
import Kafka
import Loading
import TestSupport
import Testing

@Suite("loader dead-letters")
struct DeadLettersCommandTests {
    private func environment(_ scenario: Scenario, _ topic: String) -> [String: String] {
        [
            "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.group,
            "KAFKA_TOPIC": topic, "DATABASE_URL": scenario.schema.url, "LOADER_TABLE": "t", "LOADER_LOG_FORMAT": "json",
        ]
    }

    /// Three bad messages of four, and a table that has been mended for one of them.
    private func withLetters(_ body: (Scenario, [String: String]) async throws -> Void) async throws {
        try await Scenario.with("CREATE TABLE t (id int, v int2)") { scenario in
            var escape = TestMessage(key: "k", value: "{\"id\": 3, \"v\": \"\u{1B}[31m")
            escape.headers = [Header("trace", "abc"), Header(name: "bin", value: [0xFF])]
            let topic = try scenario.topic([
                TestMessage(key: nil, value: #"{"id": 1, "v": 1}"#),
                TestMessage(key: nil, value: #"{"id": 2, "v": 70000}"#), escape,
                TestMessage(key: nil, value: #"{"id": 4, "v": "x"}"#),
            ])
            try await scenario.load([Route(topic, "t")])
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            try await body(scenario, environment(scenario, topic))
        }
    }

    @Test("a database that is not there cannot be reached; it refuses nothing")
    func unreachable() async throws {
        let port = try freeLoopbackPort()
        let environment = [
            "KAFKA_BROKERS": "127.0.0.1:1", "KAFKA_CONSUMER_GROUP": "g", "KAFKA_TOPIC": "t", "LOADER_TABLE": "t",
            "DATABASE_URL": "postgresql://app:hush@127.0.0.1:\(port)/shop",
        ]
        let list = try await Command.run(["dead-letters", "list"], environment)
        #expect(list.status == 69)
        #expect(list.errors.contains("the database cannot be reached"))
        #expect(list.errors.contains("run this again"))
        #expect(!list.errors.contains("refuses") && !list.errors.contains("hush"))
    }

    @Test("list sums up by fault and pages through the letters; show prints one whole, harmless for a terminal")
    func look() async throws {
        try await withLetters { scenario, environment in
            let list = try await Command.run(["dead-letters"], environment)
            #expect(list.status == 0, "\(list.errors)")
            #expect(list.output.contains("out_of_range") && list.output.contains(".t.v"))
            let json = try await Command.run(["dead-letters", "list", "--json", "--limit", "2"], environment).json()
            #expect(json["count"] as? Int == 3 && (json["faults"] as? [Any])?.count == 3)
            #expect((json["letters"] as? [Any])?.count == 2)
            let bad = try await Command.run(
                ["dead-letters", "list", "--json", "--reason", "invalid_json", "--since", "1h"], environment
            ).json()
            let letter = try #require((bad["letters"] as? [[String: Any]])?.first)
            #expect(bad["count"] as? Int == 1)
            #expect(letter["value"] == nil, "only show has values")
            let id = try #require(letter["id"] as? Int)
            let show = try await Command.run(["dead-letters", "show", "\(id)"], environment)
            #expect(show.status == 0)
            #expect(show.output.contains("trace: abc") && show.output.contains("\\xff"))
            #expect(show.output.contains("\\u001b[31m") && !show.output.contains("\u{1B}"))
            #expect(show.output.contains("next") && show.output.contains("key      k"))
            let whole = try await Command.run(["dead-letters", "show", "\(id)", "--json"], environment).json()
            #expect(whole["value"] as? String == "{\"id\": 3, \"v\": \"\u{1B}[31m")
            let headers = try #require(whole["headers"] as? [[String: Any]])
            #expect(headers[1]["encoding"] as? String == "base64" && headers[1]["value"] as? String == "/w==")
            #expect(try await Command.run(["dead-letters", "show", "0"], environment).status == 78)
        }
    }

    @Test("replay loads what loads now and says what did not")
    func replay() async throws {
        try await withLetters { scenario, environment in
            let dry = try await Command.run(["dead-letters", "replay", "--dry-run", "--json"], environment).json()
            #expect(dry["loaded"] as? Int == 1 && dry["failed"] as? Int == 2 && dry["dry_run"] as? Bool == true)
            #expect(try scenario.deadLetters().count == 3)
            let replay = try await Command.run(["dead-letters", "replay"], environment)
            #expect(replay.status == 65, "letters stay: \(replay.errors)")
            #expect(replay.output.contains("failed again") && replay.output.contains("bad_syntax"))
            #expect(try scenario.rows("SELECT id FROM t ORDER BY id") == ["1", "2"])
            #expect(try scenario.deadLetters().map(\.attempts) == [2, 2])
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE text")
            let rest = ["dead-letters", "replay", "--reason", "bad_syntax"]
            #expect(try await Command.run(rest, environment).status == 0)
        }
    }

    @Test("purge deletes only what is meant, and nothing without --yes where nobody can be asked")
    func purge() async throws {
        try await withLetters { scenario, environment in
            let refused = try await Command.run(["dead-letters", "purge"], environment)
            #expect(refused.status == 64 && refused.errors.contains("--yes"))
            let dry = try await Command.run(["dead-letters", "purge", "--dry-run"], environment)
            #expect(dry.status == 0 && dry.output.contains("3 dead letters would be deleted"))
            #expect(try scenario.deadLetters().count == 3)
            let one = try await Command.run(
                ["dead-letters", "purge", "--reason", "invalid_json", "--yes"], environment)
            #expect(one.output.contains("Deleted: 1."))
            #expect(try scenario.deadLetters().map(\.offset) == [1, 3])
            var stranger = environment
            stranger["KAFKA_CONSUMER_GROUP"] = "another"
            #expect(try await Command.run(["dead-letters", "purge", "--yes"], stranger).output.contains("match"))
            #expect(try scenario.deadLetters().count == 2)
        }
    }

    @Test("a wrong filter ends with 64 and names what there is; a database that is away with 69")
    func mistakes() async throws {
        let unknown = try await Command.run(["dead-letters", "list", "--reason", "wrong"], [:])
        #expect(unknown.status == 64 && unknown.errors.contains("wrong_type"))
        #expect(
            try await Command.run(["dead-letters", "replay", "--from-topic", "x", "--reason", "nul"], [:]).status == 64)
        let away = try await Command.run(["dead-letters"], ["DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"])
        #expect(away.status == 69)
    }
}
