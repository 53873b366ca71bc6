import Foundation
import Kafka
import Logging
import Postgres

/// Loads letters that wait for the rows they refer to, once these are there, on a thread and a connection of its own.
///
/// Whose reference finds nothing yet is found out by a question to the server; only the others are loaded, as
/// `loader dead-letters replay` would. However many wait, it rests four times as long as it has worked.
final class OrphanLoader: @unchecked Sendable {
    // Unchecked: everything that two threads touch is in `state`, under `condition`. The rest is local to its thread.

    private struct State {
        var partitions: [TopicPartition] = []
        /// There may be something that is not known of.
        var isAsked = false
        /// What waits is tried once more, and then given up.
        var isLast = false
        var isFinished = false
        var isStopped = false
        var hasBegun = false
        var hasEnded = false
        var canceller: Canceller?
        /// By topic, as last counted and with what has come since.
        var waiting: [String: Int] = [:]
        /// Topics that have more than may wait, until half of that is decided.
        var full: Set<String> = []
        var givenUp = GivenUpShare()
    }

    private let options: LoadingOptions
    private let statistics: LoadingStatistics
    private let logger: Logger
    private let wakeup: Wakeup
    private let condition = MonotonicCondition()
    private var state = State()

    /// Between two looks while something waits.
    private static let interval = Duration.seconds(1)
    private static let restFactor = 4.0
    /// Letters that are loaded together. What comes behind them in Kafka is read once for each such page.
    private static let page = 10_000
    /// Of those that the server can only be asked about by trying.
    private static let smallPage = 200

    init(_ options: LoadingOptions, statistics: LoadingStatistics, wakeup: Wakeup, logger: Logger) {
        self.options = options
        self.statistics = statistics
        self.wakeup = wakeup
        self.logger = logger
    }

    // MARK: The others' side

    /// Looks after the letters of these partitions, which this member has, from now on.
    func look(after partitions: [TopicPartition]) {
        condition.withLock {
            state.partitions = partitions
            ask()
        }
    }

    /// Some of those that went in wait.
    ///
    /// - Parameter letters: how many of each topic, as far as that is known.
    func look(adding letters: [String: Int]) {
        condition.withLock {
            for (topic, count) in letters { state.waiting[topic, default: 0] += count }
            judgeFullness()
            ask()
        }
    }

    /// Topics of which so many rows wait that no more should be taken.
    var fullTopics: Set<String> { condition.withLock { state.full } }

    private func judgeFullness() {
        let most = options.deadLetters.mostWaiting
        state.full = Set(
            state.waiting.filter { $0.value >= (state.full.contains($0.key) ? max(1, most / 2) : most) }.keys)
    }

    private func ask() {
        guard options.deadLetters.table != nil, !state.isStopped else { return }
        state.isAsked = true
        if !state.hasBegun {
            state.hasBegun = true
            let thread = Thread { [self] in run() }
            thread.name = "parents"
            thread.start()
        }
        condition.broadcast()
    }

    /// Everything else is in: what still waits is tried once more, and then given up.
    ///
    /// - Returns: whether that is done.
    func finish() -> Bool {
        condition.withLock {
            guard state.hasBegun else { return true }
            if !state.isLast {
                state.isLast = true
                condition.broadcast()
            }
            return state.isFinished || state.hasEnded
        }
    }

    /// Takes note of messages that are in.
    func count(messages: Int) { condition.withLock { state.givenUp.add(messages: messages) } }

    /// The share of the last messages that waited in vain.
    var givenUpShare: Double { condition.withLock { state.givenUp.share } }

    /// Ends the thread, wherever it stands. What waits goes on waiting in its table.
    func stop(until deadline: ContinuousClock.Instant) {
        let canceller = condition.withLock { () -> Canceller? in
            state.isStopped = true
            condition.broadcast()
            return state.canceller
        }
        canceller?.breakConnection()
        condition.withLock { while state.hasBegun, !state.hasEnded, condition.wait(until: deadline) {} }
    }

    private var isStopped: Bool { condition.withLock { state.isStopped } }

    // MARK: Its own thread

    /// What is kept while something waits.
    private struct Session {
        var replay: DeadLetterReplay?
        /// When it was looked last, by the server's clock.
        var looked: Int64?
        var waiting = 0
        /// What became of those that wait, since it was last said.
        var loaded = 0
        var overtaken = 0
        var givenUp = 0
        var hasSaid = false
        var hasComplained = false
        var nextWord: ContinuousClock.Instant = .now
    }

    private struct Turn {
        var partitions: [TopicPartition]
        var isLast: Bool
    }

    private func run() {
        var session = Session()
        var backoff = Backoff()
        var next: ContinuousClock.Instant?
        var failingSince: ContinuousClock.Instant?
        while let turn = nextTurn(at: next, isRetry: failingSince != nil) {
            let began = ContinuousClock.now
            do {
                repeat {} while try look(turn, &session) && turn.isLast && !isStopped
                backoff.reset()
                failingSince = nil
                let rest = max(Self.interval, (ContinuousClock.now - began) * Self.restFactor)
                next = session.waiting > 0 ? .now + rest : nil
                if session.waiting == 0 { close(&session) }
                if turn.isLast { finished() }
            } catch {
                guard !isStopped else { break }
                close(&session)
                complain(error, &session)
                let since = failingSince ?? .now
                failingSince = since
                next = .now + backoff.next()
                // The others give up at the same time, if it is the database.
                if turn.isLast, let limit = options.outageTimeout, .now - since > limit { finished() }
            }
        }
        close(&session)
        condition.withLock {
            state.hasEnded = true
            condition.broadcast()
        }
        wakeup.ring()
    }

    private func nextTurn(at next: ContinuousClock.Instant?, isRetry: Bool) -> Turn? {
        condition.withLock {
            // What is asked for waits for its second, so that a batch a moment does not mean a look a moment.
            let earliest = next ?? (state.isLast || state.isAsked ? .now : nil)
            var due = earliest
            while !state.isStopped {
                if state.isLast, !state.isFinished, !isRetry { break }
                if due == nil, state.isAsked || (state.isLast && !state.isFinished) { due = .now }
                if let at = due {
                    if !condition.wait(until: at) { break }
                } else {
                    condition.wait()
                }
            }
            guard !state.isStopped else { return nil }
            state.isAsked = false
            return Turn(partitions: state.partitions, isLast: state.isLast)
        }
    }

    private func finished() {
        condition.withLock {
            state.isFinished = true
            condition.broadcast()
        }
        wakeup.ring()
    }

    private func close(_ session: inout Session) {
        condition.withLock { state.canceller = nil }
        session.replay?.connection.close()
        session.replay = nil
        session.looked = nil
    }

    private func opened(_ session: inout Session) throws -> DeadLetterReplay {
        if let replay = session.replay { return replay }
        let replay = try DeadLetterReplay(options, role: "parents", logger: logger) { [unowned self] in self.isStopped }
        session.replay = replay
        let canceller = replay.connection.makeCanceller()
        let hasStopped = condition.withLock {
            state.canceller = canceller
            return state.isStopped
        }
        if hasStopped { canceller.breakConnection() }
        try replay.readRoutes()
        return replay
    }

    /// Looks once.
    ///
    /// - Returns: whether something went in that others may have waited for.
    private func look(_ turn: Turn, _ session: inout Session) throws -> Bool {
        guard let name = options.deadLetters.table, !turn.partitions.isEmpty else {
            // They are another member's now.
            session.waiting = 0
            condition.withLock { (state.waiting, state.full) = ([:], []) }
            statistics.update { $0.parentWaits.waiting = 0 }
            return false
        }
        let replay = try opened(&session)
        let table = DeadLetterTable(name, on: replay.connection)
        let letters = WaitingLetters(table: table, group: options.group, partitions: turn.partitions)
        let now = Int64(try table.now().timeIntervalSince1970 * 1000)
        let ages = WaitingLetters.ages(replay.waits.map(\.patience))
        let due = try letters.due(since: turn.isLast ? nil : session.looked, until: now, ages: ages)
        if !due.isEmpty, !session.hasSaid { sayThatTheyWait(due.count, &session) }
        let before = session.loaded
        var overdue: [Int64] = []
        for start in stride(from: 0, to: due.count, by: Self.page) where !isStopped {
            overdue += try tryPage(Array(due[start..<min(start + Self.page, due.count)]), table, replay, now, &session)
        }
        let hasMoved = session.loaded > before
        if turn.isLast, !hasMoved { overdue = due }
        let lots = try letters.giveUp(overdue)
        let givenUp = lots.reduce(0) { $0 + $1.count }
        session.givenUp += givenUp
        session.looked = now
        let counts = try letters.counts()
        session.waiting = counts.values.reduce(0, +)
        let changesWhatIsTaken = condition.withLock {
            let before = state.full
            state.waiting = counts
            judgeFullness()
            state.givenUp.add(letters: givenUp)
            return before != state.full
        }
        if changesWhatIsTaken { wakeup.ring() }
        statistics.update { state in
            state.parentWaits.waiting = session.waiting
            state.parentWaits.givenUp += givenUp
            for lot in lots { state.count(figure(of: lot), of: kind(of: lot, replay)) }
        }
        sayWhatBecameOfThem(&session)
        return hasMoved
    }

    private func figure(of lot: WaitingLetters.GivenUp) -> LetterFigure {
        LetterFigure(
            count: lot.count, last: Date(), place: lot.place,
            explanation:
                "\(lot.table): SQLSTATE \(SQLState.foreignKeyViolation): what it refers to has not come in time")
    }

    private func kind(of lot: WaitingLetters.GivenUp, _ replay: DeadLetterReplay) -> LetterKind {
        // As the configuration names it.
        let route = replay.builders.targets.first { $0.name.description == lot.table }?.route
        return LetterKind(
            table: route.map { "\($0.table)" } ?? lot.table, reason: DeadLetter.Reason.refused.rawValue,
            sqlState: SQLState.foreignKeyViolation.rawValue)
    }

    /// Loads those of a page that can be.
    ///
    /// - Returns: those whose time is over.
    private func tryPage(
        _ ids: [Int64], _ table: DeadLetterTable, _ replay: DeadLetterReplay, _ now: Int64, _ session: inout Session
    ) throws -> [Int64] {
        var filter = DeadLetterFilter()
        filter.ids = ids
        var overdue: [Int64] = []
        var last: StoredDeadLetter?
        while !isStopped {
            let letters = try table.read(
                filter, after: last, limit: Self.page, bytes: min(options.batch.maxBytes, 16 << 20))
            guard let end = letters.last else { break }
            last = end
            var entries: [ReplayEntry] = []
            for letter in letters where letter.reason == DeadLetter.Reason.waiting.rawValue {
                let way = replay.builders.way(topic: letter.message.partition.topic, table: letter.table)
                guard case .routes(let routes) = way, letter.message.omittedBytes == nil else {
                    overdue.append(letter.id)
                    continue
                }
                let patience = routes.map { replay.waits[$0].patience }.max() ?? .zero
                if now - letter.failedAt >= patience.inMilliseconds { overdue.append(letter.id) }
                entries.append(
                    ReplayEntry(
                        message: letter.message, routes: routes, table: letter.table, row: letter.id,
                        attempts: letter.attempts))
            }
            for page in try pages(of: entries, replay) where !isStopped {
                let before = replay.outcome
                try replay.load(page, group: options.group)
                count(replay.outcome, since: before, &session)
            }
        }
        return overdue
    }

    /// What may go in now: by question what can be asked about, in larger pages, and the rest to be tried.
    private func pages(of entries: [ReplayEntry], _ replay: DeadLetterReplay) throws -> [[ReplayEntry]] {
        guard !entries.isEmpty else { return [] }
        let sorting = try replay.sortOrphans(entries)
        var pages: [[ReplayEntry]] = sorting.ready.isEmpty ? [] : [sorting.ready]
        for start in stride(from: 0, to: sorting.unknown.count, by: Self.smallPage) {
            pages.append(Array(sorting.unknown[start..<min(start + Self.smallPage, sorting.unknown.count)]))
        }
        return pages
    }

    private func count(
        _ outcome: DeadLetterReplay.Outcome, since before: DeadLetterReplay.Outcome, _ session: inout Session
    ) {
        let loaded = outcome.loaded - before.loaded
        let overtaken = outcome.overtaken - before.overtaken
        session.loaded += loaded
        session.overtaken += overtaken
        statistics.update { state in
            state.parentWaits.loaded += loaded
            state.parentWaits.overtaken += overtaken
            state.rows += loaded
        }
    }

    // MARK: What the log says

    /// Rows wait for those that they refer to.
    private static let theyWait = Incident.Cause.named("rows that wait for others")

    private func sayThatTheyWait(_ count: Int, _ session: inout Session) {
        session.hasSaid = true
        session.nextWord = .now + .seconds(60)
        statistics.report(
            Incident(
                .notice, "rows wait for the rows that they refer to; they are loaded once those are there",
                code: SQLState.foreignKeyViolation.rawValue,
                mend: .letters(.wait), until: Self.theyWait),
            to: logger, ["waiting": .stringConvertible(count)])
    }

    /// Once none waits any more; where there are always some, once a minute.
    private func sayWhatBecameOfThem(_ session: inout Session) {
        guard session.hasSaid, session.waiting == 0 || session.nextWord <= .now else { return }
        if session.waiting == 0 { statistics.end(Self.theyWait) }
        let metadata: Logger.Metadata = [
            "loaded": .stringConvertible(session.loaded), "overtaken": .stringConvertible(session.overtaken),
            "given_up": .stringConvertible(session.givenUp), "waiting": .stringConvertible(session.waiting),
        ]
        if session.givenUp > 0 {
            statistics.report(
                Incident(
                    .warning, "rows that waited for the rows they refer to were given up: these have not come",
                    code: SQLState.foreignKeyViolation.rawValue,
                    mend: .letters(.givenUp)),
                to: logger, metadata)
        } else if session.loaded + session.overtaken > 0 {
            logger.notice("rows that waited for the rows they refer to are in", metadata: metadata)
        }
        (session.loaded, session.overtaken, session.givenUp) = (0, 0, 0)
        session.nextWord = .now + .seconds(60)
        session.hasSaid = session.waiting > 0
    }

    /// That the database or the brokers are away is said by those who need them more; it is tried again all the same.
    private func complain(_ error: any Error, _ session: inout Session) {
        guard !session.hasComplained else { return }
        session.hasComplained = true
        let code = (error as? PostgresError)?.sqlState?.rawValue ?? (error as? KafkaError)?.code.name
        statistics.report(
            Incident(
                .warning, "letters that wait for the rows they refer to cannot be tried now; it is tried again",
                code: code, error: "\(error)", mend: .letters(.untried)),
            to: logger)
    }
}

/// What share of the messages of the last minutes waited in vain. Letters are given up in lots, behind their messages, so the
/// window of the last messages does not see it.
struct GivenUpShare: Sendable {
    private struct Stretch {
        var messages = 0
        var letters = 0
    }

    private static let length = Duration.seconds(60)

    private var now = Stretch()
    private var before = Stretch()
    private var began: ContinuousClock.Instant?

    mutating func add(messages: Int = 0, letters: Int = 0, at time: ContinuousClock.Instant = .now) {
        let start = began ?? time
        began = start
        if time - start >= Self.length {
            before = time - start < Self.length * 2 ? now : Stretch()
            now = Stretch()
            began = time
        }
        now.messages += messages
        now.letters += letters
    }

    /// Of fewer messages than the window has, as if it had them.
    var share: Double {
        Double(now.letters + before.letters) / Double(max(RejectionWindow.length, now.messages + before.messages))
    }
}
