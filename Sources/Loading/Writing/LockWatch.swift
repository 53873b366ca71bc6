import Logging
import Postgres

/// Says whose lock it is that a connection waits for, once the server has been silent for some seconds.
///
/// The thread that waits asks by itself, over a second connection: it has nothing else to do. A wait outlives the
/// statement, which the server ends at `lock_timeout`, and the connection; it is over when its owner says so, or when a
/// look finds no lock in the way.
package final class LockWatch {
    private let options: LoadingOptions
    private let statistics: LoadingStatistics
    private let logger: Logger
    /// Who waits.
    private let party: String
    private let isGivenUp: () -> Bool
    private var since: ContinuousClock.Instant?
    private var told: [LockWait.Holder] = []
    /// Looks in a row that found no lock in the way. One may have come just when the server had ended the statement.
    private var misses = 0

    /// - Parameter isGivenUp: asked while it asks; once true, nobody wants to know any more.
    package init(
        _ party: String, _ options: LoadingOptions, _ statistics: LoadingStatistics, _ logger: Logger,
        isGivenUp: @escaping () -> Bool
    ) {
        (self.party, self.options, self.statistics, self.logger) = (party, options, statistics, logger)
        self.isGivenUp = isGivenUp
    }

    /// What the incident lasts as long as.
    private var cause: Incident.Cause { .named("lock \(party)") }

    package var isWaiting: Bool { since != nil }

    package func watch(_ connection: Connection) {
        connection.silence = options.database.lockSilence
        connection.whileSilent = { [weak self] connection, silence in
            self?.look(connection.name, after: silence)
        }
    }

    private func look(_ session: SessionName, after silence: Duration) {
        ask(silence) { connection throws(PostgresError) in try LockWait.of(session, on: connection) }
    }

    /// Looks after the fact, where the server waits for locks too shortly to be asked meanwhile.
    private func look(at tables: [TableName]) {
        ask(.zero) { connection throws(PostgresError) in try LockWait.on(tables, on: connection).first }
    }

    /// What a lock has to do with an error. A statement that waited for one until `statement_timeout` is not too long; and
    /// where the server waits for locks too shortly to be asked meanwhile, it is asked now.
    ///
    /// - Parameter tables: whose locks the statement may have waited for.
    func asWait(_ error: PostgresError, tables: @autoclosure () -> [TableName]) -> PostgresError {
        switch error.sqlState {
        case .queryCanceled? where isWaiting:
            var waited = error
            waited.sqlState = .lockNotAvailable
            return waited
        case .lockNotAvailable? where !isWaiting:
            look(at: tables())
            return error
        default: return error
        }
    }

    private func ask(_ silence: Duration, _ question: (Connection) throws(PostgresError) -> LockWait?) {
        var connecting = options.connectionOptions("locks")
        connecting.connectTimeout = min(connecting.connectTimeout, .seconds(3))
        connecting.answerTimeout = .seconds(3)
        do throws(PostgresError) {
            let connection = try Connection(connecting, isGivenUp: isGivenUp)
            defer { connection.close() }
            guard let wait = try question(connection) else {
                // It waits for something else by now. After the fact the answer is only that nobody knows.
                misses += silence > .zero ? 1 : 0
                if misses > 1 { end() }
                return
            }
            misses = 0
            tell(wait, after: silence)
        } catch {
            // Whatever is the matter with the server, the connection that waits will say.
            logger.debug("nobody can say whose lock it is", metadata: ["error": "\(error)"])
        }
    }

    private func tell(_ wait: LockWait, after silence: Duration) {
        let began = since ?? .now - silence
        since = began
        statistics.waitsForLock(wait, party)
        let culprits = wait.roots.isEmpty ? wait.holders : wait.roots
        guard told != culprits else { return }
        told = culprits
        statistics.report(
            Incident(
                .warning, "waiting for a lock that another session holds; nothing is away, and it goes on by itself",
                code: SQLState.lockNotAvailable.rawValue, error: wait.who, at: wait.place, mend: wait.mend,
                until: cause), to: logger,
            ["waiting": "\(party)"])
    }

    /// The lock was given, or nobody waits for it any more.
    package func end() {
        guard let began = since else { return }
        since = nil
        (told, misses) = ([], 0)
        statistics.waitsForLock(nil, party)
        statistics.end(cause)
        logger.notice(
            "no lock is waited for any more",
            metadata: [
                "waiting": "\(party)",
                "waited_seconds": .stringConvertible(Int((ContinuousClock.now - began).inSeconds)),
            ])
    }
}
