import Postgres
import Testing

@testable import Loading

@Suite("Failure class")
struct FailureClassTests {
    /// One condition of every class in appendix A of PostgreSQL's documentation that a COPY, an INSERT, an UPDATE, a
    /// COMMIT or a connection can meet, and those whose code differs from the rest of its class.
    static let table: [(String, FailureClass)] = [
        ("08000", .away), ("08003", .away), ("08006", .away), ("08001", .away), ("08004", .away), ("08P01", .away),
        ("0A000", .setup), ("21000", .data), ("22001", .data), ("22003", .data), ("22007", .data), ("22021", .data),
        ("22P02", .data), ("22P05", .data), ("23502", .data), ("23503", .data), ("23505", .data), ("23514", .data),
        ("23P01", .data), ("25006", .setup), ("25P02", .setup), ("25P03", .away), ("25P04", .away), ("27000", .data),
        ("28000", .setup), ("28P01", .setup),
        ("38000", .data), ("39000", .data), ("3D000", .setup), ("3F000", .setup), ("40001", .conflict),
        ("40P01", .conflict), ("40002", .conflict), ("40003", .conflict), ("42501", .setup), ("42601", .setup),
        ("42703", .setup), ("42P01", .setup), ("42P10", .setup), ("44000", .data), ("53100", .busy), ("53200", .busy),
        ("53300", .busy), ("54000", .data), ("55000", .data), ("55P03", .busy), ("55P04", .data), ("57014", .busy),
        ("57P01", .away), ("57P03", .away), ("58030", .away), ("P0001", .data), ("XX000", .data), ("XX001", .data),
        ("F0000", .data), ("HV000", .data), ("00000", .data),
    ]

    @Test("every SQLSTATE has its class", arguments: table)
    func sqlState(_ state: String, _ expected: FailureClass) {
        #expect(FailureClass(SQLState(rawValue: state)) == expected)
    }

    @Test(
        "an error that no server answered is an outage",
        arguments: [PostgresError.Code.connectionFailed, .connectionLost])
    func nobodyAnswered(code: PostgresError.Code) {
        #expect(FailureClass(PostgresError(code, message: "no answer")) == .away)
    }

    @Test(
        "who is let in no more is an outage while the loader runs, and a mistake where it starts",
        arguments: ["28P01", "28000", "3D000"])
    func refused(state: String) {
        let error = PostgresError(.connectionFailed, sqlState: SQLState(rawValue: state), message: "")
        #expect(FailureClass(error) == .away && !error.passes)
        // Of a statement, within a session that stands, it is neither.
        #expect(FailureClass(PostgresError(.server, sqlState: error.sqlState, message: "")) == .setup)
    }

    @Test("a pooler's own codes for a server that is away are an outage")
    func poolers() {
        func failed(_ state: String) -> FailureClass {
            FailureClass(PostgresError(.connectionFailed, sqlState: SQLState(rawValue: state), message: ""))
        }
        #expect(failed("08P01") == .away && failed("XX000") == .away && failed("57P03") == .away)
        // Of several hosts none takes writes yet: a failover.
        #expect(failed("25006") == .away)
        #expect(failed("53300") == .busy)
    }

    @Test("a URL that libpq cannot read does not get better by waiting")
    func badURL() { #expect(FailureClass(PostgresError(.invalidOptions, message: "no URL")) == .setup) }
}
