import Foundation
import Postgres
import TestSupport
import Testing

@testable import Loader

/// Holds `loader migrate` against the tool whose format and table it uses.
@Suite(.enabled(if: Dbmate.path != nil, "dbmate is neither in PATH nor in .local/venv/bin; scripts/test installs it"))
struct DbmateTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    /// A directory with the loader's own migrations and one that refuses a transaction.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "loader-migrations-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: Dbmate.package.appending(path: "migrations"), to: directory)
        defer { try? FileManager.default.removeItem(at: directory) }
        try Data(
            """
            -- migrate:up transaction:false
            CREATE INDEX CONCURRENTLY orders_status ON public.orders (status);

            -- migrate:down transaction:false
            DROP INDEX CONCURRENTLY public.orders_status;
            """.utf8
        ).write(to: directory.appending(path: "0004_status_index.sql"))
        try body(directory.path())
    }

    private func migrator(_ url: String, _ directory: String) throws -> Migrator {
        Migrator(
            migrations: try MigrationSet(directory: directory), options: ConnectionOptions(url: url),
            lockTimeout: .seconds(10), turnTimeout: .seconds(30))
    }

    /// Everything that migrations make: relations and the recorded versions.
    private func contents(_ url: String) throws -> [String?] {
        let connection = try Connection(ConnectionOptions(url: url))
        let result = try connection.query(
            """
            SELECT format('%s %s.%s', c.relkind, n.nspname, c.relname)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('public', 'loader')
            UNION ALL
            SELECT format('column %s %s %s', table_name, column_name, data_type || ' ' || is_nullable)
            FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'schema_migrations'
            ORDER BY 1
            """)
        let versions = try connection.query("SELECT version FROM public.schema_migrations ORDER BY version")
        return (0..<result.rowCount).map { result.string($0, 0) }
            + (0..<versions.rowCount).map { versions.string($0, 0) }
    }

    @Test("both make the same database, table of versions included")
    func same() throws {
        try withDirectory { directory in
            try server.withDatabase { ours in
                try server.withDatabase { theirs in
                    try migrator(ours, directory).up { _ in }
                    try Dbmate.run(["up"], theirs, directory)
                    #expect(try contents(ours) == contents(theirs))
                    #expect(try contents(ours).suffix(4) == ["0001", "0002", "0003", "0004"])

                    for _ in 1...4 {
                        try migrator(ours, directory).down { _ in }
                        try Dbmate.run(["down"], theirs, directory)
                        #expect(try contents(ours) == contents(theirs))
                    }
                }
            }
        }
    }

    @Test("dbmate continues, and takes back, what the loader began")
    func dbmateContinues() throws {
        try withDirectory { directory in
            try server.withDatabase { url in
                let begun = try MigrationSet(origin: "", files: [MigrationSet(directory: directory).files[0]])
                var migrator = try migrator(url, directory)
                let all = migrator.migrations
                migrator.migrations = begun
                try migrator.up { _ in }
                migrator.migrations = all

                let output = try Dbmate.run(["up"], url, directory)
                #expect(!output.contains("Applying: 0001") && output.contains("Applying: 0004"))
                #expect(try migrator.status().pending == [])
                try migrator.up { _ in Issue.record("nothing is left to do") }

                try migrator.down { _ in }
                #expect(try Dbmate.run(["status"], url, directory).contains("Pending: 1"))
                for _ in 1...2 { try Dbmate.run(["down"], url, directory) }
                #expect(try migrator.status().applied == ["0001_loader.sql"])
            }
        }
    }

    @Test("the loader continues, and takes back, what dbmate began")
    func loaderContinues() throws {
        try withDirectory { directory in
            try server.withDatabase { url in
                try Dbmate.run(["up"], url, directory)
                let migrator = try migrator(url, directory)
                try migrator.up { _ in Issue.record("nothing is left to do") }
                try LedgerSchema.check(on: try Connection(ConnectionOptions(url: url)))
                for _ in 1...3 { try migrator.down { _ in } }
                #expect(
                    try migrator.status().pending
                        == ["0002_demo_orders.sql", "0003_last_messages.sql", "0004_status_index.sql"])
                #expect(try Dbmate.run(["up"], url, directory).contains("Applied: 0004_status_index.sql"))
                try migrator.down { _ in }
                #expect(try Dbmate.run(["status"], url, directory).contains("Pending: 1"))
            }
        }
    }
}

private enum Dbmate {
    static let package = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")
        .standardizedFileURL

    static let path: String? = {
        let directories = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let candidates = [package.appending(path: ".local/venv/bin").path()] + directories
        return candidates.map { $0 + "/dbmate" }.first(where: FileManager.default.isExecutableFile)
    }()

    struct Failure: Error { var output: String }

    @discardableResult
    static func run(_ arguments: [String], _ url: String, _ directory: String) throws -> String {
        // Its driver asks for TLS unless told otherwise.
        let url = url.contains("sslmode=") ? url : url + (url.contains("?") ? "&" : "?") + "sslmode=disable"
        let process = Process()
        process.executableURL = URL(filePath: path ?? "")
        process.arguments = ["--no-dump-schema", "--migrations-dir", directory, "--url", url] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.runWithoutBlockedSignals()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(output: text) }
        return text
    }
}
