import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Loader

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

    @Test("a file whose number was applied under another name is said by up and by status, and is not run")
    func takenFor() throws {
        try server.withDatabase { url in
            try migrator(url, [("1_a.sql", "\nCREATE TABLE a ()", ""), ("2_b.sql", "\nCREATE TABLE b ()", "")])
                .up { _ in }
            let other = try migrator(url, [("1_a.sql", "", ""), ("2_c.sql", "\nCREATE TABLE c ()", "")])
            var events: [Migrator.Event] = []
            try other.up { events.append($0) }
            #expect(events == [.takenFor(file: "2_c.sql", other: "2_b.sql")])
            #expect(try other.status().takenFor == ["2_c.sql": "2_b.sql"])
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(try connection.query("SELECT to_regclass('c')").isNull(0, 0))
            // A comment of somebody else's stays, and nothing is said.
            try connection.execute("COMMENT ON TABLE schema_migrations IS 'ours'")
            try migrator(url, [("3_d.sql", "\nCREATE TABLE d ()", "")]).up { _ in }
            #expect(try other.status().takenFor.isEmpty)
            #expect(
                try connection.query("SELECT obj_description('schema_migrations'::regclass)").string(0, 0) == "ours")
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
            #expect(error?.exitStatus == .configuration)
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
            #expect(turn?.exitStatus == .unavailable)
            try other.execute("ROLLBACK; CREATE TABLE busy ()")
            try other.execute("BEGIN; LOCK TABLE busy IN ACCESS SHARE MODE")
            let table = #expect(throws: MigrationError.self) {
                try migrator(
                    url, [("1_a.sql", "\nALTER TABLE busy ADD x int", "")], lockTimeout: .milliseconds(50)
                ).up { _ in }
            }
            #expect(table?.code == .refused)
            #expect(table?.cause?.sqlState == .lockNotAvailable)
            #expect(table?.exitStatus == .unavailable)
        }
    }

    @Test("a database that is away is unavailable, not misconfigured")
    func away() throws {
        let error = #expect(throws: MigrationError.self) {
            try migrator("postgresql://127.0.0.1:1/x", []).up { _ in }
        }
        #expect(error?.exitStatus == .unavailable)
    }
}

extension Migrator.Event {
    fileprivate var isRollback: Bool { if case .rolledBack = self { true } else { false } }

    fileprivate var file: String {
        switch self {
        case .applied(let file, _), .rolledBack(let file, _), .takenFor(let file, _): file
        }
    }
}
