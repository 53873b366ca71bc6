import Foundation
import Kafka
import Loading
import Logging
import Postgres

/// What happens between the configuration and the first message.
enum Startup {
    /// Connects to the database, waiting for one that is away, and runs the start-up check.
    ///
    /// - Returns: nil if a stop was requested while it waited.
    /// - Throws: `LoadingError` with every mistake found.
    static func preflight(
        _ options: LoadingOptions, stop: StopRequest, statistics: LoadingStatistics, logger: Logger
    ) throws -> Preflight? {
        var backoff = Backoff()
        let began = ContinuousClock.now
        func wait(_ notice: OutageNotice) throws(LoadingError) {
            if let limit = options.outageTimeout, ContinuousClock.now - began > limit {
                throw LoadingError(
                    .unavailable, "\(notice.what), and outage_timeout is over: \(notice.error)",
                    mend: "mend that and start again")
            }
            // Whose lock it is has been said.
            if locks.isWaiting {
                _ = backoff.next()
                return
            }
            if backoff.attempts == 0 {
                statistics.outage(notice.place, isOver: false)
                statistics.report(notice.incident("it is tried"), to: logger)
            }
            stop.wait(for: backoff.next())
        }
        let locks = LockWatch("the start", options, statistics, logger) { stop.isRequested }
        defer { locks.end() }
        while !stop.isRequested {
            do {
                let preflight = try prepare(options, statistics, locks, logger: logger) { stop.isRequested }
                statistics.outage(.database, isOver: true)
                statistics.outage(.brokers, isOver: true)
                return preflight
            } catch let error as PostgresError {
                if stop.isRequested { break }
                guard FailureClass(error).passes else {
                    throw LoadingError(problems: [
                        SetupProblem(
                            .database, at: "postgres.url", "the database refuses: \(error)",
                            mend: "mend postgres.url or the role's rights")
                    ])
                }
                try wait(OutageNotice(error))
            } catch let error as KafkaError {
                guard error.isRetriable else {
                    throw LoadingError(
                        .kafka, "the brokers refuse: \(error)", mend: "mend kafka.properties or the rights")
                }
                try wait(OutageNotice(brokers: error))
            }
        }
        return nil
    }

    /// The start-up check, then what has to happen before the first message.
    private static func prepare(
        _ options: LoadingOptions, _ statistics: LoadingStatistics, _ locks: LockWatch, logger: Logger,
        isGivenUp: @escaping () -> Bool
    ) throws -> Preflight {
        let preflight = try check(options, statistics, locks, isGivenUp: isGivenUp)
        guard let deployment = options.resetForDeployment else { return preflight }
        guard options.delivery == .exactlyOnce else {
            let topics = options.routes.flatMap(\.topics).compactMap { topic in
                if case .name(let name) = topic { name } else { nil as String? }
            }
            throw LoadingError(problems: [
                SetupProblem(
                    .badOption, at: "kafka.reset_on_start", "only the ledger can remember what was reset",
                    mend: "set delivery: exactly_once, or load again by hand: "
                        + "`loader backfill --topic \(topics.first ?? "NAME") --to-earliest`")
            ])
        }
        let connection = try Connection(options.connectionOptions("reset"), isGivenUp: isGivenUp)
        defer { connection.close() }
        try DeploymentReset(options, deployment: deployment).run(preflight, on: connection, logger: logger)
        return preflight
    }

    /// One connection, one check.
    static func check(
        _ options: LoadingOptions, _ statistics: LoadingStatistics, _ locks: LockWatch,
        isGivenUp: @escaping () -> Bool
    ) throws -> Preflight {
        let connection = try Connection(options.connectionOptions("check"), isGivenUp: isGivenUp)
        defer { connection.close() }
        statistics.reached(connection)
        connection.lockPatience = options.database.lockTimeout
        locks.watch(connection)
        let preflight = try Preflight.check(options, on: connection)
        if options.delivery == .exactlyOnce {
            do {
                try LedgerSchema.check(on: connection)
            } catch {
                throw LoadingError(problems: [
                    SetupProblem(.ledger, at: "loader.ledger", error.message, mend: error.mend)
                ])
            }
        }
        return preflight
    }
}
