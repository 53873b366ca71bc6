import Foundation

/// A file that is gone with this.
final class TemporaryFile: Sendable {
    let path: String

    init(_ text: String, isExecutable: Bool = false) throws {
        path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path()
        try write(text)
        if isExecutable {
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }
}
