import Postgres

/// Takes the loader's own schema out of a database, and says before what would be lost with it.
package struct LedgerRemoval: Equatable {
    /// What is known of one consumer group.
    package struct Group: Equatable {
        package var name: String
        package var topics = 0
        package var partitions = 0
        /// When a batch of it was last loaded.
        package var lastLoaded: String?
        package var deadLetters: Int64 = 0
    }

    /// A loader's session in the server.
    package struct Session: Equatable {
        var pid: Int64
        var application: String
        var user: String
        var since: String?
    }

    package var database: String
    package var ledgerID: String?
    package var groups: [Group] = []
    package var sessions: [Session] = []

    var deadLetters: Int64 { groups.reduce(0) { $0 + $1.deadLetters } }

    /// Its tables, each behind those that may refer to it.
    private static let tables = ["migrations", "dead_letters", "positions", "ledger"]

    /// - Returns: nil where there is nothing of the loader's.
    static func survey(on connection: Connection) throws(MigrationError) -> LedgerRemoval? {
        let found = try connection.asked(
            """
            SELECT c.relname, current_database() FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'loader' AND c.relname = ANY ($1)
            """, [.array(tables)])
        let there = Set((0..<found.rowCount).compactMap { found.string($0, 0) })
        guard !there.isEmpty else { return nil }
        var removal = LedgerRemoval(database: found.string(0, 1) ?? "")
        if there.contains("ledger") {
            let ledger = try connection.asked("SELECT id FROM loader.ledger")
            removal.ledgerID = ledger.rowCount > 0 ? ledger.string(0, 0) : nil
        }
        var groups: [String: Group] = [:]
        if there.contains("positions") {
            // Rows that remember something else have topics that Kafka cannot have.
            let rows = try connection.asked(
                """
                SELECT consumer_group, count(DISTINCT topic), count(*),
                  to_char(max(updated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')
                FROM loader.positions WHERE topic ~ '^[a-zA-Z0-9._-]+$' GROUP BY 1
                """)
            for row in 0..<rows.rowCount {
                let name = rows.string(row, 0) ?? ""
                groups[name] = Group(
                    name: name, topics: Int(rows.int(row, 1) ?? 0), partitions: Int(rows.int(row, 2) ?? 0),
                    lastLoaded: rows.string(row, 3))
            }
        }
        if there.contains("dead_letters") {
            let rows = try connection.asked("SELECT consumer_group, count(*) FROM loader.dead_letters GROUP BY 1")
            for row in 0..<rows.rowCount {
                let name = rows.string(row, 0) ?? ""
                groups[name, default: Group(name: name)].deadLetters = rows.int(row, 1) ?? 0
            }
        }
        removal.groups = groups.values.sorted { $0.name < $1.name }
        removal.sessions = try sessions(on: connection)
        return removal
    }

    /// Loaders and their commands in this database, by the name with which they introduce themselves.
    static func sessions(on connection: Connection) throws(MigrationError) -> [Session] {
        let rows = try connection.asked(
            """
            SELECT pid, application_name, usename,
              to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')
            FROM pg_catalog.pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'loader %'
              AND application_name <> 'loader migrate' AND pid <> pg_backend_pid()
            ORDER BY backend_start, pid
            """)
        return (0..<rows.rowCount).map { row in
            Session(
                pid: rows.int(row, 0) ?? 0, application: rows.string(row, 1) ?? "", user: rows.string(row, 2) ?? "",
                since: rows.string(row, 3))
        }
    }

    package static func active(_ names: [String]) -> MigrationError {
        MigrationError(
            .activeMembers, message: "loaders are at work: \(names.joined(separator: ", "))",
            mend: "Nothing was dropped. Stop them, then try again.")
    }

    /// Drops the tables, and the schema where nothing else is in it, and forgets that they were made.
    ///
    /// - Returns: whether the schema itself is gone.
    static func carryOut(
        _ record: MigrationRecord, _ facts: MigrationFacts, lockTimeout: Duration, on connection: Connection
    ) throws(MigrationError) -> Bool {
        do throws(PostgresError) {
            try connection.execute("BEGIN; SET LOCAL lock_timeout = \(lockTimeout.inMilliseconds)")
        } catch {
            throw MigrationError(error)
        }
        let versions = facts.recorded.filter { version in
            MigrationFile.isLoadersOwn(version) || facts.notes[version] == .former
        }
        do throws(PostgresError) {
            let names = tables.map { "loader.\($0)" }.joined(separator: ", ")
            try connection.execute("DROP TABLE IF EXISTS \(names)")
        } catch {
            throw refusal(error)
        }
        // Its locks are held, so who comes now waits; who came before is seen.
        let sessions = try sessions(on: connection)
        guard sessions.isEmpty else { throw active(sessions.map(\.description)) }
        var isGone = true
        do throws(PostgresError) {
            for version in versions.sorted() {
                for statement in record.deletion(version, isNoted: false) {
                    _ = try connection.query(statement.sql, statement.parameters)
                }
            }
            try connection.execute("SAVEPOINT tables")
            do throws(PostgresError) {
                try connection.execute("DROP SCHEMA loader")
            } catch  where error.sqlState == .dependentObjectsStillExist || error.sqlState == .insufficientPrivilege {
                // Something of somebody else's is in it, or it was made for the loader by somebody else.
                try connection.execute("ROLLBACK TO SAVEPOINT tables")
                isGone = false
            }
            try connection.execute("COMMIT")
        } catch {
            throw MigrationError(error)
        }
        return isGone
    }

    private static func refusal(_ error: PostgresError) -> MigrationError {
        switch error.sqlState {
        case .dependentObjectsStillExist?:
            MigrationError(
                .refused, message: "\(error)" + (error.detail.map { " (\($0))" } ?? ""),
                mend: "Nothing was dropped. Drop what stands on the loader's tables, then try again.", cause: error)
        case .lockNotAvailable?:
            MigrationError(
                .refused, message: "\(error)",
                mend: "Nothing was dropped. Try again when nobody uses the loader's tables.", cause: error)
        default: MigrationError(error)
        }
    }
}

extension LedgerRemoval.Session: CustomStringConvertible {
    package var description: String { "\(application) (pid \(pid), \(user)\(since.map { ", since \($0)" } ?? ""))" }
}

extension Migrator {
    /// - Returns: what would be lost; nil where there is nothing of the loader's.
    package func surveyLedger() throws(MigrationError) -> LedgerRemoval? { try LedgerRemoval.survey(on: try connect()) }

    /// Takes the loader's own schema away, unless a loader is at work.
    ///
    /// - Returns: whether the schema itself is gone; it stays where something else is in it.
    package func dropLedger() throws(MigrationError) -> Bool {
        var isGone = true
        try inTurn { (connection, record) throws(MigrationError) in
            let facts = try facts(record, on: connection)
            isGone = try LedgerRemoval.carryOut(record, facts, lockTimeout: lockTimeout, on: connection)
        }
        return isGone
    }
}

extension SQLState {
    fileprivate static let dependentObjectsStillExist = SQLState(rawValue: "2BP01")
}
