import Postgres

/// The schema `loader`, in the version that this program needs.
enum LedgerSchema {
    /// `loader.ledger.schema_version`. A migration that a loader of the version before cannot work with raises both.
    static let version = 1

    /// Refuses a database whose ledger this program cannot work with, before anything is loaded.
    ///
    /// Asks the ledger itself, not `schema_migrations`: who keeps the file among migrations of their own may have given
    /// it another number, and the loader's role need not see that table.
    static func check(on connection: Connection) throws(MigrationError) {
        let found: Int64?
        let isComplete: Bool
        do throws(PostgresError) {
            let result = try connection.query(
                """
                SELECT schema_version, (
                  SELECT count(*) = 2 FROM pg_catalog.pg_attribute
                  WHERE attrelid = to_regclass('loader.positions') AND attname IN ('last_message', 'lost_offset')
                    AND NOT attisdropped)
                FROM loader.ledger
                """)
            found = result.intOrNil
            isComplete = result.rowCount > 0 && result.bool(0, 1) ?? false
        } catch  where error.sqlState == .undefinedTable || error.sqlState == .undefinedColumn {
            throw MigrationError(
                .ledgerBehind, message: "the database has no loader.ledger",
                mend: "Run `loader migrate up`, with --built-in where ./migrations holds only your own.", cause: error)
        } catch  where error.sqlState == .insufficientPrivilege {
            throw MigrationError(
                .refused, message: "the role may not read loader.ledger: \(error)",
                mend: "Grant it what the head of migrations/0001_loader.sql lists.", cause: error)
        } catch {
            throw MigrationError(error)
        }
        guard let found else {
            throw MigrationError(
                .ledgerBehind, message: "loader.ledger has lost its row",
                mend: "Restore it from a backup: without its id no offset in Kafka belongs to this database.")
        }
        if found < version {
            throw MigrationError(
                .ledgerBehind,
                message: "the schema loader has version \(found), and this loader needs \(version)",
                mend: "Run `loader migrate up`.")
        }
        if found == version, !isComplete {
            throw MigrationError(
                .ledgerBehind, message: "loader.positions lacks last_message and lost_offset",
                mend: "Run `loader migrate up`, with --built-in where ./migrations holds only your own.")
        }
        if found > version {
            throw MigrationError(
                .ledgerAhead,
                message: "the schema loader has version \(found), and this loader knows only \(version)",
                mend: "Use the newer loader that migrated it.")
        }
    }
}

extension QueryResult {
    fileprivate var intOrNil: Int64? { rowCount == 0 ? nil : int(0, 0) }
}
