import Foundation
import Postgres

@testable import Operating

/// What version 0.1.0 did.
enum Former {
    static func file(named name: String = "0001_loader.sql") throws -> MigrationFile {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/0.1.0/0001_loader.sql").standardizedFileURL.path()
        return try MigrationFile(name: name, contents: String(contentsOfFile: path, encoding: .utf8))
    }

    /// Makes the loader's own schema and records it, both in one transaction.
    static func migrate(_ connection: Connection, version: String = "0001") throws {
        try connection.execute("CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)")
        try connection.execute("BEGIN")
        try connection.execute(try file().up.sql)
        try connection.execute("INSERT INTO schema_migrations VALUES ('\(version)'); COMMIT")
    }
}
