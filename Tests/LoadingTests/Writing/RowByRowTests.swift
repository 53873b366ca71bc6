import LoadingFixtures
import Postgres
import TestSupport
import Testing

@testable import Loading

/// Rows that go in one by one within the server, beside rows that are each sent by themselves.
@Suite("Rows one by one within the server")
struct RowByRowTests {
    private static let schema = """
        CREATE FUNCTION some_time() RETURNS timestamptz VOLATILE LANGUAGE sql AS $$ SELECT '2025-01-01Z'::timestamptz $$;
        CREATE DOMAIN small AS int CHECK (VALUE < 100);
        CREATE DOMAIN given AS text NOT NULL CHECK (VALUE <> 'no');
        CREATE DOMAIN private AS inet CHECK (VALUE << '10.0.0.0/8');
        CREATE TYPE pair AS (a int, b small);
        CREATE TABLE parents (id int PRIMARY KEY);
        INSERT INTO parents SELECT generate_series(1, 50);
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.code = 'suppress' THEN RETURN NULL; END IF;
          IF NEW.code <> '' THEN
            RAISE EXCEPTION 'no % in %', NEW.code, TG_NAME USING ERRCODE = NEW.code, HINT = 'hint', DETAIL = 'detail',
              TABLE = 'somewhere', CONSTRAINT = 'something', COLUMN = 'place';
          END IF;
          IF NEW.sql <> '' THEN EXECUTE NEW.sql; END IF;
          RETURN NEW;
        END $$;
        CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.late <> '' THEN RAISE EXCEPTION 'late' USING ERRCODE = NEW.late; END IF;
          RETURN NULL;
        END $$;
        """

    /// What the server's own input functions read, with a length and without.
    private static let readByServer =
        ", ip inet, ips inet[], home private, away private DEFAULT '10.1.1.1', span int4range, bits bit(3), pair pair"

    /// - Parameters:
    ///   - more: columns, each with a comma before it.
    ///   - isPartitioned: by its key.
    private static func table(more: String, isPartitioned: Bool, hasTriggers: Bool) -> String {
        var statements = """
            CREATE TABLE t (
              id int PRIMARY KEY, v int CHECK (v >= 0), n text NOT NULL, u int, d small, od small DEFAULT 1,
              og given DEFAULT 'yes', alike small DEFAULT 2, parent int REFERENCES parents, twice int GENERATED ALWAYS AS (100 / (v - 7)) STORED,
              price numeric(4, 1), at timestamptz DEFAULT some_time(), "odd ""name's" text DEFAULT '$loader$',
              code text NOT NULL DEFAULT '', sql text NOT NULL DEFAULT '', late text NOT NULL DEFAULT ''\(more)
            )
            """
        if isPartitioned {
            statements += " PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (700);"
        } else {
            // Of a partitioned table it would need the key.
            statements += "; ALTER TABLE t ADD UNIQUE (u);"
        }
        guard hasTriggers else { return statements }
        return statements + """
            CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse();
            CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT OR UPDATE ON t DEFERRABLE INITIALLY DEFERRED
              FOR EACH ROW EXECUTE FUNCTION refuse_late();
            """
    }

    private static let faults = [
        #""v": -1"#, #""v": 7"#, #""u": 1"#, #""d": 100"#, #""od": 100"#, #""alike": 100"#, #""og": "no""#,
        #""parent": 99"#,
        #""price": 99999"#, #""code": "P0001""#, #""code": "42P01""#, #""code": "23514""#, #""code": "suppress""#,
        #""sql": "SELECT 1 / 0""#, #""sql": "SELECT * FROM nothing""#, #""sql": "INSERT INTO parents VALUES (1)""#,
        #""late": "XX000""#, #""late": "23503""#, #""ip": "1.2.3""#, #""og": null"#, #""ips": ["::1", "::g"]"#,
        #""home": "::g""#, #""home": "1.1.1.1""#, #""span": "[7,3]""#,
        #""bits": "10""#, #""pair": {"a": 1, "b": 100}"#, #""away": "::1""#, #""ip": "?", "v": -1"#,
        #""odd \"name's": "$loader$""#,
    ]

    /// - Parameter orphans: rows whose foreign key refuses them. They are tried once more behind the others, and find a row of
    ///   their key there, or take effect along with it.
    private static func messages(
        _ count: Int, keys: Int, tombstones: Bool, orphans: Bool, _ generator: inout SeededGenerator
    ) -> [(key: String?, value: String?)] {
        let share = Int.random(in: 2...8, using: &generator)
        let faults = orphans ? Self.faults : Self.faults.filter { !$0.contains("parent\":") && !$0.contains("23503") }
        return (0..<count).map { number in
            let id = keys < count ? Int.random(in: 1...keys, using: &generator) : number + 1
            if tombstones, Int.random(in: 0..<6, using: &generator) == 0 { return (#"{"id": \#(id)}"#, nil) }
            var members = [#""id": \#(id)"#, #""n": "a\#(number)""#]
            if Bool.random(using: &generator) { members.append(#""v": \#(Int.random(in: 8...90, using: &generator))"#) }
            if Int.random(in: 0..<4, using: &generator) == 0 { members.append(#""od": 5"#) }
            if Int.random(in: 0..<4, using: &generator) == 0 { members.append(#""at": "2026-01-01T00:00:00Z""#) }
            if Int.random(in: 0..<share, using: &generator) == 0, let fault = faults.randomElement(using: &generator) {
                let name = fault.prefix { $0 != ":" }
                members.removeAll { $0.prefix { $0 != ":" } == name }
                members.append(fault)
            }
            return (#"{"id": \#(id)}"#, "{\(members.joined(separator: ", "))}")
        }
    }

    private struct Outcome: Equatable {
        var letters: [String]
        var rows: [String]
        var nulled: Int
        var count: Int
    }

    private static func outcome(
        _ connection: Connection, _ target: Target, _ loaded: BatchTransaction.Loaded
    ) throws -> Outcome {
        let letters = loaded.deadLetters.sorted { $0.message < $1.message }.map { letter in
            "\(letter.message) \(letter.reason) \(letter.column ?? "-") \(letter.sqlState?.rawValue ?? "-") "
                + "\(letter.explanation) | \(letter.serverMessage ?? "-")"
        }
        let rows = try connection.query("SELECT t::text FROM t ORDER BY id")
        return Outcome(
            letters: letters, rows: (0..<rows.rowCount).map { rows.string($0, 0) ?? "" },
            nulled: loaded.nulledRefusals, count: loaded.rows)
    }

    /// Each row by itself, in its order: what the letters of all other ways are to say.
    private static func loadAlone(_ batch: Batch, _ target: Target, _ connection: Connection) throws -> Outcome {
        var loading = CarefulLoading(batch: batch, connection: connection, care: Care(), isJudging: false)
        let selection = RowSelection(batch: batch, target: target)
        for row in selection.rows.indices {
            while let refusal = try loading.tryPart(selection, [row]) {
                if selection.setNull(refusal, row..<row + 1) {
                    loading.loaded.nulledRefusals += 1
                    continue
                }
                loading.loaded.deadLetters.append(DeadLetter(refused: refusal.error, selection.rows[row], target))
                break
            }
        }
        loading.loaded.rows = selection.rows.count - loading.loaded.deadLetters.count
        return try outcome(connection, target, loading.loaded)
    }

    private static func loadEach(_ batch: Batch, _ target: Target, _ connection: Connection) throws -> Outcome {
        var care = Care()
        care.triedEach(0, rows: 1, refused: 1)
        var loading = CarefulLoading(batch: batch, connection: connection, care: care, isJudging: false)
        try loading.load([RowSelection(batch: batch, target: target)])
        #expect(loading.failuresOfEach == 0, "not tried another way in between")
        return try outcome(connection, target, loading.loaded)
    }

    @Test(
        "the same rows go in, and the same letters come of the others, as if each were sent by itself",
        arguments: 0..<24)
    func sameAsAlone(round: Int) throws {
        var generator = SeededGenerator(seed: UInt64(round))
        let mode: Route.Mode = [.insert, .ignore, .upsert][round % 3]
        let isText = Bool.random(using: &generator)
        let repeats = round % 2 == 0
        let messages = Self.messages(
            800, keys: repeats ? 200 : 800, tombstones: mode == .upsert && Bool.random(using: &generator),
            orphans: !repeats, &generator)
        let table = Self.table(
            more: isText ? Self.readByServer : "", isPartitioned: Bool.random(using: &generator),
            hasTriggers: Int.random(in: 0..<3, using: &generator) > 0)
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(Self.schema + table)
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            let route = Route(topics: [.name("orders")], table: name, mode: mode, key: mode == .insert ? nil : ["id"])
            let target = try Target.compile(route, index: 0, table: found).get()
            #expect((target.format == .text) == isText)
            var outcomes: [Outcome] = []
            for load in [Self.loadAlone, Self.loadEach] {
                try connection.execute(Connection.begin)
                outcomes.append(try load(Batch.filled(messages, for: target), target, connection))
                try connection.execute("ROLLBACK")
            }
            #expect(outcomes[0].letters.count > 20)
            #expect(outcomes[0].rows == outcomes[1].rows)
            for (alone, each) in zip(outcomes[0].letters, outcomes[1].letters) where alone != each {
                Issue.record("alone: \(alone)\neach:  \(each)")
                break
            }
            #expect(outcomes[0].letters.count == outcomes[1].letters.count)
            #expect(outcomes[0].nulled == outcomes[1].nulled && outcomes[0].count == outcomes[1].count)
        }
    }

    /// What keeps rows from going in one by one, for the role `loading` where it names one.
    struct Obstacle: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var mode = Route.Mode.upsert
        var statements: String
        /// Known before it is tried.
        var isForeseen = false
    }

    static let obstacles: [Obstacle] = [
        Obstacle(testDescription: "no PL/pgSQL", statements: "DROP EXTENSION plpgsql CASCADE"),
        Obstacle(testDescription: "no right to use it", statements: "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"),
        Obstacle(
            testDescription: "no right to make temporary tables", mode: .insert,
            statements:
                "DO $$ BEGIN EXECUTE format('REVOKE TEMP ON DATABASE %I FROM PUBLIC', current_database()); END $$",
            isForeseen: true),
        Obstacle(
            testDescription: "a rule on INSERT, which COPY passes by", mode: .insert,
            statements: "CREATE RULE nothing AS ON INSERT TO t DO INSTEAD NOTHING"),
    ]

    @Test(
        "where rows cannot go in one by one they are looked for as ever: the same go in, and the letters are the same",
        arguments: obstacles)
    func notPossible(obstacle: Obstacle) throws {
        var generator = SeededGenerator(seed: 1)
        let messages = Self.messages(300, keys: 300, tombstones: false, orphans: true, &generator)
        try PostgresServer.shared().withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url, applicationName: "loader tests"))
            defer { connection.close() }
            let role = "loading_\(UInt32.random(in: 0 ... .max))"
            try connection.execute(
                Self.schema + Self.table(more: "", isPartitioned: false, hasTriggers: false)
                    + "CREATE ROLE \(role); GRANT ALL ON ALL TABLES IN SCHEMA public TO \(role);" + obstacle.statements)
            try connection.execute("SET ROLE \(role)")
            let name = TableName(schema: "public", name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            let route = Route(
                topics: [.name("orders")], table: name, mode: obstacle.mode,
                key: obstacle.mode == .insert ? nil : ["id"])
            let target = try Target.compile(route, index: 0, table: found).get()
            try connection.execute(Connection.begin)
            let alone = try Self.loadAlone(Batch.filled(messages, for: target), target, connection)
            try connection.execute("ROLLBACK; \(Connection.begin)")
            var care = Care()
            care.triedEach(0, rows: 1, refused: 1)
            let batch = Batch.filled(messages, for: target)
            var loading = CarefulLoading(batch: batch, connection: connection, care: care, isJudging: false)
            try loading.load([RowSelection(batch: batch, target: target)])
            #expect((loading.failuresOfEach > 0) == !obstacle.isForeseen)
            let searched = try Self.outcome(connection, target, loading.loaded)
            #expect(searched == alone)
            try connection.execute("ROLLBACK; RESET ROLE; DROP OWNED BY \(role); DROP ROLE \(role)")
        }
    }

    @Test("the block lets through what proves nothing about a row by its code, and the same codes as everywhere")
    func suspicion() throws {
        let codes = [
            "08006", "08P01", "0A000", "21000", "22012", "23514", "25006", "28000", "40001", "40P01", "42501", "42P01",
            "53100", "53200", "53300", "54000", "55000", "55P03", "57014", "57P01", "58030", "P0001", "XX000", "XX001",
            "XX002", "MY001",
        ]
        let connection = try PostgresServer.shared().connect()
        defer { connection.close() }
        for code in codes {
            let answer = try connection.query("SELECT \(Suspicion.isRow("c")) FROM (VALUES ('\(code)')) AS v (c)")
            let error = PostgresError(.server, sqlState: SQLState(rawValue: code), message: "")
            #expect((answer.string(0, 0) == "t") == (Suspicion(error) == .row), "\(code)")
        }
    }
}
