import Foundation
import Kafka
import Logging
import Postgres

/// Two threads that take batches from the consumer's: one builds their rows, the other, behind it, loads them over a
/// connection of its own. So the next batch is built while PostgreSQL is at the one before.
final class Writer: @unchecked Sendable {
    // Unchecked: everything that several threads touch is in `state`, under `condition`, or has a lock of its own. What a
    // thread needs for its work is local to it.

    enum Outcome: Sendable {
        case loaded(Batch, BatchTransaction.Loaded)
        /// Another member has taken a partition over: nothing of the batch is in.
        case fenced(Batch)
        /// Given up, as told or because the batch before it did not get in. Whether it is in, the ledger knows.
        case abandoned(Batch)
        case failed(Batch, LoadingError)

        var isLoaded: Bool { if case .loaded = self { true } else { false } }

        var batch: Batch {
            switch self {
            case .loaded(let batch, _), .fenced(let batch), .abandoned(let batch), .failed(let batch, _): batch
            }
        }
    }

    private struct State {
        var handoff = Handoff<Batch, Outcome> { .abandoned($0) }
        var isStopped = false
        var threads = 2
        var isAway = false
        var canceller: Canceller?
    }

    let index: Int
    private let tables: RoutedTables
    private let wakeup: Wakeup
    private let condition = MonotonicCondition()
    private var state = State()

    init(
        index: Int, options: LoadingOptions, tables: RoutedTables, producer: LetterProducer?, orphans: OrphanLoader,
        wakeup: Wakeup, statistics: LoadingStatistics, logger: Logger
    ) {
        self.index = index
        self.tables = tables
        self.wakeup = wakeup
        begin("builder") { writer in writer.buildAll() }
        begin("writer") { writer in
            let loader = BatchLoader(
                index: index, options: options, tables: tables, producer: producer, orphans: orphans,
                statistics: statistics, logger: logger, mailbox: writer)
            writer.loadAll(with: loader)
            loader.close()
        }
    }

    private func begin(_ name: String, _ work: @escaping @Sendable (Writer) -> Void) {
        let thread = Thread { [self] in
            work(self)
            condition.withLock {
                state.threads -= 1
                condition.broadcast()
            }
        }
        thread.name = "\(name)-\(index)"
        thread.start()
    }

    // MARK: The consumer's side

    /// Hands a batch over, behind the one under way if there is one.
    func submit(_ batch: Batch) {
        condition.withLock {
            if state.handoff.isEmpty { state.isAway = false }
            state.handoff.submit(batch)
            condition.broadcast()
        }
    }

    func takeOutcome() -> Outcome? { condition.withLock { state.handoff.takeOutcome() } }

    /// Waits for the outcome of the batch under way.
    ///
    /// - Parameter giveUpWhenAway: return as soon as the database is known not to answer.
    /// - Returns: nil if there is none in time.
    func awaitOutcome(until deadline: ContinuousClock.Instant, giveUpWhenAway: Bool) -> Outcome? {
        condition.withLock {
            while !state.handoff.hasOutcome, !(giveUpWhenAway && state.isAway) {
                guard condition.wait(until: deadline) else { break }
            }
            return state.handoff.takeOutcome()
        }
    }

    /// Tells the threads to give up what is under way, wherever it stands. The outcomes follow at once.
    func abandon() {
        let canceller: Canceller? = condition.withLock { () -> Canceller? in
            guard state.handoff.abandon() else { return nil }
            condition.broadcast()
            return state.canceller
        }
        // Breaks the connection rather than asking the server to cancel: the server may be what does not answer.
        canceller?.breakConnection()
    }

    /// Gives up what is under way, ends the threads and waits until they have. One that does not end in time is left to the
    /// end of the process: it is waiting for a server that neither refuses a connection nor accepts it.
    func stop(until deadline: ContinuousClock.Instant) {
        abandon()
        condition.withLock {
            state.isStopped = true
            condition.broadcast()
            while state.threads > 0, condition.wait(until: deadline) {}
        }
    }

    // MARK: The builder's thread

    private func buildAll() {
        var builders = RowBuilders(tables.current)
        while let batch = next({ $0.beginBuilding() }) {
            batch.noteLastMessages()
            builders.use(tables.current)
            builders.build(batch) { condition.withLock { state.handoff.isBuildingGivenUp } }
            let rings = condition.withLock {
                state.handoff.built()
                condition.broadcast()
                return state.handoff.hasOutcome
            }
            if rings { wakeup.ring() }
        }
    }

    // MARK: The loader's thread

    private func loadAll(with loader: BatchLoader) {
        while let batch = next({ $0.beginLoading() }) {
            let outcome = loader.carryOut(batch)
            condition.withLock {
                state.handoff.end(with: outcome, isSuccess: outcome.isLoaded)
                condition.broadcast()
            }
            wakeup.ring()
        }
    }

    /// Waits for something to do.
    ///
    /// - Returns: nil once the thread is to end.
    private func next(_ begin: (inout Handoff<Batch, Outcome>) -> Batch?) -> Batch? {
        condition.withLock {
            while !state.isStopped {
                if let batch = begin(&state.handoff) { return batch }
                condition.wait()
            }
            return nil
        }
    }

    var isLoadingGivenUp: Bool { condition.withLock { state.handoff.isLoadingGivenUp } }

    /// The database, or what else a batch waits for, is known not to answer.
    var isAway: Bool {
        get { condition.withLock { state.isAway } }
        set {
            condition.withLock {
                state.isAway = newValue
                condition.broadcast()
            }
        }
    }

    /// What breaks the connection that is used from now on; nil: there is none.
    func use(_ canceller: Canceller?) {
        let isGivenUp = condition.withLock {
            state.canceller = canceller
            return state.handoff.isLoadingGivenUp
        }
        // Given up while it was connecting, when there was nothing to break yet.
        if isGivenUp { canceller?.breakConnection() }
    }

    /// Waits, unless the batch is given up in the meantime.
    func pause(_ duration: Duration) {
        let deadline = ContinuousClock.now + duration
        condition.withLock {
            while !state.handoff.isLoadingGivenUp, condition.wait(until: deadline) {}
        }
    }
}

extension Duration {
    /// With its fraction.
    public var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

extension LoadingOptions {
    /// How this process introduces itself to the server.
    ///
    /// - Parameter statements: the longest that one of its statements may take; nil: `statement_timeout`.
    public func connectionOptions(_ role: String, statements: Duration? = nil) -> ConnectionOptions {
        ConnectionOptions(
            url: database.url, applicationName: "loader \(group) \(role)", connectTimeout: database.connectTimeout,
            answerTimeout: (statements ?? database.statementTimeout) + database.answerMargin)
    }
}
