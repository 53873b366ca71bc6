import Foundation
import Postgres
import TestSupport
import Testing

@testable import Operating

@Suite struct LedgerSchemaTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    private func migrator(_ url: String) throws -> Migrator {
        Migrator(
            migrations: try .builtIn(), options: ConnectionOptions(url: url), lockTimeout: .seconds(10),
            turnTimeout: .seconds(30))
    }

    private func withLedger(_ body: (String, Connection) throws -> Void) throws {
        try server.withDatabase { url in
            try migrator(url).up { _ in }
            try body(url, try Connection(ConnectionOptions(url: url)))
        }
    }

    @Test("a database is refused until it is migrated, and when its ledger is of another version")
    func check() throws {
        try server.withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url))
            let missing = #expect(throws: MigrationError.self) { try LedgerSchema.check(on: connection) }
            #expect(missing?.code == .ledgerBehind)
            #expect(missing?.mend.contains("loader migrate up") == true)

            try migrator(url).up { _ in }
            try LedgerSchema.check(on: connection)
            #expect(
                try connection.query("SELECT schema_version FROM loader.ledger").int(0, 0)
                    == Int64(LedgerSchema.version))

            for (change, code) in [
                ("UPDATE loader.ledger SET schema_version = 0", MigrationError.Code.ledgerBehind),
                ("UPDATE loader.ledger SET schema_version = 99", .ledgerAhead),
                ("DELETE FROM loader.ledger", .ledgerBehind),
            ] {
                try connection.execute(change)
                let error = #expect(throws: MigrationError.self) { try LedgerSchema.check(on: connection) }
                #expect(error?.code == code)
            }
        }
    }

    @Test("a ledger without the columns of a later version is refused with the command that adds them")
    func laterColumns() throws {
        try withLedger { url, connection in
            try connection.execute("ALTER TABLE loader.positions DROP COLUMN last_message, DROP COLUMN lost_offset")
            let error = #expect(throws: MigrationError.self) { try LedgerSchema.check(on: connection) }
            #expect(error?.code == .ledgerBehind && error?.message.contains("last_message") == true)
            #expect(error?.mend.contains("loader migrate up") == true)
            try migrator(url).up { _ in }
            try LedgerSchema.check(on: connection)
        }
    }

    @Test("what a loader of the version before writes still goes into the ledger")
    func versionBefore() throws {
        try withLedger { _, connection in
            try connection.execute(
                """
                INSERT INTO loader.positions (consumer_group, topic, partition, next_offset) VALUES ('g', 't', 0, 5);
                UPDATE loader.positions SET next_offset = 9, updated_at = now() WHERE next_offset = 5
                """)
            #expect(try connection.query("SELECT schema_version FROM loader.ledger").int(0, 0) == 1)
        }
    }

    @Test("a role that has the loader's schema first in its search path migrates once")
    func searchPath() throws {
        try server.withDatabase { url in
            // As `"$user"` makes it for a role of that name.
            let role = url + (url.contains("?") ? "&" : "?") + "options=-csearch_path%3Dloader,public"
            try migrator(role).up { _ in }
            try migrator(role).up { _ in Issue.record("it is applied") }
            let connection = try Connection(ConnectionOptions(url: role))
            #expect(try connection.query("SELECT current_schema()").string(0, 0) == "loader")
            #expect(try connection.query("SELECT to_regclass('loader.schema_migrations')").isNull(0, 0))
        }
    }

    @Test("plain down never takes the ledger; drop-ledger does, and up then makes another")
    func dropAndUp() throws {
        try withLedger { url, connection in
            let first = try connection.query("SELECT id FROM loader.ledger").string(0, 0)
            let error = #expect(throws: MigrationError.self) { try migrator(url).down { _ in } }
            #expect(error?.code == .nothingToRollBack)
            #expect(try connection.query("SELECT id FROM loader.ledger").string(0, 0) == first)
            #expect(try migrator(url).dropLedger())
            #expect(try connection.query("SELECT to_regnamespace('loader')").isNull(0, 0))
            #expect(try connection.query("SELECT count(*) FROM schema_migrations").int(0, 0) == 0)
            try migrator(url).up { _ in }
            let second = try connection.query("SELECT id FROM loader.ledger").string(0, 0)
            #expect(first != nil && second != nil && first != second)
        }
    }

    @Test("a user's migration with the number that was once the loader's own hides nothing of the loader's")
    func foreignVersion() throws {
        try server.withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url))
            try connection.execute(
                "CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('0001')"
            )
            try migrator(url).up { _ in }
            try LedgerSchema.check(on: connection)
            #expect(try connection.query("SELECT count(*) FROM schema_migrations").int(0, 0) == 5)
        }
    }

    @Test("what is gone of the loader's own tables is pending again, whatever is recorded, and up makes it")
    func gone() throws {
        try withLedger { url, connection in
            for change in [
                "DROP SCHEMA loader CASCADE", "DROP TABLE loader.positions",
                "ALTER TABLE loader.migrations RENAME TO mine",
            ] {
                try connection.execute(change)
                #expect(try !migrator(url).status().isEven)
                try migrator(url).up { _ in }
                #expect(try migrator(url).status().isEven)
                try LedgerSchema.check(on: connection)
            }
        }
    }

    /// Tables, columns, indexes and constraints.
    private func things(_ connection: Connection) throws -> Set<String> {
        let found = try connection.query(
            """
            SELECT format('%s.%s %s %s default %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid))
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON (adrelid, adnum) = (c.oid, attnum)
            WHERE c.relnamespace = 'loader'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT indexdef FROM pg_indexes WHERE schemaname = 'loader'
            UNION ALL
            SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = 'loader'::regnamespace AND conrelid <> 0
            """)
        return Set((0..<found.rowCount).compactMap { found.string($0, 0) })
    }

    @Test("the migrations since version 0.1.0 only add, so that it still works with the tables")
    func additive() throws {
        try server.withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url))
            try connection.execute(try Former.file().up.sql)
            let before = try things(connection)
            try migrator(url).up { _ in }
            let after = try things(connection)
            #expect(before.subtracting(after).isEmpty, "taken away, or changed")
            let old = ["ledger", "positions", "dead_letters"]
            for added in after.subtracting(before).sorted() {
                let isConstraint = old.contains { name in added.hasPrefix("loader." + name + " CHECK") }
                #expect(!isConstraint, "what the version before writes may break \(added)")
                let isColumn = old.contains { name in added.hasPrefix(name + ".") }
                let isDemanded = isColumn && added.contains(" not null ") && added.hasSuffix("default ")
                #expect(!isDemanded, "the version before does not write \(added)")
            }
            // Version 0.1.0 starts on no other.
            #expect(try connection.query("SELECT schema_version FROM loader.ledger").int(0, 0) == 1)
        }
    }

    @Test("all that this program needs is made by its migrations, and tables that are newer than it are no obstacle")
    func newerTables() throws {
        try withLedger { url, connection in
            #expect(try LedgerSchema.isComplete(on: connection))
            try connection.execute(
                """
                ALTER TABLE loader.positions ADD COLUMN later text; CREATE TABLE loader.later ();
                INSERT INTO schema_migrations VALUES ('00000000000099')
                """)
            try LedgerSchema.check(on: connection)
            let status = try migrator(url).status()
            #expect(status.ahead == ["00000000000099"] && !status.isEven && status.ledger == nil)
            try migrator(url).up { _ in Issue.record("nothing is pending") }
            try connection.execute("UPDATE loader.ledger SET schema_version = 2")
            #expect(try migrator(url).status().ledger?.code == .ledgerAhead)
            let error = #expect(throws: MigrationError.self) { try migrator(url).up { _ in } }
            #expect(error?.code == .ledgerAhead)
        }
    }

    @Test("the ledger has one row and no second")
    func singleton() throws {
        try withLedger { _, connection in
            for row in ["DEFAULT", "false"] {
                #expect(throws: PostgresError.self) {
                    try connection.execute("INSERT INTO loader.ledger (singleton, schema_version) VALUES (\(row), 1)")
                }
            }
            let rows = try connection.query("SELECT count(*) FROM loader.ledger").int(0, 0)
            #expect(rows == 1)
        }
    }

    @Test("a message that fails again is the same dead letter, with and without a timestamp")
    func deadLetterConflict() throws {
        try withLedger { _, connection in
            for (timestamp, attempts) in [("now()", 1), ("NULL", 1), ("NULL", 2), ("NULL", 3)] {
                let result = try connection.query(
                    """
                    INSERT INTO loader.dead_letters AS d (consumer_group, topic, partition, "offset", "timestamp", reason)
                    VALUES ('g', 't', 0, 7, \(timestamp), 'invalid_json')
                    ON CONFLICT (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')))
                    DO UPDATE SET attempts = d.attempts + 1, failed_at = now(), reason = excluded.reason
                    RETURNING attempts
                    """)
                #expect(result.int(0, 0) == Int64(attempts))
            }
            #expect(try connection.query("SELECT count(*) FROM loader.dead_letters").int(0, 0) == 2)
        }
    }

    @Test("the rights that the file's head lists are enough to load, and to migrate into a schema made beforehand")
    func leastPrivileges() throws {
        guard server.isPrivate else { return }
        let suffix = String(UInt32.random(in: 0 ... .max), radix: 36)
        let (owner, loader) = ("owner_" + suffix, "loader_" + suffix)
        let admin = try server.connect()
        try admin.execute("CREATE ROLE \(owner) LOGIN; CREATE ROLE \(loader) LOGIN")
        defer { _ = try? admin.execute("DROP ROLE \(owner), \(loader)") }
        try server.withDatabase { url in
            let superuser = try Connection(ConnectionOptions(url: url))
            try superuser.execute(
                """
                CREATE SCHEMA loader AUTHORIZATION \(owner);
                CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
                GRANT SELECT, INSERT, DELETE ON schema_migrations TO \(owner)
                """)
            try migrator(url + "?user=\(owner)").up { _ in }

            let head = BuiltInMigrations.loader.split(separator: "\n").prefix {
                $0 != "-- migrate:up"
            }
            let statements = head.compactMap { line in
                line.firstRange(of: "GRANT ").map { line[$0.lowerBound...].replacing("...", with: loader) }
            }
            #expect(statements.count == 4)
            try superuser.execute(statements.joined(separator: "\n"))

            let connection = try Connection(ConnectionOptions(url: url + "?user=\(loader)"))
            try LedgerSchema.check(on: connection)
            try connection.execute(
                """
                INSERT INTO loader.positions VALUES ('g', 't', 0, 5);
                UPDATE loader.positions SET next_offset = 9 WHERE next_offset = 5;
                INSERT INTO loader.dead_letters (consumer_group, topic, partition, "offset", reason)
                VALUES ('g', 't', 0, 7, 'x')
                ON CONFLICT (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')))
                DO UPDATE SET attempts = 2;
                DELETE FROM loader.dead_letters
                """)
            #expect(throws: PostgresError.self) {
                try connection.execute("UPDATE loader.ledger SET schema_version = 2")
            }
            connection.close()
            superuser.close()
        }
    }
}
