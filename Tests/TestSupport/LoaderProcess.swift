import Foundation
import Synchronization

/// The built `loader` in a process of its own, to be killed and signalled.
///
/// It is started through a shell that leaves a watchdog behind and becomes the loader. The watchdog reads from a pipe whose
/// other end only the test process holds, so when that process is gone, however it went, the loader is killed.
///
/// Not with Foundation's `Process`: that one learns of the end from a descriptor that the watchdog would inherit.
public final class LoaderProcess: Sendable {
    public enum End: Equatable, Sendable {
        case exit(Int32)
        case signal(Int32)
    }

    public let id: pid_t
    /// What it writes to its standard error.
    public let log: URL
    private let keepsLog: Bool
    private let leash: Int32
    private let end = Mutex<End?>(nil)

    /// Starts a loader.
    ///
    /// - Parameters:
    ///   - environment: all of its settings.
    ///   - command: what it is to do.
    ///   - program: the loader; nil for the one that was built along with this program.
    ///   - log: where to keep its log; nil for a temporary file.
    ///   - descriptorLimit: how many files and sockets it may have open.
    public init(
        _ environment: [String: String], command: [String] = ["run"], arguments: [String] = [], program: URL? = nil,
        log: URL? = nil, descriptorLimit: Int? = nil
    ) throws {
        keepsLog = log != nil
        self.log =
            log
            ?? FileManager.default.temporaryDirectory.appending(
                path: "loader-\(getpid())-\(UInt64.random(in: 0 ... .max)).log")
        // The watchdog may have ended when it is told to.
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw POSIXError(.EMFILE) }
        // A child of another test must not hold on to it.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        leash = ends[1]
        defer { close(ends[0]) }
        let path = try (program ?? builtProgram("loader")).path()
        let script = (descriptorLimit.map { "ulimit -n \($0)\n" } ?? "") + Self.script
        let command = ["/bin/sh", "-c", script, "sh", path] + command + arguments
        id = try Self.spawn(
            command, environment.withInheritance.map { "\($0.key)=\($0.value)" }, input: ends[0],
            output: self.log.path())
    }

    deinit {
        kill(SIGKILL)
        while isRunning { usleep(1000) }
        // The watchdog goes without killing: the process id may be somebody else's by now.
        _ = "done\n".withCString { write(leash, $0, 5) }
        close(leash)
        if !keepsLog { try? FileManager.default.removeItem(at: log) }
    }

    /// In a directory without a `loader.yaml`.
    private static let script = """
        cd /
        exec 3<&0 </dev/null
        { read -r line <&3 || kill -KILL $$; } >/dev/null 2>&1 &
        exec "$@" 3<&-
        """

    private static func spawn(
        _ command: [String], _ environment: [String], input: Int32, output: String
    ) throws -> pid_t {
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
            var attributes: posix_spawnattr_t?
        #else
            var actions = posix_spawn_file_actions_t()
            var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        // What other tests have open at the moment, such as a server whose library lets children inherit its socket, would
        // be the loader's. Some to spare for what they open meanwhile; closing what is not open is no error.
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/fd")) ?? []
        for descriptor in 3..<(open.compactMap { Int32($0) }.max() ?? 0) + 64 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        // The threads of Swift's pool block nearly all signals, and a child inherits that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let arguments = command.map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for string in arguments + variables { free(string) } }
        var id: pid_t = 0
        let code = posix_spawn(&id, command[0], &actions, &attributes, arguments, variables)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EAGAIN) }
        return id
    }

    public func kill(_ signal: Int32) {
        // Not once it is reaped: the number may be another's.
        end.withLock { end in
            if end == nil { _ = Foundation.kill(id, signal) }
        }
    }

    public var isRunning: Bool { poll() == nil }

    /// How it ended; nil while it runs.
    public func poll() -> End? {
        end.withLock { end in
            guard end == nil else { return end }
            var status: Int32 = 0
            let reaped = waitpid(id, &status, WNOHANG)
            if reaped == 0 { return nil }
            let signal = status & 0x7f
            end = signal == 0 ? .exit((status >> 8) & 0xff) : .signal(signal)
            return end
        }
    }

    /// Everything it has logged so far.
    public var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    public func waitForLog(_ text: String, within timeout: Duration = .seconds(60)) async throws {
        try await wait(for: "the log says: \(text)", within: timeout) { output.contains(text) }
    }

    /// Waits for the end of the process.
    ///
    /// - Returns: its exit status.
    /// - Throws: when it does not end in time, or when a signal has ended it.
    public func waitForExit(within timeout: Duration = .seconds(60)) async throws -> Int32 {
        try await wait(for: "the end", within: timeout) { poll() != nil }
        switch poll() {
        case .exit(let status): return status
        case .signal(let number): throw Unexpected(what: "ended by signal \(number)", output: output)
        case nil: throw Unexpected(what: "still running", output: output)
        }
    }

    /// Waits until it has ended, however.
    public func waitForEnd(within timeout: Duration = .seconds(60)) async throws -> End {
        try await wait(for: "the end", within: timeout) { poll() != nil }
        guard let end = poll() else { throw Unexpected(what: "still running", output: output) }
        return end
    }

    /// Ends it without a chance to put anything in order.
    public func killAndWait() async throws {
        kill(SIGKILL)
        try await wait(for: "the end", within: .seconds(60)) { poll() != nil }
        guard poll() == .signal(SIGKILL) else { throw Unexpected(what: "ended before it was killed", output: output) }
    }

    /// Waits for a condition; without it in time, or once the process has ended without it, the error has the end of the log and what
    /// /status.json says.
    public func wait(
        for what: String, within timeout: Duration = .seconds(120), _ condition: () throws -> Bool
    ) async throws {
        do {
            try await eventually(what, within: timeout) {
                let end = poll()
                if try condition() { return true }
                guard let end else { return false }
                throw Unexpected(what: "ended (\(end)) before: \(what)", output: "")
            }
        } catch {
            // Of /status.json the end has standstills and recent errors; it must not push the log out.
            throw Unexpected(
                what: "\(error)", output: "\(output.suffix(12_000))\((status ?? "no /status.json").suffix(2_000))")
        }
    }

    public struct Unexpected: Error, CustomStringConvertible {
        public var what: String
        public var output: String

        public init(what: String, output: String) {
            self.what = what
            self.output = output
        }

        public var description: String { "\(what); its log:\n\(output.suffix(14_000))" }
    }
}
