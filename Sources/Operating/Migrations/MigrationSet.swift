import Foundation

/// The migrations there are, in the order in which they run: that of their file names.
package struct MigrationSet: Sendable, Equatable {
    /// For messages: a directory, or what takes its place.
    package var origin: String

    package var files: [MigrationFile]

    init(origin: String, files: [MigrationFile]) throws(MigrationError) {
        self.origin = origin
        // By bytes, as dbmate sorts them, whatever the locale.
        self.files = files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        var names: [String: String] = [:]
        for file in self.files {
            if let other = names.updateValue(file.name, forKey: file.version) {
                throw MigrationError(
                    .duplicateVersion, file: file.name,
                    message:
                        "\(other) has the version \(file.version) too, and schema_migrations could record only one",
                    mend: "Give the newer one a number of its own.")
            }
        }
    }

    /// What they are, for a sentence.
    package var words: String {
        if origin == Self.builtInOrigin { return origin }
        return files.contains(where: \.isLoadersOwn)
            ? "\(Self.builtInOrigin) and those in \(origin)" : "the migrations in \(origin)"
    }

    /// Reads every `NNNN_name.sql` of a directory.
    package init(directory: String) throws(MigrationError) {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw MigrationError(
                .unreadableDirectory, message: "the directory \(directory) is not there or cannot be read",
                mend: "Name another with --dir, or use the loader's own migrations with --built-in.")
        }
        var files: [MigrationFile] = []
        for name in names where MigrationFile.version(of: name) != nil {
            guard let data = FileManager.default.contents(atPath: directory + "/" + name),
                let contents = String(validating: data, as: UTF8.self)
            else {
                throw MigrationError(
                    .unreadableFile, file: directory + "/" + name, message: "the file cannot be read as UTF-8 text",
                    mend: "Check its permissions and its encoding.")
            }
            files.append(try MigrationFile(name: name, contents: contents))
        }
        try self.init(origin: directory, files: files)
    }

    /// The name of the next file: numbered on, or by the time where the last one is (dbmate's own way).
    package static func nextName(after names: [String], called title: String, now: Date) throws(MigrationError)
        -> String
    {
        let words = title.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        guard !words.isEmpty else {
            throw MigrationError(
                .badName, message: "the name \"\(title)\" has no letter or digit in it", mend: "Give another name.")
        }
        let versions = names.compactMap(MigrationFile.version).filter { !MigrationFile.isLoadersOwn($0) }
        let width = max(4, versions.map(\.count).max() ?? 0)
        let number: String
        if width >= 14 {
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = .gmt
            let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: now)
            number =
                padded(parts.year ?? 0, to: 4)
                + [parts.month, parts.day, parts.hour, parts.minute, parts.second].map { padded($0 ?? 0, to: 2) }
                .joined()
        } else {
            number = padded((versions.compactMap { Int($0) }.max() ?? 0) + 1, to: width)
        }
        return "\(number)_\(words.joined(separator: "_")).sql"
    }

    private static func padded(_ number: Int, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    package static let template = """
        -- migrate:up


        -- migrate:down


        """
}
