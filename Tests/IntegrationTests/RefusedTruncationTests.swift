import Kafka
import Loading
import Logging
import Operating
import TestSupport
import Testing

/// Tables that cannot be emptied, because rows of others refer to theirs.
@Suite("Refused truncations")
struct RefusedTruncationTests {
    private static let tables = """
        CREATE TABLE customers (id bigint PRIMARY KEY);
        CREATE TABLE notes (id bigint PRIMARY KEY, customer_id bigint, CONSTRAINT of_customer FOREIGN KEY (customer_id) REFERENCES customers)
        """

    /// Two tables of one topic, in which their events have one order.
    private func routes(_ topic: String) throws -> [Route] {
        try ["customers", "notes"].enumerated().map { place, table in
            var route = Route(topic, table, mode: .upsert, label: "routes[\(place)]")
            route.envelopeOptions.form = .debezium
            route.onTruncate = .truncate
            route.condition = try RouteCondition("$source.table = '\(table)'")
            return route
        }
    }

    private func event(_ table: String, _ operation: String, _ row: String = "") -> TestMessage {
        let record = row.isEmpty ? "null" : "{\(row)}"
        let parts = operation == "d" ? "\"before\":\(record),\"after\":null" : "\"before\":null,\"after\":\(record)"
        return TestMessage(key: nil, value: #"{\#(parts),"source":{"table":"\#(table)"},"op":"\#(operation)"}"#)
    }

    private func customer(_ id: Int, _ operation: String = "c") -> TestMessage {
        event("customers", operation, "\"id\":\(id)")
    }

    private func note(_ id: Int, of customer: Int, _ operation: String = "c") -> TestMessage {
        event("notes", operation, "\"id\":\(id),\"customer_id\":\(customer)")
    }

    private let customers = "SELECT id FROM customers ORDER BY id"

    @Test(
        "a table to which rows of another refer is not emptied: what asks for it is a dead letter that names them, and what is before and behind it goes in",
        arguments: ["", "; ALTER TABLE notes ALTER CONSTRAINT of_customer DEFERRABLE INITIALLY DEFERRED"])
    func refused(deferring: String) async throws {
        try await Scenario.with(Self.tables + deferring) { scenario in
            let topic = try scenario.topic([
                customer(1), note(1, of: 1), customer(2), event("customers", "t"), customer(3),
                event("customers", "t"), event("customers", "t"), customer(4),
            ])
            let routes = try routes(topic)
            let snapshot = try await scenario.load(routes)
            #expect(try scenario.rows(customers) == ["1", "2", "3", "4"])
            let letters = try scenario.deadLetters()
            #expect(
                letters.map { "\($0.offset) \($0.table) \($0.reason) \($0.sqlState ?? "")" } == [
                    "3 customers truncation 23503", "5 customers truncation 23503", "6 customers truncation 23503",
                ])
            #expect(letters.allSatisfy { $0.message.contains("notes") && $0.message.contains("of_customer") })
            #expect(snapshot.routes.first?.operations[.truncation, default: 0] == 0)
            #expect(snapshot.routes.first?.operations[.row] == 4 && snapshot.routes.first?.deadLetters == 3)
            let report = try await scenario.verify(routes)
            #expect(report.holds && report.tables.map(\.rows) == [4, 1], "\(report)")
        }
    }

    @Test("what went before it in its batch counts: rows that refer to it, and their deletions")
    func inItsPlace() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let topic = try scenario.topic([customer(1), note(1, of: 1)])
            let routes = try routes(topic)
            try await scenario.load(routes)
            try scenario.produce(
                [note(1, of: 1, "d"), customer(2), event("customers", "t"), customer(3), note(3, of: 3)], to: topic)
            let snapshot = try await scenario.load(routes)
            #expect(try scenario.rows(customers) == ["3"])
            #expect(try scenario.rows("SELECT id FROM notes") == ["3"])
            #expect(snapshot.routes.first?.operations[.truncation] == 1)
            #expect(try scenario.deadLetters().isEmpty)
            // The other way round: the note was there when the customers were to be emptied, though it is gone now.
            try scenario.produce(
                [customer(4), note(4, of: 4), event("customers", "t"), note(4, of: 4, "d"), note(3, of: 3, "d")],
                to: topic)
            try await scenario.load(routes)
            #expect(try scenario.rows(customers) == ["3", "4"])
            #expect(try scenario.deadLetters().map(\.offset) == [9])
            // The notes are emptied behind the customers, which a row before both keeps from being emptied together.
            try scenario.produce(
                [
                    note(5, of: 3), event("customers", "t"), event("notes", "t"), note(6, of: 4), customer(7),
                    note(7, of: 7),
                ],
                to: topic)
            try await scenario.load(routes)
            #expect(try scenario.rows(customers) == ["7"])
            #expect(try scenario.rows("SELECT id FROM notes") == ["7"])
            #expect(
                try scenario.deadLetters().map { "\($0.offset) \($0.reason)" } == [
                    "9 truncation", "15 refused_by_server",
                ])
            let report = try await scenario.verify(routes)
            #expect(report.holds, "\(report)")
        }
    }

    @Test(
        "tables that are emptied together are, in whatever order their events come, also beside a row that is refused")
    func together() async throws {
        try await Scenario.with("\(Self.tables); ALTER TABLE customers ADD CHECK (id < 100)") { scenario in
            let topic = try scenario.topic([customer(1), note(1, of: 1)])
            let routes = try routes(topic)
            try await scenario.load(routes)
            try scenario.produce(
                [customer(100), event("customers", "t"), event("notes", "t"), customer(2), customer(101)], to: topic)
            try await scenario.load(routes)
            #expect(try scenario.rows(customers) == ["2"])
            #expect(try scenario.rows("SELECT id FROM notes") == [])
            #expect(try scenario.deadLetters().map { "\($0.offset) \($0.reason)" } == ["6 refused_by_server"])
        }
    }

    @Test("a foreign key that is looked at at the end bears a truncation whose rows come again in the same batch")
    func reloaded() async throws {
        try await Scenario.with("\(Self.tables)") { scenario in
            try scenario.connection.execute(
                "ALTER TABLE notes ALTER CONSTRAINT of_customer DEFERRABLE INITIALLY DEFERRED")
            let topic = try scenario.topic([customer(1), customer(2), note(1, of: 1)])
            let routes = try routes(topic)
            try await scenario.load(routes)
            try scenario.produce([event("customers", "t"), customer(3), customer(1)], to: topic)
            try await scenario.load(routes)
            #expect(try scenario.rows(customers) == ["1", "3"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("a trigger that refuses a truncation makes it a dead letter")
    func others() async throws {
        let table = """
            CREATE TABLE customers (id bigint PRIMARY KEY);
            CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret'; END $$;
            CREATE TRIGGER no BEFORE TRUNCATE ON customers EXECUTE FUNCTION no()
            """
        try await Scenario.with(table) { scenario in
            let topic = try scenario.topic([customer(1), event("customers", "t"), customer(2)])
            let routes = Array(try routes(topic).prefix(1))
            try await scenario.load(routes)
            #expect(try scenario.rows(customers) == ["1", "2"])
            #expect(
                try scenario.deadLetters().map { "\($0.offset) \($0.reason) \($0.sqlState ?? "")" } == [
                    "1 truncation P0001"
                ])
        }
    }

    @Test("a truncation that is replayed takes no row away, and stays a dead letter")
    func replayed() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let topic = try scenario.topic([customer(1), note(1, of: 1), event("customers", "t"), customer(2)])
            let routes = try routes(topic)
            try await scenario.load(routes)
            try scenario.connection.execute("DELETE FROM notes")
            for overwrites in [false, true] {
                let options = scenario.options(routes)
                let outcome = try await onThread {
                    var filter = DeadLetterFilter()
                    filter.group = options.group
                    return try DeadLetterReplay(
                        options, overwrites: overwrites,
                        logger: Logger(label: "replay") { _ in SwiftLogNoOpLogHandler() }
                    ).run(filter)
                }
                #expect(outcome.loaded == 0 && outcome.failed == 1)
                #expect(outcome.failures.map(\.reason) == ["truncation"])
                #expect(try scenario.rows(customers) == ["1", "2"])
            }
            #expect(try scenario.deadLetters().map { "\($0.offset) \($0.reason) \($0.attempts)" } == ["2 truncation 3"])
        }
    }
}
