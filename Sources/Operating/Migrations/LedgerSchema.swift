import Postgres

/// The schema `loader`, as this program needs it.
enum LedgerSchema {
    /// What this program knows of `loader.ledger.schema_version`.
    ///
    /// The version is raised only by a migration that takes something away, or changes what something means, that the loaders
    /// of the version before need. One that adds a table, an index or a column leaves it as it is, and is listed in `columns`:
    /// so a loader works with all tables that are newer than it, until they say otherwise.
    static let version = 1

    /// What a running loader reads and writes. A test holds it to what the migrations make.
    static let columns = [
        "ledger.id", "ledger.schema_version", "positions.consumer_group", "positions.topic", "positions.partition",
        "positions.next_offset", "positions.updated_at", "positions.last_message", "positions.lost_offset",
    ]

    /// What only `loader migrate` reads and writes.
    private static let ofMigrations = [
        "migrations.recorded_in", "migrations.version", "migrations.file", "migrations.fingerprint",
    ]

    /// Whether all is there that the loader's own migrations make, as far as a loader and `loader migrate` need it.
    static func isComplete(on connection: Connection) throws(MigrationError) -> Bool {
        try missing(of: columns + ofMigrations, on: connection).isEmpty
    }

    /// By the catalog, which everybody may read.
    private static func missing(
        of columns: [String], on connection: Connection
    ) throws(MigrationError) -> [String] {
        let found = try connection.asked(
            """
            SELECT c.relname || '.' || a.attname
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
              JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'loader' AND a.attnum > 0 AND NOT a.attisdropped
            """)
        let there = Set((0..<found.rowCount).compactMap { found.string($0, 0) })
        return columns.filter { !there.contains($0) }
    }

    /// Refuses a database whose ledger this program cannot work with, before anything is loaded.
    ///
    /// Asks the ledger itself, not `schema_migrations`: who keeps the file among migrations of their own may have given
    /// it another number, and the loader's role need not see that table.
    static func check(on connection: Connection) throws(MigrationError) {
        let missing = try missing(of: columns, on: connection)
        guard missing.isEmpty else {
            throw MigrationError(
                .ledgerBehind,
                message: missing == columns
                    ? "the database has no loader.ledger"
                    : "the schema loader lacks \(missing.joined(separator: ", "))",
                mend: "Run `loader migrate up` as the role that owns the tables.")
        }
        let role = connection.parameter("session_authorization").map(quoteIdentifier) ?? "the role"
        let found: Int64?
        do throws(PostgresError) {
            found = try connection.query("SELECT schema_version FROM loader.ledger").intOrNil
        } catch  where error.sqlState == .insufficientPrivilege {
            throw MigrationError(
                .refused, message: "the role may not read loader.ledger: \(error)",
                mend:
                    "As its owner: GRANT USAGE ON SCHEMA loader TO \(role); GRANT SELECT ON loader.ledger TO \(role);",
                cause: error)
        } catch {
            throw MigrationError(error)
        }
        guard let found else {
            throw MigrationError(
                .ledgerBehind, message: "loader.ledger has lost its row",
                mend:
                    "Restore it from a backup, for its id stands in the groups' offsets; or INSERT INTO loader.ledger "
                    + "(schema_version) VALUES (1); and take each group over with `loader backfill --topic … --shift-by 0`."
            )
        }
        if found < version {
            throw MigrationError(
                .ledgerBehind,
                message: "the schema loader has version \(found), and this loader needs \(version)",
                mend: "Run `loader migrate up` as the role that owns the tables.")
        }
        if found > version {
            throw MigrationError(
                .ledgerAhead,
                message:
                    "the schema loader has version \(found), without something that this loader needs: it knows \(version)",
                mend:
                    "Use the loader that migrated it, or a newer one: docs/upgrading.md says which is the oldest that works."
            )
        }
    }
}

extension QueryResult {
    fileprivate var intOrNil: Int64? { rowCount == 0 ? nil : int(0, 0) }
}
