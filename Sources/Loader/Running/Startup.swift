import Foundation
import Kafka
import Loading
import Logging
import Operating
import Postgres

/// What happens between the configuration and the first message.
enum Startup {
    /// How long something may be away before a start that does not wait says so and ends. What was away for a restart only is
    /// back by then; and all is said within 15 s.
    static let patience = Duration.seconds(5)
    /// How often a start that waits says what for.
    private static let reminder = Duration.seconds(60)

    /// Looks at everything that a start needs, and waits for what is away, if it may.
    ///
    /// - Returns: nil if a stop was requested while it waited.
    /// - Throws: `LoadingError` with every mistake found, or with all that is away.
    static func preflight(
        _ options: LoadingOptions, stop: StopRequest, statistics: LoadingStatistics, logger: Logger
    ) throws -> Preflight? {
        let began = ContinuousClock.now
        let locks = LockWatch("the start", options, statistics, logger) { stop.isRequested }
        defer { locks.end() }
        var waiting = Waiting(options: options, statistics: statistics, logger: logger)
        while !stop.isRequested {
            let found = StartCheck.look(options, statistics, locks) { stop.isRequested }
            if stop.isRequested { break }
            switch StartVerdict(found.problems, waits: options.waitsAtStart) {
            case .stops(let problems): throw LoadingError(problems: problems)
            case .starts:
                guard let preflight = found.preflight else { break }
                do {
                    try prepare(options, preflight, logger: logger) { stop.isRequested }
                    waiting.end()
                    for warning in found.databaseWarnings { waiting.warn(warning) }
                    for warning in found.topics?.warnings ?? [] { waiting.warn(warning) }
                    for warning in found.registryProblems { waiting.warn(warning) }
                    return preflight
                } catch let error as PostgresError where error.passes {
                    waiting.tell(OutageNotice(error))
                } catch let error as KafkaError where error.isRetriable {
                    waiting.tell(OutageNotice(brokers: error))
                } catch let error as PostgresError {
                    throw LoadingError(problems: [
                        SetupProblem(
                            .database, at: "postgres.url", "the database refuses: \(error)",
                            mend: "mend postgres.url or the role's rights")
                    ])
                } catch let error as KafkaError {
                    throw LoadingError(
                        .kafka, "the brokers refuse: \(error.told)", mend: "mend kafka.properties or the rights")
                }
            case .away(let problems):
                // A lock is no outage: whose it is has been said, and it is waited for.
                let isLocked = found.databaseError?.sqlState == .lockNotAvailable && found.topics?.error == nil
                let now = ContinuousClock.now
                if !isLocked {
                    if !options.waitsAtStart, now - began > patience { throw LoadingError.away(problems) }
                    waiting.tell(found)
                } else if !locks.isWaiting, let error = found.databaseError {
                    waiting.tell(OutageNotice(error))
                }
                if let limit = options.outageTimeout, now - began > limit { throw LoadingError.away(problems) }
            }
            stop.wait(for: waiting.backoff.next())
        }
        return nil
    }

    /// What has to happen before the first message, once all is there.
    private static func prepare(
        _ options: LoadingOptions, _ preflight: Preflight, logger: Logger, isGivenUp: @escaping () -> Bool
    ) throws {
        guard let deployment = options.resetForDeployment else { return }
        let connection = try Connection(options.connectionOptions("reset"), isGivenUp: isGivenUp)
        defer { connection.close() }
        try DeploymentReset(options, deployment: deployment).run(preflight, on: connection, logger: logger)
    }

    /// What is said while a start waits: at once, and every so often.
    private struct Waiting {
        let options: LoadingOptions
        let statistics: LoadingStatistics
        let logger: Logger
        var backoff = Backoff()
        private var told: [LoadingStatistics.Outage: ContinuousClock.Instant] = [:]

        init(options: LoadingOptions, statistics: LoadingStatistics, logger: Logger) {
            (self.options, self.statistics, self.logger) = (options, statistics, logger)
        }

        mutating func tell(_ found: StartCheck) {
            if let error = found.databaseError {
                tell(OutageNotice(error), found.databaseProblems)
            } else {
                over(.database)
            }
            if let error = found.topics?.error {
                tell(OutageNotice(brokers: error), found.topics?.problems ?? [])
            } else {
                over(.brokers)
            }
            if let failure = found.topics?.tokenFailure {
                tell(OutageNotice(tokens: failure))
            } else {
                over(.tokens)
            }
        }

        /// - Parameter problems: of which a host that there is not says more than that nobody answers.
        mutating func tell(_ notice: OutageNotice, _ problems: [SetupProblem] = []) {
            let isLock = notice.code == SQLState.lockNotAvailable.rawValue
            if !isLock { statistics.outage(notice.place, isOver: false) }
            let now = ContinuousClock.now
            if let last = told[notice.place], now - last < reminder { return }
            told[notice.place] = now
            var notice = notice
            if let unknown = problems.first(where: { $0.passing == .absent }) {
                (notice.what, notice.mend) = (unknown.problem, unknown.mend)
            }
            statistics.report(notice.incident("it is tried"), to: logger)
        }

        func warn(_ warning: SetupProblem) {
            logger.warning("\(warning.problem)", metadata: warning.metadata)
        }

        private mutating func over(_ place: LoadingStatistics.Outage) {
            guard told.removeValue(forKey: place) != nil else { return }
            statistics.outage(place, isOver: true)
        }

        mutating func end() {
            over(.database)
            over(.brokers)
            over(.tokens)
        }
    }
}

extension LoadingError {
    /// A start that does not wait for what is away.
    fileprivate static func away(_ problems: [SetupProblem]) -> LoadingError {
        var error = LoadingError(problems: problems)
        error.code = .unavailable
        error.message = "what a start needs is away"
        error.mend = .said(
            "bring it back and start again; or let the start wait for it: --wait, or wait_at_start: true")
        return error
    }
}
