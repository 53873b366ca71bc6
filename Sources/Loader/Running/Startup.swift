import Foundation
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
        let began = Date()
        while !stop.isRequested {
            do {
                let preflight = try check(options)
                statistics.outage(.database, isOver: true)
                return preflight
            } catch let error as PostgresError {
                guard FailureClass(error) == .away else {
                    throw LoadingError(problems: [
                        SetupProblem(
                            .database, at: "postgres.url", "the database refuses: \(error)",
                            mend: "mend postgres.url or the role's rights")
                    ])
                }
                if let limit = options.outageTimeout, Date().timeIntervalSince(began) > limit.inSeconds {
                    throw LoadingError(
                        .unavailable, "the database was away for longer than outage_timeout: \(error)",
                        mend: "bring it up and start again")
                }
                if backoff.attempts == 0 {
                    statistics.outage(.database, isOver: false)
                    statistics.report(
                        Incident(
                            .warning, "the database is away; it is tried until it answers",
                            code: error.sqlState?.rawValue, error: "\(error)",
                            mend: "bring the server of postgres.url back; the loader goes on by itself"),
                        to: logger)
                }
                stop.wait(for: backoff.next())
            }
        }
        return nil
    }

    /// One connection, one check.
    static func check(_ options: LoadingOptions) throws -> Preflight {
        let connection = try Connection(options.connectionOptions("check"))
        defer { connection.close() }
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
