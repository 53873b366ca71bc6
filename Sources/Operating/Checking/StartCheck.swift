import Foundation
import Kafka
import Loading
import Postgres
import Synchronization

/// What a start needs of database and brokers, looked at once, all of it: `run` goes by it, and `check` shows it. So both say
/// the same of whether a loader would start.
package struct StartCheck: Sendable {
    /// What the database says; nil where it could not be asked.
    package var preflight: Preflight?
    /// Why it could not.
    package var databaseError: PostgresError?
    package var databaseProblems: [SetupProblem] = []
    /// What works, and should not stay as it is.
    package var databaseWarnings: [SetupProblem] = []
    /// Nil where nobody waited for it.
    package var topics: RoutedTopics?
    /// What is wrong with the schema registry, and warnings where it is only away.
    package var registryProblems: [SetupProblem] = []

    /// What keeps a start from going on.
    package var problems: [SetupProblem] { databaseProblems + (topics?.problems ?? []) + registryProblems }

    /// How long either may take.
    static let timeout = Duration.seconds(10)

    /// Looks at all of it at the same time, on connections of its own.
    ///
    /// - Parameter isGivenUp: asked while it waits; once true, nobody needs what it finds.
    package static func look(
        _ options: LoadingOptions, _ statistics: LoadingStatistics, _ locks: LockWatch, isGivenUp: @escaping () -> Bool
    ) -> StartCheck {
        let asked = Asked<RoutedTopics> { RoutedTopics(options, timeout: timeout) }
        let registry = Asked<[SetupProblem]> { RegistryCheck.problems(options) }
        var found = StartCheck()
        let deadline = ContinuousClock.now + timeout
        do throws(PostgresError) {
            var isConnected = false
            let connection = try Connection(options.connectionOptions("check")) {
                isGivenUp() || (!isConnected && ContinuousClock.now > deadline)
            }
            isConnected = true
            defer { connection.close() }
            statistics.reached(connection)
            found.databaseWarnings = connection.security?.warnings() ?? []
            connection.lockPatience = options.database.lockTimeout
            locks.watch(connection)
            try found.askDatabase(options, on: connection)
        } catch {
            found.refuse(error, options)
        }
        found.topics = asked.wait(isGivenUp: isGivenUp)
        found.registryProblems = registry.wait(isGivenUp: isGivenUp) ?? []
        return found
    }

    /// What the database says of tables, rights, ledger.
    mutating func askDatabase(_ options: LoadingOptions, on connection: Connection) throws(PostgresError) {
        let preflight = try Preflight.inspect(options, on: connection)
        databaseProblems = preflight.problems
        if options.delivery == .exactlyOnce,
            !preflight.problems.contains(where: { Inspection.area(of: $0) == "ledger" })
        {
            do throws(MigrationError) {
                try LedgerSchema.check(on: connection)
            } catch {
                if let cause = error.cause, cause.passes { throw cause }
                databaseProblems.append(
                    SetupProblem(.ledger, at: "loader.ledger", error.message, mend: error.mend))
            }
        }
        if options.resetForDeployment != nil, options.delivery != .exactlyOnce {
            let topics = options.routes.flatMap(\.topics).compactMap { topic in
                if case .name(let name) = topic { name } else { nil as String? }
            }
            databaseProblems.append(
                SetupProblem(
                    .badOption, at: "kafka.reset_on_start", "only the ledger can remember what was reset",
                    mend: "set delivery: exactly_once, or load again by hand: "
                        + "`loader backfill --topic \(topics.first ?? "NAME") --to-earliest`"))
        }
        self.preflight = preflight
        // Whatever default_transaction_read_only says, a primary takes what is begun READ WRITE.
        if try connection.query("SELECT pg_is_in_recovery()").bool(0, 0) == true {
            throw PostgresError(
                .connectionFailed, sqlState: .readOnlyTransaction,
                message: "the server is a standby, and takes no writes")
        }
    }

    /// What is wrong with a database that could not be asked.
    mutating func refuse(_ error: PostgresError, _ options: LoadingOptions) {
        databaseError = error
        // What can be said without it.
        if preflight == nil { databaseProblems += Preflight.problems(options) }
        let hosts = options.connectionOptions("check").hostNames
        let isSilent = error.code == .connectionFailed && error.sqlState == nil && error.passes
        let unknown = isSilent ? HostLookup.unknown(hosts) : []
        if !hosts.isEmpty, unknown.count == hosts.count {
            databaseProblems += unknown.map { host in
                var problem = SetupProblem(
                    .database, at: "postgres.url", "there is no host \(host)",
                    mend: "mend postgres.url, or the name server")
                problem.passing = .absent
                return problem
            }
            return
        }
        let passes = error.passes
        let notice = passes || error.refusal != nil ? OutageNotice(error) : nil
        var problem = SetupProblem(
            .database,
            at: error.code == .secretAway || error.code == .secretMissing ? "postgres.password" : "postgres.url",
            "\(notice?.what ?? "the database refuses"): \(error)",
            mend: .said(notice?.remedy ?? "mend postgres.url or the role's rights"))
        problem.passing = passes ? .outage : .never
        databaseProblems.append(problem)
    }
}

/// What a start makes of what was found.
package enum StartVerdict: Equatable {
    case starts
    /// A mistake of the operator's.
    case stops([SetupProblem])
    /// Nothing but what may come by itself.
    case away([SetupProblem])

    package init(_ problems: [SetupProblem], waits: Bool) {
        let errors = problems.filter { !$0.isWarning }
        let isMistake = errors.contains { $0.passing == .never || ($0.passing == .absent && !waits) }
        self = errors.isEmpty ? .starts : isMistake ? .stops(errors) : .away(errors)
    }

    var isAway: Bool { if case .away = self { true } else { false } }
}

/// Something that is found out on a thread of its own.
private final class Asked<Answer: Sendable>: Sendable {
    private let answer = Mutex<Answer?>(nil)
    private let ended = DispatchSemaphore(value: 0)

    init(_ question: @escaping @Sendable () -> Answer) {
        let thread = Thread { [self] in
            let found = question()
            answer.withLock { $0 = found }
            ended.signal()
        }
        thread.name = "start-check"
        thread.start()
    }

    func wait(isGivenUp: () -> Bool) -> Answer? {
        while ended.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
            if isGivenUp() { return nil }
        }
        return answer.withLock { $0 }
    }
}
