import Kafka
import Postgres

/// One batch in one transaction: the fence, the rows of all tables, the dead letters, COMMIT. Or nothing of it.
///
/// How the rows get into the tables is `TargetLoading`'s, and `CarefulLoading`'s once the server has refused one.
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
    /// Has the rows in a transaction of `connection` already, or has prepared them there.
    var headStart: HeadStart? = nil
    /// Called once nothing is left but COMMIT.
    var isIn: () -> Void = {}

    private var partitions: [Batch.PartitionRange] { part?.partitions ?? batch.partitions }
    private var messages: Range<Int> { part?.messages ?? 0..<batch.messages.count }

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
        let copying = filled - began + (headStart?.duration ?? .zero)
        (loaded.copying, loaded.committing, loaded.committed) = (copying, committed - filled, committed)
        return loaded
    }

    /// BEGIN and the fence, in one round trip; the fence alone behind a head start.
    private func open() throws(TransactionFailure) {
        try checkBeginning()
        var statements: [Connection.Statement] = []
        if headStart == nil {
            let settings = database.settings(connection.serverVersion)
            statements = [Connection.Statement(Connection.begin), Connection.Statement(settings)]
        }
        if let ledger { statements.append(ledger.advancing(partitions)) }
        guard !statements.isEmpty else { return }
        let answer = try TransactionFailure.ofNoRow { () throws(PostgresError) in try connection.pipeline(statements) }
        if let failure = answer.failure {
            throw .postgres(answer.results.isEmpty ? connection.asStandby(failure) : failure, commitSent: false)
        }
        if ledger != nil, answer.results.last?.affectedRows != partitions.count { throw .fenced }
    }

    /// Whether the fence goes along with COMMIT: where nothing is to be written between the two.
    private var fencesLast: Bool { headStart != nil && ledger != nil && batch.deadLetters.isEmpty }

    /// COMMIT, in one round trip with the last look at the tables: if they have changed, it is not carried out. Nor is it, or
    /// the look, behind a fence that lets nobody through.
    private func commit() throws(TransactionFailure) {
        let fence = fencesLast ? ledger?.requiring(partitions) : nil
        let answer: (results: [QueryResult], failure: PostgresError?)
        do throws(PostgresError) {
            answer = try connection.pipeline([fence, requirement, Connection.Statement("COMMIT")].compactMap(\.self))
        } catch {
            throw .postgres(error, commitSent: true)
        }
        guard let error = answer.failure else { return }
        // Once COMMIT is on its way, only an answer settles it. A server that refuses it with an error has rolled back;
        // a connection that died has not said anything.
        if error.isConnectionLoss { throw .postgres(error, commitSent: true) }
        rollBack()
        let passed = answer.results.count - (fence == nil ? 0 : 1)
        if passed <= 0, error.sqlState == .divisionByZero { throw passed < 0 ? .fenced : .tableChanged }
        // Neither carries rows; COMMIT carries what deferred constraints and triggers look at.
        throw passed <= 0 ? .postgres(error, commitSent: false) : .refused(error.withRows)
    }

    /// All between BEGIN and COMMIT.
    private func fill(care: inout Care?) throws(TransactionFailure) -> Loaded {
        try Failpoint.beforeBegin.pass()
        if !fencesLast { try open() } else { try checkBeginning() }
        try Failpoint.afterFence.pass()
        if let replay {
            guard try replay.begin(on: connection) else { throw .fenced }
        }
        // What the server refuses may be the fault of a change, not of the row.
        if care != nil { try checkTables() }
        var loaded = Loaded(deadLetters: batch.deadLetters.filter { messages.contains($0.message) })
        if let rows = headStart?.loaded { loaded.add(rows) } else { loaded.add(try loadRows(care: &care)) }
        try write(loaded)
        if care == nil { try forceConstraints() }
        try checkEnd(loaded)
        try Failpoint.beforeCommit.pass()
        isIn()
        return loaded
    }

    /// The rows of all tables: as if nothing was wrong with any, or with care; or none of them.
    private func loadRows(care: inout Care?) throws(TransactionFailure) -> Loaded {
        let late = replay == nil ? [] : batch.takeTruncations()
        let all = mayHaveRows.map { RowSelection(batch: batch, target: $0, messages: messages) }
        try checkTruncations(all)
        if let setAside { return loadNone(of: all, losing: setAside) }
        if let current = care {
            let careful = CarefulLoading(batch: batch, connection: connection, care: current, isJudging: isJudging)
            var truncating = CarefulTruncation(careful, messages)
            try truncating.load(all)
            care = truncating.careful.care
            for event in late {
                truncating.loaded.deadLetters.append(DeadLetter(lateTruncation: event, targets[event.target]))
            }
            return truncating.loaded
        }
        let emptied = all.filter(\.truncates).map(\.target)
        var loading = TargetLoading(batch: batch, connection: connection, behind: headStart?.ahead ?? [:])
        do throws(Refusal) {
            for target in emptied.emptyingOrder { try target.empty(over: connection) }
            return try loading.loadAll(all.filter { !$0.rows.isEmpty })
        } catch { throw TransactionFailure(error) }
    }

    /// Letters in place of what ends the connection whenever it is tried.
    private func loadNone(of selections: [RowSelection], losing error: PostgresError) -> Loaded {
        var loaded = Loaded()
        for selection in selections {
            loaded.deadLetters += selection.firstRows.map { DeadLetter(losing: error, $0, selection.target) }
        }
        for event in batch.truncations where messages.contains(Int(event.message)) {
            loaded.deadLetters.append(DeadLetter(losing: error, event, targets[event.target]))
            loaded.operations.add(.truncation, target: event.target, -1)
        }
        return loaded
    }

    /// The dead letters, unless they are so many that the route is broken.
    private func write(_ loaded: Loaded) throws(TransactionFailure) {
        if !loaded.deadLetters.isEmpty {
            try checkTables()
            if let share = mayReject(messages.count, loaded.badMessages) { throw .tooManyDeadLetters(share: share) }
            try deadLetters.write(loaded.deadLetters, of: batch, targets: targets, replay: replay, on: connection)
        }
        try replay?.end(loaded.deadLetters, on: connection)
    }

    /// A deferred constraint would fail at COMMIT, where nobody says which row it was. The careful way has forced them.
    private func forceConstraints() throws(TransactionFailure) {
        guard targets.contains(where: \.table.hasDeferredConstraints) else { return }
        do throws(PostgresError) { try connection.execute("SET CONSTRAINTS ALL IMMEDIATE") } catch {
            throw error.isConnectionLoss ? .postgres(error.withRows, commitSent: false) : .refused(error.withRows)
        }
    }

    /// That the rows were built for the tables as they are: binary COPY would take eight bytes of a number for a time.
    /// Behind the rows their locks are held, so what holds there holds until COMMIT.
    private var requirement: Connection.Statement {
        Catalog.requirement(mayHaveRows.map { ($0.table.name, $0.version) })
    }

    /// Of tables that a route chooses among only those that it has chosen: there may be many.
    private var mayHaveRows: [Target] {
        let chosen = Set(batch.sections.lazy.filter { !$0.rows.isEmpty }.map(\.target))
            .union(batch.truncations.lazy.map(\.target))
        return targets.filter { $0.routePlace == nil ? !$0.choosesTable : chosen.contains($0.index) }
    }

    private func checkTables() throws(TransactionFailure) {
        do throws(PostgresError) {
            _ = try connection.query(requirement.sql, requirement.parameters)
        } catch {
            if error.sqlState == .divisionByZero { throw .tableChanged }
            throw .postgres(error, commitSent: false)
        }
    }

    private func rollBack() {
        if connection.isOpen, connection.transactionStatus != .idle { _ = try? connection.execute("ROLLBACK") }
    }
}
