import Foundation

/// Programs in Python that the tests take other people's answers from.
public enum PythonScript {
    /// Whether Python has these modules.
    public static func has(_ modules: String) -> Bool {
        (try? run(["-c", "import \(modules)"], errors: .nullDevice)) != nil
    }

    /// Runs a script of `scripts/lib`.
    ///
    /// - Returns: the lines that it prints.
    public static func lines(of script: String, _ arguments: [String]) throws -> [Data] {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../scripts/lib/\(script)")
        return try run([path.path()] + arguments, errors: .standardError).split(separator: UInt8(ascii: "\n")).map {
            Data($0)
        }
    }

    private static func run(_ arguments: [String], errors: FileHandle) throws -> Data {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.runWithoutBlockedSignals()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.executableRuntimeMismatch) }
        return said
    }
}
