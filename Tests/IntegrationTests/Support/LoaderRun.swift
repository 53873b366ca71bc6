import Foundation
import Kafka
import Loading
import Logging
import Postgres
import Synchronization
import TestSupport

@testable import Loader

/// A loader inside of the test's process, on a thread of its own, as `loader run` would have it.
final class LoaderRun: Sendable {
    let statistics = LoadingStatistics()
    let log = LogRecorder()
    private let stop: StopRequest
    private let result = Mutex<Result<Void, any Error>?>(nil)

    /// Starts loading.
    init(_ options: LoadingOptions) throws {
        var options = options
        // The mock lets a group that has lost a member wait for nearly the whole session before the next may begin.
        let session = String(Int(10_000 * testTimeScale))
        options.properties.merge(["session.timeout.ms": session, "heartbeat.interval.ms": "1000"]) { own, _ in own }
        let stop = try StopRequest()
        self.stop = stop
        let log = log
        let thread = Thread { [self, options] in
            let logger = Logger(label: "loader") { _ in log.handler }
            let result = Result {
                guard
                    let preflight = try Startup.preflight(options, stop: stop, statistics: statistics, logger: logger)
                else { return }
                let pipeline = try Pipeline(
                    options: options, targets: preflight.targets, mark: preflight.mark, statistics: statistics,
                    stop: stop,
                    logger: logger)
                try pipeline.run()
            }
            self.result.withLock { $0 = result }
        }
        thread.name = "loader"
        thread.start()
    }

    /// Loads everything that the topics hold now.
    @discardableResult
    static func toTheEnd(_ options: LoadingOptions) async throws -> LoadingStatistics.Snapshot {
        var options = options
        options.untilEnd = true
        let run = try LoaderRun(options)
        try await run.waitForEnd()
        return run.statistics.snapshot
    }

    /// Asks for an orderly end and waits for it.
    ///
    /// - Throws: what the loader stopped with.
    func finish(within timeout: Duration = .seconds(60)) async throws {
        stop.request()
        try await waitForEnd(within: timeout)
    }

    /// Waits until the loader has ended by itself.
    ///
    /// - Throws: what the loader stopped with.
    func waitForEnd(within timeout: Duration = .seconds(120)) async throws {
        try await eventually("the loader has ended", within: timeout) { self.hasEnded }
        try result.withLock { $0 }?.get()
    }

    var hasEnded: Bool { result.withLock { $0 != nil } }
}

/// Keeps a loader's log lines for the test to look at.
final class LogRecorder: Sendable {
    struct Line: Sendable {
        var level: Logger.Level
        var message: String
        var metadata: [String: String]
    }

    private let recorded = Mutex<[Line]>([])

    var lines: [Line] { recorded.withLock { $0 } }

    func count(of message: String) -> Int { lines.count { $0.message == message } }

    var handler: any LogHandler { Handler(recorder: self) }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = Line(
                level: event.level, message: "\(event.message)",
                metadata: (event.metadata ?? [:]).mapValues { value in
                    if case .stringConvertible(let value) = value { LogLine.text(value) } else { "\(value)" }
                })
            recorder.recorded.withLock { $0.append(line) }
        }
    }
}
