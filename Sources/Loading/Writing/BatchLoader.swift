import Kafka
import Logging
import Postgres

/// Loads batches, one at a time, on the thread that has made it.
///
/// It decides nothing about positions, rebalances or the group: it tries the same batch until it is in, until somebody
/// else has taken a partition over, or until it is told to give up.
final class BatchLoader {
    private let index: Int
    private let options: LoadingOptions
    private let tables: RoutedTables
    private let producer: LetterProducer?
    private let orphans: OrphanLoader
    private let statistics: LoadingStatistics
    private let logger: Logger
    /// How the consumer's thread is heard meanwhile.
    private unowned let mailbox: Writer

    // What is kept from batch to batch.
    private var connection: Connection?
    private let locks: LockWatch
    private var care: Care?
    private var size = TransactionSize()
    private var window = RejectionWindow()
    /// For batches whose tables have changed since they were built.
    private var builders: RowBuilders?
    /// Values that became NULL since that was said last, and when it may be said again.
    private var nulledToSay: [LoadingStatistics.NulledColumn: Int] = [:]
    private var nextNulledLine: ContinuousClock.Instant = .now
    /// Outlives a batch that was given up, so that one outage is said once.
    private var awaySince: ContinuousClock.Instant?

    init(
        index: Int, options: LoadingOptions, tables: RoutedTables, producer: LetterProducer?, orphans: OrphanLoader,
        statistics: LoadingStatistics, logger: Logger, mailbox: Writer
    ) {
        self.index = index
        self.options = options
        self.tables = tables
        self.producer = producer
        self.orphans = orphans
        self.statistics = statistics
        self.logger = logger
        self.mailbox = mailbox
        locks = LockWatch("writer \(index)", options, statistics, logger) { [unowned mailbox] in
            mailbox.isLoadingGivenUp
        }
    }

    func close() { connection?.close() }

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
        /// How often this batch's rows were built again for tables that had changed.
        var rereadings: Int
    }

    private enum Step {
        case loaded(BatchTransaction.Loaded)
        case again
        /// With another size, so that it is another part.
        case resized
        case ended(Writer.Outcome)
    }

    /// Loads a batch, however often that has to be tried.
    func carryOut(_ batch: Batch) -> Writer.Outcome {
        catchUp(batch)
        var rereadings = 0
        var sum = BatchTransaction.Loaded()
        let topic = topicLetters()
        while true {
            let part = batch.part(upTo: size.limit)
            var trying = Trying(topic: topic, rereadings: rereadings)
            var step = Step.again
            while case .again = step { step = attempt(part, of: batch, &trying) }
            rereadings = trying.rereadings
            switch step {
            case .loaded(let loaded):
                sum.add(loaded)
                batch.loaded(part)
                settle(part, of: batch, loaded)
                if batch.isLoaded {
                    tellShortened(topic)
                    return .loaded(batch, sum)
                }
            case .again, .resized: break
            case .ended(let outcome):
                locks.end()
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
                mend: .letters(.shortened(topic: topic.topic))),
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
        _ part: Batch.Part, of batch: Batch, _ loaded: BatchTransaction.Loaded
    ) {
        let nulled = batch.nulledValues(of: part.messages, except: loaded.deadLetters, batch.tables.targets)
        if !nulled.isEmpty {
            statistics.update { $0.nulledValues.merge(nulled, uniquingKeysWith: +) }
            say(nulled)
        }
        cameBack()
        locks.end()
        mailbox.isAway = false
        statistics.end(isBusy)
        window.add(part.messages.count, bad: loaded.badMessages)
        orphans.count(messages: part.messages.count)
        let refusals =
            loaded.deadLetters.count { letter in [.refused, .waiting].contains(letter.reason) } + loaded.nulledRefusals
        if var careful = care { care = careful.batchEnded(refusals: refusals) ? careful : nil }
        if size.loaded(part.messages.count, whole: options.batch.maxRows) {
            statistics.end(goesInParts)
            logger.notice("batches go whole again", metadata: ["writer": .stringConvertible(index)])
        }
    }

    /// No letter tells of what `on_error: null` takes away, so the log does: at once, and then now and then.
    private func say(_ nulled: [LoadingStatistics.NulledColumn: Int]) {
        nulledToSay.merge(nulled, uniquingKeysWith: +)
        guard nextNulledLine <= .now else { return }
        let columns = nulledToSay.map { "\($0.key.table).\($0.key.column): \($0.value)" }.sorted()
        logger.notice(
            "values became NULL that their columns cannot hold",
            metadata: [
                "nulled_values": .stringConvertible(nulledToSay.values.reduce(0, +)),
                "columns": "\(columns.joined(separator: ", "))",
                "mend": Mend.letters(.nulled).forLog,
            ])
        nulledToSay = [:]
        nextNulledLine = .now + .seconds(60)
    }

    private func attempt(_ part: Batch.Part, of batch: Batch, _ trying: inout Trying) -> Step {
        let ledger = options.delivery == .exactlyOnce ? Ledger(group: options.group) : nil
        let isReused = connection != nil
        if isAbandoned {
            connection?.close()
            connection = nil
            endOutages()
            locks.end()
            return .ended(.abandoned(batch))
        }
        do throws(TransactionFailure) {
            let connection = try connected()
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
                            rows: rowCounts(part, of: batch).values.reduce(0, +),
                            rowsOfTargets: rowCounts(part, of: batch),
                            deadLetters: batch.deadLetters.filter { part.messages.contains($0.message) }))
                case .takenOver: return .ended(.fenced(batch))
                case .notCommitted: trying.isOutcomeUnknown = false
                }
            }
            let (window, maxShare) = (window, options.deadLetters.maxShare)
            let givenUp = orphans.givenUpShare
            let transaction = BatchTransaction(
                batch: batch, part: part, targets: batch.tables.targets, connection: connection, ledger: ledger,
                database: options.database,
                deadLetters: DeadLetterSink(group: options.group, options: options.deadLetters, topic: trying.topic),
                mayReject: { messages, bad in
                    window.share(adding: messages, bad: bad).flatMap { share in
                        share + givenUp > maxShare ? min(1, share + givenUp) : nil
                    }
                }, isJudging: trying.isJudging, setAside: trying.setAside)
            let loaded = try transaction.run(care: &care)
            if trying.isJudging || trying.setAside != nil { size.judged() }
            return .loaded(loaded)
        } catch {
            return react(to: error, part, of: batch, isReused: isReused, &trying)
        }
    }

    private func react(
        to failure: TransactionFailure, _ part: Batch.Part, of batch: Batch, isReused: Bool,
        _ trying: inout Trying
    ) -> Step {
        switch failure {
        case .fenced:
            cameBack()
            return .ended(.fenced(batch))
        case .tableChanged:
            batch.noteFailure(code: "tableChanged", "a table has changed")
            return reread(after: nil, part, of: batch, &trying)
        case .tooManyDeadLetters(let share):
            return .ended(.failed(batch, .tooManyDeadLetters(share: share, batch, batch.tables.targets, options)))
        case .deadLetterTopic(let error):
            let topic = options.deadLetters.topic ?? ""
            guard error.isRetriable else { return .ended(.failed(batch, .deadLetterTopic(error, topic))) }
            if isAbandoned { return .again }
            batch.noteFailure(code: error.code.name, "\(error)")
            let notice = OutageNotice(deadLetterTopic: error, topic)
            if let failure = away(notice, nil, &trying.waitingSince) {
                return .ended(.failed(batch, failure))
            }
            pause(trying.backoff.next())
            return .again
        case .deadLetterTable(let error, let table):
            guard FailureClass(error).passes else { return .ended(.failed(batch, .deadLetterTable(error, table))) }
            return react(to: error, withRows: false, isReused: isReused, part, of: batch, &trying)
        case .refused(let error):
            return react(to: error, withRows: true, isReused: isReused, part, of: batch, &trying)
        case .postgres(let error, let commitSent):
            trying.isOutcomeUnknown = trying.isOutcomeUnknown || commitSent
            return react(
                to: error, withRows: false, isReused: isReused && !commitSent, part, of: batch, &trying)
        }
    }

    private func react(
        to error: PostgresError, withRows: Bool, isReused: Bool, _ part: Batch.Part, of batch: Batch,
        _ trying: inout Trying
    ) -> Step {
        if connection?.isOpen != true { disconnect() }
        // The connection was broken by `abandon()`, and says nothing about the server.
        if isAbandoned { return .again }
        let error = asLockWait(error, of: batch)
        batch.noteFailure(sqlState: error.sqlState?.rawValue, code: error.code.rawValue, "\(error)")
        let likely = FailureClass(error)
        trying.conflicts = likely == .conflict ? trying.conflicts + 1 : 0
        if withRows, part.messages.count == 1, Suspicion(error) == .perhaps { trying.alone += 1 }
        if error.isConnectionLoss, error.sqlState == nil { trying.losses = error.cameWithRows ? trying.losses + 1 : 0 }
        let evidence = Evidence(
            messages: part.messages.count, withRows: withRows, isCareful: care != nil,
            conflicts: trying.conflicts, alone: trying.alone, othersWentIn: size.othersWentIn,
            losses: trying.losses, isReduced: size.limit != nil)
        let remedy = evidence.remedy(error)
        if remedy != .wait, remedy != .rereadCatalog { statistics.retried(likely, error.sqlState?.classCode) }
        if let connection { HungWriters(options).end(asAsks: error, on: connection) }
        switch remedy {
        case .again(let pauses):
            if pauses { pause(trying.backoff.next()) }
        case .carefully:
            care = Care()
        case .less:
            if size.tooMuch(part.messages.count) { tooMuch(part, error) }
            return .resized
        case .judge:
            trying.isJudging = true
            care = care ?? Care()
        case .setAside:
            trying.setAside = error
        case .wait:
            disconnect()
            // A connection that was cut while nothing happened says nothing about the server.
            if isReused, error.code == .connectionLost, awaySince == nil {
                if let state = error.sqlState { statistics.retried(likely, state.classCode) }
                return .again
            }
            let failure =
                likely == .away && !withRows
                ? away(OutageNotice(error), error.sqlState, &trying.waitingSince)
                : busy(error, part, &trying)
            if let failure { return .ended(.failed(batch, failure)) }
            pause(trying.backoff.next())
        case .rereadCatalog:
            return reread(after: error, part, of: batch, &trying)
        case .stop:
            return .ended(.failed(batch, .database(error, batch)))
        }
        return .again
    }

    /// What a lock has to do with an error. A statement that waited for one until `statement_timeout` is not too long; and
    /// where the server waits for locks too shortly to be asked meanwhile, it is asked now.
    private func asLockWait(_ error: PostgresError, of batch: Batch) -> PostgresError {
        switch error.sqlState {
        case .queryCanceled? where locks.isWaiting:
            var waited = error
            waited.sqlState = .lockNotAvailable
            return waited
        case .lockNotAvailable? where !locks.isWaiting:
            let own = options.delivery == .exactlyOnce ? [Ledger.table] : []
            locks.look(
                at: batch.tables.targets.map(\.table.name) + own + [options.deadLetters.table].compactMap(\.self))
            return error
        default: return error
        }
    }

    /// Says once a batch that the server answers, but cannot take it now. Whose lock it is has been said already.
    ///
    /// - Returns: the error to stop with, once `outage_timeout` has passed.
    private func busy(
        _ error: PostgresError, _ part: Batch.Part, _ trying: inout Trying
    ) -> LoadingError? {
        statistics.retried(FailureClass(error), error.sqlState?.classCode)
        mailbox.isAway = true
        if trying.waitingSince == nil, !(error.sqlState == .lockNotAvailable && locks.isWaiting) {
            statistics.report(
                Incident(
                    .warning, "the database answers, but cannot take a batch now; it is kept and tried again",
                    code: error.sqlState?.rawValue, error: "\(error)", at: part.place,
                    mend: .database(.waits(Limit(error))),
                    until: isBusy),
                to: logger, ["writer": .stringConvertible(index)])
        }
        let began = trying.waitingSince ?? .now
        trying.waitingSince = began
        guard let limit = options.outageTimeout, .now - began > limit else { return nil }
        return LoadingError(
            .unavailable, "the database could not take a batch for longer than an outage may last: \(error)",
            mend: .database(.waitedTooLong(Limit(error))))
    }

    private func tooMuch(_ part: Batch.Part, _ error: PostgresError) {
        let limit = Limit(error)
        statistics.report(
            Incident(
                .warning, "a batch is too much for one transaction; it goes in smaller ones until whole ones go again",
                code: error.sqlState?.rawValue, error: "\(limit.name): \(error)", at: part.place,
                mend: .database(.less(limit)),
                until: goesInParts),
            to: logger, ["writer": .stringConvertible(index), "messages": .stringConvertible(part.messages.count)])
    }

    // MARK: The tables

    /// Builds the rows again where another batch has met a change since they were built.
    private func catchUp(_ batch: Batch) {
        let current = tables.current
        guard current.number != batch.tables.number else { return }
        if builders == nil { builders = RowBuilders(current) }
        builders?.use(current)
        builders?.build(batch) { self.isAbandoned }
    }

    /// Somebody changed a table, or the server refuses its statements even without rows: reads the catalog again and
    /// builds the rows again, from the messages' own bytes.
    ///
    /// - Parameter error: what the server says even without rows; nil where a look at the catalog has shown a change.
    private func reread(
        after error: PostgresError?, _ part: Batch.Part, of batch: Batch, _ trying: inout Trying
    ) -> Step {
        let known = tables.current
        if known.number == batch.tables.number {
            guard trying.rereadings < (error == nil ? Self.mostChanges : 1) else {
                return .ended(.failed(batch, .database(error ?? .tableKeepsChanging, batch)))
            }
            if trying.rereadings == 0 { tellRereading(error) }
            do {
                tables.replace(known.number, by: try CompiledRoutes.targets(options, on: try connected()))
            } catch let problems as LoadingError {
                return .ended(.failed(batch, problems))
            } catch {
                return didNotReread(error, part, of: batch, &trying)
            }
            trying.rereadings += 1
        }
        catchUp(batch)
        return .again
    }

    private func didNotReread(
        _ error: any Error, _ part: Batch.Part, of batch: Batch, _ trying: inout Trying
    ) -> Step {
        var lost = error as? PostgresError
        if case .postgres(let error, _)? = error as? TransactionFailure { lost = error }
        guard let lost, FailureClass(lost).passes else {
            return .ended(.failed(batch, .database(lost ?? .tableKeepsChanging, batch)))
        }
        return react(to: lost, withRows: false, isReused: false, part, of: batch, &trying)
    }

    /// So many changes of the tables one batch goes along with.
    private static let mostChanges = 8

    // MARK: The connection

    private func connected() throws(TransactionFailure) -> Connection {
        if let connection { return connection }
        let connection = try known { () throws(PostgresError) in
            try Connection(options.connectionOptions("writer \(index)")) { [unowned self] in self.isAbandoned }
        }
        locks.watch(connection)
        self.connection = connection
        statistics.reached(connection)
        mailbox.use(connection.makeCanceller())
        return connection
    }

    private func disconnect() {
        connection?.close()
        connection = nil
        mailbox.use(nil)
    }

    private func known<Result>(_ body: () throws(PostgresError) -> Result) throws(TransactionFailure) -> Result {
        do throws(PostgresError) { return try body() } catch { throw .postgres(error, commitSent: false) }
    }

    private var isAbandoned: Bool { mailbox.isLoadingGivenUp }

    /// Says once that something is away.
    ///
    /// - Parameter waitingSince: since when this batch waits.
    /// - Returns: the error to stop with, once `outage_timeout` has passed.
    private func away(
        _ notice: OutageNotice, _ sqlState: SQLState?, _ waitingSince: inout ContinuousClock.Instant?
    ) -> LoadingError? {
        statistics.retried(.away, sqlState?.classCode)
        mailbox.isAway = true
        statistics.outage(notice.place, for: name, isOver: false)
        if awaySince == nil {
            awaySince = .now
            statistics.report(
                notice.incident("the batch is kept and tried again"), to: logger,
                ["writer": .stringConvertible(index)])
        }
        let began = waitingSince ?? .now
        waitingSince = began
        if let limit = options.outageTimeout, ContinuousClock.now - began > limit {
            return LoadingError(
                .unavailable, "\(notice.what), for longer than an outage may last: \(notice.error)",
                mend: .database(.outageTooLong))
        }
        return nil
    }

    private func cameBack() {
        guard let began = awaySince else { return }
        awaySince = nil
        mailbox.isAway = false
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
    private func pause(_ duration: Duration) { mailbox.pause(duration) }

    private func tellRereading(_ error: PostgresError?) {
        statistics.report(
            Incident(
                .warning,
                error == nil
                    ? "a table has changed; the catalog is read again"
                    : "the database refuses statements even without rows; the catalog is read again",
                code: error?.sqlState?.rawValue, error: error.map { "\($0)" },
                mend: .database(.rereads)),
            to: logger)
    }

    private func rowCounts(_ part: Batch.Part, of batch: Batch) -> [Int: Int] {
        batch.sections.reduce(into: [:]) { counts, section in
            counts[section.target, default: 0] += section.rows.count { part.messages.contains(Int($0.message)) }
        }
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
                + "more than is allowed (\(limit) %); most often: \(most)", mend: .letters(.tooMany))
    }

    fileprivate static func deadLetterTable(_ error: PostgresError, _ table: TableName) -> LoadingError {
        LoadingError(
            .database, "the table \(table) refuses a dead letter: \(error)",
            mend: .letters(.table(table)))
    }

    fileprivate static func deadLetterTopic(_ error: KafkaError, _ topic: String) -> LoadingError {
        LoadingError(
            .kafka, "a dead letter could not be written to the topic: \(error)",
            mend: .letters(.topic(topic, error.code)))
    }

    static func database(_ error: PostgresError, _ batch: Batch) -> LoadingError {
        let place = batch.partitions.first.map { " at \($0.partition)@\($0.expected)" } ?? ""
        return LoadingError(
            .database, "the database refuses the batch\(place): \(error)",
            mend: .database(.refusedBatch))
    }
}

extension PostgresError {
    /// A table that changes again and again while a batch is built for its last change.
    fileprivate static let tableKeepsChanging = PostgresError(
        .server, message: "a table's columns are not those that the rows were built for")
}
