import Foundation
import Postgres

/// The shared PostgreSQL with the loader's own schema in it.
public enum TestDatabase {
    private static let migrated = Result {
        let server = try PostgresServer.shared()
        try migrate(server.url)
        return server
    }

    public static func shared() throws -> PostgresServer { try migrated.get() }

    /// Gives a database the loader's schema, as a user would.
    ///
    /// - Parameter program: the loader; nil for the one that was built along with this program.
    public static func migrate(_ url: String, program: URL? = nil) throws {
        let process = Process()
        process.executableURL = try program ?? builtProgram("loader")
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

    public struct MigrationFailed: Error, CustomStringConvertible {
        public var output: String
        public var description: String { "loader migrate up failed: \(output)" }
    }
}
