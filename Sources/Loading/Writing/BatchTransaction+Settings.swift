import Postgres

extension LoadingOptions.Database {
    /// All settings are local to the transaction, because behind a pooler the session is somebody else's a moment later.
    ///
    /// - Parameter serverVersion: as libpq counts.
    func settings(_ serverVersion: Int) -> String {
        // Shorter than a statement may take, so that a lock which somebody holds is told from a statement that takes long.
        let lockTimeout = min(
            self.lockTimeout.inMilliseconds, max(1, statementTimeout.inMilliseconds * 9 / 10))
        var settings = [
            ("lock_timeout", "\(lockTimeout)ms"),
            ("statement_timeout", "\(statementTimeout.inMilliseconds)ms"),
            // Compiling a statement takes longer than it saves: each runs once a batch.
            ("jit", "off"), ("row_security", "on"),
            // The loader ends a session itself when it has to.
            ("exit_on_error", "off"),
            // A loader whose host vanished must not keep its locks until the kernel's two hours are over.
            ("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3"),
            ("idle_in_transaction_session_timeout", "\(statementTimeout.inMilliseconds)ms"),
        ]
        settings += ValueSettings.read
        if serverVersion >= 140_000 { settings.append(("client_connection_check_interval", "10s")) }
        if serverVersion >= 170_000 { settings.append(("transaction_timeout", "0")) }
        if !synchronousCommit { settings.append(("synchronous_commit", "off")) }
        return "SELECT " + settings.map { "set_config('\($0)', '\($1)', true)" }.joined(separator: ", ")
    }
}
