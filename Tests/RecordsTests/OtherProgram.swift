import Foundation
import TestSupport
import Testing

/// The scripts in `scripts/lib` that ask other programs' readers in Python.
enum OtherProgram {
    static let missing = "no Python with it in PATH or .local/venv/bin; scripts/test installs it"

    private static let root = URL(filePath: #filePath).appending(path: "../../..").standardized

    /// Whether there is a Python with these modules.
    static func has(_ modules: String) -> Bool { python(with: modules) != nil }

    private static func python(with modules: String) -> String? {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return ([root.appending(path: ".local/venv/bin").path()] + path).map { $0 + "/python3" }.first { program in
            guard FileManager.default.isExecutableFile(atPath: program) else { return false }
            return (try? run(program, ["-c", "import \(modules)"]))?.status == 0
        }
    }

    /// What a script prints, a case a line.
    static func lines<Case: Decodable>(
        of script: String, _ arguments: [String], with modules: String
    ) async throws -> [Case] {
        let program = try #require(python(with: modules))
        let script = root.appending(path: "scripts/lib/\(script)").path()
        let result = try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(with: Result { try run(program, [script] + arguments) })
            }.start()
        }
        #expect(result.status == 0, "the oracles do not agree with each other; its words are above")
        let decoder = JSONDecoder()
        return try result.output.split(separator: UInt8(ascii: "\n")).map { try decoder.decode(Case.self, from: $0) }
    }

    private static func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: Data) {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        try process.runWithoutBlockedSignals()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}

extension String {
    /// Of hexadecimal digits.
    var asBytes: [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Substring(self)
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
