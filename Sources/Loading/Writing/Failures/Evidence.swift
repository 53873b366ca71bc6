import Postgres

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
    /// Make dead letters of one message's rows without trying them again: each try has cost the connection.
    case setAside
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
    /// Tries in a row in which the connection ended with rows on their way, and nobody said why, this one included.
    var losses = 0
    /// Batches go in smaller transactions already.
    var isReduced = false

    /// A deadlock or a moved row is over at the second try, or at the third.
    static let conflictsAtFullSize = 3
    /// While other messages go in, what fails three times by itself is not the server's mood.
    static let triesWithComparison = 3
    /// With nothing to compare, it takes a minute of tries (see `Backoff`): a shortage is mostly over by then, and a message
    /// whose content brings the error about must not hold the others up for ever.
    static let triesWithoutComparison = 12

    /// A server that restarts, or a network that fails, meets the same batch twice in a row by chance; a row that crashes its
    /// session does at each try.
    static let lossesAtFullSize = 2
    /// A network that drops every third transaction would meet one message three times in a row once in thirty. Six times, while
    /// others go in, it does once in a thousand; and with nothing to compare, eight take some ten seconds.
    static let lossesWithComparison = 6
    static let lossesWithoutComparison = 8

    func remedy(_ error: PostgresError) -> Remedy {
        let likely = FailureClass(error)
        if error.isConnectionLoss, error.cameWithRows, error.sqlState == nil {
            // Whether it is the row shows in the next transaction: its dead letter goes in, or nothing does.
            let enough = othersWentIn ? Self.lossesWithComparison : Self.lossesWithoutComparison
            if messages == 1 { return losses < enough ? .wait : .setAside }
            return losses < Self.lossesAtFullSize && !isReduced ? .wait : .less
        }
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
