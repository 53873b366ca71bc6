import Postgres

/// Whose fault an error may be that came with rows, while the server answers. The SQLSTATE does not decide it: an input
/// function, a trigger, a default or a CHECK can end with any code, so rows are tried, and what is left to say here is how
/// much a row's failure *alone* proves.
enum Suspicion: Equatable {
    /// Nothing but the row explains that it fails by itself, once the same statements go through without rows.
    case row
    /// A row can bring it about (a trigger that takes too long, a value that takes too much memory), and so can a bad
    /// moment of the server's. Rows are not searched for within the transaction, for what was too much in it stays too
    /// much: the transaction is made smaller until one message is left, and that one is tried several times.
    case perhaps
    /// Another session's doing, or the server's own state, whichever row met it first.
    case server

    init(_ error: PostgresError) {
        guard !error.isConnectionLoss, let state = error.sqlState else {
            self = .server
            return
        }
        // A function that says so itself does it because of the row, whatever code it chose.
        if error.isRaisedByFunction {
            self = .row
            return
        }
        switch state.rawValue {
        // A lock that somebody holds, a full disk, no connection left.
        case "55P03", "53100", "53300": self = .server
        // Corrupted data and indexes are met by the row that touches them.
        case "XX001", "XX002", "57014": self = .perhaps
        // What a type's receive function says of a field with too few bytes.
        case "08P01": self = .row
        default:
            switch state.classCode {
            // 08 and 58 with a living connection come from what a trigger or a foreign table talks to.
            case "08", "40", "53", "58": self = .perhaps
            case "57": self = .server
            default: self = .row
            }
        }
    }
}
