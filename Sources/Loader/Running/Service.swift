import Foundation
import Kafka
import Loading
import Logging
import Operating

/// One `loader run`: signals, probes and the progress line around a pipeline.
struct Service {
    let configuration: Configuration

    /// Loads until the end or a signal, on the calling thread.
    ///
    /// - Throws: `ConfigurationProblems` where `http.listen` cannot be listened on, or OpenTelemetry's variables are wrong.
    func run() throws -> ExitStatus {
        _ = ProcessFigures.startTime
        // Before any thread exists: threads inherit which signals are blocked.
        SignalListener.block()
        let logger = configuration.log.makeLogger()
        KafkaLog.send(to: logger)
        for warning in configuration.warnings {
            logger.warning(
                "\(warning.message)",
                metadata: [
                    "code": "\(warning.code.rawValue)", "at": "\(warning.path ?? "the configuration")",
                    "mend": "\(warning.mend)",
                ])
        }
        let tracing = try TracingSettings(environment: ProcessInfo.processInfo.environment)
        do throws(Failpoint.Mistake) {
            for setting in try Failpoint.settings() {
                logger.warning(
                    "a failpoint is armed: this loader is meant to fail",
                    metadata: ["point": "\(setting.point.rawValue)", "action": "\(setting.action.rawValue)"])
            }
        } catch {
            logger.critical("LOADER_FAILPOINTS: \(error)")
            return .usage
        }
        let statistics = LoadingStatistics()
        statistics.begin(configuration.loading.routes)
        let exporter = tracing.map { OTLPExporter($0, statistics: statistics, logger: logger) }
        defer { exporter?.stop(until: flushDeadline(statistics)) }
        let server = try listen(statistics, logger)
        defer { server.map(Self.stop) }
        do {
            let stop = try StopRequest()
            SignalListener.listen(stop)
            guard
                let preflight = try Startup.preflight(
                    configuration.loading, stop: stop, statistics: statistics, logger: logger)
            else {
                logger.info("finished", metadata: statistics.snapshot.totals)
                return .done
            }
            for warning in preflight.warnings {
                logger.warning("\(warning.problem)", metadata: warning.metadata)
            }
            TokenWatch.begin(configuration.loading, statistics, logger)
            let pipeline = try Pipeline(
                options: configuration.loading, targets: preflight.targets, mark: preflight.mark,
                statistics: statistics,
                stop: stop, logger: logger, tracer: exporter?.makeTracer())
            return load(pipeline, statistics, logger)
        } catch let error as LoadingError {
            for problem in error.problems {
                logger.error(
                    "\(problem.told)", metadata: ["code": "\(problem.code.rawValue)", "at": "\(problem.place)"])
            }
            logger.critical("\(error.summary)", metadata: ["code": "\(error.code.rawValue)"])
            return ExitStatus(error.code)
        } catch let error as KafkaError {
            logger.critical("\(error.told)", metadata: ["code": "\(error.code.name)"])
            return .internal
        }
    }

    private func load(_ pipeline: Pipeline, _ statistics: LoadingStatistics, _ logger: Logger) -> ExitStatus {
        let loading = configuration.loading
        let watchdog = Watchdog(
            statistics, patience: max(loading.maxPollInterval, loading.shutdownTimeout * 2, Watchdog.least), logger)
        defer { watchdog.end() }
        let display = ProgressDisplay(statistics)
        defer { display?.end() }
        do throws(LoadingError) {
            try pipeline.run()
        } catch {
            // It has said why, before it waited for anybody.
            return ExitStatus(error.code)
        }
        return .done
    }

    /// The last traces may take what is left of `shutdown_timeout`, but not hold up a restart for long.
    private func flushDeadline(_ statistics: LoadingStatistics) -> ContinuousClock.Instant {
        let now = ContinuousClock.now
        let began = statistics.snapshot.stoppingSince ?? now
        return min(now + .seconds(5), began + configuration.loading.shutdownTimeout)
    }

    // MARK: Probes

    private func listen(_ statistics: LoadingStatistics, _ logger: Logger) throws -> HealthServer? {
        guard let address = configuration.http.listen else { return nil }
        let origin = configuration.origin(of: ConfigurationPath([.name("http"), .name("listen")]))
        let (facts, maxPollInterval) = (ServiceFacts(configuration.loading), configuration.loading.maxPollInterval)
        do {
            return try Self.wait {
                try await HealthServer(
                    listen: address, origin: origin, report: { statistics.report($0, to: logger) }
                ) {
                    ServiceStatus(statistics.snapshot, facts: facts, maxPollInterval: maxPollInterval)
                }
            }
        } catch let problem as ConfigurationProblem {
            // Nobody asked for this port, so a second loader on the same machine need not be told to choose one.
            guard origin == .builtIn else { throw ConfigurationProblems(problems: [problem]) }
            statistics.report(
                Incident(
                    .warning, "there are no probes, no metrics and no status page", code: problem.code.rawValue,
                    error: problem.message, at: "http.listen", mend: problem.mend),
                to: logger)
            return nil
        }
    }

    private static func stop(_ server: HealthServer) {
        try? wait { await server.stop() }
    }

    /// Waits on this thread, which is none of Swift's cooperative pool, for what runs there.
    private static func wait<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) throws -> Result {
        let done = DispatchSemaphore(value: 0)
        let box = ResultBox<Result>()
        Task.detached {
            do { box.result = .success(try await body()) } catch { box.result = .failure(error) }
            done.signal()
        }
        done.wait()
        guard let result = box.result else { throw CancellationError() }
        return try result.get()
    }

    /// Unchecked: written before the semaphore is signalled, read after it was waited for.
    private final class ResultBox<Result: Sendable>: @unchecked Sendable {
        var result: Swift.Result<Result, any Error>?
    }
}

/// The live line on a terminal: redrawn four times a second by a thread of its own.
final class ProgressDisplay {
    private let thread: Thread

    /// Nil where standard error is no terminal.
    init?(_ statistics: LoadingStatistics) {
        let output = StandardError.shared
        guard output.isTerminal else { return nil }
        let isColored = ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty
        thread = Thread {
            while !Thread.current.isCancelled {
                let progress = Progress(statistics.snapshot)
                output.show(progress: ProgressLine.text(progress, width: output.width, isColored: isColored))
                Thread.sleep(forTimeInterval: 0.25)
            }
        }
        thread.name = "progress"
        thread.start()
    }

    /// Takes the line away.
    func end() {
        thread.cancel()
        StandardError.shared.show(progress: "")
    }
}

extension ExitStatus {
    init(_ code: LoadingError.Code) {
        self =
            switch code {
            case .unavailable: .unavailable
            case .invariantViolated: .internal
            default: .configuration
            }
    }
}
