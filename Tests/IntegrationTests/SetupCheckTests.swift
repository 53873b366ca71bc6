import Foundation
import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

@Suite("Setup check")
struct SetupCheckTests {
    private func problems(_ url: String, _ routes: [Route], group: String = "g") throws -> [SetupProblem] {
        let options = LoadingOptions(
            brokers: "127.0.0.1:1", group: group, database: .init(url: url), routes: routes)
        let connection = try Connection(ConnectionOptions(url: url))
        do {
            _ = try Preflight.check(options, on: connection)
            return []
        } catch let error as LoadingError {
            #expect(error.code == .setup)
            return error.problems
        }
    }

    @Test("a search path that begins with the ledger's own schema is a warning that names the command")
    func searchPath() throws {
        let url = try TestDatabase.shared().url(adding: ["options": "-csearch_path=loader,public"])
        let options = LoadingOptions(
            brokers: "127.0.0.1:1", group: "g", database: .init(url: url), routes: [Route("t", "missing")])
        let found = try Preflight.inspect(options, on: try Connection(ConnectionOptions(url: url)))
        let warning = found.warnings.first { $0.problem.contains("the ledger's own") }
        #expect(warning?.isWarning == true && warning?.mend.words.contains("SET search_path = public") == true)
        let plain = try TestDatabase.shared().url
        let well = try Preflight.inspect(options, on: try Connection(ConnectionOptions(url: plain)))
        #expect(!well.warnings.contains { $0.problem.contains("the ledger's own") })
    }

    @Test("every mistake of the target comes at once, each at its route, with its mend")
    func everyMistakeOfTheTarget() async throws {
        let tables = """
            CREATE TABLE fine (id int PRIMARY KEY, customer_name text);
            CREATE TABLE plain (id int, v text);
            CREATE TABLE filled (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, must text NOT NULL);
            CREATE VIEW seen AS SELECT * FROM fine;
            CREATE TABLE partial (id int, v text); CREATE UNIQUE INDEX ON partial (id) WHERE v IS NULL;
            """
        try await Scenario.with(tables) { scenario in
            var wrongZone = Route(
                "t", "fine", columns: [.init("id", "id"), .init("customer_name", "v", zone: "Mars/Base")], label: "r8")
            wrongZone.onTombstone = .delete
            var unnamedKey = Route("t", "fine", mode: .upsert, columns: [.init("customer_name", "v")], label: "r7")
            unnamedKey.rest = .none
            var unfilled = Route("t", "filled", columns: [.init("id", "id"), .init("twice", "t")], label: "r4")
            unfilled.rest = .none
            var expression = Route("", "fine", label: "r9")
            expression.topics = [.expression("^(unclosed")]
            let found = try problems(
                scenario.schema.url,
                [
                    Route("t", "missing", label: "r0"),
                    Route("t", "fine", columns: [.init("id", "id"), .init("custmer_name", "v")], label: "r1"),
                    Route("t", "plain", mode: .upsert, key: ["id"], label: "r2"),
                    Route("t", "plain", mode: .upsert, label: "r3"),
                    unfilled,
                    Route("t", "seen", label: "r5"),
                    Route("t", "partial", mode: .ignore, key: ["id"], label: "r6"),
                    unnamedKey, wrongZone, expression,
                ])
            func at(_ place: String) -> [String] { found.filter { $0.place == place }.map(\.code.rawValue).sorted() }
            #expect(at("r0") == ["missing_table"])
            #expect(at("r1") == ["missing_column"])
            #expect(found.first { $0.place == "r1" }?.mend.words.contains("customer_name") == true)
            #expect(at("r2") == ["missing_index"])
            #expect(
                found.first { $0.place == "r2" }?.mend.words
                    == #"CREATE UNIQUE INDEX ON "\#(scenario.schema.name)"."plain" ("id");"#)
            #expect(at("r3") == ["missing_key"])
            #expect(at("r4") == ["unrouted_column", "unwritable_column"])
            #expect(at("r5") == ["wrong_relation"])
            #expect(at("r6") == ["missing_index"])
            #expect(at("r7").contains("missing_column"))
            #expect(at("r8") == ["bad_option", "bad_option"])
            #expect(at("r9") == ["bad_option"])
            #expect(found.allSatisfy { !$0.mend.words.isEmpty })
        }
    }

    @Test("the DDL that the check proposes is what makes it pass")
    func theMendMends() async throws {
        try await Scenario.with(#"CREATE TABLE "Odd t" ("Odd k" int, v text)"#) { scenario in
            let route = Route("t", "Odd t", mode: .upsert, key: ["Odd k"])
            let found = try problems(scenario.schema.url, [route])
            try #require(found.count == 1)
            try scenario.connection.execute(found[0].mend.words)
            #expect(try problems(scenario.schema.url, [route]).isEmpty)
        }
    }

    @Test(
        "each right that is missing is named: of the tables, of the ledger, of temporary tables; and what is granted suffices"
    )
    func rights() async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        let admin = try server.connect()
        try admin.execute(
            """
            CREATE ROLE loading LOGIN;
            CREATE TABLE public.t (id int PRIMARY KEY, v text);
            CREATE TABLE public.u (id int PRIMARY KEY, v text);
            GRANT SELECT, INSERT ON public.u TO loading;
            REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;
            CREATE SCHEMA hidden; CREATE TABLE hidden.h (id int);
            """)
        let url = server.url(adding: ["user": "loading"])
        var hidden = Route("t", "h", label: "hidden")
        hidden.table.schema = "hidden"
        let found = try problems(
            url, [Route("t", "t", mode: .upsert, label: "t"), Route("t", "u", mode: .upsert, label: "u"), hidden])
        func texts(_ place: String) -> String {
            found.filter { $0.place == place && $0.code == .missingRight }.map { "\($0.problem); \($0.mend.words)" }
                .joined(separator: "\n")
        }
        for right in ["INSERT", "UPDATE", "SELECT", "DELETE"] { #expect(texts("t").contains(right), "\(right)") }
        #expect(!texts("u").contains("INSERT") && !texts("u").contains("SELECT"))
        #expect(texts("u").contains("UPDATE") && texts("u").contains("DELETE"))
        #expect(texts("hidden").contains("INSERT"))
        #expect(texts("postgres.url").contains("TEMPORARY"))
        for right in ["SELECT", "INSERT", "UPDATE"] { #expect(texts("loader.positions").contains(right)) }
        #expect(texts("loader.ledger").contains("SELECT"))
        #expect(texts("loader.dead_letters").contains("INSERT"))
        try admin.execute(
            """
            GRANT TEMPORARY ON DATABASE postgres TO loading;
            GRANT USAGE ON SCHEMA loader TO loading;
            GRANT SELECT ON loader.ledger TO loading;
            GRANT SELECT, INSERT, UPDATE ON loader.positions TO loading;
            GRANT SELECT, INSERT, UPDATE ON loader.dead_letters TO loading;
            GRANT SELECT, INSERT, UPDATE, DELETE ON public.t TO loading;
            """)
        // Rows that refer to others of the routes cannot wait without the right to take their letters out again.
        try admin.execute("CREATE TABLE public.child (id int PRIMARY KEY, t int REFERENCES public.t)")
        try admin.execute("GRANT ALL ON public.child TO loading")
        func warnings() throws -> [String] {
            let connection = try Connection(ConnectionOptions(url: url))
            let options = LoadingOptions(
                brokers: "", group: "g", routes: [Route("t", "t", mode: .upsert), Route("c", "child", label: "c")])
            return try Preflight.inspect(options, on: connection).warnings.map(\.place)
        }
        #expect(try warnings().contains("dead_letters.wait_for_parent"))
        try admin.execute("GRANT DELETE ON loader.dead_letters TO loading")
        #expect(try !warnings().contains("dead_letters.wait_for_parent"))
        #expect(try problems(url, [Route("t", "t", mode: .upsert)]).map(\.description) == [])

        // The rights that the check asks for are those that loading needs.
        let broker = try Broker.sharedMock()
        let topic = Broker.randomName("topic")
        try broker.createTopic(topic, partitions: 1)
        try broker.produce(
            [
                TestMessage(partition: 0, key: "1", value: #"{"id": 1}"#),
                TestMessage(partition: 0, key: "1", value: nil),
                TestMessage(partition: 0, key: nil, value: #"{"id": 2}"#),
                TestMessage(partition: 0, key: nil, value: "{"),
            ], to: topic)
        try await LoaderRun.toTheEnd(
            LoadingOptions(
                brokers: broker.bootstrapServers, group: Broker.randomName("group"),
                properties: broker.clientProperties, database: .init(url: url),
                routes: [Route(topic, "t", mode: .upsert)]))
        #expect(try admin.query("SELECT id FROM public.t").int(0, 0) == 2)
        #expect(try admin.query("SELECT count(*) FROM loader.dead_letters").int(0, 0) == 1)

        // A database that the loader cannot use at all says so together with everything else.
        try admin.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        let codes = Set(try problems(server.url(adding: ["dbname": "ascii"]), [Route("t", "t")]).map(\.code))
        #expect(codes == [.badEncoding, .ledger, .missingTable])
    }
}
