import Postgres

/// Which limit a transaction has met, and what to change.
struct Limit: Equatable {
    var name: String
    /// Where the batch goes in smaller transactions.
    var mend: String
    /// Where it has to wait.
    var wait: String

    init(_ error: PostgresError) {
        let smaller = "; or lower batch.max_rows, so that batches begin small"
        switch error.sqlState?.rawValue {
        case "57014":
            name = "a statement took longer than postgres.statement_timeout, or somebody cancelled it"
            mend =
                "nothing to do; to load faster raise postgres.statement_timeout or mend what makes rows slow" + smaller
            wait =
                "see what makes this message's rows take so long: triggers, locks, the disk; the loader goes on by itself"
        case "55P03":
            name = "a lock was waited for longer than postgres.lock_timeout"
            mend = "end the session that holds the lock"
            wait =
                "see in pg_stat_activity and pg_locks who holds a lock on the table or the row, and end that session; "
                + "the loader goes on by itself"
        case "53200":
            name = "the server's memory, or its table of locks"
            mend = "nothing to do; to load faster give the server memory or raise max_locks_per_transaction" + smaller
            wait = "give the server memory, or raise max_locks_per_transaction; the loader goes on by itself"
        case "53100":
            name = "the server's disk"
            mend = "make room on the server's disk"
            wait = "make room on the server's disk; the loader goes on by itself"
        case "53300":
            name = "the server's connections"
            mend = "raise max_connections, or close other sessions"
            wait = "raise max_connections, or close other sessions; the loader goes on by itself"
        case "53400":
            name = "a limit of the server's configuration, such as temp_file_limit"
            mend = "nothing to do; to load faster raise that limit" + smaller
            wait = "raise that limit, such as temp_file_limit; the loader goes on by itself"
        case nil:
            name = "the connection ends whenever these rows are on their way"
            mend =
                "see in the server's log what ends the session: a crash (signal 11) of a function or type, memory; the row that "
                + "does it is found and becomes a dead letter"
            wait = "see in the server's log what ends the session; the loader goes on by itself"
        default:
            let state = error.sqlState?.rawValue ?? "no SQLSTATE"
            name = "the server answers with \(state) again and again"
            mend = "nothing to do, unless it goes on: then look into the server's log for \(state)"
            wait = "look into the server's log for \(state); the loader goes on by itself"
        }
    }
}

extension Batch.Part {
    /// Where it begins, for people.
    var place: String? { partitions.first.map { "\($0.partition)@\($0.expected)" } }
}
