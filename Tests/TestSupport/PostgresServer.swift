import Foundation
import Postgres
import Synchronization

/// A PostgreSQL cluster of the tests' own, in a temporary directory, on a free loopback port.
///
/// A small shell supervises the server. It takes its commands from a pipe whose other end only the test process holds,
/// so when that process is gone, however it went, the shell ends the server and removes the directory.
public final class PostgresServer: Sendable {
    /// PostgreSQL's shutdown modes, by the signals that ask for them.
    public enum StopMode: String, Sendable {
        /// Waits until the clients have gone.
        case smart = "TERM"
        /// Disconnects the clients.
        case fast = "INT"
        /// As after a crash: the next start recovers.
        case immediate = "QUIT"
    }

    public struct SetupError: Error, CustomStringConvertible {
        public let description: String

        init(_ description: String) { self.description = "the tests' PostgreSQL: " + description }
    }

    private static let sharedResult = Result { () throws -> PostgresServer in
        if let url = ProcessInfo.processInfo.environment["DATABASE_URL"], !url.isEmpty {
            return PostgresServer(external: url)
        }
        return try PostgresServer()
    }

    /// The server that all tests of the process share: the one that `DATABASE_URL` names, or else a private cluster,
    /// started at the first use. Tests keep to `withSchema` in it.
    public static func shared() throws -> PostgresServer { try sharedResult.get() }

    /// The URL of the database `postgres`, as the superuser, or `DATABASE_URL`.
    public let url: String
    /// Nil where `DATABASE_URL` names the server.
    private let cluster: Cluster?

    private init(external url: String) {
        self.url = url
        cluster = nil
    }

    /// Creates and starts a private cluster, for a test that stops it, adds roles, or needs its own settings.
    ///
    /// - Parameters:
    ///   - settings: names and values for `postgresql.conf`.
    ///   - access: lines of `pg_hba.conf` behind the one that lets the superuser in; nil: everybody is let in.
    ///   - certificate: the server's own, which lets it speak TLS.
    ///   - authority: of the certificates that clients show.
    public init(
        settings: [String: String] = [:], access: [String]? = nil, certificate: TestCertificates.Certificate? = nil,
        authority: TestCertificates.Certificate? = nil
    ) throws {
        var settings = settings
        if certificate != nil {
            settings["ssl"] = "on"
            settings["ssl_cert_file"] = "'server.pem'"
            settings["ssl_key_file"] = "'server.key'"
        }
        if authority != nil { settings["ssl_ca_file"] = "'authority.pem'" }
        let cluster = try Cluster(settings: settings)
        if let access { try cluster.write(Self.lines(access), to: "pg_hba.conf") }
        if let certificate { try cluster.install(certificate) }
        if let authority {
            try cluster.write(String(contentsOfFile: authority.file, encoding: .utf8), to: "authority.pem")
        }
        self.cluster = cluster
        url = "postgresql://postgres@127.0.0.1:\(cluster.port)/postgres"
        try cluster.start(url: url)
    }

    private static func lines(_ access: [String]) -> String {
        (["host all postgres 127.0.0.1/32 trust"] + access).joined(separator: "\n") + "\n"
    }

    /// Shows another certificate from the next connection on.
    public func use(_ certificate: TestCertificates.Certificate) throws {
        try ownCluster().install(certificate)
        try reload()
    }

    /// Lets others in than before, from the next connection on.
    public func letIn(_ access: [String]) throws {
        try ownCluster().write(Self.lines(access), to: "pg_hba.conf")
        try reload()
    }

    /// Reads its files anew, and waits until it has.
    public func reload() throws {
        let connection = try connect()
        func loaded() throws -> String? {
            try connection.query("SELECT pg_conf_load_time()").string(0, 0)
        }
        let before = try loaded()
        try connection.execute("SELECT pg_reload_conf()")
        let deadline = ContinuousClock.now + .seconds(30)
        while try loaded() == before {
            guard ContinuousClock.now < deadline else { throw SetupError("it does not read its files") }
            usleep(10_000)
        }
    }

    /// Creates and starts a standby that follows a private server by streaming. It answers queries, and refuses whatever
    /// writes with 25006, until `promote()`.
    public init(standbyOf primary: PostgresServer) throws {
        let cluster = try Cluster(settings: [:], standbyOf: primary.url)
        self.cluster = cluster
        url = "postgresql://postgres@127.0.0.1:\(cluster.port)/postgres"
        try cluster.start(url: url)
    }

    /// Makes a primary of a standby, and waits until it is one.
    public func promote() throws {
        guard try connect().query("SELECT pg_promote()").string(0, 0) == "t" else {
            throw SetupError("the standby was not promoted in time")
        }
    }

    /// Runs one of the tools that come with the server, such as `pg_dump`.
    ///
    /// - Throws: with what it wrote, unless it ended with 0.
    public static func runTool(_ name: String, _ arguments: [String]) throws {
        try Cluster.run([Cluster.binaries().appending(path: name).path()] + arguments)
    }

    /// How often the server has answered one application with an error, by its own log.
    ///
    /// - Parameter application: what the `application_name` begins with.
    public func errorCount(_ state: SQLState, of application: String) throws -> Int {
        try ownCluster().log.split(separator: "\n").count { $0.hasPrefix("\(state.rawValue)|\(application)") }
    }

    /// False where `DATABASE_URL` names the server: then it cannot be stopped, and its roles are not ours.
    public var isPrivate: Bool { cluster != nil }

    /// Starts the server again after `stop`, on the same port and data, and waits until it answers.
    public func start() throws { try ownCluster().start(url: url) }

    /// Stops the server and waits until it has gone.
    public func stop(_ mode: StopMode = .fast) throws { try ownCluster().command("stop \(mode.rawValue)") }

    public func restart(_ mode: StopMode = .fast) throws {
        try stop(mode)
        try start()
    }

    private func ownCluster() throws -> Cluster {
        guard let cluster else { throw SetupError("DATABASE_URL names the server, so it is not ours to stop") }
        return cluster
    }

    // MARK: - Connections and schemas

    public func connect(applicationName: String = "loader tests") throws -> Connection {
        try Connection(ConnectionOptions(url: url, applicationName: applicationName))
    }

    /// A URL for the same server with parameters added, such as `user`, `dbname` or `options`.
    public func url(adding parameters: [String: String]) -> String {
        let parameters = parameters.sorted { $0.key < $1.key }
        guard url.contains("://") else {
            return parameters.reduce(url) { string, parameter in
                let value = parameter.value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
                return string + " \(parameter.key)='\(value)'"
            }
        }
        let unreserved = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        return parameters.reduce(url) { url, parameter in
            let value = parameter.value.addingPercentEncoding(withAllowedCharacters: unreserved) ?? parameter.value
            return url + (url.contains("?") ? "&" : "?") + parameter.key + "=" + value
        }
    }

    /// A schema of its own for one test, with a URL whose search path begins there.
    public struct Schema: Sendable {
        public let name: String
        public let url: String

        public func connect() throws -> Connection {
            try Connection(ConnectionOptions(url: url, applicationName: "loader tests"))
        }
    }

    /// Creates a schema with a random name and drops it afterwards, with all that is in it.
    public func withSchema<T>(_ body: (Schema) throws -> T) throws -> T {
        let schema = try createSchema()
        let result = Result { try body(schema) }
        try drop(schema)
        return try result.get()
    }

    public func withSchema<T>(
        isolation: isolated (any Actor)? = #isolation, _ body: (Schema) async throws -> T
    ) async throws -> T {
        let schema = try createSchema()
        let result: Result<T, any Error>
        do { result = .success(try await body(schema)) } catch { result = .failure(error) }
        try drop(schema)
        return try result.get()
    }

    /// Creates a database with a random name and drops it afterwards: for what cannot share one, such as the ledger.
    ///
    /// - Parameter body: gets the new database's URL.
    public func withDatabase<T>(_ body: (_ url: String) throws -> T) throws -> T {
        let (name, url) = try createDatabase()
        let result = Result { try body(url) }
        try dropDatabase(name)
        return try result.get()
    }

    public func withDatabase<T>(
        isolation: isolated (any Actor)? = #isolation, _ body: (_ url: String) async throws -> T
    ) async throws -> T {
        let (name, url) = try createDatabase()
        let result: Result<T, any Error>
        do { result = .success(try await body(url)) } catch { result = .failure(error) }
        try dropDatabase(name)
        return try result.get()
    }

    private func createDatabase() throws -> (name: String, url: String) {
        let name = "test_" + String(UInt64.random(in: 0 ... .max), radix: 36)
        try connect().execute("CREATE DATABASE \(quoteIdentifier(name)) TEMPLATE template0 ENCODING 'UTF8'")
        guard var components = URLComponents(string: url), components.scheme != nil else {
            return (name, self.url(adding: ["dbname": name]))
        }
        // In the path, where tools that are not libpq look for it too.
        components.path = "/" + name
        components.queryItems = components.queryItems?.filter { $0.name != "dbname" }
        guard let url = components.string else { throw SetupError("DATABASE_URL cannot take another database") }
        return (name, url)
    }

    private func dropDatabase(_ name: String) throws {
        try connect().execute("DROP DATABASE IF EXISTS \(quoteIdentifier(name)) WITH (FORCE)")
    }

    private func createSchema() throws -> Schema {
        let name = "test_" + String(UInt64.random(in: 0 ... .max), radix: 36)
        try connect().execute("CREATE SCHEMA \(quoteIdentifier(name))")
        return Schema(name: name, url: url(adding: ["options": "-csearch_path=\(name),public"]))
    }

    private func drop(_ schema: Schema) throws {
        try connect().execute(
            "SET client_min_messages = warning; DROP SCHEMA IF EXISTS \(quoteIdentifier(schema.name)) CASCADE")
    }
}

/// The directory, the processes and the port of a private cluster.
final class Cluster: Sendable {
    let port: UInt16
    private let directory: URL
    private let supervisor: Mutex<Supervisor>

    private struct Supervisor: ~Copyable {
        var process: Process
        var commands: FileHandle
        var answers: FileHandle
    }

    private var dataDirectory: String { directory.appending(path: "data").path() }

    /// - Parameter primary: the URL of a server to copy and to follow; nil for a new cluster.
    init(settings: [String: String], standbyOf primary: String? = nil) throws {
        let binaries = try Self.binaries()
        let port = try freeLoopbackPort()
        let directory = URL(filePath: NSTemporaryDirectory()).appending(
            path: "loader-postgres-\(getpid())-\(UInt32.random(in: 0 ... .max))")
        self.port = port
        self.directory = directory
        let data = directory.appending(path: "data").path()
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])

        let process = Process()
        let commands = Pipe()
        let answers = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", Self.supervisorScript, "sh", directory.path()]
        process.arguments? += Self.unprivileged + [binaries.appending(path: "postgres").path(), "-D", data]
        process.standardInput = commands
        process.standardOutput = answers
        // A child of another test must not keep the pipe open beyond the test process.
        _ = fcntl(commands.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try process.runWithoutBlockedSignals()
        supervisor = Mutex(
            Supervisor(
                process: process, commands: commands.fileHandleForWriting, answers: answers.fileHandleForReading))

        if getuid() == 0 { try Self.run(["chown", "postgres", directory.path()]) }
        if let primary {
            try Self.run(
                Self.unprivileged + [
                    binaries.appending(path: "pg_basebackup").path(), "-D", data, "-d", primary, "-R", "-X", "stream",
                    "-c", "fast", "--no-sync",
                ])
        } else {
            try Self.run(
                Self.unprivileged + [
                    binaries.appending(path: "initdb").path(), "-D", data, "-U", "postgres", "-A", "trust", "-E",
                    "UTF8", "--locale=C", "--no-sync",
                ])
        }
        var settings = settings
        // What `errorCount` reads.
        settings["log_line_prefix"] = "'%e|%a|'"
        settings["listen_addresses"] = "'127.0.0.1'"
        settings["port"] = String(port)
        settings["unix_socket_directories"] = "''"
        // All suites run at once, and a loader has a connection for each writer.
        settings["max_connections"] = settings["max_connections"] ?? "500"
        // Only a crash of the machine needs these; a crash of the server loses nothing without them.
        settings["fsync"] = "off"
        settings["full_page_writes"] = "off"
        let file = try FileHandle(forWritingTo: URL(filePath: data + "/postgresql.conf"))
        try file.seekToEnd()
        try file.write(contentsOf: Data(settings.map { "\($0.key) = \($0.value)\n" }.joined().utf8))
        try file.close()
    }

    deinit {
        supervisor.withLock { supervisor in
            try? supervisor.commands.close()
            supervisor.process.waitUntilExit()
        }
    }

    /// Puts a file into the data directory, as the server wants it.
    func write(_ text: String, to name: String) throws {
        let path = dataDirectory + "/" + name
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        if getuid() == 0 { try Self.run(["chown", "postgres", path]) }
    }

    func install(_ certificate: TestCertificates.Certificate) throws {
        try write(String(contentsOfFile: certificate.file, encoding: .utf8), to: "server.pem")
        try write(String(contentsOfFile: certificate.key, encoding: .utf8), to: "server.key")
    }

    /// All that the server has logged.
    var log: String {
        (try? Data(contentsOf: directory.appending(path: "log"))).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static let supervisorScript = """
        directory=$1; shift
        server=
        while read -r command signal; do
            case $command in
                start) "$@" </dev/null >>"$directory/log" 2>&1 & server=$! ;;
                stop) kill -"$signal" "$server"; wait "$server"; server= ;;
            esac
            echo done
        done
        if [ -n "$server" ]; then kill -QUIT "$server"; wait "$server"; fi
        rm -rf "$directory"
        """

    /// Sends one line to the supervisor and waits until it has carried it out.
    func command(_ line: String) throws {
        try supervisor.withLock { supervisor in
            try supervisor.commands.write(contentsOf: Data((line + "\n").utf8))
            guard !supervisor.answers.availableData.isEmpty else {
                throw PostgresServer.SetupError("its supervisor has gone")
            }
        }
    }

    func start(url: String) throws {
        try command("start")
        let deadline = ContinuousClock.now.advanced(by: .seconds(60))
        while true {
            do throws(PostgresError) {
                _ = try Connection(ConnectionOptions(url: url))
                return
            } catch {
                guard ContinuousClock.now < deadline, !log.contains("could not create any TCP/IP sockets") else {
                    throw PostgresServer.SetupError("no answer (\(error)); its log ends:\n\(log.suffix(2000))")
                }
                usleep(20_000)
            }
        }
    }

    /// PostgreSQL refuses to run as root.
    static var unprivileged: [String] {
        getuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : []
    }

    /// Those of `POSTGRES_BINARIES`, or of the newest installed server: distributions keep them apart by version, outside the
    /// PATH.
    static func binaries() throws -> URL {
        let files = FileManager.default
        let parents = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"]
        let versions = parents.flatMap { parent in
            ((try? files.contentsOfDirectory(atPath: parent)) ?? []).map { (Double($0) ?? 0, "\(parent)/\($0)/bin") }
        }
        let environment = ProcessInfo.processInfo.environment
        let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let candidates =
            environment["POSTGRES_BINARIES"].map { [$0] } ?? versions.sorted { $0.0 > $1.0 }.map(\.1) + path
        guard let found = candidates.first(where: { files.isExecutableFile(atPath: $0 + "/initdb") }) else {
            throw PostgresServer.SetupError(
                "no initdb under \(parents.joined(separator: ", ")) or in PATH; install postgresql, or set "
                    + "POSTGRES_BINARIES or DATABASE_URL"
            )
        }
        return URL(filePath: found)
    }

    static func run(_ command: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.runWithoutBlockedSignals()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw PostgresServer.SetupError("\(command.joined(separator: " ")) failed:\n\(text)")
        }
    }
}
