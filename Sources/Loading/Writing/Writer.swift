import Foundation
import Kafka
import Logging
import Postgres

/// A thread with a connection, that carries out one batch at a time and reports what became of it.
///
/// It decides nothing about positions, rebalances or the group: it tries the same batch until it is in, until somebody
/// else has taken a partition over, or until it is told to give up.
final class Writer: @unchecked Sendable {
    // Unchecked: everything that two threads touch is in `state`, under `condition`. The connection and what belongs to
    // it are local to the thread in `run()`.

    struct Job: Sendable {
        var batch: Batch
        var targets: [Target]
    }

    enum Outcome: Sendable {
        case loaded(Batch, BatchTransaction.Loaded)
        /// Another member has taken a partition over: nothing of the batch is in.
        case fenced(Batch)
        /// Given up as told. Whether the batch is in, the ledger knows.
        case abandoned(Batch)
        /// The table is not what the rows were built for: read the catalog again, build them again.
        ///
        /// The error is what the server says even without rows; nil where a look at the catalog has shown a change.
        case setup(Batch, PostgresError?)
        case failed(Batch, LoadingError)

        var isLoaded: Bool { if case .loaded = self { true } else { false } }

        var batch: Batch {
            switch self {
            case .loaded(let batch, _), .fenced(let batch), .abandoned(let batch), .setup(let batch, _),
                .failed(let batch, _):
                batch
            }
        }
    }

    private struct State {
        var handoff = Handoff<Job, Outcome>()
        var isStopped = false
        var hasEnded = false
        var isAway = false
        var canceller: Canceller?
    }

    let index: Int
    private let options: LoadingOptions
    private let wakeup: Wakeup
    private let logger: Logger
    private let statistics: LoadingStatistics
    private let producer: LetterProducer?
    private let orphans: OrphanLoader
    private let condition = MonotonicCondition()
    private var state = State()

    init(
        index: Int, options: LoadingOptions, producer: LetterProducer?, orphans: OrphanLoader, wakeup: Wakeup,
        statistics: LoadingStatistics, logger: Logger
    ) {
        self.index = index
        self.options = options
        self.producer = producer
        self.orphans = orphans
        self.wakeup = wakeup
        self.statistics = statistics
        self.logger = logger
        let thread = Thread { [self] in run() }
        thread.name = "writer-\(index)"
        thread.start()
    }

    // MARK: The consumer's side

    /// Hands a batch over. Only while no other is under way.
    func load(_ job: Job) {
        condition.withLock {
            state.handoff.begin(job)
            state.isAway = false
            condition.broadcast()
        }
    }

    /// Lets the writer go on with another batch behind the one under way, if that one is loaded.
    func offer(_ job: Job) {
        condition.withLock {
            state.handoff.offer(job)
            condition.broadcast()
        }
    }

    /// Takes an offer back.
    ///
    /// - Returns: false if it is no longer open: the batch before has ended, and its outcome is there to be taken.
    func withdraw() -> Bool { condition.withLock { state.handoff.withdraw() } }

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

    /// Tells the writer to give the batch under way up, wherever it stands. The outcome follows at once.
    func abandon() {
        let canceller: Canceller? = condition.withLock { () -> Canceller? in
            guard state.handoff.abandon() else { return nil }
            condition.broadcast()
            return state.canceller
        }
        // Breaks the connection rather than asking the server to cancel: the server may be what does not answer.
        canceller?.breakConnection()
    }

    /// Gives up what is under way, ends the thread and waits until it has. One that does not end in time is left to the end
    /// of the process: it is waiting for a server that neither refuses a connection nor accepts it.
    func stop(until deadline: ContinuousClock.Instant) {
        abandon()
        condition.withLock {
            state.isStopped = true
            condition.broadcast()
            while !state.hasEnded, condition.wait(until: deadline) {}
        }
    }

    // MARK: The writer's own thread

    private func run() {
        let locks = LockWatch(name, options, statistics, logger) { [unowned self] in self.isAbandoned }
        var session = Session(locks: locks)
        while let job = nextJob() {
            let outcome = carryOut(job, &session)
            condition.withLock {
                state.handoff.end(with: outcome, isSuccess: outcome.isLoaded)
                condition.broadcast()
            }
            wakeup.ring()
        }
        session.connection?.close()
        condition.withLock {
            state.hasEnded = true
            condition.broadcast()
        }
    }

    private func nextJob() -> Job? {
        condition.withLock {
            while state.handoff.job == nil, !state.isStopped { condition.wait() }
            return state.isStopped ? nil : state.handoff.job
        }
    }

    /// What the thread keeps from batch to batch.
    private struct Session {
        var connection: Connection?
        let locks: LockWatch
        var care: Care?
        var size = TransactionSize()
        var window = RejectionWindow()
        /// Values that became NULL since that was said last, and when it may be said again.
        var nulled: [LoadingStatistics.NulledColumn: Int] = [:]
        var nextNulledLine: ContinuousClock.Instant = .now
        /// Outlives a batch that was given up, so that one outage is said once.
        var awaySince: ContinuousClock.Instant?
    }

    /// What is known while a part of a batch is tried.
    private struct Trying {
        /// The batch's letters on their way to the topic, from try to try.
        let topic: TopicLetters?
        var backoff = Backoff()
        var waitingSince: ContinuousClock.Instant?
        var isOutcomeUnknown = false
        var conflicts = 0
        var alone = 0
        var losses = 0
        var isJudging = false
        var setAside: PostgresError?
    }

    private enum Step {
        case loaded(BatchTransaction.Loaded)
        case again
        /// With another size, so that it is another part.
        case resized
        case ended(Outcome)
    }

    private func carryOut(_ job: Job, _ session: inout Session) -> Outcome {
        let batch = job.batch
        var sum = BatchTransaction.Loaded()
        let topic = topicLetters()
        while true {
            let part = batch.part(upTo: session.size.limit)
            var trying = Trying(topic: topic)
            var step = Step.again
            while case .again = step { step = attempt(part, of: job, &session, &trying) }
            switch step {
            case .loaded(let loaded):
                sum.add(loaded)
                batch.loaded(part)
                settle(part, of: job, loaded, &session)
                if batch.isLoaded {
                    tellShortened(topic)
                    return .loaded(batch, sum)
                }
            case .again, .resized: break
            case .ended(let outcome):
                session.locks.end()
                return outcome
            }
        }
    }

    private func tellShortened(_ topic: TopicLetters?) {
        guard let topic, topic.shortened > 0 else { return }
        statistics.report(
            Incident(
                .warning, "the topic of dead letters takes some of them only without their values",
                code: KafkaErrorCode.messageTooLarge.name, at: topic.topic,
                mend: "raise its max.message.bytes (kafka-configs.sh --alter --entity-type topics --entity-name "
                    + "\(topic.topic) --add-config max.message.bytes=104857600), or set dead_letters.table as well, which "
                    + "keeps them whole"),
            to: logger, ["letters": .stringConvertible(topic.shortened)])
    }

    /// What a batch's letters need to get into their topic. They are waited for with the transaction open, so not for long.
    private func topicLetters() -> TopicLetters? {
        guard let topic = options.deadLetters.topic, let producer else { return nil }
        let patience = min(.seconds(30), options.database.statementTimeout * 0.5)
        return TopicLetters(topic: topic, producer, patience: patience) { [unowned self] in self.isAbandoned }
    }

    /// Takes note of a part that is in.
    private func settle(
        _ part: Batch.Part, of job: Job, _ loaded: BatchTransaction.Loaded, _ session: inout Session
    ) {
        let nulled = job.batch.nulledValues(of: part.messages, except: loaded.deadLetters, job.targets)
        if !nulled.isEmpty {
            statistics.update { $0.nulledValues.merge(nulled, uniquingKeysWith: +) }
            say(nulled, &session)
        }
        cameBack(since: &session.awaySince)
        session.locks.end()
        condition.withLock { state.isAway = false }
        statistics.end(isBusy)
        session.window.add(part.messages.count, bad: loaded.badMessages)
        orphans.count(messages: part.messages.count)
        let refusals =
            loaded.deadLetters.count { letter in [.refused, .waiting].contains(letter.reason) } + loaded.nulledRefusals
        if var care = session.care { session.care = care.batchEnded(refusals: refusals) ? care : nil }
        if session.size.loaded(part.messages.count, whole: options.batch.maxRows) {
            statistics.end(goesInParts)
            logger.notice("batches go whole again", metadata: ["writer": .stringConvertible(index)])
        }
    }

    /// No letter tells of what `on_error: null` takes away, so the log does: at once, and then now and then.
    private func say(_ nulled: [LoadingStatistics.NulledColumn: Int], _ session: inout Session) {
        session.nulled.merge(nulled, uniquingKeysWith: +)
        guard session.nextNulledLine <= .now else { return }
        let columns = session.nulled.map { "\($0.key.table).\($0.key.column): \($0.value)" }.sorted()
        logger.notice(
            "values became NULL that their columns cannot hold",
            metadata: [
                "nulled_values": .stringConvertible(session.nulled.values.reduce(0, +)),
                "columns": "\(columns.joined(separator: ", "))",
                "mend":
                    "nothing, if on_error: null is meant for so many; else `loader check` shows what the messages have",
            ])
        session.nulled = [:]
        session.nextNulledLine = .now + .seconds(60)
    }

    private func attempt(_ part: Batch.Part, of job: Job, _ session: inout Session, _ trying: inout Trying) -> Step {
        let batch = job.batch
        let ledger = options.delivery == .exactlyOnce ? Ledger(group: options.group) : nil
        let isReused = session.connection != nil
        if isAbandoned {
            session.connection?.close()
            session.connection = nil
            endOutages()
            session.locks.end()
            return .ended(.abandoned(batch))
        }
        do throws(TransactionFailure) {
            let connection = try connected(&session)
            if trying.isOutcomeUnknown, let ledger {
                // The connection died with COMMIT on its way. The ledger tells; trying again blindly would not be wrong
                // either, because the fence would not let it through.
                switch try known({ () throws(PostgresError) in
                    try ledger.outcome(of: part.partitions, on: connection)
                })
                {
                case .committed:
                    return .loaded(
                        BatchTransaction.Loaded(
                            rows: rowCounts(part, of: job).values.reduce(0, +),
                            rowsOfTargets: rowCounts(part, of: job),
                            deadLetters: batch.deadLetters.filter { part.messages.contains($0.message) }))
                case .takenOver: return .ended(.fenced(batch))
                case .notCommitted: trying.isOutcomeUnknown = false
                }
            }
            let (window, maxShare) = (session.window, options.deadLetters.maxShare)
            let givenUp = orphans.givenUpShare
            let transaction = BatchTransaction(
                batch: batch, part: part, targets: job.targets, connection: connection, ledger: ledger,
                database: options.database,
                deadLetters: DeadLetterSink(group: options.group, options: options.deadLetters, topic: trying.topic),
                mayReject: { messages, bad in
                    window.share(adding: messages, bad: bad).flatMap { share in
                        share + givenUp > maxShare ? min(1, share + givenUp) : nil
                    }
                }, isJudging: trying.isJudging, setAside: trying.setAside)
            let loaded = try transaction.run(care: &session.care)
            if trying.isJudging || trying.setAside != nil { session.size.judged() }
            return .loaded(loaded)
        } catch {
            return react(to: error, part, of: job, isReused: isReused, &session, &trying)
        }
    }

    private func react(
        to failure: TransactionFailure, _ part: Batch.Part, of job: Job, isReused: Bool, _ session: inout Session,
        _ trying: inout Trying
    ) -> Step {
        let batch = job.batch
        switch failure {
        case .fenced:
            cameBack(since: &session.awaySince)
            return .ended(.fenced(batch))
        case .tableChanged:
            batch.noteFailure(code: "tableChanged", "a table has changed")
            return .ended(.setup(batch, nil))
        case .tooManyDeadLetters(let share):
            return .ended(.failed(batch, .tooManyDeadLetters(share: share, batch, job.targets, options)))
        case .deadLetterTopic(let error):
            let topic = options.deadLetters.topic ?? ""
            guard error.isRetriable else { return .ended(.failed(batch, .deadLetterTopic(error, topic))) }
            if isAbandoned { return .again }
            batch.noteFailure(code: error.code.name, "\(error)")
            let notice = OutageNotice(deadLetterTopic: error, topic)
            if let failure = away(notice, nil, &session.awaySince, &trying.waitingSince) {
                return .ended(.failed(batch, failure))
            }
            pause(trying.backoff.next())
            return .again
        case .deadLetterTable(let error, let table):
            guard FailureClass(error).passes else { return .ended(.failed(batch, .deadLetterTable(error, table))) }
            return react(to: error, withRows: false, isReused: isReused, part, of: job, &session, &trying)
        case .refused(let error):
            return react(to: error, withRows: true, isReused: isReused, part, of: job, &session, &trying)
        case .postgres(let error, let commitSent):
            trying.isOutcomeUnknown = trying.isOutcomeUnknown || commitSent
            return react(
                to: error, withRows: false, isReused: isReused && !commitSent, part, of: job, &session, &trying)
        }
    }

    private func react(
        to error: PostgresError, withRows: Bool, isReused: Bool, _ part: Batch.Part, of job: Job,
        _ session: inout Session, _ trying: inout Trying
    ) -> Step {
        let batch = job.batch
        if session.connection?.isOpen != true { disconnect(&session) }
        // The connection was broken by `abandon()`, and says nothing about the server.
        if isAbandoned { return .again }
        let error = asLockWait(error, of: job, session.locks)
        batch.noteFailure(sqlState: error.sqlState?.rawValue, code: error.code.rawValue, "\(error)")
        let likely = FailureClass(error)
        trying.conflicts = likely == .conflict ? trying.conflicts + 1 : 0
        if withRows, part.messages.count == 1, Suspicion(error) == .perhaps { trying.alone += 1 }
        if error.isConnectionLoss, error.sqlState == nil { trying.losses = error.cameWithRows ? trying.losses + 1 : 0 }
        let evidence = Evidence(
            messages: part.messages.count, withRows: withRows, isCareful: session.care != nil,
            conflicts: trying.conflicts, alone: trying.alone, othersWentIn: session.size.othersWentIn,
            losses: trying.losses, isReduced: session.size.limit != nil)
        let remedy = evidence.remedy(error)
        if remedy != .wait, remedy != .rereadCatalog { statistics.retried(likely, error.sqlState?.classCode) }
        if let connection = session.connection { HungWriters(options).end(asAsks: error, on: connection) }
        switch remedy {
        case .again(let pauses):
            if pauses { pause(trying.backoff.next()) }
        case .carefully:
            session.care = Care()
        case .less:
            if session.size.tooMuch(part.messages.count) { tooMuch(part, error) }
            return .resized
        case .judge:
            trying.isJudging = true
            session.care = session.care ?? Care()
        case .setAside:
            trying.setAside = error
        case .wait:
            disconnect(&session)
            // A connection that was cut while nothing happened says nothing about the server.
            if isReused, error.code == .connectionLost, session.awaySince == nil {
                if let state = error.sqlState { statistics.retried(likely, state.classCode) }
                return .again
            }
            let failure =
                likely == .away && !withRows
                ? away(OutageNotice(error), error.sqlState, &session.awaySince, &trying.waitingSince)
                : busy(error, part, session.locks, &trying)
            if let failure { return .ended(.failed(batch, failure)) }
            pause(trying.backoff.next())
        case .rereadCatalog:
            return .ended(.setup(batch, error))
        case .stop:
            return .ended(.failed(batch, .database(error, batch)))
        }
        return .again
    }

    /// What a lock has to do with an error. A statement that waited for one until `statement_timeout` is not too long; and
    /// where the server waits for locks too shortly to be asked meanwhile, it is asked now.
    private func asLockWait(_ error: PostgresError, of job: Job, _ locks: LockWatch) -> PostgresError {
        switch error.sqlState {
        case .queryCanceled? where locks.isWaiting:
            var waited = error
            waited.sqlState = .lockNotAvailable
            return waited
        case .lockNotAvailable? where !locks.isWaiting:
            let own = options.delivery == .exactlyOnce ? [Ledger.table] : []
            locks.look(at: job.targets.map(\.table.name) + own + [options.deadLetters.table].compactMap(\.self))
            return error
        default: return error
        }
    }

    /// Says once a batch that the server answers, but cannot take it now. Whose lock it is has been said already.
    ///
    /// - Returns: the error to stop with, once `outage_timeout` has passed.
    private func busy(
        _ error: PostgresError, _ part: Batch.Part, _ locks: LockWatch, _ trying: inout Trying
    ) -> LoadingError? {
        statistics.retried(FailureClass(error), error.sqlState?.classCode)
        condition.withLock {
            state.isAway = true
            condition.broadcast()
        }
        if trying.waitingSince == nil, !(error.sqlState == .lockNotAvailable && locks.isWaiting) {
            statistics.report(
                Incident(
                    .warning, "the database answers, but cannot take a batch now; it is kept and tried again",
                    code: error.sqlState?.rawValue, error: "\(error)", at: part.place, mend: Limit(error).wait,
                    until: isBusy),
                to: logger, ["writer": .stringConvertible(index)])
        }
        let began = trying.waitingSince ?? .now
        trying.waitingSince = began
        guard let limit = options.outageTimeout, .now - began > limit else { return nil }
        return LoadingError(
            .unavailable, "the database could not take a batch for longer than outage_timeout: \(error)",
            mend: "\(Limit(error).wait), and start again; nothing is lost")
    }

    private func tooMuch(_ part: Batch.Part, _ error: PostgresError) {
        let limit = Limit(error)
        statistics.report(
            Incident(
                .warning, "a batch is too much for one transaction; it goes in smaller ones until whole ones go again",
                code: error.sqlState?.rawValue, error: "\(limit.name): \(error)", at: part.place, mend: limit.mend,
                until: goesInParts),
            to: logger, ["writer": .stringConvertible(index), "messages": .stringConvertible(part.messages.count)])
    }

    private func connected(_ session: inout Session) throws(TransactionFailure) -> Connection {
        if let connection = session.connection { return connection }
        let connection = try known { () throws(PostgresError) in
            try Connection(options.connectionOptions("writer \(index)")) { [unowned self] in self.isAbandoned }
        }
        session.locks.watch(connection)
        session.connection = connection
        statistics.reached(connection)
        let canceller = connection.makeCanceller()
        let isAbandoned = condition.withLock {
            state.canceller = canceller
            return state.handoff.isAbandoned
        }
        // Abandoned while it was connecting, when there was nothing to break yet.
        if isAbandoned { canceller.breakConnection() }
        return connection
    }

    private func disconnect(_ session: inout Session) {
        session.connection?.close()
        session.connection = nil
        condition.withLock { state.canceller = nil }
    }

    private func known<Result>(_ body: () throws(PostgresError) -> Result) throws(TransactionFailure) -> Result {
        do throws(PostgresError) { return try body() } catch { throw .postgres(error, commitSent: false) }
    }

    private var isAbandoned: Bool { condition.withLock { state.handoff.isAbandoned } }

    /// Says once that something is away.
    ///
    /// - Parameters:
    ///   - since: when the outage was noticed, this batch's or one before.
    ///   - waitingSince: since when this batch waits.
    /// - Returns: the error to stop with, once `outage_timeout` has passed.
    private func away(
        _ notice: OutageNotice, _ sqlState: SQLState?, _ since: inout ContinuousClock.Instant?,
        _ waitingSince: inout ContinuousClock.Instant?
    ) -> LoadingError? {
        statistics.retried(.away, sqlState?.classCode)
        condition.withLock {
            state.isAway = true
            condition.broadcast()
        }
        statistics.outage(notice.place, for: name, isOver: false)
        if since == nil {
            since = .now
            statistics.report(
                notice.incident("the batch is kept and tried again"), to: logger,
                ["writer": .stringConvertible(index)])
        }
        let began = waitingSince ?? .now
        waitingSince = began
        if let limit = options.outageTimeout, ContinuousClock.now - began > limit {
            return LoadingError(
                .unavailable, "\(notice.what), for longer than outage_timeout: \(notice.error)",
                mend: "mend that and start again; nothing is lost")
        }
        return nil
    }

    private func cameBack(since: inout ContinuousClock.Instant?) {
        guard let began = since else { return }
        since = nil
        condition.withLock { state.isAway = false }
        endOutages()
        logger.notice(
            "back again",
            metadata: [
                "away_seconds": .stringConvertible(Int((ContinuousClock.now - began).inSeconds)),
                "writer": .stringConvertible(index),
            ])
    }

    /// This writer waits for nothing any more: it goes on, or has nothing to do it with.
    private func endOutages() {
        statistics.outage(.database, for: name, isOver: true)
        statistics.outage(.deadLetterTopic, for: name, isOver: true)
        statistics.end(isBusy)
    }

    private var name: String { "writer \(index)" }
    private var isBusy: Incident.Cause { .named("\(name) waits for a busy database") }
    private var goesInParts: Incident.Cause { .named("\(name) makes transactions smaller") }

    /// Waits, unless the batch is abandoned in the meantime.
    private func pause(_ duration: Duration) {
        let deadline = ContinuousClock.now + duration
        condition.withLock {
            while !state.handoff.isAbandoned, condition.wait(until: deadline) {}
        }
    }

    private func rowCounts(_ part: Batch.Part, of job: Job) -> [Int: Int] {
        job.batch.sections.reduce(into: [:]) { counts, section in
            counts[section.target, default: 0] += section.rows.count { part.messages.contains(Int($0.message)) }
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

extension LoadingError {
    fileprivate static func tooManyDeadLetters(
        share: Double, _ batch: Batch, _ targets: [Target], _ options: LoadingOptions
    ) -> LoadingError {
        var counts: [String: Int] = [:]
        for letter in batch.deadLetters {
            let column = letter.column.map { ".\($0)" } ?? ""
            counts["\(letter.reason.rawValue) for \(targets[letter.target].name)\(column)", default: 0] += 1
        }
        let most = counts.max { $0.value < $1.value }?.key ?? "refused by the server"
        let limit = Int((options.deadLetters.maxShare * 100).rounded())
        return LoadingError(
            .tooManyDeadLetters,
            "\(Int((share * 100).rounded())) % of the last \(RejectionWindow.length) messages are bad, "
                + "more than dead_letters.max_share allows (\(limit) %); most often: \(most)",
            mend:
                "mend the route (`loader check` shows how fields land in columns); nothing of this batch was committed")
    }

    fileprivate static func deadLetterTable(_ error: PostgresError, _ table: TableName) -> LoadingError {
        LoadingError(
            .database, "the table \(table) refuses a dead letter: \(error)",
            mend:
                "see its columns, rights, constraints, triggers and partitions (in psql: \\d+ \(table)), mend them and "
                + "start again; nothing was lost or skipped")
    }

    fileprivate static func deadLetterTopic(_ error: KafkaError, _ topic: String) -> LoadingError {
        let ofContent: [KafkaErrorCode] = [.messageTooLarge, .invalidTimestamp, .invalidRecord, .recordListTooLarge]
        return LoadingError(
            .kafka, "a dead letter could not be written to the topic: \(error)",
            mend: ofContent.contains(error.code)
                ? "it is refused even without its key, value and headers: see what the topic asks of messages "
                    + "(kafka-configs.sh --describe --entity-type topics --entity-name \(topic)), or set "
                    + "dead_letters.topic to null; nothing was committed"
                : "mend that, or set dead_letters.topic to null; nothing was committed")
    }

    static func database(_ error: PostgresError, _ batch: Batch) -> LoadingError {
        let place = batch.partitions.first.map { " at \($0.partition)@\($0.expected)" } ?? ""
        return LoadingError(
            .database, "the database refuses the batch\(place): \(error)",
            mend: "mend what it names and start again; nothing was lost or skipped")
    }
}
