import Postgres

/// Runs migrations, and records them in `schema_migrations` just as dbmate does, so that either continues the other's
/// work.
package struct Migrator {
    package enum Event: Equatable {
        case applied(file: String, Duration)
        case rolledBack(file: String, Duration)
        /// Recorded, and not run.
        case recorded(file: String)
    }

    package struct Status: Equatable {
        package var applied: [String]
        package var pending: [String]
        /// Versions that are recorded, without a file here.
        package var unknown: [String]
        package var taken: [MigrationPlan.Taken] = []
        /// Versions of the loader's own that a newer program has applied.
        package var ahead: [String] = []
        /// Why a loader would not start on the loader's own tables, although nothing of theirs is pending.
        package var ledger: MigrationError?

        /// Whether the database is what the files say.
        package var isEven: Bool {
            pending.isEmpty && unknown.isEmpty && taken.isEmpty && ahead.isEmpty && ledger == nil
        }
    }

    package var migrations: MigrationSet
    var options: ConnectionOptions
    /// How long a statement waits for a table's lock: with it, one long transaction of somebody else's does not make
    /// everybody queue up behind a waiting ALTER TABLE. Milliseconds' precision.
    var lockTimeout: Duration
    /// How long to wait for another migration that is under way.
    var turnTimeout: Duration

    package init(migrations: MigrationSet, options: ConnectionOptions, lockTimeout: Duration, turnTimeout: Duration) {
        self.migrations = migrations
        self.options = options
        self.lockTimeout = lockTimeout
        self.turnTimeout = turnTimeout
    }

    private var bringsLedger: Bool { migrations.files.contains(where: \.isLoadersOwn) }

    /// Applies what is pending, the loader's own files first, each in a transaction of its own, until the first that fails.
    ///
    /// - Parameter claimed: names of files that are to be taken for applied without being run.
    /// - Returns: what there was to be done.
    @discardableResult
    package func up(
        claimed: [String] = [], _ report: (Event) -> Void
    ) throws(MigrationError) -> MigrationPlan {
        for name in claimed where !migrations.files.contains(where: { $0.name == name && !$0.isLoadersOwn }) {
            throw MigrationError(
                .missingFile, file: name, message: "there is no such file in \(migrations.origin)",
                mend: "Name one of its files.")
        }
        var plan = MigrationPlan(migrations, MigrationFacts())
        try inTurn { (connection, record) throws(MigrationError) in
            _ = try record.createIfMissing(on: connection)
            var facts = try facts(record, on: connection)
            plan = MigrationPlan(migrations, facts)
            let own = plan.pending.filter(\.isLoadersOwn)
            try apply(own, facts, record, report)
            if !own.isEmpty {
                facts = try self.facts(record, on: connection).keeping(facts)
                plan = MigrationPlan(migrations, facts)
            }
            try noteConclusions(facts, record, on: connection)
            // Before anything else runs: what comes behind a file that is skipped may want it.
            if let taken = plan.taken.first(where: { !claimed.contains($0.file) }) { throw MigrationError(taken) }
            try noteFiles(plan, facts, record, on: connection)
            let recorded = plan.copies + migrations.files.filter { claimed.contains($0.name) }
            for file in recorded {
                try carryOut(record.insertion(file.version, facts.mayNote ? MigrationNote(file) : nil), on: connection)
                report(.recorded(file: file.name))
            }
            try apply(plan.pending.filter { !$0.isLoadersOwn && !claimed.contains($0.name) }, facts, record, report)
        }
        if bringsLedger { try LedgerSchema.check(on: try connect()) }
        return plan
    }

    private func apply(
        _ files: [MigrationFile], _ facts: MigrationFacts, _ record: MigrationRecord, _ report: (Event) -> Void
    ) throws(MigrationError) {
        for file in files {
            let start = ContinuousClock.now
            let isNoted = facts.mayNote && !file.isLoadersOwn
            // A version that was the loader's own becomes this file's, and no longer dates from the ledger's transaction.
            let former =
                facts.recorded.contains(file.version) && !file.isLoadersOwn
                ? record.deletion(file.version, isNoted: false) : []
            try run(file.up, of: file, former + record.insertion(file.version, isNoted ? MigrationNote(file) : nil))
            report(.applied(file: file.name, start.duration(to: .now)))
        }
    }

    /// Notes whose version it is that version 0.1.0 recorded, as long as that can be told.
    private func noteConclusions(
        _ facts: MigrationFacts, _ record: MigrationRecord, on connection: Connection
    ) throws(MigrationError) {
        guard facts.mayNote else { return }
        for version in facts.concluded.sorted() {
            if let note = facts.notes[version] { try carryOut([record.noting(version, note)], on: connection) }
        }
    }

    /// Notes the files of versions that dbmate or version 0.1.0 recorded, so that another of the same number is found out.
    private func noteFiles(
        _ plan: MigrationPlan, _ facts: MigrationFacts, _ record: MigrationRecord, on connection: Connection
    ) throws(MigrationError) {
        guard facts.mayNote else { return }
        for file in plan.applied where !file.isLoadersOwn && facts.notes[file.version] == nil {
            try carryOut([record.noting(file.version, MigrationNote(file))], on: connection)
        }
    }

    private func carryOut(
        _ statements: [Connection.Statement], on connection: Connection
    ) throws(MigrationError) {
        for statement in statements { _ = try connection.asked(statement.sql, statement.parameters) }
    }

    func facts(
        _ record: MigrationRecord, on connection: Connection
    ) throws(MigrationError) -> MigrationFacts {
        try record.facts(isComplete: try LedgerSchema.isComplete(on: connection), on: connection)
    }

    /// Rolls back the last migration applied; the loader's own never.
    package func down(_ report: (Event) -> Void) throws(MigrationError) {
        try inTurn { (connection, record) throws(MigrationError) in
            let facts = try facts(record, on: connection)
            let file = try MigrationPlan(migrations, facts).latest(migrations.origin)
            let start = ContinuousClock.now
            try run(file.down, of: file, record.deletion(file.version, isNoted: facts.mayNote))
            report(.rolledBack(file: file.name, start.duration(to: .now)))
        }
    }

    /// Only reads; a database that was never migrated stays as it is.
    package func status() throws(MigrationError) -> Status {
        let connection = try connect()
        let facts = try facts(try MigrationRecord(on: connection), on: connection)
        let plan = MigrationPlan(migrations, facts)
        let pending = Set((plan.pending + plan.copies).map(\.name))
        var status = Status(
            applied: plan.applied.map(\.name), pending: migrations.files.map(\.name).filter(pending.contains),
            unknown: plan.unknown, taken: plan.taken, ahead: plan.ahead)
        if bringsLedger, !plan.pending.contains(where: \.isLoadersOwn) {
            do throws(MigrationError) { try LedgerSchema.check(on: connection) } catch { status.ledger = error }
        }
        return status
    }

    /// `loader` in ASCII. Advisory locks are counted for each database.
    private static let lockKey: Int64 = 0x6C6F_6164_6572

    /// Waits until no other loader is migrating this database, and lets none begin until `body` has ended.
    ///
    /// The lock is a transaction's, on a connection of its own: a session's lock is lost behind a pooler in transaction
    /// mode, and a migration's own transaction would let it go between two files, or have none (`transaction:false`). A
    /// transaction that only holds an advisory lock keeps no snapshot, so CREATE INDEX CONCURRENTLY does not wait for it.
    func inTurn(
        _ body: (Connection, MigrationRecord) throws(MigrationError) -> Void
    ) throws(MigrationError) {
        let turn = try connect()
        do throws(PostgresError) {
            // By the simple protocol: the other would leave a portal open, and with it a snapshot.
            try turn.execute(
                """
                BEGIN; SET LOCAL lock_timeout = \(turnTimeout.inMilliseconds); SET LOCAL statement_timeout = 0;
                SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock(\(Self.lockKey))
                """)
        } catch  where error.sqlState == .lockNotAvailable {
            throw MigrationError(
                .locked, message: "another migration of this database is still under way",
                mend: "Try again when it has ended.", cause: error)
        } catch {
            throw MigrationError(error)
        }
        let connection = try connect()
        try body(connection, try MigrationRecord(on: connection))
        turn.close()
    }

    /// A migration may take hours by intent, and says nothing meanwhile.
    private static let answerTimeout: Duration = .seconds(24 * 3600)

    func connect() throws(MigrationError) -> Connection {
        var options = options
        options.answerTimeout = Self.answerTimeout
        do { return try Connection(options) } catch { throw MigrationError(error) }
    }

    /// Runs a block and records it. The session is the block's own, so a `SET` in it does not reach the next file.
    private func run(
        _ block: MigrationFile.Block, of file: MigrationFile, _ record: [Connection.Statement]
    ) throws(MigrationError) {
        let connection = try connect()
        do throws(PostgresError) {
            if block.isTransactional {
                try connection.beginWriting("SET LOCAL lock_timeout = \(lockTimeout.inMilliseconds)")
            }
        } catch {
            throw MigrationError(error)
        }
        do throws(PostgresError) {
            try connection.execute(block.sql)
        } catch {
            throw refusal(error, of: block, in: file)
        }
        guard !block.isTransactional || connection.transactionStatus == .inTransaction else {
            throw MigrationError(
                .badFormat, file: file.name, line: block.firstLine,
                message: "the file ends its transaction itself, so it has taken effect and is not recorded",
                mend: "Take COMMIT and ROLLBACK out of it, undo what it did, and run it again.")
        }
        do throws(PostgresError) {
            for statement in record { _ = try connection.query(statement.sql, statement.parameters) }
            if block.isTransactional { try connection.execute("COMMIT") }
        } catch {
            // What is checked only at COMMIT is the file's doing too.
            throw refusal(error, of: block, in: file)
        }
    }

    private func refusal(
        _ error: PostgresError, of block: MigrationFile.Block, in file: MigrationFile
    ) -> MigrationError {
        let mend =
            if error.isConnectionLoss {
                "Whether it took effect shows `loader migrate status`."
            } else if !block.isTransactional {
                "It runs outside a transaction: what stands before the statement may have taken effect. Undo that, then run it again."
            } else if error.sqlState == .lockNotAvailable {
                "Nothing of the file took effect. Run it again when the table is less busy, or with a longer --lock-timeout."
            } else {
                "Nothing of the file took effect. Mend it and run it again."
            }
        return MigrationError(
            .refused, file: file.name,
            line: error.statementPosition.map { block.line(ofPosition: $0) } ?? block.firstLine, message: "\(error)",
            mend: mend, cause: error)
    }
}
