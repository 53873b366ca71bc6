import Kafka
import Postgres

/// One batch in one transaction: the fence, the rows of all tables, the dead letters, COMMIT. Or nothing of it.
struct BatchTransaction {
    let batch: Batch
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

    /// What went in.
    struct Loaded: Sendable {
        var rows = 0
        var deadLetters: [DeadLetter] = []
        /// From BEGIN until COMMIT was sent, and COMMIT; nil where only the ledger knows of it.
        var copying: Duration?
        var committing: Duration?
        /// When COMMIT was answered; nil like the others.
        var committed: ContinuousClock.Instant?

        /// A message counts once, however many tables it was meant for.
        var badMessages: Int { Set(deadLetters.map(\.message)).count }
    }

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
        var statements = [Connection.Statement("BEGIN"), Connection.Statement(settings)]
        if let ledger { statements.append(ledger.advancing(batch.partitions)) }
        let answer = try sql { () throws(PostgresError) in try connection.pipeline(statements) }
        if let failure = answer.failure { throw .postgres(failure, commitSent: false) }
        if ledger != nil, answer.results.last?.affectedRows != batch.partitions.count { throw .fenced }
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
        throw .postgres(error, commitSent: false)
    }

    private func fill(care: inout Care?) throws(TransactionFailure) -> Loaded {
        try Failpoint.beforeBegin.pass()
        try open()
        try Failpoint.afterFence.pass()
        if let replay {
            guard try replay.begin(on: connection) else { throw .fenced }
        }
        var loaded = Loaded(deadLetters: batch.deadLetters)
        let hasDeferred = targets.contains(where: \.table.hasDeferredConstraints)
        if care != nil, hasDeferred { try execute("SET CONSTRAINTS ALL IMMEDIATE") }
        // What the server refuses may be the fault of a change, not of the row.
        if care != nil { try checkTables() }
        var stages: Set<Int32> = []
        let selections = targets.map { RowSelection(batch: batch, target: $0) }.filter { !$0.rows.isEmpty }
        if var careful = care {
            try loadCarefully(selections, care: &careful, stages: &stages, into: &loaded)
            care = careful
        } else {
            for selection in selections {
                try load(selection, stages: &stages)
                loaded.rows += selection.rows.count
            }
        }
        if !loaded.deadLetters.isEmpty {
            try checkTables()
            if let share = mayReject(batch.messages.count, loaded.badMessages) {
                throw .tooManyDeadLetters(share: share)
            }
            try deadLetters.write(loaded.deadLetters, of: batch, targets: targets, replay: replay, on: connection)
        }
        try replay?.end(loaded.deadLetters, on: connection)
        // A deferred constraint would fail at COMMIT, where nobody says which row it was.
        if care == nil, hasDeferred { try execute("SET CONSTRAINTS ALL IMMEDIATE") }
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
        var settings = [
            ("lock_timeout", "\(database.lockTimeout.inMilliseconds)ms"),
            ("statement_timeout", "\(database.statementTimeout.inMilliseconds)ms"),
            // Compiling a statement takes longer than it saves: each runs once a batch.
            ("jit", "off"),
            ("TimeZone", "UTC"), ("DateStyle", "ISO, MDY"), ("IntervalStyle", "postgres"),
            // A loader whose host vanished must not keep its locks until the kernel's two hours are over.
            ("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3"),
            ("idle_in_transaction_session_timeout", "\(database.statementTimeout.inMilliseconds)ms"),
        ]
        if connection.serverVersion >= 140_000 { settings.append(("client_connection_check_interval", "10s")) }
        if !database.synchronousCommit { settings.append(("synchronous_commit", "off")) }
        return "SELECT " + settings.map { "set_config('\($0)', '\($1)', true)" }.joined(separator: ", ")
    }

    private func rollBack() {
        if connection.isOpen, connection.transactionStatus != .idle { _ = try? connection.execute("ROLLBACK") }
    }

    // MARK: Rows

    /// A refusal, with the row that the server named, if it named one.
    private struct Refusal: Error {
        var error: PostgresError
        /// In `RowSelection.rows`.
        var row: RowReference?
    }

    /// Loads a target's rows, all or nothing.
    private func load(_ selection: RowSelection, stages: inout Set<Int32>) throws(TransactionFailure) {
        do throws(Refusal) {
            try attempt(selection, selection.rows.indices, stages: &stages, isLast: true)
        } catch {
            throw .postgres(error.error, commitSent: false)
        }
    }

    private func attempt(
        _ selection: RowSelection, _ part: some Collection<Int>, stages: inout Set<Int32>, isLast: Bool
    ) throws(Refusal) {
        let steps = selection.steps(part)
        for (position, step) in steps.enumerated() {
            // A stage may serve several steps, and each must find it empty.
            let isLast = isLast && position == steps.count - 1
            // Deletions first: the rows that follow may take a unique value that a deleted row held.
            let sections = Set(step.map(\.section)).sorted { left, right in
                let isTombstone = batch.sections[Int(left)].kind == .tombstones
                return isTombstone != (batch.sections[Int(right)].kind == .tombstones) ? isTombstone : left < right
            }
            for section in sections {
                let rows = sections.count == 1 ? step : step.filter { $0.section == section }
                try attempt(selection.target, rows, of: section, stages: &stages, isLast: isLast)
            }
        }
    }

    private func attempt(
        _ target: Target, _ rows: [RowReference], of index: Int32, stages: inout Set<Int32>, isLast: Bool
    ) throws(Refusal) {
        let section = batch.sections[Int(index)]
        let statements = TargetStatements(target, Int(index), section.kind)
        func copy(_ rows: [RowReference], _ statement: String) throws(Refusal) {
            do throws(PostgresError) {
                _ = try connection.copyIn(statement) { (stream: borrowing CopyInStream) throws(PostgresError) in
                    try send(rows, of: section, target.format, to: stream)
                }
            } catch {
                let named = error.copyLine.flatMap { rows.indices.contains($0 - 1) ? rows[$0 - 1] : nil }
                throw Refusal(error: error, row: named)
            }
        }
        func run(_ statement: String) throws(Refusal) {
            do throws(PostgresError) { try connection.execute(statement) } catch { throw Refusal(error: error) }
        }
        if target.mode == .insert {
            try copy(rows, statements.copy)
            return
        }
        var rows = rows
        // With care, and where a key has a row more, ON CONFLICT does all of it.
        if isLast, let lookup = KeyLookup(target, section, statements, rows: rows.count, on: connection) {
            rows = try copyNew(rows, lookup, run) { new throws(Refusal) in try copy(new, statements.copy) }
            if rows.isEmpty { return }
        }
        if stages.insert(index).inserted { try run(statements.createStage) }
        try copy(rows, statements.copyStage)
        try run(statements.merge)
        if !isLast { try run(statements.emptyStage) }
    }

    /// Copies the rows whose keys are new straight into the table.
    ///
    /// - Returns: the rows that are left for ON CONFLICT.
    private func copyNew(
        _ rows: [RowReference], _ lookup: KeyLookup, _ run: (String) throws(Refusal) -> Void,
        _ copy: ([RowReference]) throws(Refusal) -> Void
    ) throws(Refusal) -> [RowReference] {
        let found: [Bool]?
        do throws(PostgresError) { found = try lookup.found(rows) } catch { throw Refusal(error: error) }
        guard let found, found.contains(false) else { return rows }
        try run("SAVEPOINT loader_new")
        do throws(Refusal) {
            try copy(zip(rows, found).filter { !$1 }.map(\.0))
        } catch {
            // Somebody else was faster with a key, or COPY is not for this table: row-level security refuses it.
            let isSettledByConflict = [.uniqueViolation, .featureNotSupported].contains(error.error.sqlState)
            guard isSettledByConflict, connection.isOpen else { throw error }
            try run("ROLLBACK TO SAVEPOINT loader_new; RELEASE SAVEPOINT loader_new")
            return rows
        }
        try run("RELEASE SAVEPOINT loader_new")
        return zip(rows, found).filter { $1 }.map(\.0)
    }

    /// Sends rows as they lie in the section's buffer: neighbours in one piece.
    private func send(
        _ rows: [RowReference], of section: Batch.Section, _ format: Target.Format, to stream: borrowing CopyInStream
    ) throws(PostgresError) {
        var scratch = CopyBuffer(capacity: 160 << 10)
        if format == .binary { BinaryCopy.appendHeader(to: &scratch) }
        let bytes = section.buffer.bytes
        var position = 0
        while position < rows.count {
            let first = section.rows[Int(rows[position].row)]
            var end = first.end
            position += 1
            while position < rows.count, section.rows[Int(rows[position].row)].start == end {
                end = section.rows[Int(rows[position].row)].end
                position += 1
            }
            let piece = UnsafeRawBufferPointer(rebasing: bytes[first.start..<end])
            if piece.count > 64 << 10 {
                try stream.send(scratch.bytes)
                scratch.removeAll()
                try stream.send(piece)
            } else {
                scratch.append(piece)
                if scratch.count > 128 << 10 {
                    try stream.send(scratch.bytes)
                    scratch.removeAll()
                }
            }
        }
        try Failpoint.midCopy.pass(stream, sending: &scratch)
        if format == .binary { BinaryCopy.appendTrailer(to: &scratch) }
        if scratch.count > 0 { try stream.send(scratch.bytes) }
    }

    /// A target's rows on their way in.
    private struct Progress {
        let selection: RowSelection
        var search: RefusalSearch
        /// Rows whose foreign key found nothing, though what they refer to may yet come.
        var orphans: [(row: Int, error: PostgresError)] = []
        var refused: Set<Int> = []

        init(_ selection: RowSelection) {
            self.selection = selection
            search = RefusalSearch(count: selection.rows.count)
        }
    }

    /// Loads all targets' rows behind savepoints, and makes dead letters of those that the server refuses.
    ///
    /// A target whose foreign keys wait for rows of another one stops there, and goes on when that one has got further.
    /// Only when nothing moves any more are the rows found that refer to nothing.
    private func loadCarefully(
        _ selections: [RowSelection], care: inout Care, stages: inout Set<Int32>, into loaded: inout Loaded
    ) throws(TransactionFailure) {
        var all = selections.map { Progress($0) }
        var isMoving = true
        while isMoving {
            isMoving = false
            for index in all.indices where !all[index].search.isDone {
                let before = all[index].search.position
                try advance(&all[index], waitsForParents: all.count > 1, care: &care, stages: &stages, into: &loaded)
                if all[index].search.position > before { isMoving = true }
            }
        }
        for index in all.indices {
            try advance(&all[index], waitsForParents: false, care: &care, stages: &stages, into: &loaded)
        }
        isMoving = true
        while isMoving {
            isMoving = false
            for index in all.indices {
                if try retryOrphans(&all[index], stages: &stages, into: &loaded) { isMoving = true }
            }
        }
        for progress in all {
            for orphan in progress.orphans {
                loaded.deadLetters.append(
                    deadLetter(progress.selection.rows[orphan.row], progress.selection.target, orphan.error))
            }
        }
    }

    /// Loads a target's rows chunk by chunk, and finds those that the server refuses.
    private func advance(
        _ progress: inout Progress, waitsForParents: Bool, care: inout Care, stages: inout Set<Int32>,
        into loaded: inout Loaded
    ) throws(TransactionFailure) {
        let selection = progress.selection
        let rows = selection.rows
        while !progress.search.isDone {
            let part = progress.search.part(upTo: care.chunk)
            guard let refusal = try tryPart(selection, part, stages: &stages) else {
                loaded.rows += part.count
                progress.search.loaded(part)
                if part.count >= care.chunk { care.chunkLoaded() }
                continue
            }
            let isOrphan = refusal.error.sqlState == .foreignKeyViolation
            if isOrphan, waitsForParents { return }
            // One guilty row is refused several times until it is found.
            if !progress.search.isSearching { care.refused() }
            let named = refusal.row.flatMap { row in rows[part].firstIndex { $0.message == row.message } }
            guard let guilty = progress.search.refused(part, naming: named) else { continue }
            if isOrphan {
                progress.orphans.append((guilty, refusal.error))
            } else {
                loaded.deadLetters.append(deadLetter(rows[guilty], selection.target, refusal.error))
            }
            progress.refused.insert(guilty)
        }
    }

    /// Tries the rows again that referred to nothing, each with the later rows of its key behind it, so that the last
    /// one still wins.
    ///
    /// - Returns: whether one went in.
    private func retryOrphans(
        _ progress: inout Progress, stages: inout Set<Int32>, into loaded: inout Loaded
    ) throws(TransactionFailure) -> Bool {
        guard !progress.orphans.isEmpty else { return false }
        let selection = progress.selection
        let followers = selection.followers(of: progress.orphans.map(\.row))
        var remaining: [(row: Int, error: PostgresError)] = []
        for (orphan, later) in zip(progress.orphans, followers) {
            let part = [orphan.row] + later.filter { !progress.refused.contains($0) }
            if let refusal = try tryPart(selection, part, stages: &stages) {
                remaining.append((orphan.row, refusal.error))
            } else {
                progress.refused.remove(orphan.row)
                loaded.rows += 1
            }
        }
        defer { progress.orphans = remaining }
        return remaining.count < progress.orphans.count
    }

    private func prepareStages(
        _ selection: RowSelection, _ part: some Collection<Int>, stages: inout Set<Int32>
    ) throws(TransactionFailure) {
        guard selection.target.mode != .insert else { return }
        for section in Set(part.map { selection.rows[$0].section }) where stages.insert(section).inserted {
            try execute(
                TargetStatements(selection.target, Int(section), batch.sections[Int(section)].kind).createStage)
        }
    }

    /// - Returns: nil if the part is in; the refusal if the server took none of it.
    private func tryPart(
        _ selection: RowSelection, _ part: some Collection<Int>, stages: inout Set<Int32>
    ) throws(TransactionFailure) -> Refusal? {
        // The stages are made outside of the savepoint, so that rolling back to it leaves them.
        try prepareStages(selection, part, stages: &stages)
        try execute("SAVEPOINT loader_chunk")
        do throws(Refusal) {
            try attempt(selection, part, stages: &stages, isLast: false)
        } catch {
            guard FailureClass(error.error) == .data, connection.isOpen else {
                throw .postgres(error.error, commitSent: false)
            }
            try execute("ROLLBACK TO SAVEPOINT loader_chunk; RELEASE SAVEPOINT loader_chunk")
            return error
        }
        try execute("RELEASE SAVEPOINT loader_chunk")
        return nil
    }

    private func deadLetter(_ row: RowReference, _ target: Target, _ error: PostgresError) -> DeadLetter {
        DeadLetter(
            message: Int(row.message), target: target.index, reason: .refused,
            column: error.column ?? error.copyColumn(among: target.columns.map(\.name)),
            explanation: "\(target.name): \(error)", sqlState: error.sqlState)
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

extension Duration {
    /// Whole milliseconds, at least 1, as PostgreSQL's settings want them.
    var inMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return max(1, seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
