import Foundation

/// A program that is run to its end, without a shell, in a process group of its own.
enum ChildProcess {
    struct Outcome {
        /// Its exit status; below 0 the signal that has ended it.
        var status: Int32
        var output: [UInt8]
        /// Of its standard error. It may hold anything.
        var lastLine: String?
    }

    enum Failure: Error {
        /// In the system's own words.
        case start(String)
        case late(lastLine: String?)
        case tooMuch
    }

    /// Bytes of its standard output.
    private static let most = 256 << 10
    /// Of its standard error, from its end.
    private static let mostOfErrors = 8 << 10

    /// Waits for its end. Whatever it has started and left behind ends with it.
    static func run(
        _ command: [String], within patience: Duration, _ isGivenUp: () -> Bool
    ) throws(Failure) -> Outcome {
        let output = try Channel()
        let errors = try Channel()
        let pid = try start(command, output, errors)
        output.closeWriter()
        errors.closeWriter()
        var isReaped = false
        defer {
            kill(-pid, SIGKILL)
            if !isReaped { _ = reap(pid, WaitOptions.untilItEnds) }
        }
        let deadline = ContinuousClock.now + patience
        while true {
            // What it has said before its end is in the channels by then.
            let status = reap(pid, WaitOptions.atOnce)
            output.read(most: most)
            errors.read(last: mostOfErrors)
            guard output.bytes.count <= most else { throw .tooMuch }
            if let status {
                isReaped = true
                return Outcome(status: status, output: output.bytes, lastLine: errors.lastLine)
            }
            guard ContinuousClock.now < deadline, !isGivenUp() else { throw .late(lastLine: errors.lastLine) }
            wait(output, errors)
        }
    }

    private enum WaitOptions {
        static let atOnce = WNOHANG
        static let untilItEnds: Int32 = 0
    }

    /// - Returns: its status, once it has ended.
    private static func reap(_ pid: pid_t, _ options: Int32) -> Int32? {
        var status: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(pid, &status, options) } while result < 0 && errno == EINTR
        guard result == pid else { return nil }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : -signal
    }

    /// Until one of them has something, or its other end is closed, or for a moment.
    private static func wait(_ channels: Channel...) {
        var waited = channels.filter { !$0.isAtEnd }.map { pollfd(fd: $0.reader, events: Int16(POLLIN), revents: 0) }
        _ = poll(&waited, nfds_t(waited.count), waited.isEmpty ? 10 : 50)
    }

    private static func start(_ command: [String], _ output: Channel, _ errors: Channel) throws(Failure) -> pid_t {
        guard let program = command.first else { throw .start("there is none") }
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
            var attributes: posix_spawnattr_t?
        #else
            var actions = posix_spawn_file_actions_t()
            var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writer, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.writer, 2)
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A terminal's interrupt is for the loader, which then ends this one; and signals are to it what they are to any program.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, program, &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw .start(String(cString: strerror(code))) }
        return pid
    }
}

/// A pipe from a child, read without waiting.
private final class Channel {
    let reader: Int32
    private(set) var writer: Int32
    private(set) var bytes: [UInt8] = []
    private(set) var isAtEnd = false

    init() throws(ChildProcess.Failure) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .start(String(cString: strerror(errno))) }
        (reader, writer) = (ends[0], ends[1])
        // No other child may hold them open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(reader, F_SETFL, O_NONBLOCK)
    }

    deinit {
        close(reader)
        closeWriter()
    }

    func closeWriter() {
        if writer >= 0 { close(writer) }
        writer = -1
    }

    /// - Parameter most: how much is of interest; what comes after one byte more stays where it is.
    func read(most: Int) { while bytes.count <= most, readSome() {} }

    /// - Parameter last: how much of the end is kept.
    func read(last: Int) {
        while readSome() { if bytes.count > 2 * last { bytes.removeFirst(bytes.count - last) } }
    }

    private func readSome() -> Bool {
        var room = [UInt8](repeating: 0, count: 4096)
        let count = Foundation.read(reader, &room, room.count)
        if count > 0 { bytes += room[..<count] }
        if count == 0 { isAtEnd = true }
        return count > 0
    }

    var lastLine: String? {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).last.map { String($0.prefix(500)) }
    }
}
