import Foundation
import Kafka
import Postgres
import Synchronization
import TestSupport

/// What a case works with.
struct FaultContext: Sendable {
    let caseName: String
    let scale: FaultScale
    /// How long the soak lasts.
    let minutes: Int
    /// The case's own: the same choices again, as far as the machine allows.
    let seed: UInt64
    /// The program under test.
    let loader: URL
    /// Where the logs of the case's loaders go. Kept if the case fails.
    let directory: URL

    /// A generator for one part of the case, so that parts that run side by side do not take each other's numbers.
    func generator(_ part: Int = 0) -> SeededGenerator {
        SeededGenerator(seed: seed &+ UInt64(part) &* 0x9e37_79b9_7f4a_7c15)
    }

    /// The figure for this scale.
    func figure(_ full: Int, slice: Int) -> Int { scale == .full ? full : slice }

    /// Says what is going on, behind the case's name.
    func say(_ text: String) { Output.say("\(caseName): \(text)") }

    // MARK: Servers

    /// A PostgreSQL of the case's own, with the loader's schema.
    ///
    /// - Parameter settings: for `postgresql.conf`.
    func startDatabase(settings: [String: String] = [:]) throws -> PostgresServer {
        let server = try PostgresServer(settings: ["max_connections": "300"].merging(settings) { $1 })
        try TestDatabase.migrate(server.url, program: loader)
        return server
    }

    // MARK: Loaders

    /// Starts `loader run` on a landing.
    ///
    /// - Parameter settings: environment variables on top of the landing's.
    func start(
        _ landing: Landing, _ settings: [String: String] = [:], arguments: [String] = []
    ) throws -> LoaderProcess {
        try start(landing.environment.merging(settings) { $1 }, command: ["run"] + arguments)
    }

    /// Starts any of the loader's commands.
    func start(_ environment: [String: String], command: [String]) throws -> LoaderProcess {
        try LoaderProcess(
            environment, command: command, program: loader,
            log: directory.appending(path: "loader-\(Self.number.add(1, ordering: .relaxed).newValue).log"))
    }

    private static let number = Atomic<Int>(0)

    /// Asks a loader to end, once it can hear: a signal before its first line finds a process that is not a loader yet.
    ///
    /// - Returns: what was wrong with its end; nil if it ended with 0.
    func stop(_ loader: LoaderProcess, within timeout: Duration = .seconds(60)) async throws -> String? {
        try await eventually("a loader says something") { !loader.output.isEmpty || !loader.isRunning }
        loader.kill(SIGTERM)
        let end = try await loader.waitForEnd(within: timeout)
        return end == .exit(0) ? nil : "a loader ended with \(end) after SIGTERM: \(loader.log.path())"
    }

    /// Lets a loader load what is left and end by itself, and checks that it does.
    func finish(
        _ landing: Landing, _ settings: [String: String] = [:], arguments: [String] = [],
        within timeout: Duration = .seconds(120)
    ) async throws {
        let loader = try start(landing, settings, arguments: ["--until-end"] + arguments)
        let status = try await loader.waitForExit(within: timeout)
        guard status == 0 else {
            throw LoaderProcess.Unexpected(
                what: "a loader without any fault ended with \(status)", output: loader.output)
        }
    }

    /// Runs parts side by side, and gathers their reports.
    ///
    /// - Parameter limit: how many at once.
    func sideBySide<Part: Sendable>(
        _ parts: [Part], limit: Int, _ body: @escaping @Sendable (Int, Part) async throws -> FaultReport
    ) async throws -> FaultReport {
        try await withThrowingTaskGroup(of: FaultReport.self) { group in
            var report = FaultReport()
            for (index, part) in parts.enumerated() {
                if index >= limit, let done = try await group.next() { report.add(done) }
                group.addTask { try await body(index, part) }
            }
            for try await done in group { report.add(done) }
            return report
        }
    }
}

/// Lines of the program's own output, whole, whichever thread writes them.
enum Output {
    private static let lock = Mutex(())

    static func say(_ line: String) {
        lock.withLock { _ in FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
    }
}

extension ContinuousClock.Instant {
    /// Seconds from then to now.
    var age: Double { (ContinuousClock.now - self).inSeconds }
}

extension Duration {
    /// With its fraction.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
