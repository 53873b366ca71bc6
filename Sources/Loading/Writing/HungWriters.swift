import Postgres

/// Writers of the same group that hang in the midst of COPY and keep their locks.
///
/// A server cancels no statement that waits for its client's data: neither statement_timeout nor a lost group membership
/// ends the transaction of a loader that was stopped there (SIGSTOP, a frozen virtual machine) while its host still
/// answers for the connection. Its heir would wait for the positions for ever.
struct HungWriters {
    private let statementTimeout: Duration

    init(_ options: LoadingOptions) { statementTimeout = options.database.statementTimeout }

    /// Ends the sessions of such writers, if `error` says that a lock was waited for in vain.
    ///
    /// Only those whose COPY has waited for its client beyond statement_timeout: the server has given them up already, and
    /// only cannot say so. The ledger decides what becomes of their batches, as after any lost connection.
    func end(after error: PostgresError, on connection: Connection) {
        guard [.lockNotAvailable, .queryCanceled].contains(error.sqlState), connection.isOpen else { return }
        // By the server's own idea of our name, without the role: it cuts long ones.
        _ = try? connection.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
              AND starts_with(
                application_name, regexp_replace(current_setting('application_name'), '(ledger|writer [0-9]+)$', ''))
              AND state = 'active' AND wait_event = 'ClientRead'
              AND query_start < clock_timestamp() - $1::bigint * interval '1 ms'
            """, [.int64(statementTimeout.inMilliseconds)])
    }
}
