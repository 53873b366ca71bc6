import Postgres

/// What the database knows of migrations: the versions in `schema_migrations`, where dbmate looks for them (in the first
/// schema of the search path), and in `loader.migrations` whose they are.
struct MigrationRecord {
    let schema: String

    init(on connection: Connection) throws(MigrationError) {
        // The loader's own schema is none of those, unless the table is there already: for a role of its name it becomes
        // the first ("$user") as soon as it exists, and all migrations would be run again.
        let found = try connection.asked(
            """
            SELECT name FROM unnest(current_schemas(false)) WITH ORDINALITY AS s (name, place)
            WHERE CASE name WHEN 'loader' THEN to_regclass('loader.schema_migrations') IS NOT NULL ELSE true END
            ORDER BY place LIMIT 1
            """)
        schema = found.rowCount > 0 ? found.string(0, 0) ?? "public" : "public"
    }

    private var table: String { TableName(schema: schema, name: "schema_migrations").quoted }

    // MARK: Reading

    /// - Parameter isComplete: whether the loader's own schema is all there.
    func facts(isComplete: Bool, on connection: Connection) throws(MigrationError) -> MigrationFacts {
        var facts = MigrationFacts(isLedgerComplete: isComplete)
        let recorded = try versions(on: connection)
        facts.recorded = Set(recorded.keys)
        let tables = try connection.asked(
            """
            SELECT c.relname, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
              has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'loader' AND c.relname IN ('ledger', 'migrations')
            """)
        var ledger: String?
        for row in 0..<tables.rowCount {
            let mayRead = tables.bool(row, 1) == true
            if tables.string(row, 0) == "ledger" {
                facts.hasLedger = true
                guard mayRead else { continue }
                let rows = try connection.asked("SELECT xmin::text FROM loader.ledger")
                ledger = rows.rowCount == 1 ? rows.string(0, 0) : nil
            } else if mayRead {
                facts.notes = try notes(on: connection)
                facts.mayNote = tables.bool(row, 2) == true
            }
        }
        facts.findFormerVersion(made: ledger, recorded)
        return facts
    }

    /// The versions recorded, each with the transaction that did it; none where there is no table.
    private func versions(on connection: Connection) throws(MigrationError) -> [String: String] {
        guard try exists(on: connection) else { return [:] }
        let rows = try connection.asked("SELECT version, xmin::text FROM \(table)")
        var versions: [String: String] = [:]
        for row in 0..<rows.rowCount {
            if let version = rows.string(row, 0) { versions[version] = rows.string(row, 1) ?? "" }
        }
        return versions
    }

    private func notes(on connection: Connection) throws(MigrationError) -> [String: MigrationNote] {
        let rows = try connection.asked(
            "SELECT version, file, fingerprint FROM loader.migrations WHERE recorded_in = $1", [.text(schema)])
        var notes: [String: MigrationNote] = [:]
        for row in 0..<rows.rowCount {
            guard let version = rows.string(row, 0), let file = rows.string(row, 1) else { continue }
            notes[version] = MigrationNote(file: file, fingerprint: rows.string(row, 2))
        }
        return notes
    }

    private func exists(on connection: Connection) throws(MigrationError) -> Bool {
        try connection.asked("SELECT to_regclass($1) IS NOT NULL", [.text(table)]).bool(0, 0) ?? false
    }

    // MARK: Writing

    func createIfMissing(on connection: Connection) throws(MigrationError) -> MigrationRecord {
        // IF NOT EXISTS alone would want the right to create even where the table stands.
        if try !exists(on: connection) {
            do throws(PostgresError) {
                try connection.execute("CREATE TABLE IF NOT EXISTS \(table) (version varchar PRIMARY KEY)")
            } catch {
                throw MigrationError(error)
            }
        }
        return self
    }

    /// The statements that record a version. It may be there already, recorded for the loader's own schema.
    func insertion(_ version: String, _ note: MigrationNote?) -> [Connection.Statement] {
        var statements = [
            Connection.Statement(
                "INSERT INTO \(table) (version) VALUES ($1) ON CONFLICT DO NOTHING", [.text(version)])
        ]
        if let note { statements.append(noting(version, note)) }
        return statements
    }

    func noting(_ version: String, _ note: MigrationNote) -> Connection.Statement {
        Connection.Statement(
            """
            INSERT INTO loader.migrations (recorded_in, version, file, fingerprint) VALUES ($1, $2, $3, $4)
            ON CONFLICT (recorded_in, version)
            DO UPDATE SET file = excluded.file, fingerprint = excluded.fingerprint, noted_at = now()
            """,
            [
                .text(schema), .text(version), .text(note.file), note.fingerprint.map(QueryParameter.text) ?? .null,
            ])
    }

    func deletion(_ version: String, isNoted: Bool) -> [Connection.Statement] {
        [Connection.Statement("DELETE FROM \(table) WHERE version = $1", [.text(version)])]
            + (isNoted
                ? [
                    Connection.Statement(
                        "DELETE FROM loader.migrations WHERE recorded_in = $1 AND version = $2",
                        [.text(schema), .text(version)])
                ] : [])
    }
}

extension Connection {
    /// A query that is about no file.
    func asked(_ sql: String, _ parameters: [QueryParameter] = []) throws(MigrationError) -> QueryResult {
        do { return try query(sql, parameters) } catch { throw MigrationError(error) }
    }
}
