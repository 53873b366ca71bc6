import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@testable import Loader
@testable import Operating

/// `loader check` against servers, with messages of every fate.
@Suite("Check")
struct CheckTests {
    private func report(
        _ scenario: LedgerScenario, route: String, sample: Int = 100, _ more: String = ""
    ) throws -> CheckReport {
        let yaml = """
            kafka: { brokers: "\(scenario.broker.bootstrapServers)", group: "\(scenario.options.group)" }
            postgres: { url: "\(scenario.options.database.url)" }
            routes:
              - { \(route) }
            """ + "\n" + more
        let configuration = try Configuration(ConfigurationSources(file: ("loader.yaml", yaml)))
        return Inspection(configuration: configuration, sample: sample).report()
    }

    @Test("what a group refuses of such a member is an error with its mend, and no member of the group hears of it")
    func refusedMember() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await LedgerScenario.with(broker, partitions: 1) { scenario in
            try scenario.connection.execute(table)
            let route = "topic: \(scenario.topic), table: goods, mode: upsert"
            #expect(try report(scenario, route: route, sample: 0).problems.filter { $0.code == "group" } == [])
            mock.fail(.joinGroup, with: Array(repeating: .invalidSessionTimeout, count: 100))
            let report = try report(scenario, route: route, sample: 0)
            #expect(report.status == .error)
            let problem = try #require(report.problems.first { $0.code == "group" })
            #expect(problem.place == "kafka.group" && problem.problem.contains("INVALID_SESSION_TIMEOUT"))
            #expect(problem.mend.contains("session.timeout.ms"))
        }
    }

    private let table = """
        CREATE TABLE goods (id bigint PRIMARY KEY, price numeric(8,2) NOT NULL CHECK (price >= 0), colour text,
          ip inet, at timestamptz DEFAULT now())
        """

    @Test("strings that hold documents or look like base64 are pointed out, with what would decode them")
    func encodedStrings() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            try scenario.connection.execute("CREATE TABLE files (id int, doc jsonb, body bytea, note jsonb)")
            let value = #"{"id": 1, "doc": "{\"a\": 1}", "body": "AP8BAg==", "note": "plain"}"#
            try scenario.broker.produce([TestMessage(partition: 0, value: value)], to: scenario.topic)
            func mends(_ columns: String) throws -> [String] {
                try report(scenario, route: "topic: \(scenario.topic), table: files\(columns)").problems.map(\.mend)
            }
            let found = try mends("")
            #expect(found.contains { $0.contains("`doc: { from: doc, decode: json }`") }, "\(found)")
            #expect(found.contains { $0.contains("`body: { from: body, decode: base64 }`") }, "\(found)")
            #expect(!found.contains { $0.contains("`note:") })
            let decoded = try mends(
                ", columns: { doc: { from: doc, decode: json }, body: { from: body, decode: base64 } }")
            #expect(!decoded.contains { $0.contains("decode:") }, "\(decoded)")
        }
    }

    @Test("a sample shows where each field lands, what would be a dead letter and why, and leaves no trace")
    func sample() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            try scenario.connection.execute(table)
            let values = [
                #"{"id": 1, "price": 1.5, "ip": "10.0.0.1", "color": "red", "maker": {"name": "x"}}"#,
                #"{"id": 2, "price": -1, "ip": "10.0.0.1", "color": "red"}"#,
                #"{"id": 3, "price": 1, "ip": "nowhere"}"#, #"{"id": "x", "price": 1}"#, "{", #"{"id": 4, "price": 2}"#,
                #"{"id": 5, "price": 3}"#, #"{"id": 6, "price": 3}"#, #"{"id": 7, "price": 3}"#,
            ]
            try scenario.broker.produce(
                values.map { TestMessage(partition: 0, value: $0) }
                    + [TestMessage(partition: 0, key: "1", value: nil)], to: scenario.topic)
            let report = try report(scenario, route: "topic: \(scenario.topic), table: goods, mode: upsert")
            #expect(report.status == .warning, "\(report.problems)")
            let route = try #require(report.routes.first)
            #expect(route.unread == 10 && route.partitions == 1)
            let sample = try #require(route.sample)
            #expect(sample.messages == 10 && sample.deletions == 1 && sample.rows == 5)
            #expect(sample.deadLetters == 4 && sample.wasReadByServer)
            let letters = Dictionary(
                grouping: route.deadLetters, by: { "\($0.reason) \($0.column ?? "-") \($0.sqlState ?? "-")" })
            #expect(
                Set(letters.keys)
                    == [
                        "refused_by_server - 23514", "refused_by_server ip 22P02", "bad_syntax id -",
                        "invalid_json - -",
                    ])
            #expect(letters["refused_by_server - 23514"]?.first?.places == ["\(scenario.topic)[0]@1"])
            #expect(route.unusedFields.map(\.path) == ["color", "maker"])
            let columns = Dictionary(uniqueKeysWithValues: route.columns.map { ($0.name, $0) })
            #expect(columns["price"]?.example == "1.50", "as it stands in the column")
            #expect(columns["price"]?.filled == 8 && columns["ip"]?.filled == 3 && columns["colour"]?.filled == 0)
            #expect(route.problems.contains { $0.mend.contains("`colour: color`") }, "\(route.problems)")
            #expect(route.isReplaySafe)

            #expect(try scenario.connection.query("SELECT count(*) FROM goods").int(0, 0) == 0)
            #expect(try scenario.position() == nil)
            #expect(try scenario.group() == nil)
            #expect(
                try scenario.broker.withAdmin { try $0.group(scenario.options.group, timeout: .seconds(10)) }.members
                    .isEmpty)
        }
    }

    @Test("check tries a sample's rows in each table that they choose, and names the one that refuses them")
    func check() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            try scenario.connection.execute(
                "CREATE TABLE ev_a (id int CHECK (id > 0)); CREATE TABLE ev_b (id int, n int NOT NULL); CREATE TABLE ev_c (id int)"
            )
            func message(_ id: Int, _ type: String) -> TestMessage {
                TestMessage(partition: 0, key: nil, value: #"{"id":\#(id)}"#, headers: [Header("type", type)])
            }
            try scenario.broker.produce(
                [message(1, "a"), message(-2, "a"), message(3, "b"), message(4, "c"), message(5, "d")],
                to: scenario.topic)
            let report = try report(
                scenario, route: "topic: \(scenario.topic), table: 'ev_${headers.type}', tables: ['ev_*']")
            let route = try #require(report.routes.first)
            #expect(
                Set(route.deadLetters.map { "\($0.reason) \($0.places.joined())" })
                    == Set([
                        "refused_by_server \(scenario.topic)[0]@1", "null_in_not_null \(scenario.topic)[0]@2",
                        "no_table \(scenario.topic)[0]@4",
                    ]), "\(report.problems)")
            #expect(route.deadLetters.contains { $0.explanation.contains("ev_a") && $0.sqlState == "23514" })
            #expect(route.deadLetters.contains { $0.explanation.contains("ev_b.n") })
            #expect(route.sample?.rows == 2 && route.sample?.wasTriedInTable == true)
            #expect(try scenario.connection.query("SELECT count(*) FROM ev_a").int(0, 0) == 0)
        }
    }

    @Test("what becomes NULL by on_error is counted and is no dead letter", arguments: ["insert", "upsert"])
    func nulledValues(mode: String) async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            try scenario.connection.execute("CREATE TABLE hosts (id bigint PRIMARY KEY, ip inet, load int)")
            let values = (0..<20).map {
                #"{"id": \#($0), "ip": "\#($0 % 5 == 0 ? "nowhere" : "10.0.0.1")", "load": \#($0 == 7 ? "\"high\"" : "1")}"#
            }
            try scenario.broker.produce(values.map { TestMessage(partition: 0, value: $0) }, to: scenario.topic)
            let columns = "columns: { ip: { on_error: null }, load: { on_error: null } }"
            let report = try report(
                scenario, route: "topic: \(scenario.topic), table: hosts, mode: \(mode), \(columns)")
            let route = try #require(report.routes.first)
            #expect(route.deadLetters.isEmpty && route.sample?.rows == 20 && route.sample?.wasTriedInTable == true)
            let told = route.problems.map(\.problem).filter { $0.hasSuffix("becomes NULL") }
            #expect(
                told.count == 2 && told.first?.hasPrefix("4 of 20") == true && told.last?.hasPrefix("1 of 20") == true)
        }
    }

    @Test("a route that leaves the table's columns empty is never all well, and its advice loses nothing")
    func neverAllWell() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            try scenario.connection.execute(
                "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, notes text, kafka_offset bigint)")
            let values = (0..<5).map { #"{"id": \#($0), "total": 1.5}"# }
            try scenario.broker.produce(values.map { TestMessage(partition: 0, value: $0) }, to: scenario.topic)
            func look(_ more: String) throws -> CheckReport {
                try report(scenario, route: "topic: \(scenario.topic), table: orders, mode: upsert, \(more)")
            }
            let half = try look("rest: none, columns: { id: id, kafka_offset: $offset }")
            #expect(half.status == .warning)
            #expect(half.problems.contains { $0.mend.contains("`total: total`") }, "\(half.problems)")
            let all = try look("columns: { kafka_offset: $offset }")
            #expect(all.problems.contains { $0.problem.hasPrefix("each upsert sets notes to NULL") }, "\(all.problems)")
            let advised = try look("rest: none, columns: { kafka_offset: $offset, id: id, total: total }")
            #expect(advised.routes.first?.status == .ok, "\(advised.problems)")
        }
    }

    @Test(
        "the sample's rows are tried in the table itself and taken back: triggers, types and checks speak, whatever their SQLSTATE",
        arguments: ["insert", "upsert"])
    func triedInTable(mode: String) async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            try scenario.connection.execute(
                """
                CREATE TABLE audit (id bigint);
                CREATE TABLE things (id bigint PRIMARY KEY, path jsonpath, twice bigint GENERATED ALWAYS AS (10 / id) STORED);
                CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                  INSERT INTO audit VALUES (new.id);
                  IF new.id = 3 THEN PERFORM * FROM missing; END IF;
                  IF new.id = 4 THEN RAISE 'no' USING ERRCODE = '57P01'; END IF;
                  RETURN new;
                END $$;
                CREATE TRIGGER guard BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION guard()
                """)
            let values = (0..<30).map { #"{"id": \#($0), "path": "$.\#($0 == 5 ? " rock 'n roll" : "a")"}"# }
            try scenario.broker.produce(
                values.map { TestMessage(partition: 0, value: $0) }, to: scenario.topic)
            let report = try report(scenario, route: "topic: \(scenario.topic), table: things, mode: \(mode)")
            let route = try #require(report.routes.first)
            #expect(route.sample?.wasTriedInTable == true && route.sample?.triggers == ["guard"])
            #expect(route.sample?.rows == 26 && route.sample?.deadLetters == 4)
            let found = route.deadLetters.map { "\($0.sqlState ?? "-") \($0.places.joined())" }
            #expect(
                Set(found)
                    == Set(
                        [("22012", 0), ("42P01", 3), ("57P01", 4), ("42601", 5)].map {
                            "\($0) \(scenario.topic)[0]@\($1)"
                        }))
            #expect(
                try scenario.connection.query("SELECT (SELECT count(*) FROM things) + (SELECT count(*) FROM audit)")
                    .int(0, 0) == 0)
            #expect(try scenario.position() == nil)
        }
    }

    @Test("what hangs on the rows that are there is no dead letter yet, but is said")
    func dependentRows() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            try scenario.connection.execute(
                """
                CREATE TABLE parents (id bigint PRIMARY KEY);
                CREATE TABLE children (id bigint UNIQUE, parent bigint REFERENCES parents);
                INSERT INTO children VALUES (1, NULL)
                """)
            try scenario.broker.produce(
                [#"{"id": 1, "parent": null}"#, #"{"id": 2, "parent": 7}"#, #"{"id": 3, "parent": null}"#].map {
                    TestMessage(partition: 0, value: $0)
                }, to: scenario.topic)
            let report = try report(scenario, route: "topic: \(scenario.topic), table: children, mode: insert")
            #expect(report.routes[0].sample?.deadLetters == 0)
            #expect(report.status == .warning)
            for words in ["(23503)", "(23505, 23P01)"] {
                #expect(report.routes[0].problems.contains { $0.problem.contains(words) }, "\(report.problems)")
            }
        }
    }

    @Test("what a rollback may not take back is not fired, and that is said; the rows are tried in a copy")
    func notTriedInTable() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), partitions: 1) { scenario in
            // Declared as C, which may do anything; it would fail if it were called.
            try scenario.connection.execute(
                """
                CREATE TABLE things (id bigint);
                CREATE FUNCTION outside() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
                CREATE TRIGGER outside BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION outside()
                """)
            try scenario.broker.produce([TestMessage(partition: 0, value: #"{"id": 1}"#)], to: scenario.topic)
            let report = try report(scenario, route: "topic: \(scenario.topic), table: things, mode: insert")
            let sample = try #require(report.routes[0].sample)
            #expect(!sample.wasTriedInTable && sample.wasReadByServer && sample.rows == 1)
            #expect(
                report.routes[0].problems.contains { $0.problem.contains("the trigger outside is written in c") },
                "\(report.problems)")
        }
    }

    @Test("a sample of what is unread: its beginning and its end; of what is read, the last messages")
    func whereItLooks() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.broker.produce(
                (0..<40).map { TestMessage(partition: 0, value: #"{"id": \#($0), "f\#($0)": 1}"#) }, to: scenario.topic)
            let route = "topic: \(scenario.topic), table: events, mode: upsert, columns: { id: id }"
            func fields() throws -> [String] {
                try report(scenario, route: route, sample: 4).routes[0].unusedFields.map(\.path).sorted()
            }
            #expect(try fields() == ["f0", "f1", "f38", "f39"])
            try scenario.setPosition(20)
            #expect(try fields() == ["f20", "f21", "f38", "f39"])
            try scenario.setPosition(40)
            #expect(try fields() == ["f36", "f37", "f38", "f39"])
        }
    }

    @Test("mistakes of brokers, topics, positions and tables come together, each with its mend, and are errors")
    func everything() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.produce(3)
            try scenario.setGroup(1, metadata: "loader/1 00000000-0000-0000-0000-000000000000")
            let report = try report(
                scenario,
                route: "topic: [\(scenario.topic), \(scenario.topic)x], table: events, mode: upsert",
                "writers: 3\nshutdown_timeout: 10m")
            #expect(report.status == .error)
            let codes = Set(report.problems.map(\.code))
            #expect(codes.isSuperset(of: ["topic", "missing_key", "position", "timeout"]), "\(report.problems)")
            #expect(report.problems.allSatisfy { !$0.mend.isEmpty && !$0.problem.isEmpty })
            #expect(report.problems.contains { $0.mend.contains("did you mean \(scenario.topic)?") })
            #expect(report.problems.contains { $0.place == "writers" && $0.severity == .warning })
        }
    }

    @Test("brokers and a database that are away are errors of their own, side by side")
    func away() async throws {
        let yaml = """
            kafka: { brokers: "127.0.0.1:1", group: g, properties: { socket.connection.setup.timeout.ms: "1000" } }
            postgres: { url: "postgresql://127.0.0.1:1/x" }
            routes: [{ topic: t, table: t }]
            """
        let configuration = try Configuration(ConfigurationSources(file: ("loader.yaml", yaml)))
        let report = Inspection(configuration: configuration, sample: 10).report()
        #expect(report.areas.filter { $0.status == .error }.map(\.name) == ["database", "brokers"])
        #expect(report.problems.contains { $0.place == "kafka.brokers" && $0.problem.contains("refused") }, "the cause")
    }

    @Test("a route that would stop the loader for its dead letters is an error, as is the exit status")
    func brokenRoute() async throws {
        try await LedgerScenario.with(try Broker.sharedReal()) { scenario in
            try scenario.connection.execute(table)
            try scenario.produce(10)
            let report = try report(scenario, route: "topic: \(scenario.topic), table: goods, mode: upsert")
            #expect(report.status == .error)
            #expect(report.routes[0].deadLetters.map(\.count) == [10])

            let process = Process()
            process.executableURL = try builtProgram("loader")
            process.arguments = ["check", "--json", "--no-values"]
            process.currentDirectoryURL = FileManager.default.temporaryDirectory
            process.environment =
                [
                    "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_TOPIC": scenario.topic,
                    "KAFKA_CONSUMER_GROUP": scenario.options.group, "DATABASE_URL": scenario.options.database.url,
                    "LOADER_TABLE": "goods", "LOADER_MODE": "upsert",
                ].withInheritance
            let output = Pipe()
            process.standardOutput = output
            try process.runWithoutBlockedSignals()
            let text = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            #expect(process.terminationStatus == 78)
            let json = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
            #expect(json["status"] as? String == "error" && json["errors"] as? Int == 1)
        }
    }
}
