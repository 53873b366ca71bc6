import Foundation
import Kafka
import Synchronization

/// The broker of the Python package `noida-db` (installed by `scripts/test`), in a process of its own, on a free loopback
/// port.
///
/// It has what the mock lacks: admin calls, group lists, static membership, transactions, data that survives a restart. It
/// never expires a dead member, and its answers to a fetch ignore size limits, so topics should stay under some megabytes.
///
/// A small shell supervises it. It takes its commands from a pipe whose other end only the test process holds, so when
/// that process is gone, however it went, the shell ends the broker and removes its data.
public final class NoidaBroker: Sendable {
    public struct SetupError: Error, CustomStringConvertible {
        public let description: String

        init(_ description: String) { self.description = "the tests' broker: " + description }
    }

    public let bootstrapServers: String
    private let directory: URL
    private let supervisor: Mutex<Supervisor>

    private struct Supervisor: ~Copyable {
        let process: Process
        let commands: FileHandle
        let answers: FileHandle
    }

    /// Starts a broker without data and waits until it answers.
    public init() throws {
        let binary = try Self.binary()
        let port = try freeLoopbackPort()
        bootstrapServers = "127.0.0.1:\(port)"
        directory = URL(filePath: NSTemporaryDirectory()).appending(
            path: "loader-noida-\(getpid())-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
        let process = Process()
        let commands = Pipe()
        let answers = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = [
            "-c", Self.supervisorScript, "sh", directory.path(), binary, "start", "--only", "kafka", "--kafka-port",
            String(port), "--data-dir", directory.appending(path: "data").path(),
        ]
        process.standardInput = commands
        process.standardOutput = answers
        // A child of another test must not keep the pipe open beyond the test process.
        _ = fcntl(commands.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try process.runWithoutBlockedSignals()
        supervisor = Mutex(
            Supervisor(
                process: process, commands: commands.fileHandleForWriting, answers: answers.fileHandleForReading))
        try start()
    }

    deinit {
        supervisor.withLock { supervisor in
            try? supervisor.commands.close()
            supervisor.process.waitUntilExit()
        }
    }

    /// Starts the broker again after `stop`, with its data and port, and waits until it answers.
    public func start() throws {
        try command("start")
        let deadline = ContinuousClock.now.advanced(by: .seconds(60))
        let admin = try Admin(properties: [("bootstrap.servers", bootstrapServers)])
        while true {
            do {
                _ = try admin.partitionCounts(timeout: .milliseconds(500))
                return
            } catch {
                guard ContinuousClock.now < deadline else {
                    let log = (try? String(contentsOf: directory.appending(path: "log"), encoding: .utf8)) ?? ""
                    throw SetupError("no answer (\(error)); its log ends:\n\(log.suffix(2000))")
                }
            }
        }
    }

    /// Ends the broker and waits until it has gone.
    public func stop() throws { try command("stop TERM") }

    /// Ends the broker without a chance to put its data in order.
    public func kill() throws { try command("stop KILL") }

    private func command(_ line: String) throws {
        try supervisor.withLock { supervisor in
            try supervisor.commands.write(contentsOf: Data((line + "\n").utf8))
            guard !supervisor.answers.availableData.isEmpty else { throw SetupError("its supervisor has gone") }
        }
    }

    private static let supervisorScript = """
        # A test process that has gone reads no more answers, and the rest here must still be done.
        trap "" PIPE
        exec 2>/dev/null  # the shell would report that it has killed the broker
        directory=$1; shift
        server=
        while read -r command signal; do
            case $command in
                start) "$@" </dev/null >>"$directory/log" 2>&1 & server=$! ;;
                stop) kill -"$signal" "$server"; wait "$server"; server= ;;
            esac
            echo done
        done
        if [ -n "$server" ]; then kill -KILL "$server"; wait "$server"; fi
        rm -rf "$directory"
        """

    /// The program inside the package: what the package puts into the PATH only starts it and would survive it.
    private static func binary() throws -> String {
        let files = FileManager.default
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized.path()
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for directory in [root + ".local/venv/bin"] + path where files.isExecutableFile(atPath: directory + "/noida-db")
        {
            let library = directory + "/../lib"
            for python in ((try? files.contentsOfDirectory(atPath: library)) ?? []).sorted() {
                let program = "\(library)/\(python)/site-packages/noida_db/noida-db"
                if files.isExecutableFile(atPath: program) { return program }
            }
        }
        throw SetupError("noida-db is not installed: run scripts/test, or set KAFKA_BROKERS")
    }
}
