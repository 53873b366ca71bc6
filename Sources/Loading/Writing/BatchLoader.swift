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
    private let throttles: RouteThrottles
    private let statistics: LoadingStatistics
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
    private var words: BatchLoaderWords
    /// When it may be looked again for tables that messages name and that were not there.
    private var nextTableLook = ContinuousClock.now

    init(
        index: Int, options: LoadingOptions, tables: RoutedTables, producer: LetterProducer?, orphans: OrphanLoader,
        throttles: RouteThrottles, statistics: LoadingStatistics, logger: Logger, mailbox: Writer
    ) {
        self.index = index
        self.options = options
        self.tables = tables
        self.producer = producer
        self.orphans = orphans
        self.throttles = throttles
        self.statistics = statistics
        self.mailbox = mailbox
        words = BatchLoaderWords(writer: index, statistics, logger)
        locks = LockWatch("writer \(index)", options, statistics, logger) { [unowned mailbox] in
            mailbox.isLoadingGivenUp
        }
    }

    func close() { connection?.close() }

    private enum Step {
        case loaded(BatchTransaction.Loaded)
        case again
        /// With another size, so that it is another part.
        case resized
        case ended(Writer.Outcome)
    }

    /// Loads a batch, however often that has to be tried.
    func carryOut(_ batch: Batch) -> Writer.Outcome {
        // Not within a transaction. What is taken meanwhile fills the next batch, and then nothing is.
        let wait = throttles.wait(for: batch, at: .now)
        if wait > .zero { mailbox.pause(wait) }
        catchUp(batch)
        var rereadings = (count: 0, isTold: false)
        if batch.missesTable { lookForTables(batch) }
        if let violation = batch.violation { return .failed(batch, .violated(violation)) }
        if let notice = batch.unbuilt { return .failed(batch, .away(notice)) }
        if let error = LoadingError.truncated(batch) { return .failed(batch, error) }
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
                    words.shortened(topic)
                    return .loaded(batch, sum)
                }
            case .again, .resized: break
            case .ended(let outcome):
                locks.end()
                return outcome
            }
        }
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
        words.nulled(batch.nulledValues(of: part.messages, except: loaded.deadLetters, batch.tables.targets))
        words.cameBack()
        words.notBusy()
        locks.end()
        mailbox.isAway = false
        window.add(part.messages.count, bad: loaded.badMessages)
        orphans.count(messages: part.messages.count)
        let refusals =
            loaded.deadLetters.count { letter in [.refused, .waiting].contains(letter.reason) } + loaded.nulledRefusals
        if var careful = care { care = careful.batchEnded(refusals: refusals) ? careful : nil }
        if size.loaded(part.messages.count, whole: options.batch.maxRows) { words.wholeAgain() }
    }

    private func attempt(_ part: Batch.Part, of batch: Batch, _ trying: inout Trying) -> Step {
        let ledger = options.delivery == .exactlyOnce ? Ledger(group: options.group) : nil
        let isReused = connection != nil
        if isAbandoned {
            connection?.close()
            connection = nil
            words.endOutages()
            locks.end()
            return .ended(.abandoned(batch))
        }
        let headStart = takeHeadStart(part, of: batch, trying)
        do throws(TransactionFailure) {
            let connection = try connected()
            if trying.isOutcomeUnknown, let ledger {
                // The connection died with COMMIT on its way. The ledger tells; trying again blindly would not be wrong
                // either, because the fence would not let it through.
                let outcome = try TransactionFailure.ofNoRow { () throws(PostgresError) in
                    try ledger.outcome(of: part.partitions, on: connection)
                }
                switch outcome {
                case .committed:
                    return .loaded(BatchTransaction.Loaded(byLedger: part, of: batch))
                case .takenOver: return .ended(.fenced(batch))
                case .notCommitted: trying.isOutcomeUnknown = false
                }
            }
            let (window, maxShare) = (window, options.deadLetters.maxShare)
            let givenUp = orphans.givenUpShare
            // Rows that are ahead of their time would hold locks until it comes, and who empties a table would wait for whoever has
            // written to it already.
            let mayBegin = care == nil && size.limit == nil && throttles.isEmpty && batch.truncations.isEmpty
            let next = mayBegin ? batch.tables.headStarts : nil
            if next == .rows || next == .keys { mailbox.letNextBegin() }
            let transaction = BatchTransaction(
                batch: batch, part: part, targets: batch.tables.targets, connection: connection, ledger: ledger,
                database: options.database,
                deadLetters: DeadLetterSink(group: options.group, options: options.deadLetters, topic: trying.topic),
                mayReject: { messages, bad in
                    window.share(adding: messages, bad: bad).flatMap { share in
                        share + givenUp > maxShare ? min(1, share + givenUp) : nil
                    }
                }, isJudging: trying.isJudging, setAside: trying.setAside, headStart: headStart,
                isIn: { [mailbox] in if next != nil { mailbox.letNextBegin() } })
            let loaded = try transaction.run(care: &care)
            if trying.isJudging || trying.setAside != nil { size.judged() }
            return .loaded(loaded)
        } catch {
            // What comes next may hold what this batch needs when it is tried again.
            mailbox.holdNextBack()
            if headStart != nil, case .postgres(let lost, commitSent: true) = error {
                // It has slept since its rows were copied, so that its end says as little about the server as that of any
                // other that slept; the ledger is asked over the next one.
                trying.isOutcomeUnknown = true
                return react(to: lost, withRows: false, isReused: true, part, of: batch, &trying)
            }
            return react(to: error, part, of: batch, isReused: isReused, &trying)
        }
    }

    /// The rows that are in already, if they are those of this try; its connection is the loader's from now on, and the
    /// loader's own is left to the next head start.
    private func takeHeadStart(_ part: Batch.Part, of batch: Batch, _ trying: Trying) -> HeadStart? {
        guard let headStart = batch.headStart else { return nil }
        batch.headStart = nil
        guard care == nil, size.limit == nil, trying.isFirst, part.messages == batch.messages.indices else {
            mailbox.spare(headStart.takeBack())
            return nil
        }
        mailbox.spare(connection)
        use(headStart.connection)
        return headStart
    }

    private func react(
        to failure: TransactionFailure, _ part: Batch.Part, of batch: Batch, isReused: Bool,
        _ trying: inout Trying
    ) -> Step {
        switch failure {
        case .fenced:
            if words.isAway { mailbox.isAway = false }
            words.cameBack()
            return .ended(.fenced(batch))
        case .tableChanged:
            batch.noteFailure(code: "tableChanged", "a table has changed")
            return reread(after: nil, part, of: batch, &trying)
        case .tooManyDeadLetters(let share):
            return .ended(.failed(batch, .tooManyDeadLetters(share: share, batch, batch.tables.targets, options)))
        case .deadLetterTopic(let error):
            let topic = options.deadLetters.topic ?? ""
            // Whom brokers refuse they may be told to let in, while the loader waits.
            guard error.isRetriable || error.refusal != nil else {
                return .ended(.failed(batch, .deadLetterTopic(error, topic)))
            }
            if isAbandoned { return .again }
            batch.noteFailure(code: error.code.name, "\(error)")
            return away(
                OutageNotice(deadLetterTopic: error, topic, on: options.brokerService), nil, of: batch, &trying)
        case .deadLetterTable(let error, let table):
            guard FailureClass(error).passes else { return .ended(.failed(batch, .deadLetterTable(error, table))) }
            return react(to: error, withRows: false, isReused: isReused, part, of: batch, &trying)
        case .violated(let violation): return .ended(.failed(batch, .violated(violation)))
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
        let error = locks.asWait(error, tables: lockable(batch))
        batch.noteFailure(sqlState: error.sqlState?.rawValue, code: error.code.rawValue, "\(error)")
        let likely = FailureClass(error)
        let evidence = trying.failed(
            error, withRows: withRows, messages: part.messages.count, isCareful: care != nil, size)
        let remedy = evidence.remedy(error)
        if remedy != .wait, remedy != .rereadCatalog { statistics.retried(likely, error.sqlState?.classCode) }
        if let connection { HungWriters(options).end(after: error, on: connection) }
        switch remedy {
        case .again(let pauses):
            if pauses { mailbox.pause(trying.backoff.next()) }
        case .carefully:
            care = Care()
        case .less:
            if size.tooMuch(part.messages.count) { words.tooMuch(part, error) }
            return .resized
        case .judge:
            trying.isJudging = true
            care = care ?? Care()
        case .setAside:
            trying.setAside = error
        case .wait:
            disconnect()
            // A connection that was cut while nothing happened says nothing about the server.
            if isReused, error.code == .connectionLost, !words.isAway {
                if let state = error.sqlState { statistics.retried(likely, state.classCode) }
                return .again
            }
            return likely == .away && !withRows
                ? away(OutageNotice(error), error.sqlState, of: batch, &trying)
                : busy(error, part, of: batch, &trying)
        case .rereadCatalog:
            return reread(after: error, part, of: batch, &trying)
        case .stop:
            return .ended(.failed(batch, .database(error, batch)))
        }
        return .again
    }

    /// Whose locks a batch's statements may wait for.
    private func lockable(_ batch: Batch) -> [TableName] {
        let own = options.delivery == .exactlyOnce ? [Ledger.table] : []
        return batch.tables.targets.map(\.table.name) + own + [options.deadLetters.table].compactMap(\.self)
    }

    // MARK: Waiting

    /// Nobody answers: waits, and says so once.
    private func away(
        _ notice: OutageNotice, _ sqlState: SQLState?, of batch: Batch, _ trying: inout Trying
    ) -> Step {
        statistics.retried(.away, sqlState?.classCode)
        words.away(notice)
        return wait(&trying, of: batch, .away(notice))
    }

    /// The server answers, but cannot take it now: waits, and says so once a batch. Whose lock it is has been said already.
    private func busy(
        _ error: PostgresError, _ part: Batch.Part, of batch: Batch, _ trying: inout Trying
    ) -> Step {
        statistics.retried(FailureClass(error), error.sqlState?.classCode)
        if trying.waitingSince == nil, !(error.sqlState == .lockNotAvailable && locks.isWaiting) {
            words.busy(error, part)
        }
        return wait(&trying, of: batch, .busy(error))
    }

    /// - Parameter failure: what to stop with, once `outage_timeout` has passed.
    private func wait(
        _ trying: inout Trying, of batch: Batch, _ failure: @autoclosure () -> LoadingError
    ) -> Step {
        mailbox.isAway = true
        let began = trying.waitingSince ?? .now
        trying.waitingSince = began
        if let limit = options.outageTimeout, .now - began > limit { return .ended(.failed(batch, failure())) }
        mailbox.pause(trying.backoff.next())
        return .again
    }

    // MARK: The tables

    /// Builds the rows again where another batch has met a change since they were built.
    private func catchUp(_ batch: Batch) {
        let current = tables.current
        guard current.number != batch.tables.number else { return }
        if builders == nil {
            builders = RowBuilders(
                current, telling: words.teller { [unowned mailbox] in mailbox.isAway = $0 },
                patience: options.outageTimeout)
        }
        builders?.use(current)
        builders?.build(batch) { self.isAbandoned }
    }

    /// A message names a table that a route may load and that was not there: it may have been made since. What messages name is
    /// input, so it is not looked for each of them.
    private func lookForTables(_ batch: Batch) {
        guard nextTableLook <= .now, let connection = try? connected() else { return }
        nextTableLook = .now + Self.tableLookInterval
        let known = tables.current
        let loaded = Set(known.targets.map(\.table.name))
        guard let names = try? RoutedNames.find(options.routes, on: connection), Set(names.tables) != loaded,
            let found = try? FittingTables(options, loaded: loaded, on: connection)
        else { return }
        words.unfit(found.unfit, of: options.routes)
        guard Set(found.targets.map(\.table.name)) != loaded else { return }
        tables.replace(known.number, by: found.targets)
        catchUp(batch)
    }

    private static let tableLookInterval = Duration.seconds(5)

    /// Somebody changed a table, or the server refuses its statements even without rows: reads the catalog again and
    /// builds the rows again, from the messages' own bytes.
    ///
    /// - Parameter error: what the server says even without rows; nil where a look at the catalog has shown a change.
    private func reread(
        after error: PostgresError?, _ part: Batch.Part, of batch: Batch, _ trying: inout Trying
    ) -> Step {
        let known = tables.current
        if known.number == batch.tables.number {
            guard trying.rereadings.count < (error == nil ? Self.mostChanges : 1) else {
                return .ended(.failed(batch, .database(error ?? .tableKeepsChanging, batch)))
            }
            if !trying.rereadings.isTold { words.rereading(error) }
            trying.rereadings.isTold = true
            do {
                let loaded = Set(known.targets.map(\.table.name))
                let found = try FittingTables(options, loaded: loaded, on: try connected())
                words.unfit(found.unfit, of: options.routes)
                tables.replace(known.number, by: found.targets)
            } catch let problems as LoadingError {
                return .ended(.failed(batch, problems))
            } catch {
                return didNotReread(error, part, of: batch, &trying)
            }
            trying.rereadings.count += 1
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
        let connection = try TransactionFailure.ofNoRow { () throws(PostgresError) in
            try Connection(options.connectionOptions("writer \(index)")) { [unowned self] in self.isAbandoned }
        }
        use(connection)
        statistics.reached(connection)
        return connection
    }

    private func use(_ connection: Connection) {
        connection.isGivenUp = { [unowned self] in self.isAbandoned }
        locks.watch(connection)
        self.connection = connection
        mailbox.use(connection.makeCanceller())
    }

    private func disconnect() {
        connection?.close()
        connection = nil
        mailbox.use(nil)
    }

    private var isAbandoned: Bool { mailbox.isLoadingGivenUp }
}

extension PostgresError {
    /// A table that changes again and again while a batch is built for its last change.
    fileprivate static let tableKeepsChanging = PostgresError(
        .server, message: "a table's columns are not those that the rows were built for")
}
