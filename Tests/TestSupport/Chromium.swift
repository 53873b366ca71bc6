import Foundation

/// A headless Chromium, for tests of pages.
public struct Chromium: Sendable {
    private let program: URL

    /// The first that is found in `PATH`; nil if there is none.
    public static let installed: Chromium? = {
        let names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
        let directories = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":")
        return names.lazy.flatMap { name in directories.map { URL(filePath: "\($0)/\(name)") } }
            .first { FileManager.default.isExecutableFile(atPath: $0.path()) }
            .map { Chromium(program: $0) }
    }()

    /// The page's DOM as HTML, after its scripts have run for a while.
    public func dom(of page: URL) throws -> String { try run(["--dump-dom", page.absoluteString]) }

    /// Writes what the page looks like as a PNG.
    public func screenshot(
        of page: URL, to file: URL, width: Int, height: Int, isDark: Bool = false, scale: Int = 1
    ) throws {
        var arguments = ["--screenshot=\(file.path())", "--window-size=\(width),\(height)", "--hide-scrollbars"]
        arguments.append("--force-device-scale-factor=\(scale)")
        if isDark { arguments.append("--blink-settings=preferredColorScheme=0") }
        _ = try run(arguments + [page.absoluteString])
    }

    private func run(_ arguments: [String]) throws -> String {
        let profile = FileManager.default.temporaryDirectory.appending(path: "chromium-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: profile) }
        let process = Process()
        process.executableURL = program
        process.arguments =
            [
                // Containers seldom allow it its sandbox, and it is shown nothing but our own page.
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                // The page's own time, in milliseconds: it waits for what it fetches.
                "--virtual-time-budget=3000", "--user-data-dir=\(profile.path())",
            ] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.runWithoutBlockedSignals()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(status: process.terminationStatus) }
        return String(decoding: said, as: UTF8.self)
    }

    private struct Failure: Error, CustomStringConvertible {
        var status: Int32
        var description: String { "Chromium ended with status \(status)" }
    }
}
