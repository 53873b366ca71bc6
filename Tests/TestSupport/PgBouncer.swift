import Foundation
import Postgres
import Synchronization

/// PgBouncer in transaction mode in front of a private server, in a process of its own, on a free loopback port.
///
/// A small shell supervises it, as it does the servers: when the test process is gone, so is PgBouncer.
public final class PgBouncer: Sendable {
    private let port: UInt16
    private let supervisor: Mutex<Supervisor>

    private struct Supervisor: ~Copyable {
        let process: Process
        let leash: FileHandle
    }

    /// Starts it and waits until a query gets through.
    ///
    /// - Parameter proxy: what it connects to in place of the server.
    public init(to server: PostgresServer, by proxy: TCPProxy? = nil) throws {
        guard let target = proxy.map({ Int($0.port) }) ?? URLComponents(string: server.url)?.port else {
            throw POSIXError(.EADDRNOTAVAIL)
        }
        let files = FileManager.default
        let places = ["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"]
        guard let program = places.map({ $0 + "/pgbouncer" }).first(where: files.isExecutableFile) else {
            throw PostgresServer.SetupError("pgbouncer is not installed: run scripts/faults, which installs it")
        }
        port = try freeLoopbackPort()
        let directory = NSTemporaryDirectory() + "loader-pgbouncer-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try files.createDirectory(atPath: directory, withIntermediateDirectories: false)
        // A server that is away is asked again each second, not each fifteen.
        try """
        [databases]
        * = host=127.0.0.1 port=\(target)
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = \(port)
        unix_socket_dir =
        auth_type = trust
        auth_file = \(directory)/users
        pool_mode = transaction
        default_pool_size = 20
        server_login_retry = 1
        """.write(toFile: directory + "/pgbouncer.ini", atomically: true, encoding: .utf8)
        try "\"postgres\" \"\"\n".write(toFile: directory + "/users", atomically: true, encoding: .utf8)
        let process = Process()
        let leash = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", Self.script, "sh", directory] + Cluster.unprivileged + [program]
        process.standardInput = leash
        // A child of another test must not keep the pipe open beyond the test process.
        _ = fcntl(leash.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try process.runWithoutBlockedSignals()
        supervisor = Mutex(Supervisor(process: process, leash: leash.fileHandleForWriting))
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            do {
                _ = try Connection(ConnectionOptions(url: url(server.url))).query("SELECT 1")
                return
            } catch {
                guard ContinuousClock.now < deadline else {
                    throw PostgresServer.SetupError("no answer from PgBouncer: \(error)")
                }
                usleep(20_000)
            }
        }
    }

    deinit {
        supervisor.withLock { supervisor in
            try? supervisor.leash.close()
            supervisor.process.waitUntilExit()
        }
    }

    /// The same database by way of PgBouncer, which takes no `options`: what stood in the search path must be named.
    public func url(_ url: String) -> String {
        guard var components = URLComponents(string: url) else { return url }
        components.port = Int(port)
        components.queryItems = components.queryItems?.filter { $0.name != "options" }
        if components.queryItems?.isEmpty == true { components.queryItems = nil }
        return components.string ?? url
    }

    private static let script = """
        directory=$1; shift
        "$@" "$directory/pgbouncer.ini" </dev/null >>"$directory/log" 2>&1 &
        bouncer=$!
        read -r line
        kill -KILL "$bouncer"; wait "$bouncer" 2>/dev/null
        rm -rf "$directory"
        """
}
