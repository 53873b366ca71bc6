import Foundation
import TestSupport

/// One run of the built `loader` with a command, and all that it said.
struct Command {
    var status: Int32
    var output: String
    var errors: String

    /// Runs it in a directory without a `loader.yaml`.
    ///
    /// - Parameter typing: what somebody types at the terminal that it has for its input; nil: it has none.
    static func run(
        _ arguments: [String], _ environment: [String: String], typing: String? = nil
    ) async throws -> Command {
        let program = try builtProgram("loader")
        return try await onThread {
            let process = Process()
            process.executableURL = program
            process.arguments = arguments
            process.currentDirectoryURL = FileManager.default.temporaryDirectory
            process.environment = environment.merging(["PATH": ProcessInfo.processInfo.environment["PATH"] ?? ""]) {
                own, _ in own
            }
            let output = Pipe()
            // To a file: a full pipe that nobody reads yet would hold the command up.
            let log = FileManager.default.temporaryDirectory.appending(
                path: "command-\(getpid())-\(UInt64.random(in: 0 ... .max))")
            _ = FileManager.default.createFile(atPath: log.path(), contents: nil)
            defer { try? FileManager.default.removeItem(at: log) }
            let terminal = try typing.map { try Terminal(typing: $0) }
            process.standardInput = terminal?.input ?? FileHandle.nullDevice
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

/// A terminal at which a line has been typed.
private final class Terminal {
    /// The end of whoever is asked.
    let input: FileHandle
    private let keyboard: FileHandle

    init(typing line: String) throws {
        let descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        guard descriptor >= 0 else { throw POSIXError(.ENOTTY) }
        keyboard = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        let end = open(try Self.path(of: descriptor), O_RDWR | O_NOCTTY)
        guard end >= 0 else { throw POSIXError(.ENOTTY) }
        input = FileHandle(fileDescriptor: end, closeOnDealloc: true)
        // Kept by the terminal until somebody reads a line.
        try keyboard.write(contentsOf: Data((line + "\n").utf8))
    }

    /// Unlocks a terminal and says where its other end is.
    private static func path(of descriptor: Int32) throws -> String {
        #if canImport(Darwin)
            guard grantpt(descriptor) == 0, unlockpt(descriptor) == 0, let name = ptsname(descriptor) else {
                throw POSIXError(.ENOTTY)
            }
            return String(cString: name)
        #else
            // What unlockpt and ptsname do, which Glibc's module leaves out: TIOCSPTLCK and TIOCGPTN.
            var (lock, number): (CInt, CUnsignedInt) = (0, 0)
            guard ioctl(descriptor, 0x4004_5431, &lock) == 0, ioctl(descriptor, 0x8004_5430, &number) == 0 else {
                throw POSIXError(.ENOTTY)
            }
            return "/dev/pts/\(number)"
        #endif
    }
}
