import Foundation
import Loading
import Postgres
import TestSupport
import Testing

@testable import Loader
@testable import Operating

/// `loader migrate` as it is typed.
@Suite struct MigrateCommandTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    private struct Ended {
        var status: Int32
        /// Both of stdout and stderr.
        var output: String
    }

    /// Runs the program in a directory with these files of `migrations/`; nil: there is no such directory.
    ///
    /// - Parameter typed: what is typed on a terminal; nil: there is none.
    private func run(
        _ arguments: [String], _ url: String, _ files: [String: String]? = nil, typed: String? = nil
    ) throws -> Ended {
        let directory = FileManager.default.temporaryDirectory.appending(path: "loader-migrate-\(UUID().uuidString)")
        let migrations = directory.appending(path: "migrations")
        try FileManager.default.createDirectory(
            at: files == nil ? directory : migrations, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        for (name, up) in files ?? [:] {
            try Data("-- migrate:up\n\(up)\n-- migrate:down\n".utf8).write(to: migrations.appending(path: name))
        }
        let process = Process()
        process.executableURL = try builtProgram("loader")
        process.arguments = arguments
        process.currentDirectoryURL = directory
        process.environment = ["DATABASE_URL": url].withInheritance
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        var terminal: Terminal?
        if let typed {
            let opened = try Terminal()
            try opened.type(typed)
            process.standardInput = opened.otherEnd
            terminal = opened
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        try process.runWithoutBlockedSignals()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        _ = terminal
        return Ended(status: process.terminationStatus, output: text)
    }

    private static let things = ["0001_things.sql": "CREATE TABLE things ();"]

    @Test("with a directory `migrations` up makes the ledger too, which is what every mend says")
    func upMakesTheLedger() throws {
        try server.withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url))
            let missing = #expect(throws: MigrationError.self) { try LedgerSchema.check(on: connection) }
            #expect(missing?.mend.contains("`loader migrate up`") == true)
            #expect(try run(["migrate", "status", "--exit-code"], url, Self.things).status == 1)
            let up = try run(["migrate", "up"], url, Self.things)
            #expect(up.status == 0 && up.output.contains("Applied 0001_things.sql"), "\(up.output)")
            try LedgerSchema.check(on: connection)
            #expect(try connection.query("SELECT to_regclass('things')").string(0, 0) == "things")
            let status = try run(["migrate", "status", "--exit-code"], url, Self.things)
            #expect(status.status == 0 && !status.output.contains("[?]"), "\(status.output)")
            let again = try run(["migrate", "up"], url, Self.things)
            #expect(again.output == "Nothing to do: the loader's own migrations and those in migrations are applied\n")
        }
    }

    @Test("--built-in is the loader's own alone, --no-built-in only the user's")
    func parts() throws {
        try server.withDatabase { url in
            let connection = try Connection(ConnectionOptions(url: url))
            #expect(try run(["migrate", "up", "--no-built-in"], url, Self.things).status == 0)
            #expect(try connection.query("SELECT to_regnamespace('loader')").isNull(0, 0))
            #expect(try run(["migrate", "up", "--built-in"], url, ["0002_x.sql": "CREATE TABLE x ();"]).status == 0)
            try LedgerSchema.check(on: connection)
            #expect(try connection.query("SELECT to_regclass('x')").isNull(0, 0))
            #expect(try run(["migrate", "status", "--exit-code"], url, Self.things).status == 0)
        }
    }

    @Test("up and status tell of an applied version without a file and of a number that is another file's")
    func tells() throws {
        try server.withDatabase { url in
            #expect(try run(["migrate", "up"], url, Self.things).status == 0)
            let missing = try run(["migrate", "up"], url, ["0002_x.sql": "CREATE TABLE x ();"])
            #expect(
                missing.status == 0 && missing.output.contains("0001 is applied, and has no file"), "\(missing.output)")
            let status = try run(["migrate", "status", "--exit-code"], url, ["0002_x.sql": "CREATE TABLE x ();"])
            #expect(status.status == 1 && status.output.contains("[?] 0001"), "\(status.output)")
            let other = ["0001_other.sql": "CREATE TABLE other ();", "0002_x.sql": "CREATE TABLE x ();"]
            let up = try run(["migrate", "up"], url, other)
            #expect(up.status == 78 && up.output.contains("recorded for 0001_things.sql"), "\(up.output)")
            #expect(!up.output.contains("Nothing to do"))
            let taken = try run(["migrate", "status", "--exit-code"], url, other)
            #expect(taken.status == 1 && taken.output.contains("[!] 0001_other.sql"), "\(taken.output)")
            #expect(try run(["migrate", "up", "--applied", "0001_other.sql"], url, other).status == 0)
            #expect(try run(["migrate", "status", "--exit-code"], url, other).status == 0)
        }
    }

    /// A database with a ledger in use, and its name.
    private func withLedger(_ body: (String, String, Connection) throws -> Void) throws {
        try server.withDatabase { url in
            #expect(try run(["migrate", "up"], url, Self.things).status == 0)
            let connection = try Connection(ConnectionOptions(url: url))
            try connection.execute(
                """
                INSERT INTO loader.positions VALUES ('billing', 't', 0, 5), ('billing', 't', 1, 5);
                INSERT INTO loader.dead_letters (consumer_group, topic, partition, "offset", reason)
                SELECT 'billing', 't', 0, n, 'x' FROM generate_series(1, 7) n
                """)
            let name = try connection.query("SELECT current_database()").string(0, 0) ?? ""
            try body(url, name, connection)
        }
    }

    private func hasLedger(_ connection: Connection) throws -> Bool {
        try connection.query("SELECT to_regclass('loader.ledger')").string(0, 0) != nil
    }

    @Test("drop-ledger shows what would be lost, and without --yes or a terminal drops nothing")
    func dropIsAsked() throws {
        try withLedger { url, name, connection in
            let ended = try run(["migrate", "drop-ledger"], url)
            #expect(ended.status == 78 && ended.output.contains("--yes"), "\(ended.output)")
            let row = ended.output.split(separator: "\n").first { $0.hasPrefix("billing") }
            #expect(row?.split(separator: " ").prefix(3) == ["billing", "1", "2"] && row?.hasSuffix(" 7") == true)
            #expect(ended.output.contains(name))
            #expect(try run(["migrate", "drop-ledger"], url, typed: "yes").status == 78)
            #expect(try hasLedger(connection))
            let typed = try run(["migrate", "drop-ledger"], url, typed: name)
            #expect(typed.status == 0 && typed.output.contains("is dropped"), "\(typed.output)")
            #expect(try connection.query("SELECT to_regnamespace('loader')").isNull(0, 0))
            #expect(
                try connection.query("SELECT string_agg(version, ' ') FROM schema_migrations").string(0, 0) == "0001")
            #expect(
                try run(["migrate", "drop-ledger", "--yes"], url).status == 0, "there is nothing left, and that is fine"
            )
        }
    }

    @Test("drop-ledger refuses while a loader has a session, also with --yes, and names it")
    func dropIsRefusedWhileActive() throws {
        try withLedger { url, _, connection in
            var options = LoadingOptions(brokers: "", group: "billing", routes: [])
            options.database.url = url
            let session = try Connection(options.connectionOptions("writer 1"))
            let ended = try run(["migrate", "drop-ledger", "--yes"], url)
            #expect(ended.status == 78 && ended.output.contains("loader billing writer 1 (pid "), "\(ended.output)")
            #expect(try hasLedger(connection))
            // Who comes between the look and the drop is seen as well.
            let migrator = Migrator(
                migrations: try .builtIn(), options: ConnectionOptions(url: url, applicationName: "loader migrate"),
                lockTimeout: .seconds(10), turnTimeout: .seconds(30))
            let error = #expect(throws: MigrationError.self) { _ = try migrator.dropLedger() }
            #expect(error?.code == .activeMembers)
            #expect(try hasLedger(connection))
            session.close()
        }
    }

    @Test("drop-ledger leaves what is not the loader's, and refuses where something stands on its tables")
    func dropLeavesTheRest() throws {
        try withLedger { url, _, connection in
            try connection.execute("CREATE TABLE loader.mine (); CREATE VIEW lag AS SELECT * FROM loader.positions")
            let refused = try run(["migrate", "drop-ledger", "--yes"], url)
            #expect(refused.status == 78 && refused.output.contains("view lag"), "\(refused.output)")
            #expect(try hasLedger(connection))
            try connection.execute("DROP VIEW lag")
            let ended = try run(["migrate", "drop-ledger", "--yes"], url)
            #expect(ended.status == 0 && ended.output.contains("the schema loader stays"), "\(ended.output)")
            #expect(try !hasLedger(connection))
            #expect(try connection.query("SELECT to_regclass('loader.mine')").string(0, 0) == "loader.mine")
        }
    }
}
