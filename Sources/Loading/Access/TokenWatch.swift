import Credentials
import Foundation
import Logging
import Postgres
import Synchronization

/// Tells how it stands with the tokens for the brokers: once when the next one cannot be had, with how long the one at hand
/// serves; as an outage when that has ended; and when there is one again.
public struct TokenWatch: Sendable {
    /// What has been told last.
    private enum Told { case nothing, warning, outage }

    /// What is to be told.
    enum Telling: Equatable {
        case nothing
        /// The next one cannot be had; nil: nobody says how long the one at hand serves.
        case warning(CredentialFailure, until: Date?)
        case outage(CredentialFailure)
        /// - wasAway: an outage is over, and not a warning alone.
        case over(wasAway: Bool)
    }

    private var told = Told.nothing
    private var notes: [Kind: String] = [:]

    /// What is given.
    enum Kind: String {
        case token = "token for the brokers"
        case password = "password for the database"
    }

    init() {}

    /// Has the statistics and the log told of each attempt to get a token that changes how it stands, and the log of what should be
    /// known of the database's passwords: that there are none, each connection says itself.
    public static func begin(_ options: LoadingOptions, _ statistics: LoadingStatistics, _ logger: Logger) {
        let watch = LockedWatch()
        if let secrets = options.database.secrets {
            let take: @Sendable (String?) -> Void = { note in
                watch.held.withLock { $0.take(.password, note, logger) }
            }
            secrets.watch(take)
            take(secrets.note)
        }
        guard let tokens = options.tokens else { return }
        let take: @Sendable (TokenKeeper.Standing) -> Void = { standing in
            watch.held.withLock { $0.take(standing, at: Date(), statistics, logger) }
        }
        tokens.watch(take)
        // What the start has got already.
        take(tokens.standing)
    }

    private mutating func take(
        _ standing: TokenKeeper.Standing, at now: Date, _ statistics: LoadingStatistics, _ logger: Logger
    ) {
        statistics.update { $0.tokenEnd = standing.end == .distantPast ? nil : standing.end }
        if let failure = standing.failure {
            logger.debug(
                "no token for the brokers",
                metadata: ["error": "\(failure)", "detail": "\(failure.detail ?? "none")"])
        }
        take(.token, standing.note, logger)
        let cause = Incident.Cause.named("tokens")
        switch take(standing, at: now) {
        case .nothing: break
        case .warning(let failure, let end):
            let rest = end.map { "serves until \($0.formatted(.iso8601))" } ?? "serves on"
            statistics.report(
                Incident(
                    .warning, "the next token for the brokers cannot be had; the one at hand \(rest)",
                    code: failure.code.rawValue, error: "\(failure)", mend: .database(.outage(.tokens(failure))),
                    until: cause),
                to: logger)
        case .outage(let failure):
            statistics.outage(.tokens, isOver: false)
            statistics.report(
                OutageNotice(tokens: failure).incident("brokers let nobody in"), to: logger)
        case .over(let wasAway):
            statistics.end(cause)
            if wasAway { statistics.outage(.tokens, isOver: true) }
            logger.notice("there is a token for the brokers again")
        }
    }

    private mutating func take(_ kind: Kind, _ note: String?, _ logger: Logger) {
        guard let note = take(kind, note: note) else { return }
        logger.warning("the \(kind.rawValue) is there, and not all is well", metadata: ["error": "\(note)"])
    }

    /// What somebody should know although there is a token or a password, where that has changed.
    mutating func take(_ kind: Kind, note: String?) -> String? {
        defer { notes[kind] = note }
        return note == notes[kind] ? nil : note
    }

    /// What an attempt changes.
    mutating func take(_ standing: TokenKeeper.Standing, at now: Date) -> Telling {
        guard let failure = standing.failure else {
            defer { told = .nothing }
            return told == .nothing ? .nothing : .over(wasAway: told == .outage)
        }
        let isOver = standing.end.map { $0 <= now } ?? false
        switch (isOver, told) {
        case (true, .outage), (false, .warning): return .nothing
        // It has ended between two attempts that failed.
        case (true, _):
            told = .outage
            return .outage(failure)
        case (false, _):
            told = .warning
            return .warning(failure, until: standing.end)
        }
    }
}

/// Attempts are made by one thread after another.
private final class LockedWatch: Sendable {
    let held = Mutex(TokenWatch())
}
