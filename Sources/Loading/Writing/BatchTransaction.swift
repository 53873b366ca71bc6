import Kafka
import Postgres

/// One batch in one transaction: the fence, the rows of all tables, the dead letters, COMMIT. Or nothing of it.
struct BatchTransaction {
    let batch: Batch
    /// Which of the batch's messages; nil for all of them, which a replay knows only within the transaction.
    var part: Batch.Part? = nil
    let targets: [Target]
    let connection: Connection
    /// Nil for `delivery: at_least_once`.
    let ledger: Ledger?
    let database: LoadingOptions.Database
    let deadLetters: DeadLetterSink
    /// Whether this many bad messages, on top of those before, are still bad data and not a broken route.
    let mayReject: (_ messages: Int, _ bad: Int) -> Double?
    /// Set where dead letters are loaded again: it fills the batch, once it holds them.
    var replay: ReplayStep? = nil
    /// One message, alone for the last time; see `Remedy.judge`.
    var isJudging = false
    /// Why rows are not even tried, and become dead letters; see `Remedy.setAside`.
    var setAside: PostgresError? = nil

    private var partitions: [Batch.PartitionRange] { part?.partitions ?? batch.partitions }

    /// - Parameter care: if set, rows go in chunk by chunk behind savepoints, and those that the server refuses become
    ///   dead letters; without it the first refusal fails the whole transaction.
    func run(care: inout Care?) throws(TransactionFailure) -> Loaded {
        var loaded: Loaded
        let began = ContinuousClock.now
        do {
            loaded = try fill(care: &care)
        } catch {
            rollBack()
            throw error
        }
        let filled = ContinuousClock.now
        try commit()
        let committed = ContinuousClock.now
        (loaded.copying, loaded.committing, loaded.committed) = (filled - began, committed - filled, committed)
        return loaded
    }

    /// BEGIN and the fence, in one round trip.
    private func open() throws(TransactionFailure) {
        var statements = [Connection.Statement(Connection.begin), Connection.Statement(settings)]
        if let ledger { statements.append(ledger.advancing(partitions)) }
        let answer = try sql { () throws(PostgresError) in try connection.pipeline(statements) }
        if let failure = answer.failure {
            throw .postgres(answer.results.isEmpty ? connection.asStandby(failure) : failure, commitSent: false)
        }
        if ledger != nil, answer.results.last?.affectedRows != partitions.count { throw .fenced }
    }

    /// COMMIT, in one round trip with the last look at the tables: if they have changed, it is not carried out.
    private func commit() throws(TransactionFailure) {
        let answer: (results: [QueryResult], failure: PostgresError?)
        do throws(PostgresError) {
            answer = try connection.pipeline([requirement, Connection.Statement("COMMIT")])
        } catch {
            throw .postgres(error, commitSent: true)
        }
        guard let error = answer.failure else { return }
        // Once COMMIT is on its way, only an answer settles it. A server that refuses it with an error has rolled back;
        // a connection that died has not said anything.
        if error.isConnectionLoss { throw .postgres(error, commitSent: true) }
        rollBack()
        if answer.results.isEmpty, error.sqlState == .divisionByZero { throw .tableChanged }
        // The look at the tables carries no rows; COMMIT carries what deferred constraints and triggers look at.
        throw answer.results.isEmpty ? .postgres(error, commitSent: false) : .refused(error.withRows)
    }

    private func fill(care: inout Care?) throws(TransactionFailure) -> Loaded {
        try Failpoint.beforeBegin.pass()
        try open()
        try Failpoint.afterFence.pass()
        if let replay {
            guard try replay.begin(on: connection) else { throw .fenced }
        }
        let messages = part?.messages ?? 0..<batch.messages.count
        var loaded = Loaded(deadLetters: batch.deadLetters.filter { messages.contains($0.message) })
        let hasDeferred = targets.contains(where: \.table.hasDeferredConstraints)
        // What the server refuses may be the fault of a change, not of the row.
        if care != nil { try checkTables() }
        let selections = targets.map { RowSelection(batch: batch, target: $0, messages: messages) }.filter {
            !$0.rows.isEmpty
        }
        if let setAside {
            loaded.deadLetters += selections.flatMap { selection in
                selection.rows.map { DeadLetter(losing: setAside, $0, selection.target) }
            }
        } else if let current = care {
            var careful = CarefulLoading(batch: batch, connection: connection, care: current, isJudging: isJudging)
            try careful.load(selections)
            care = careful.care
            for selection in selections { loaded.rowsOfTargets[selection.target.index] = selection.rows.count }
            for letter in careful.loaded.deadLetters { loaded.rowsOfTargets[letter.target]? -= 1 }
            loaded.rows = careful.loaded.rows
            loaded.deadLetters += careful.loaded.deadLetters
            loaded.nulledRefusals = careful.loaded.nulledRefusals
        } else {
            var loading = TargetLoading(batch: batch, connection: connection)
            for selection in selections {
                do throws(Refusal) {
                    try loading.load(selection, selection.rows.indices, isLast: true)
                } catch {
                    throw TransactionFailure(error)
                }
                loaded.rows += selection.rows.count
                loaded.rowsOfTargets[selection.target.index] = selection.rows.count
            }
        }
        if !loaded.deadLetters.isEmpty {
            try checkTables()
            if let share = mayReject(messages.count, loaded.badMessages) {
                throw .tooManyDeadLetters(share: share)
            }
            try deadLetters.write(loaded.deadLetters, of: batch, targets: targets, replay: replay, on: connection)
        }
        try replay?.end(loaded.deadLetters, on: connection)
        // A deferred constraint would fail at COMMIT, where nobody says which row it was.
        if care == nil, hasDeferred {
            do throws(PostgresError) { try connection.execute("SET CONSTRAINTS ALL IMMEDIATE") } catch {
                throw error.isConnectionLoss
                    ? .postgres(error.withRows, commitSent: false) : .refused(error.withRows)
            }
        }
        try Failpoint.beforeCommit.pass()
        return loaded
    }

    /// That the rows were built for the tables as they are: binary COPY would take eight bytes of a number for a time.
    /// Behind the rows their locks are held, so what holds there holds until COMMIT.
    private var requirement: Connection.Statement { Catalog.requirement(targets.map { ($0.table.name, $0.version) }) }

    private func checkTables() throws(TransactionFailure) {
        do throws(PostgresError) {
            _ = try connection.query(requirement.sql, requirement.parameters)
        } catch {
            if error.sqlState == .divisionByZero { throw .tableChanged }
            throw .postgres(error, commitSent: false)
        }
    }

    /// All settings are local to the transaction, because behind a pooler the session is somebody else's a moment later.
    private var settings: String {
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

    private func rollBack() {
        if connection.isOpen, connection.transactionStatus != .idle { _ = try? connection.execute("ROLLBACK") }
    }

    // MARK: Statements

    private func execute(_ statement: String) throws(TransactionFailure) {
        try sql { () throws(PostgresError) in try connection.execute(statement) }
    }

    @discardableResult
    private func sql<Result>(_ body: () throws(PostgresError) -> Result) throws(TransactionFailure) -> Result {
        do throws(PostgresError) { return try body() } catch { throw .postgres(error, commitSent: false) }
    }
}
