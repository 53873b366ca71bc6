import Foundation
import TestSupport

/// One run of the built `loader` with a command, and all that it said.
struct Command {
    var status: Int32
    var output: String
    var errors: String

    /// Runs it.
    ///
    /// - Parameters:
    ///   - typing: what somebody types at the terminal that it has for its input; nil: it has none.
    ///   - directory: where; nil: where there is no `loader.yaml`.
    static func run(
        _ arguments: [String], _ environment: [String: String], typing: String? = nil, in directory: URL? = nil
    ) async throws -> Command {
        let program = try builtProgram("loader")
        return try await onThread {
            let process = Process()
            process.executableURL = program
            process.arguments = arguments
            process.currentDirectoryURL = directory ?? FileManager.default.temporaryDirectory
            process.environment = environment.withInheritance
            let output = Pipe()
            // To a file: a full pipe that nobody reads yet would hold the command up.
            let log = FileManager.default.temporaryDirectory.appending(
                path: "command-\(getpid())-\(UInt64.random(in: 0 ... .max))")
            _ = FileManager.default.createFile(atPath: log.path(), contents: nil)
            defer { try? FileManager.default.removeItem(at: log) }
            let terminal = try typing.map { line in
                let terminal = try Terminal()
                try terminal.type(line)
                return terminal
            }
            process.standardInput = terminal?.otherEnd ?? FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = try FileHandle(forWritingTo: log)
            try process.runWithoutBlockedSignals()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            withExtendedLifetime(terminal) {}
            return Command(
                status: process.terminationStatus, output: text,
                errors: (try? String(contentsOf: log, encoding: .utf8)) ?? "")
        }
    }

    /// The output as a JSON object.
    func json() throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
    }
}
