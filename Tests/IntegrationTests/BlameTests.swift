import Foundation
import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

@Suite("Whose fault an error is")
struct BlameTests {
    /// What a trigger, a default, a CHECK, a generated column and an input function may end with: a code of each class
    /// that means something else where no row is there.
    private static let raised = [
        "08006", "0A000", "22012", "23505", "25006", "28000", "2F003", "3F000", "40001", "40P01", "42P01", "42501",
        "53100", "53200", "54000", "55P03", "57014", "57P01", "58030", "F0000", "HV000", "P0001", "XX000", "XX001",
    ]

    private static let schema = """
        CREATE FUNCTION fail(code text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
          IF code <> '' THEN RAISE EXCEPTION 'no %', code USING ERRCODE = code, HINT = 'secret-hint', COLUMN = code; END IF;
          RETURN code;
        END $$;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM fail(NEW.by_trigger);
          IF NEW.sql <> '' THEN EXECUTE NEW.sql; END IF;
          RETURN NEW;
        END $$;
        CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM fail(NEW.late); RETURN NULL; END $$;
        """

    private static func table(_ name: String) -> String {
        """
        CREATE TABLE \(name) (
          id int PRIMARY KEY, words tsvector, path jsonpath, class regclass,
          by_check text NOT NULL DEFAULT '' CHECK (fail(by_check) IS NOT NULL),
          by_generated text NOT NULL DEFAULT '', generated text GENERATED ALWAYS AS (fail(by_generated)) STORED,
          by_trigger text NOT NULL DEFAULT '', late text NOT NULL DEFAULT '', sql text NOT NULL DEFAULT '',
          part int NOT NULL DEFAULT 1) PARTITION BY RANGE (id);
        CREATE TABLE \(name)_1 PARTITION OF \(name) FOR VALUES FROM (0) TO (100000);
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON \(name) FOR EACH ROW EXECUTE FUNCTION refuse();
        CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT OR UPDATE ON \(name) DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION refuse_late();
        """
    }

    /// Members of a bad message, and the SQLSTATE that its dead letter must have.
    private static func bad(_ server: Connection) -> [(members: String, sqlState: String)] {
        // A name in a schema that is not there.
        let stranger = server.serverVersion < 160000 ? "3F000" : "42P01"
        return [
            (#""words": "'rock ''n roll secret""#, "42601"), (#""path": "secret $$""#, "42601"),
            (#""class": "secret.nothing""#, stranger), (#""class": "nothing_secret""#, "42P01"),
            (#""sql": "SELECT secret_function()""#, "42883"), (#""sql": "SELECT * FROM secret""#, "42P01"),
            (#""sql": "DROP TABLE pg_class""#, "42501"),
        ]
            + ["by_check", "by_generated", "by_trigger", "late"].flatMap { column in
                raised.map { (#""\#(column)": "\#($0)""#, $0) }
            }
    }

    @Test("whatever code a row ends with, it is a dead letter with that code, its neighbours load, and nothing waits")
    func anyCode() async throws {
        let tables: [(name: String, mode: Route.Mode)] = [
            ("inserted", .insert), ("ignored", .ignore), ("upserted", .upsert),
        ]
        try await Scenario.with(Self.schema + tables.map { Self.table($0.name) }.joined()) { scenario in
            let bad = Self.bad(scenario.connection)
            var messages: [TestMessage] = []
            for (index, bad) in bad.enumerated() {
                messages.append(TestMessage(key: nil, value: #"{"id": \#(index * 2)}"#))
                messages.append(TestMessage(key: nil, value: #"{"id": \#(index * 2 + 1), \#(bad.members)}"#))
            }
            messages.append(TestMessage(key: nil, value: #"{"id": -1}"#))
            let topic = try scenario.topic(messages)
            var options = scenario.options(
                tables.map { Route(topic, $0.name, mode: $0.mode, key: $0.mode == .insert ? nil : ["id"]) })
            options.untilEnd = true
            options.deadLetters.maxShare = 1
            let run = try LoaderRun(options)
            try await run.waitForEnd()
            let letters = try scenario.deadLetters()
            for (table, _) in tables {
                #expect(try scenario.rows("SELECT count(*) FROM \(table)") == ["\(bad.count)"])
                let own = letters.filter { $0.table == table }
                #expect(own.map(\.sqlState) == bad.map(\.sqlState) + ["23514"], "\(table)")
                #expect(own.allSatisfy { $0.reason == "refused_by_server" })
                // Why a trigger has refused it stands in the letter.
                #expect(own.filter { $0.message.contains("no P0001") }.count == 4)
            }
            let snapshot = run.statistics.snapshot
            #expect(snapshot.outageCounts.isEmpty)
            let said = run.log.lines.map { "\($0)" } + snapshot.incidents.map { "\($0)" }
            #expect(said.filter { $0.contains("secret") || $0.contains("rock") } == [])
            #expect(said.filter { $0.contains("table has changed") || $0.contains("away") } == [])
        }
    }

    @Test("a row of such a kind that is alone in its batch ends, too", arguments: ["40001", "57014", "XX000", "08006"])
    func alone(code: String) async throws {
        try await Scenario.with(Self.schema + Self.table("t")) { scenario in
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 1, "late": "\#(code)"}"#)])
            try await scenario.load([Route(topic, "t")]) { $0.deadLetters.maxShare = 1 }
            #expect(try scenario.deadLetters().map(\.sqlState) == [code])
        }
    }

    @Test(
        "where every row fails alone though the statements go through without rows, the share of dead letters stops it")
    func everyRow() async throws {
        try await Scenario.with(Self.schema + Self.table("t")) { scenario in
            let topic = try scenario.topic(
                (0..<10_000).map { TestMessage(key: nil, value: #"{"id": \#($0), "sql": "SELECT * FROM gone"}"#) })
            let error = await #expect(throws: LoadingError.self) {
                // In one batch: a small one is too few messages to judge the route by, and its letters stay.
                try await scenario.load([Route(topic, "t")]) { $0.batch.maxDelay = .seconds(600) }
            }
            #expect(error?.code == .tooManyDeadLetters)
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test(
        "what fails without rows stops the loader with the server's own words, and makes no dead letters",
        arguments: [
            "ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u LIMIT 1",
            "CREATE TRIGGER closed BEFORE INSERT ON t EXECUTE FUNCTION closed()",
        ])
    func setup(change: String) async throws {
        let tables = """
            CREATE TABLE t (id int, v text);
            CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'closed' USING ERRCODE = '42501'; END $$;
            """
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 1}"#)])
            let run = try LoaderRun(scenario.options([Route(topic, "t")]))
            try await eventually("the first row is in") { try scenario.rows("SELECT id FROM t") == ["1"] }
            try scenario.connection.execute(change)
            try scenario.produce((2..<50).map { TestMessage(key: nil, value: #"{"id": \#($0)}"#) }, to: topic)
            let error = await #expect(throws: LoadingError.self) { try await run.waitForEnd() }
            #expect(error?.code == .setup || error?.code == .database, "\(String(describing: error))")
            #expect(try scenario.deadLetters().isEmpty)
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["1"])
        }
    }

    @Test("rows that fail only together go in one by one")
    func onlyTogether() async throws {
        let tables = """
            CREATE TABLE t (id int);
            CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              IF (SELECT count(*) FROM news) > 3 THEN RAISE EXCEPTION 'too many' USING ERRCODE = '57P03'; END IF;
              RETURN NULL;
            END $$;
            CREATE TRIGGER few AFTER INSERT ON t REFERENCING NEW TABLE AS news FOR EACH STATEMENT EXECUTE FUNCTION few();
            """
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic((0..<50).map { TestMessage(key: nil, value: #"{"id": \#($0)}"#) })
            try await scenario.load([Route(topic, "t")])
            #expect(try scenario.deadLetters().isEmpty)
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["50"])
        }
    }

    @Test("what a trigger makes whole until COMMIT is no bad row, with care as well")
    func deferredByTrigger() async throws {
        let tables = """
            CREATE TABLE parents (id int PRIMARY KEY);
            CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
            CREATE TABLE t (id int CHECK (id <> 7));
            CREATE FUNCTION make_both() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              INSERT INTO children VALUES (NEW.id); INSERT INTO parents VALUES (NEW.id);
              RETURN NULL;
            END $$;
            CREATE TRIGGER make_both AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION make_both();
            """
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic((0..<20).map { TestMessage(key: nil, value: #"{"id": \#($0)}"#) })
            try await scenario.load([Route(topic, "t")])
            #expect(try scenario.deadLetters().map(\.offset) == [7])
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["19"])
        }
    }

    @Test("a constraint that is made deferred while the loader runs finds its row")
    func newDeferredConstraint() async throws {
        let tables = "CREATE TABLE owners (id int PRIMARY KEY); CREATE TABLE t (id int, owner int);"
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 1}"#)])
            let run = try LoaderRun(scenario.options([Route(topic, "t")]))
            try await eventually("the first row is in") { try scenario.rows("SELECT id FROM t") == ["1"] }
            try scenario.connection.execute(
                "ALTER TABLE t ADD FOREIGN KEY (owner) REFERENCES owners DEFERRABLE INITIALLY DEFERRED")
            try scenario.produce(
                (2...9).map { TestMessage(key: nil, value: #"{"id": \#($0), "owner": \#($0 == 5 ? "5" : "null")}"#) },
                to: topic)
            try await eventually("the others are in") {
                try run.hasEnded || scenario.rows("SELECT count(*) FROM t") == ["8"]
            }
            try await run.finish()
            #expect(try scenario.deadLetters().map(\.sqlState) == ["23503"])
        }
    }
}

@Suite("A batch that is too much")
struct TooMuchTests {
    private static let tables = """
        CREATE TABLE t (id int PRIMARY KEY, seconds float8 NOT NULL DEFAULT 0.004);
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(NEW.seconds); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow();
        """

    @Test("it goes in smaller transactions, each exactly once, and the limit that it met is named")
    func smaller() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let count = 600
            let topic = try scenario.topic(
                (0..<count).map { TestMessage(partition: Int32($0 % 3), key: nil, value: #"{"id": \#($0)}"#) },
                partitions: 3)
            var options = scenario.options([Route(topic, "t")])
            options.database.statementTimeout = .seconds(1)
            options.untilEnd = true
            let run = try LoaderRun(options)
            try await run.waitForEnd()
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["\(count)"])
            #expect(try scenario.deadLetters().isEmpty)
            let told = run.statistics.snapshot.incidents.filter { $0.summary.contains("too much") }
            #expect(told.map(\.code) == ["57014"])
            #expect(told.first?.mend.words.contains("postgres.statement_timeout") == true)
            #expect(run.statistics.snapshot.outageCounts.isEmpty)
            #expect(run.statistics.snapshot.messages == count)
            #expect(
                try scenario.rows(
                    "SELECT sum(next_offset) FROM loader.positions WHERE consumer_group = '\(scenario.group)'")
                    == ["\(count)"])
        }
    }

    @Test("one message that is too much by itself is a dead letter, the others load")
    func alone() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let topic = try scenario.topic(
                (0..<20).map { TestMessage(key: nil, value: #"{"id": \#($0), "seconds": \#($0 == 9 ? 60 : 0)}"#) })
            try await scenario.load([Route(topic, "t", mode: .upsert)]) { options in
                options.database.statementTimeout = .milliseconds(400)
            }
            #expect(try scenario.deadLetters().map(\.sqlState) == ["57014"])
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["19"])
        }
    }

    @Test("a row that crashes its session is found and is a dead letter, and its neighbours load", arguments: [1, 40])
    func crash(count: Int) async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        let tables = """
            CREATE TABLE t (id int PRIMARY KEY, v int);
            -- It takes its number for an address.
            CREATE FUNCTION crash(bigint) RETURNS int LANGUAGE internal STRICT AS 'textlen';
            CREATE FUNCTION check_v() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.v < 0 THEN PERFORM crash(NEW.v); END IF; RETURN NEW; END $$;
            CREATE TRIGGER check_v BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION check_v();
            """
        try await Scenario.with(tables, on: server) { scenario in
            let guilty = count / 2
            let topic = try scenario.topic(
                (0..<count).map { TestMessage(key: nil, value: #"{"id": \#($0), "v": \#($0 == guilty ? -1 : 0)}"#) })
            var options = scenario.options([Route(topic, "t", mode: .upsert)])
            options.untilEnd = true
            let run = try LoaderRun(options)
            try await run.waitForEnd()
            let after = try scenario.reconnected()
            #expect(try after.rows("SELECT count(*) FROM t") == ["\(count - 1)"])
            let letters = try after.deadLetters()
            #expect(letters.map(\.offset) == [Int64(guilty)])
            #expect(letters.first?.reason == "refused_by_server" && letters.first?.sqlState == nil)
            #expect(run.statistics.snapshot.outages.isEmpty)
        }
    }

    @Test("a lock that another session holds is waited for, and is nobody's dead letter")
    func lock() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)") { scenario in
            let other = try scenario.schema.connect()
            try other.execute("BEGIN; UPDATE t SET v = 1")
            let topic = try scenario.topic((0..<5).map { TestMessage(key: nil, value: #"{"id": \#($0), "v": 2}"#) })
            var options = scenario.options([Route(topic, "t", mode: .upsert)])
            options.database.lockTimeout = .milliseconds(50)
            let run = try LoaderRun(options)
            try await eventually("it is tried more often than a message is") {
                run.statistics.snapshot.retries["busy"] ?? 0 > 4
            }
            #expect(run.statistics.snapshot.outageCounts.isEmpty)
            try other.execute("COMMIT")
            try await eventually("the rows are in") { try scenario.rows("SELECT sum(v) FROM t") == ["10"] }
            try await run.finish()
            #expect(try scenario.deadLetters().isEmpty)
            let told = run.statistics.snapshot.incidents.filter { $0.code == "55P03" }
            #expect(told.first?.mend.words.contains("pg_locks") == true)
        }
    }
}
