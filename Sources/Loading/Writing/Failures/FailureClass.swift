import Postgres

/// What an error of PostgreSQL makes likely, by its SQLSTATE and never by its text. It is a first guess: `Suspicion` and
/// `Remedy` say what is concluded once rows have been tried.
///
/// https://www.postgresql.org/docs/current/errcodes-appendix.html
public enum FailureClass: String, Sendable {
    /// Nobody answers, or the server is on its way down or up: wait and try the same batch again.
    case away
    /// The server answers, but cannot take this now: try less of it, then wait.
    case busy
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
        switch error.code {
        case .connectionLost: self = .away
        // Poolers answer with codes of their own while the server behind them is away; while none of several hosts takes
        // writes, one is about to be promoted; and whom the server lets in no more, it has let in before: somebody changes a
        // password or a certificate, and the next connection may have it. Whether a start waits, `passes` says.
        case .connectionFailed: self = known == .busy ? known : .away
        // RAISE may say any code.
        default: self = error.isRaisedByFunction ? .data : known
        }
    }

    public init(_ state: SQLState) {
        switch state.rawValue {
        // 25P03, 25P04: the server ended a session that slept in a transaction for too long, as a frozen host does.
        case "25P03", "25P04": self = .away
        case "55P03", "57014": self = .busy
        default:
            switch state.classCode {
            case "08", "57", "58": self = .away
            case "53": self = .busy
            case "40": self = .conflict
            case "28", "3D", "3F", "42", "0A", "25": self = .setup
            default: self = .data
            }
        }
    }

    /// Whether waiting may help: nothing has to be mended by hand.
    public var passes: Bool { self == .away || self == .busy || self == .conflict }
}

extension PostgresError {
    /// Whether it may pass by itself, for whoever has not been let in yet: then a refusal is somebody's to mend.
    package var passes: Bool { refusal == nil && FailureClass(self).passes }
}
