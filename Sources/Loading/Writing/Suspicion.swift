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

/// What is done about a transaction that did not go in. Pure, so that each conclusion can be read, and tested, as one.
enum Remedy: Equatable {
    /// Once more; pausing first, but saying nothing yet.
    case again(afterPause: Bool)
    /// Once more, chunk by chunk behind savepoints, so that guilty rows are found.
    case carefully
    /// Fewer messages in a transaction.
    case less
    /// Once more: one message, alone for the last time. Its rows that fail again become dead letters, if the same statements
    /// go through without rows.
    case judge
    /// Wait, and say that the server is away or busy.
    case wait
    /// Read the catalog again, build the rows again; if that does not help, stop with what the server says.
    case rereadCatalog
    case stop
}

/// What has been tried with some messages, and how it ended.
struct Evidence: Equatable {
    /// Messages in the transaction that failed.
    var messages: Int
    /// The statement that failed carried rows.
    var withRows: Bool
    var isCareful: Bool
    /// Tries in a row that another transaction was in the way of, this one included.
    var conflicts = 0
    /// Tries in a row of one message by itself that failed, this one included.
    var alone = 0
    /// Since there is trouble, other messages have gone in.
    var othersWentIn = false

    /// A deadlock or a moved row is over at the second try, or at the third.
    static let conflictsAtFullSize = 3
    /// While other messages go in, what fails three times by itself is not the server's mood.
    static let triesWithComparison = 3
    /// With nothing to compare, it takes a minute of tries (see `Backoff`): a shortage is mostly over by then, and a message
    /// whose content brings the error about must not hold the others up for ever.
    static let triesWithoutComparison = 12

    func remedy(_ error: PostgresError) -> Remedy {
        let likely = FailureClass(error)
        guard withRows else {
            // Nothing of a message was there, so it is none's fault: the class decides.
            switch likely {
            case .away: return .wait
            case .busy: return messages > 1 && Suspicion(error) == .perhaps ? .less : .wait
            case .conflict: return .again(afterPause: conflicts > 1)
            case .setup, .data: return .rereadCatalog
            }
        }
        switch Suspicion(error) {
        case .server: return .wait
        case .row:
            if !isCareful { return .carefully }
            // With care it can only come from COMMIT itself, where nobody says whose it is.
            return messages > 1 ? .less : .stop
        case .perhaps:
            if likely == .conflict, conflicts <= Self.conflictsAtFullSize { return .again(afterPause: conflicts > 1) }
            if messages > 1 { return .less }
            let enough = othersWentIn ? Self.triesWithComparison : Self.triesWithoutComparison
            return alone < enough ? .wait : .judge
        }
    }
}
