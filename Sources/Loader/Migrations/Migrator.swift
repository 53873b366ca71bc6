import Postgres

/// Runs migrations, and records them in `schema_migrations` just as dbmate does, so that either continues the other's
/// work.
struct Migrator {
    enum Event: Equatable {
        case applied(file: String, Duration)
        case rolledBack(file: String, Duration)
        /// A file that counts as applied because its version is recorded, for a file of another name.
        case takenFor(file: String, other: String)
    }

    struct Status: Equatable {
        var applied: [String]
        var pending: [String]
        /// Versions that are recorded, without a file here.
        var unknown: [String]
        /// Files that count as applied by another file of their version.
        var takenFor: [String: String] = [:]
    }

    var migrations: MigrationSet
    var options: ConnectionOptions
    /// How long a statement waits for a table's lock: with it, one long transaction of somebody else's does not make
    /// everybody queue up behind a waiting ALTER TABLE. Milliseconds' precision.
    var lockTimeout: Duration
    /// How long to wait for another migration that is under way.
    var turnTimeout: Duration

    /// Applies what is pending, each file in a transaction of its own, until the first that fails.
    func up(_ report: (Event) -> Void) throws(MigrationError) {
        try inTurn { (connection, record) throws(MigrationError) in
            let applied = try record.createIfMissing(on: connection).versions(on: connection)
            let names = MigrationNames(try record.comment(on: connection))
            for (file, other) in names.differing(from: migrations, applied: applied).sorted(by: { $0.key < $1.key }) {
                report(.takenFor(file: file, other: other))
            }
            for file in migrations.pending(applied: applied) {
                let start = ContinuousClock.now
                try run(file.up, of: file, record.insertion)
                report(.applied(file: file.name, start.duration(to: .now)))
                try record.remember(file, on: connection)
            }
        }
    }

    /// Rolls back the last migration applied.
    func down(_ report: (Event) -> Void) throws(MigrationError) {
        try inTurn { (connection, record) throws(MigrationError) in
            let file = try migrations.latest(applied: try record.versions(on: connection))
            let start = ContinuousClock.now
            try run(file.down, of: file, record.deletion)
            report(.rolledBack(file: file.name, start.duration(to: .now)))
        }
    }

    /// Finds out whether the loader's own migrations were only taken for applied, because others have their versions.
    func checkLedger() throws(MigrationError) {
        do throws(MigrationError) {
            try LedgerSchema.check(on: try connect())
        } catch  where error.code == .ledgerBehind {
            throw MigrationError(
                .duplicateVersion,
                message: "\(error.message), although schema_migrations has the version of its file: another file's",
                mend:
                    "Copy the loader's own migrations (0001_loader.sql, 0003_last_messages.sql), as far as they are not applied, "
                    + "to yours under free numbers, and apply them there.")
        }
    }

    /// Only reads; a database that was never migrated stays as it is.
    func status() throws(MigrationError) -> Status {
        let connection = try connect()
        let record = try MigrationRecord(on: connection)
        let applied = try record.versions(on: connection)
        let names = MigrationNames(try record.comment(on: connection))
        return Status(
            applied: migrations.files.map(\.name).filter { name in
                MigrationFile.version(of: name).map(applied.contains) ?? false
            },
            pending: migrations.pending(applied: applied).map(\.name), unknown: migrations.unknown(applied: applied),
            takenFor: names.differing(from: migrations, applied: applied))
    }

    /// `loader` in ASCII. Advisory locks are counted for each database.
    private static let lockKey: Int64 = 0x6C6F_6164_6572

    /// Waits until no other loader is migrating this database, and lets none begin until `body` has ended.
    ///
    /// The lock is a transaction's, on a connection of its own: a session's lock is lost behind a pooler in transaction
    /// mode, and a migration's own transaction would let it go between two files, or have none (`transaction:false`). A
    /// transaction that only holds an advisory lock keeps no snapshot, so CREATE INDEX CONCURRENTLY does not wait for it.
    private func inTurn(
        _ body: (Connection, MigrationRecord) throws(MigrationError) -> Void
    ) throws(MigrationError) {
        let turn = try connect()
        do throws(PostgresError) {
            // By the simple protocol: the other would leave a portal open, and with it a snapshot.
            try turn.execute(
                """
                BEGIN; SET LOCAL lock_timeout = \(turnTimeout.milliseconds); SET LOCAL statement_timeout = 0;
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

    private func connect() throws(MigrationError) -> Connection {
        var options = options
        options.answerTimeout = Self.answerTimeout
        do { return try Connection(options) } catch { throw MigrationError(error) }
    }

    /// Runs a block and records it. The session is the block's own, so a `SET` in it does not reach the next file.
    private func run(
        _ block: MigrationFile.Block, of file: MigrationFile, _ record: String
    ) throws(MigrationError) {
        let connection = try connect()
        do throws(PostgresError) {
            if block.isTransactional {
                try connection.execute("BEGIN; SET LOCAL lock_timeout = \(lockTimeout.milliseconds)")
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
            _ = try connection.query(record, [.text(file.version)])
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

/// The table `schema_migrations`, where dbmate looks for it: in the first schema of the search path.
///
/// The loader's own schema is none of those, unless the table is there already: for a role of its name it becomes the first
/// (`"$user"`) as soon as it exists, and all migrations would be run again.
private struct MigrationRecord {
    let schema: String

    init(on connection: Connection) throws(MigrationError) {
        do throws(PostgresError) {
            let found = try connection.query(
                """
                SELECT name FROM unnest(current_schemas(false)) WITH ORDINALITY AS s (name, place)
                WHERE CASE name WHEN 'loader' THEN to_regclass('loader.schema_migrations') IS NOT NULL ELSE true END
                ORDER BY place LIMIT 1
                """)
            schema = found.rowCount > 0 ? found.string(0, 0) ?? "public" : "public"
        } catch {
            throw MigrationError(error)
        }
    }

    private var table: String { TableName(schema: schema, name: "schema_migrations").quoted }

    var insertion: String { "INSERT INTO \(table) (version) VALUES ($1)" }
    var deletion: String { "DELETE FROM \(table) WHERE version = $1" }

    /// The versions recorded; none where there is no table.
    func versions(on connection: Connection) throws(MigrationError) -> Set<String> {
        do throws(PostgresError) {
            guard try exists(on: connection) else { return [] }
            let rows = try connection.query("SELECT version FROM \(table)")
            return Set((0..<rows.rowCount).compactMap { rows.string($0, 0) })
        } catch {
            throw MigrationError(error)
        }
    }

    func createIfMissing(on connection: Connection) throws(MigrationError) -> MigrationRecord {
        do throws(PostgresError) {
            // IF NOT EXISTS alone would want the right to create even where the table stands.
            if try !exists(on: connection) {
                try connection.execute("CREATE TABLE IF NOT EXISTS \(table) (version varchar PRIMARY KEY)")
            }
        } catch {
            throw MigrationError(error)
        }
        return self
    }

    /// The table's comment; nil where there is none.
    func comment(on connection: Connection) throws(MigrationError) -> String? {
        do throws(PostgresError) {
            return try connection.query("SELECT obj_description(to_regclass($1), 'pg_class')", [.text(table)])
                .string(0, 0)
        } catch {
            throw MigrationError(error)
        }
    }

    /// Notes the name of a file that was applied. Who may not comment on the table, or has another comment there, does
    /// without: then nobody notices two files of one number.
    func remember(_ file: MigrationFile, on connection: Connection) throws(MigrationError) {
        guard let text = MigrationNames(try comment(on: connection)).adding(file) else { return }
        do throws(PostgresError) {
            let literal = try connection.query("SELECT quote_literal($1)", [.text(text)]).string(0, 0)
            try connection.execute("COMMENT ON TABLE \(table) IS \(literal ?? "NULL")")
        } catch  where error.sqlState == .insufficientPrivilege {
        } catch {
            throw MigrationError(error)
        }
    }

    private func exists(on connection: Connection) throws(PostgresError) -> Bool {
        try connection.query("SELECT to_regclass($1) IS NOT NULL", [.text(table)]).bool(0, 0) ?? false
    }
}

extension Duration {
    /// For PostgreSQL's settings, where 0 would mean "for ever".
    fileprivate var milliseconds: Int64 {
        max(1, components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
    }
}
