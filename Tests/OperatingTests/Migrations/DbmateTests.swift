import Foundation
import Postgres
import TestSupport
import Testing

@testable import Operating

/// Holds `loader migrate` against the tool whose format and table it uses.
@Suite(.enabled(if: Dbmate.path != nil, "dbmate is neither in PATH nor in .local/venv/bin; scripts/test installs it"))
struct DbmateTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    /// A directory with the loader's own migrations, the demo's and one that refuses a transaction.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "loader-migrations-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: Dbmate.package.appending(path: "migrations"), to: directory)
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.copyItem(
            at: Dbmate.package.appending(path: "deploy/demo/migrations/0002_demo_orders.sql"),
            to: directory.appending(path: "0002_demo_orders.sql"))
        try Data(
            """
            -- migrate:up transaction:false
            CREATE INDEX CONCURRENTLY orders_status ON public.orders (status);

            -- migrate:down transaction:false
            DROP INDEX CONCURRENTLY public.orders_status;
            """.utf8
        ).write(to: directory.appending(path: "0003_status_index.sql"))
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

    private static let own = ["00000000000001", "00000000000002", "00000000000003", "00000000000004"]

    @Test("both make the same database, table of versions included, and neither takes the loader's own back")
    func same() throws {
        try withDirectory { directory in
            try server.withDatabase { ours in
                try server.withDatabase { theirs in
                    try migrator(ours, directory).up { _ in }
                    try Dbmate.run(["up"], theirs, directory)
                    #expect(try contents(ours) == contents(theirs))
                    #expect(try contents(ours).suffix(Self.own.count + 2) == Self.own + ["0002", "0003"])

                    for _ in 1...2 {
                        try migrator(ours, directory).down { _ in }
                        try Dbmate.run(["down"], theirs, directory)
                        #expect(try contents(ours) == contents(theirs))
                    }
                    let ourError = #expect(throws: MigrationError.self) { try migrator(ours, directory).down { _ in } }
                    #expect(ourError?.code == .nothingToRollBack)
                    #expect(ourError?.mend.contains("loader migrate drop-ledger") == true)
                    let theirError = #expect(throws: Dbmate.Failure.self) {
                        try Dbmate.run(["down"], theirs, directory)
                    }
                    #expect(theirError?.output.contains("its positions and dead letters would be lost") == true)
                    #expect(try contents(ours) == contents(theirs))
                    #expect(try contents(ours).suffix(Self.own.count) == Self.own)
                }
            }
        }
    }

    @Test("dbmate continues, and takes back, what the loader began")
    func dbmateContinues() throws {
        try withDirectory { directory in
            try server.withDatabase { url in
                let begun = try MigrationSet(
                    origin: "", files: Array(MigrationSet(directory: directory).files.filter(\.isLoadersOwn)))
                var migrator = try migrator(url, directory)
                let all = migrator.migrations
                migrator.migrations = begun
                try migrator.up { _ in }
                migrator.migrations = all

                let output = try Dbmate.run(["up"], url, directory)
                #expect(!output.contains("Applying: \(Self.own[0])") && output.contains("Applying: 0003"))
                #expect(try migrator.status().isEven)
                try migrator.up { _ in Issue.record("nothing is left to do") }

                try migrator.down { _ in }
                #expect(try Dbmate.run(["status"], url, directory).contains("Pending: 1"))
                try Dbmate.run(["down"], url, directory)
                #expect(try migrator.status().applied == MigrationSet.builtIn().files.map(\.name))
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
                for _ in 1...2 { try migrator.down { _ in } }
                #expect(try migrator.status().pending == ["0002_demo_orders.sql", "0003_status_index.sql"])
                #expect(try Dbmate.run(["up"], url, directory).contains("Applied: 0003_status_index.sql"))
                try migrator.down { _ in }
                #expect(try Dbmate.run(["status"], url, directory).contains("Pending: 1"))
            }
        }
    }

    @Test("what dbmate applied of version 0.1.0 goes on under both tools, with its ledger")
    func carriedOver() throws {
        try withDirectory { directory in
            let former = FileManager.default.temporaryDirectory.appending(path: "loader-former-\(UUID().uuidString)")
            try FileManager.default.copyItem(at: Dbmate.package.appending(path: "Tests/Fixtures/0.1.0"), to: former)
            defer { try? FileManager.default.removeItem(at: former) }
            for isOurs in [false, true] {
                try server.withDatabase { url in
                    try Dbmate.run(["up"], url, former.path())
                    let connection = try Connection(ConnectionOptions(url: url))
                    let id = try connection.query("SELECT id FROM loader.ledger").string(0, 0)
                    try connection.execute("INSERT INTO loader.positions VALUES ('g', 't', 0, 5)")
                    if isOurs {
                        try migrator(url, directory).up { _ in }
                    } else {
                        try Dbmate.run(["up"], url, directory)
                    }
                    #expect(try migrator(url, directory).status().isEven)
                    #expect(try connection.query("SELECT id FROM loader.ledger").string(0, 0) == id)
                    #expect(try connection.query("SELECT next_offset FROM loader.positions").int(0, 0) == 5)
                    try LedgerSchema.check(on: connection)
                    // A file that was skipped because the number was the loader's own.
                    try Data("-- migrate:up\nCREATE TABLE things ();\n-- migrate:down\nDROP TABLE things;\n".utf8)
                        .write(to: URL(filePath: directory).appending(path: "0001_things.sql"))
                    try migrator(url, directory).up { _ in }
                    #expect(try connection.query("SELECT to_regclass('things')").string(0, 0) == "things")
                    try Dbmate.run(["up"], url, directory)
                    #expect(try Dbmate.run(["status"], url, directory).contains("Pending: 0"))
                    try FileManager.default.removeItem(at: URL(filePath: directory).appending(path: "0001_things.sql"))
                }
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
