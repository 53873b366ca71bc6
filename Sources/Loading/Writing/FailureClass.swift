import Postgres

/// What an error of PostgreSQL means for the batch, by its SQLSTATE and never by its text.
///
/// https://www.postgresql.org/docs/current/errcodes-appendix.html
public enum FailureClass: String, Sendable {
    /// The server is away, busy or read-only: wait and try the same batch again.
    case away
    /// Another transaction was in the way: try the same batch again at once.
    case conflict
    /// The table, the rights or the loader's own statements are not what they should be.
    case setup
    /// Some row is bad: find it.
    case data

    public init(_ error: PostgresError) {
        guard let state = error.sqlState else {
            // Nobody answered. A URL that libpq cannot read does not get better by waiting.
            self = error.code == .invalidOptions ? .setup : .away
            return
        }
        let known = FailureClass(state)
        // A trigger may RAISE what code it likes to refuse a row.
        self = known == .setup && error.isRaisedByFunction ? .data : known
    }

    public init(_ state: SQLState) {
        switch state.rawValue {
        // 25P03, 25P04: the server ended a session that slept in a transaction for too long, as a frozen host does.
        case "25006", "25P03", "25P04", "55P03", "55P04": self = .away
        case "40001", "40P01": self = .conflict
        default:
            switch state.classCode {
            case "08", "53", "57", "58", "XX": self = .away
            case "40": self = .conflict
            // 54: a row or an index entry beyond the server's limits. P0, 38, 39 and 27: a trigger or a function refused
            // the row. They are as much the row's fault as a failed check.
            case "21", "22", "23", "44", "54", "P0", "38", "39", "27": self = .data
            default: self = .setup
            }
        }
    }
}
