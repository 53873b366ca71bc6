import Foundation

/// A directory of migrations, as far as files are added to it.
package struct MigrationDirectory {
    private let path: String

    package init(_ path: String) { self.path = path }

    private func names() throws(MigrationError) -> [String] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        do { return try FileManager.default.contentsOfDirectory(atPath: path) } catch {
            throw MigrationError(
                .unreadableDirectory, message: "the directory \(path) cannot be read",
                mend: "Check that directory's permissions.")
        }
    }

    /// The path of a file behind all that are there, and behind all that may be recorded.
    package func nextFile(called title: String, now: Date = Date()) throws(MigrationError) -> String {
        // Version 0.1.0 recorded its own schema as 0001, where dbmate would take a file of that number for applied.
        let taken = try names() + [MigrationFile.formerName]
        return path + "/" + (try MigrationSet.nextName(after: taken, called: title, now: now))
    }

    /// Writes a file that is not there yet; makes the directory.
    package func write(_ text: String, to file: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: file), options: .withoutOverwriting)
    }

    /// The first file with a text that is looked for.
    package func first(where isWanted: (String) -> Bool) -> (file: String, text: String)? {
        for name in ((try? names()) ?? []).sorted() where name.hasSuffix(".sql") {
            let file = path + "/" + name
            guard let text = try? String(contentsOfFile: file, encoding: .utf8), isWanted(text) else { continue }
            return (file, text)
        }
        return nil
    }
}
