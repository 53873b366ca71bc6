import Foundation
import Loading
import Postgres
import TestSupport
import Testing

/// The SQL that runs for a row, in a trigger, a CHECK, a default or a generated column, may fail with any SQLSTATE. It says
/// nothing about the server then, but about the row.
@Suite("SQL of the table's own that refuses a row")
struct RefusingCodeTests {
    /// One of each class, whatever the class would mean if the server said it by itself.
    static let codes = [
        "08006", "0A000", "21000", "22012", "23514", "25006", "28000", "3F000", "40001", "40P01", "42501", "42P01",
        "42703", "42883", "53100", "53200", "54000", "55P03", "57014", "57P01", "58030", "F0000", "HV000", "P0001",
        "XX000", "XX001", "MY001",
    ]

    enum Place: String, CaseIterable { case trigger, check, byDefault, generated }

    private static let functions = """
        CREATE FUNCTION accept(v text, code text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
          IF v LIKE 'SECRET7%' THEN RAISE EXCEPTION 'not %', v USING ERRCODE = code, HINT = v, DETAIL = v; END IF;
          RETURN true;
        END $$;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM accept(NEW.v, TG_ARGV[0]); RETURN NEW; END $$;
        CREATE FUNCTION fails(code text) RETURNS int LANGUAGE plpgsql AS $$
        BEGIN PERFORM accept('SECRET7', code); RETURN 1; END $$;
        """

    private static func table(_ name: String, _ place: Place, _ code: String) -> String {
        let columns = "id int PRIMARY KEY, v text, d int"
        return switch place {
        case .trigger:
            """
            CREATE TABLE \(name) (\(columns));
            CREATE TRIGGER refuse BEFORE INSERT ON \(name) FOR EACH ROW EXECUTE FUNCTION refuse('\(code)');
            """
        case .check: "CREATE TABLE \(name) (\(columns), CHECK (accept(v, '\(code)')));"
        case .byDefault: "CREATE TABLE \(name) (\(columns) DEFAULT fails('\(code)'));"
        case .generated:
            "CREATE TABLE \(name) (\(columns), g boolean GENERATED ALWAYS AS (accept(v, '\(code)')) STORED);"
        }
    }

    @Test(
        "a row that it refuses is a dead letter with its SQLSTATE, whatever that is, and its neighbours load",
        arguments: Place.allCases, [Route.Mode.insert, .ignore, .upsert])
    func everyCode(_ place: Place, _ mode: Route.Mode) async throws {
        let tables = Self.codes.indices.map { Self.table("t\($0)", place, Self.codes[$0]) }
        try await Scenario.with(Self.functions + tables.joined()) { scenario in
            let topic = try scenario.topic(Self.messages)
            let routes = Self.codes.indices.map { Self.route(topic, "t\($0)", mode, label: "routes[\($0)]") }
            try await Self.expect(scenario, routes, Self.codes)
        }
    }

    @Test(
        "so is the only route's row, with nobody else's rows beside it", arguments: Place.allCases,
        ["40001", "42P01", "53100", "57014", "XX000", "25006", "08006"])
    func alone(_ place: Place, _ code: String) async throws {
        try await Scenario.with(Self.functions + Self.table("t0", place, code)) { scenario in
            let topic = try scenario.topic(Self.messages)
            try await Self.expect(scenario, [Self.route(topic, "t0", .upsert, label: "routes[0]")], [code])
        }
    }

    private static let messages = [
        TestMessage(key: nil, value: #"{"id": 1, "v": "a", "d": 1}"#),
        TestMessage(key: nil, value: #"{"id": 2, "v": "SECRET7"}"#),
        TestMessage(key: nil, value: #"{"id": 3, "v": "b", "d": 3}"#),
        TestMessage(key: nil, value: #"{"id": 4, "v": "c", "d": 4}"#),
    ]

    private static func route(_ topic: String, _ table: String, _ mode: Route.Mode, label: String) -> Route {
        Route(
            topic, table, mode: mode, key: mode == .insert ? nil : ["id"],
            columns: ["id", "v", "d"].map { Route.Column($0, $0) }, label: label)
    }

    private static func expect(_ scenario: Scenario, _ routes: [Route], _ codes: [String]) async throws {
        let said = try await Said.whileLoading(scenario.options(routes))
        let letters = Dictionary(grouping: try scenario.deadLetters(), by: \.table)
        for (index, code) in codes.enumerated() {
            #expect(try scenario.rows("SELECT id FROM t\(index) ORDER BY id") == ["1", "3", "4"], "\(code)")
            let own = letters["t\(index)"] ?? []
            #expect(own.map(\.offset) == [1], "\(code)")
            #expect(own.map(\.sqlState) == [code])
            // The letter may say what the server said, and whoever mends the message has to know it.
            #expect(own.allSatisfy { $0.message.contains("not SECRET7") }, "\(code): \(own.map(\.message))")
            #expect(own.allSatisfy { !$0.message.contains("not shown") }, "\(code): \(own.map(\.message))")
        }
        #expect(!said.contains("SECRET7"), "\(said.lines(with: "SECRET7"))")
    }
}
