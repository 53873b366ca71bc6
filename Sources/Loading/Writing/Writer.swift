import Foundation
import Kafka
import Logging
import Postgres

/// Two threads that take batches from the consumer's: one builds their rows, the other, behind it, loads them over a
/// connection of its own. So the next batch is built while PostgreSQL is at the one before; and its rows are copied over a
/// second connection, or prepared there, while the one before is committed.
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
        /// The same for what builds.
        var isBuilderAway = false
        var canceller: Canceller?
        /// A connection that nobody uses.
        var spare: Connection?

        /// What is under way waits for something that is away. What is built behind a batch that loads holds nobody up.
        var waitsForOthers: Bool { isAway || (isBuilderAway && handoff.isBuildingFirst) }
    }

    let index: Int
    private let tables: RoutedTables
    private let wakeup: Wakeup
    private let condition = MonotonicCondition()
    private var state = State()

    init(
        index: Int, options: LoadingOptions, tables: RoutedTables, producer: LetterProducer?, orphans: OrphanLoader,
        throttles: RouteThrottles, wakeup: Wakeup, statistics: LoadingStatistics, logger: Logger
    ) {
        self.index = index
        self.tables = tables
        self.wakeup = wakeup
        begin("builder") { writer in
            let teller = SchemaLookup.Teller(statistics, logger, party: "builder \(index)") { isAway in
                writer.setBuilderAway(isAway)
            }
            writer.buildAll(
                HeadStarts(index, options),
                RowBuilders(tables.current, telling: teller, patience: options.outageTimeout))
        }
        begin("writer") { writer in
            let loader = BatchLoader(
                index: index, options: options, tables: tables, producer: producer, orphans: orphans,
                throttles: throttles,
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

    /// What was done out of its turn, if anything was.
    var violation: InvariantViolation? { condition.withLock { state.handoff.violation } }

    func takeOutcome() -> Outcome? { condition.withLock { state.handoff.takeOutcome() } }

    /// Waits for the outcome of the batch under way.
    ///
    /// - Parameter giveUpWhenAway: return as soon as the database is known not to answer.
    /// - Returns: nil if there is none in time.
    func awaitOutcome(until deadline: ContinuousClock.Instant, giveUpWhenAway: Bool) -> Outcome? {
        condition.withLock {
            while !state.handoff.hasOutcome, !(giveUpWhenAway && state.waitsForOthers) {
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

    private enum Turn {
        case build(Batch)
        case copy(Batch)
    }

    private func buildAll(_ headStarts: HeadStarts, _ builders: RowBuilders) {
        var (headStarts, builders) = (headStarts, builders)
        while let turn = next({ $0.beginBuilding().map(Turn.build) ?? $0.beginCopying().map(Turn.copy) }) {
            switch turn {
            case .build(let batch):
                batch.noteLastMessages()
                builders.use(tables.current)
                builders.build(batch) { condition.withLock { state.handoff.isBuildingGivenUp } }
                headStarts.built(batch)
                endTurn { state in state.handoff.built() }
            case .copy(let batch):
                let headStart = headStarts.take(batch, spare: takeSpare) { [unowned self] in
                    condition.withLock { state.handoff.isCopyingGivenUp }
                }
                endTurn { state in
                    // Under the lock, because the batch is anybody's behind it; closing a connection waits for nobody.
                    if state.handoff.isCopyingGivenUp {
                        headStart?.connection.close()
                    } else {
                        batch.headStart = headStart
                    }
                    state.handoff.copied()
                }
            }
        }
        takeSpare()?.close()
    }

    private func endTurn(_ end: (inout State) -> Void) {
        let rings = condition.withLock {
            end(&state)
            condition.broadcast()
            return state.handoff.hasOutcome
        }
        if rings { wakeup.ring() }
    }

    private func setBuilderAway(_ isAway: Bool) {
        condition.withLock {
            state.isBuilderAway = isAway
            condition.broadcast()
        }
    }

    private func takeSpare() -> Connection? {
        condition.withLock {
            defer { state.spare = nil }
            return state.spare
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
    private func next<Work>(_ begin: (inout Handoff<Batch, Outcome>) -> Work?) -> Work? {
        condition.withLock {
            while !state.isStopped {
                if let work = begin(&state.handoff) { return work }
                condition.wait()
            }
            return nil
        }
    }

    /// The rows of the batch behind the one that is loaded may be copied from now on.
    func letNextBegin() {
        condition.withLock {
            state.handoff.letNextBegin()
            condition.broadcast()
        }
    }

    /// Has the rows of the batch behind the one that is loaded taken back, so that they are in nobody's way, and waits until
    /// that is done. It is not for long: who copies them asks whether to go on.
    func holdNextBack() {
        condition.withLock {
            state.handoff.holdNextBack()?.headStart = nil
            while state.handoff.isCopying { condition.wait() }
        }
    }

    /// Leaves a connection to the next head start.
    func spare(_ connection: Connection?) {
        guard let connection else { return }
        condition.withLock { state.spare = connection }
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
