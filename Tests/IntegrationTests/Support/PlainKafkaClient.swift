import Foundation
import TestSupport

/// Another Kafka client than the loader's own: confluent-kafka for Python.
enum PlainKafkaClient {
    /// A Python that has it; nil: none.
    static let python: String? = {
        let package = URL(filePath: #filePath).appending(path: "../../../../.local/venv/bin").standardized.path()
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return ([package] + path).map { $0 + "/python3" }.first { program in
            guard FileManager.default.isExecutableFile(atPath: program) else { return false }
            return (try? run(program, "import confluent_kafka", []))?.status == 0
        }
    }()

    private static let secured = "import json, sys\nsecured = json.loads(sys.argv.pop())\n"

    /// Runs a script with the brokers as its first argument, and more behind it. What a client of a secured cluster needs besides
    /// is in its variable `secured`.
    ///
    /// - Returns: what it has printed.
    static func run(_ script: String, on broker: Broker, _ arguments: [String]) async throws -> Data {
        guard let python else { throw CocoaError(.fileNoSuchFile) }
        let secured = String(decoding: try JSONEncoder().encode(broker.clientProperties), as: UTF8.self)
        return try await onThread {
            try run(python, Self.secured + script, [broker.bootstrapServers] + arguments + [secured]).output
        }
    }

    private static func run(
        _ program: String, _ script: String, _ arguments: [String]
    ) throws -> (status: Int32, output: Data) {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = ["-c", script] + arguments
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.runWithoutBlockedSignals()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}
