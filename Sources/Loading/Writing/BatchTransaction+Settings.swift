import Postgres

extension BatchTransaction {
    /// All settings are local to the transaction, because behind a pooler the session is somebody else's a moment later.
    var settings: String {
        // Shorter than a statement may take, so that a lock which somebody holds is told from a statement that takes long.
        let lockTimeout = min(
            database.lockTimeout.inMilliseconds, max(1, database.statementTimeout.inMilliseconds * 9 / 10))
        var settings = [
            ("lock_timeout", "\(lockTimeout)ms"),
            ("statement_timeout", "\(database.statementTimeout.inMilliseconds)ms"),
            // Compiling a statement takes longer than it saves: each runs once a batch.
            ("jit", "off"), ("row_security", "on"),
            // The loader ends a session itself when it has to.
            ("exit_on_error", "off"),
            // A loader whose host vanished must not keep its locks until the kernel's two hours are over.
            ("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3"),
            ("idle_in_transaction_session_timeout", "\(database.statementTimeout.inMilliseconds)ms"),
        ]
        settings += ValueSettings.read
        if connection.serverVersion >= 140_000 { settings.append(("client_connection_check_interval", "10s")) }
        if connection.serverVersion >= 170_000 { settings.append(("transaction_timeout", "0")) }
        if !database.synchronousCommit { settings.append(("synchronous_commit", "off")) }
        return "SELECT " + settings.map { "set_config('\($0)', '\($1)', true)" }.joined(separator: ", ")
    }
}
