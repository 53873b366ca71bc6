import Foundation
import Postgres
import TestSupport

/// The shared PostgreSQL with the loader's own schema in it.
enum TestDatabase {
    private static let migrated = Result {
        let server = try PostgresServer.shared()
        try migrate(server.url)
        return server
    }

    static func shared() throws -> PostgresServer { try migrated.get() }

    /// Gives a database the loader's schema, as a user would.
    static func migrate(_ url: String) throws {
        let process = Process()
        process.executableURL = try builtProgram("loader")
        process.arguments = ["migrate", "up"]
        // A directory without migrations, so that only the loader's own are run.
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        process.environment = ProcessInfo.processInfo.environment.merging(["DATABASE_URL": url]) { $1 }
        let output = Pipe()
        process.standardError = output
        process.standardOutput = output
        try process.runWithoutBlockedSignals()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw MigrationFailed(output: text) }
    }

    struct MigrationFailed: Error, CustomStringConvertible {
        var output: String
        var description: String { "loader migrate up failed: \(output)" }
    }
}
