import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Operating

@Suite struct MigratorTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    private func migrator(
        _ url: String, _ files: [(name: String, up: String, down: String)], wait: Duration = .seconds(30),
        lockTimeout: Duration = .seconds(30)
    ) throws -> Migrator {
        let files = try files.map { file in
            try MigrationFile(
                name: file.name, contents: "-- migrate:up\(file.up)\n-- migrate:down\(file.down)\n")
        }
        return Migrator(
            migrations: try MigrationSet(origin: "here", files: files), options: ConnectionOptions(url: url),
            lockTimeout: lockTimeout, turnTimeout: wait)
    }

    private func versions(_ connection: Connection) throws -> String? {
        try connection.query("SELECT string_agg(version, ' ' ORDER BY version) FROM schema_migrations").string(0, 0)
    }

    @Test("up applies what is pending, in order and once; down takes back the last; status tells")
    func upAndDown() throws {
        try server.withDatabase { url in
            let migrator = try migrator(
                url,
                [
                    ("0002_b.sql", "\nCREATE TABLE b AS TABLE a", "\nDROP TABLE b"),
                    ("0001_a.sql", "\nCREATE TABLE a ()", "\nDROP TABLE a"),
                ])
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(try migrator.status() == .init(applied: [], pending: ["0001_a.sql", "0002_b.sql"], unknown: []))
            #expect(try connection.query("SELECT to_regclass('schema_migrations')").isNull(0, 0), "status only reads")

            var files: [String] = []
            try migrator.up { if case .applied(let file, _) = $0 { files.append(file) } }
            #expect(files == ["0001_a.sql", "0002_b.sql"])
            #expect(try versions(connection) == "0001 0002")
            try migrator.up { _ in Issue.record("nothing is pending") }

            try migrator.down { #expect(($0.isRollback, $0.file) == (true, "0002_b.sql")) }
            #expect(try versions(connection) == "0001")
            #expect(try connection.query("SELECT to_regclass('b')").isNull(0, 0))
            #expect(try migrator.status() == .init(applied: ["0001_a.sql"], pending: ["0002_b.sql"], unknown: []))
            try connection.execute("INSERT INTO schema_migrations VALUES ('0000')")
            #expect(try migrator.status().unknown == ["0000"])
        }
    }

    private func refusal(_ migrator: Migrator) -> MigrationError? {
        #expect(throws: MigrationError.self) { try migrator.up { _ in Issue.record("nothing may be run") } }
    }

    @Test(
        "a file whose number was applied under another name is refused before anything is run, and one renamed is not")
    func taken() throws {
        try server.withDatabase { url in
            let first = (name: "1_a.sql", up: "\nCREATE TABLE a ()", down: "\nDROP TABLE a")
            var former = try migrator(url, [first])
            former.migrations = try former.migrations.withBuiltIn()
            try former.up { _ in }

            var other = try migrator(
                url, [("1_b.sql", "\nCREATE TABLE b ()", ""), ("2_c.sql", "\nCREATE TABLE c ()", "")])
            other.migrations = try other.migrations.withBuiltIn()
            let error = refusal(other)
            #expect(error?.code == .duplicateVersion && error?.file == "1_b.sql")
            #expect(error?.message.contains("recorded for 1_a.sql") == true)
            let status = try other.status()
            #expect(status.taken.map(\.file) == ["1_b.sql"] && !status.isEven)
            // The mend that the message names.
            var events: [String] = []
            try other.up(claimed: ["1_b.sql"]) { events.append($0.file) }
            #expect(events == ["1_b.sql", "2_c.sql"])
            #expect(try other.status().isEven)
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(try connection.query("SELECT to_regclass('b')").isNull(0, 0))

            var renamed = try migrator(
                url, [("1_b.sql", "\nCREATE TABLE b ()", ""), ("2_d.sql", "\n CREATE TABLE c ()", "")])
            renamed.migrations = try renamed.migrations.withBuiltIn()
            #expect(try renamed.status().isEven)
            try renamed.up { _ in Issue.record("nothing is pending") }
        }
    }

    @Test("a file that was skipped because version 0.1.0 had recorded its number for its own schema is applied")
    func skippedFor010() throws {
        try server.withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url))
            try Former.migrate(connection)
            var migrator = try migrator(url, [("0001_things.sql", "\nCREATE TABLE things ()", "\nDROP TABLE things")])
            migrator.migrations = try migrator.migrations.withBuiltIn()
            #expect(try migrator.status().pending.contains("0001_things.sql"))
            let id = try connection.query("SELECT id FROM loader.ledger").string(0, 0)
            try migrator.up { _ in }
            #expect(try connection.query("SELECT to_regclass('things')").string(0, 0) == "things")
            #expect(try connection.query("SELECT id FROM loader.ledger").string(0, 0) == id)
            #expect(try migrator.status().isEven)
            try migrator.up { _ in Issue.record("it is applied once") }
            try migrator.down { #expect($0.file == "0001_things.sql") }
        }
    }

    @Test("where nobody can tell whether a file was skipped for version 0.1.0's own, it is asked and not guessed")
    func perhapsSkippedFor010() throws {
        try server.withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url))
            try Former.migrate(connection)
            // As behind a dump and a restore: no transaction is that of the other.
            try connection.execute("UPDATE schema_migrations SET version = version")
            var migrator = try migrator(url, [("0001_things.sql", "\nCREATE TABLE things ()", "")])
            migrator.migrations = try migrator.migrations.withBuiltIn()
            for _ in 1...2 {
                let error = #expect(throws: MigrationError.self) { try migrator.up { _ in } }
                #expect(error?.code == .duplicateVersion && error?.file == "0001_things.sql")
                #expect(error?.mend.contains("loader migrate up --applied 0001_things.sql") == true)
                // Also when somebody has brought the loader's own up to date in between.
                var own = migrator
                own.migrations = try .builtIn()
                try own.up { _ in }
            }
            try migrator.up(claimed: ["0001_things.sql"]) { _ in }
            #expect(try migrator.status().isEven)
        }
    }

    @Test("a healthy install of version 0.1.0 has nothing that is applied without a file, before and after")
    func healthy010() throws {
        for version in ["0001", "0005"] {
            for isRestored in [false, true] where version == "0001" || !isRestored {
                try server.withDatabase { url in
                    let connection = try Connection(ConnectionOptions(url: url))
                    try Former.migrate(connection, version: version)
                    if isRestored { try connection.execute("UPDATE schema_migrations SET version = version") }
                    var migrator = try migrator(url, [("0009_a.sql", "\nCREATE TABLE a ()", "")])
                    migrator.migrations = try migrator.migrations.withBuiltIn()
                    #expect(try migrator.status().unknown == [])
                    try migrator.up { _ in }
                    #expect(try migrator.status().isEven)
                    // What the version before looks for when it is started again.
                    #expect(try versions(connection)?.contains(version) == true)
                }
            }
        }
    }

    @Test("a copy of version 0.1.0's schema in the directory is recorded, not run into the tables that are there")
    func copyOf010() throws {
        try server.withDatabase { url in
            var migrator = try migrator(url, [])
            migrator.migrations = try MigrationSet(origin: "here", files: [Former.file()]).withBuiltIn()
            var events: [Migrator.Event] = []
            try migrator.up { events.append($0) }
            #expect(events.last == .recorded(file: "0001_loader.sql"))
            #expect(try migrator.status().isEven)
            let error = #expect(throws: MigrationError.self) { try migrator.down { _ in } }
            #expect(error?.code == .ledgerStays)
        }
    }

    @Test("a role that is called as the ledger's schema, and has it first in its search path, runs nothing twice")
    func roleOfTheSchemasName() throws {
        try server.withDatabase { url in
            // What "$user" stands for, for a role of that name.
            var migrator = try migrator(
                url + (url.contains("?") ? "&" : "?") + "options=-csearch_path%3Dloader,public",
                [("1_a.sql", "\nCREATE TABLE public.a ()", "")])
            migrator.migrations = try migrator.migrations.withBuiltIn()
            try migrator.up { _ in }
            try migrator.up { _ in Issue.record("nothing is pending") }
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(try versions(connection) == "00000000000001 00000000000002 00000000000003 00000000000004 1")
        }
    }

    @Test("a file that fails leaves nothing of itself, keeps those before it, and is named with its line")
    func failure() throws {
        try server.withDatabase { url in
            let migrator = try migrator(
                url,
                [
                    ("1_a.sql", "\nCREATE TABLE a ()", ""),
                    ("2_b.sql", "\nCREATE TABLE b ();\n\nCREATE TABEL c ();", ""),
                    ("3_c.sql", "\nCREATE TABLE c ()", ""),
                ])
            let error = #expect(throws: MigrationError.self) { try migrator.up { _ in } }
            #expect(error?.code == .refused)
            #expect(error?.file == "2_b.sql")
            #expect(error?.line == 4)
            #expect(error?.cause?.sqlState == .syntaxError)
            #expect(error?.passes == false)
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(try versions(connection) == "1")
            #expect(
                try connection.query("SELECT to_regclass('b') IS NULL AND to_regclass('c') IS NULL").bool(0, 0) == true)
        }
    }

    @Test("a file that commits by itself is found out")
    func commitInside() throws {
        try server.withDatabase { url in
            let error = #expect(throws: MigrationError.self) {
                try migrator(url, [("1_a.sql", "\nCREATE TABLE a (); COMMIT;", "")]).up { _ in }
            }
            #expect(error?.code == .badFormat)
            let recorded = try versions(try Connection(ConnectionOptions(url: url)))
            #expect(recorded == nil)
        }
    }

    @Test("transaction:false runs what refuses a transaction, while others wait for their turn")
    func withoutTransaction() throws {
        try server.withDatabase { url in
            let migrator = try migrator(
                url,
                [
                    ("1_a.sql", "\nCREATE TABLE a (x int)", ""),
                    (
                        "2_i.sql", " transaction:false\nCREATE INDEX CONCURRENTLY i ON a (x)",
                        " transaction:false\nDROP INDEX CONCURRENTLY i"
                    ),
                ])
            try migrator.up { _ in }
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(try connection.query("SELECT to_regclass('i')").string(0, 0) == "i")
            try migrator.down { _ in }
            #expect(try versions(connection) == "1")
        }
    }

    @Test("a SET in one file does not reach the next")
    func sessions() throws {
        try server.withDatabase { url in
            try migrator(
                url,
                [
                    ("1_a.sql", "\nCREATE SCHEMA s; SET search_path = s; CREATE TABLE a ()", ""),
                    ("2_b.sql", "\nCREATE TABLE b ()", ""),
                ]
            ).up { _ in }
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(
                try connection.query("SELECT to_regclass('s.a') IS NOT NULL AND to_regclass('public.b') IS NOT NULL")
                    .bool(0, 0) == true)
        }
    }

    private final class Log: Sendable {
        let applied = Mutex<[String]>([])
        let errors = Mutex<[String]>([])
    }

    @Test("loaders that migrate at the same time apply each file once, and all succeed")
    func concurrent() throws {
        try server.withDatabase { url in
            let files = (1...5).map { ("\($0)_t.sql", "\nSELECT pg_sleep(0.01); CREATE TABLE t\($0) ()", "") }
            let log = Log()
            let threads = DispatchGroup()
            for _ in 1...4 {
                let migrator = try migrator(url, files)
                threads.enter()
                Thread.detachNewThread {
                    do {
                        try migrator.up { event in log.applied.withLock { $0.append(event.file) } }
                    } catch {
                        log.errors.withLock { $0.append("\(error)") }
                    }
                    threads.leave()
                }
            }
            threads.wait()
            #expect(log.errors.withLock { $0 } == [])
            #expect(log.applied.withLock { $0 } == files.map(\.0))
        }
    }

    @Test("who waits too long for another migration, or for a table's lock, is told so and may try again")
    func locked() throws {
        try server.withDatabase { url in
            let other = try Connection(ConnectionOptions(url: url))
            try other.execute("BEGIN; SELECT pg_advisory_xact_lock(119225631139186)")
            let turn = #expect(throws: MigrationError.self) {
                try migrator(url, [("1_a.sql", "\nCREATE TABLE a ()", "")], wait: .milliseconds(50)).up { _ in }
            }
            #expect(turn?.code == .locked)
            #expect(turn?.passes == true)
            try other.execute("ROLLBACK; CREATE TABLE busy ()")
            try other.execute("BEGIN; LOCK TABLE busy IN ACCESS SHARE MODE")
            let table = #expect(throws: MigrationError.self) {
                try migrator(
                    url, [("1_a.sql", "\nALTER TABLE busy ADD x int", "")], lockTimeout: .milliseconds(50)
                ).up { _ in }
            }
            #expect(table?.code == .refused)
            #expect(table?.cause?.sqlState == .lockNotAvailable)
            #expect(table?.passes == true)
        }
    }

    @Test("a database that is away is unavailable, not misconfigured")
    func away() throws {
        let error = #expect(throws: MigrationError.self) {
            try migrator("postgresql://127.0.0.1:1/x", []).up { _ in }
        }
        #expect(error?.passes == true)
    }
}

extension Migrator.Event {
    fileprivate var isRollback: Bool { if case .rolledBack = self { true } else { false } }

    fileprivate var file: String {
        switch self {
        case .applied(let file, _), .rolledBack(let file, _), .recorded(let file): file
        }
    }
}
