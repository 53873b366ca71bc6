import Kafka
import Logging
import Postgres

/// Says what a writer has to say of its batches: to the log, and where others see it. It decides nothing.
struct BatchLoaderWords {
    private let index: Int
    private let statistics: LoadingStatistics
    private let logger: Logger
    /// Values that became NULL since that was said last, and when it may be said again.
    private var nulledToSay: [LoadingStatistics.NulledColumn: Int] = [:]
    private var nextNulledLine: ContinuousClock.Instant = .now
    private var toldUnfit: Set<FittingTables.Unfit> = []
    /// Outlives a batch that was given up, so that one outage is said once.
    private var awaySince: ContinuousClock.Instant?
    /// What has been said of it: one that becomes another is said again.
    private var toldOutages: Set<String> = []

    init(writer index: Int, _ statistics: LoadingStatistics, _ logger: Logger) {
        self.index = index
        self.statistics = statistics
        self.logger = logger
    }

    private var name: String { "writer \(index)" }
    private var isBusy: Incident.Cause { .named("\(name) waits for a busy database") }
    private var goesInParts: Incident.Cause { .named("\(name) makes transactions smaller") }

    private func report(_ incident: Incident, _ metadata: Logger.Metadata = [:]) {
        statistics.report(incident, to: logger, metadata)
    }

    // MARK: Waiting

    /// Tells of a registry that rows wait for which are built again.
    func teller(_ isAway: @escaping (Bool) -> Void) -> SchemaLookup.Teller {
        SchemaLookup.Teller(statistics, logger, party: name, isAway: isAway)
    }

    /// Something has been said to be away, and has not come back.
    var isAway: Bool { awaySince != nil }

    /// Something is away. It is said once.
    mutating func away(_ notice: OutageNotice) {
        statistics.outage(notice.place, for: name, isOver: false)
        awaySince = awaySince ?? .now
        guard toldOutages.insert(notice.what).inserted else { return }
        report(notice.incident("the batch is kept and tried again"), ["writer": .stringConvertible(index)])
    }

    /// What was away answers again.
    mutating func cameBack() {
        guard let began = awaySince else { return }
        awaySince = nil
        toldOutages = []
        endOutages()
        logger.notice(
            "back again",
            metadata: [
                "away_seconds": .stringConvertible(Int((ContinuousClock.now - began).inSeconds)),
                "writer": .stringConvertible(index),
            ])
    }

    /// The server answers, but cannot take the batch now.
    func busy(_ error: PostgresError, _ part: Batch.Part) {
        report(
            Incident(
                .warning, "the database answers, but cannot take a batch now; it is kept and tried again",
                code: error.sqlState?.rawValue, error: "\(error)", at: part.place,
                mend: .database(.waits(Limit(error))),
                until: isBusy),
            ["writer": .stringConvertible(index)])
    }

    /// The server has taken something.
    func notBusy() { statistics.end(isBusy) }

    /// This writer waits for nothing any more: it goes on, or has nothing to do it with.
    func endOutages() {
        statistics.outage(.database, for: name, isOver: true)
        statistics.outage(.deadLetterTopic, for: name, isOver: true)
        statistics.end(isBusy)
    }

    // MARK: Other ways in

    /// Transactions are made smaller.
    func tooMuch(_ part: Batch.Part, _ error: PostgresError) {
        let limit = Limit(error)
        report(
            Incident(
                .warning, "a batch is too much for one transaction; it goes in smaller ones until whole ones go again",
                code: error.sqlState?.rawValue, error: "\(limit.name): \(error)", at: part.place,
                mend: .database(.less(limit)),
                until: goesInParts),
            ["writer": .stringConvertible(index), "messages": .stringConvertible(part.messages.count)])
    }

    /// They need not be smaller any more.
    func wholeAgain() {
        statistics.end(goesInParts)
        logger.notice("batches go whole again", metadata: ["writer": .stringConvertible(index)])
    }

    /// - Parameter error: what the server says even without rows; nil where a look at the catalog has shown a change.
    func rereading(_ error: PostgresError?) {
        report(
            Incident(
                .warning,
                error == nil
                    ? "a table has changed; the catalog is read again"
                    : "the database refuses statements even without rows; the catalog is read again",
                code: error?.sqlState?.rawValue, error: error.map { "\($0)" },
                mend: .database(.rereads)))
    }

    /// Tables that patterns take, and that cannot be loaded as they are; each once.
    mutating func unfit(_ tables: [FittingTables.Unfit], of routes: [Route]) {
        for (place, route) in routes.enumerated() where route.tables?.hasPatterns == true {
            guard let unfit = tables.first(where: { $0.route == place }) else {
                statistics.endNote("unfit_table", ofRoute: place)
                continue
            }
            statistics.note(unfit.note, ofRoute: place)
        }
        let new = tables.filter { !toldUnfit.contains($0) }
        toldUnfit = Set(tables)
        for table in new {
            report(
                Incident(
                    .warning, "a table that a route's pattern takes does not fit it; messages for it are dead letters",
                    code: DeadLetter.Reason.noTable.rawValue, error: table.problem, at: "\(table.table)",
                    mend: table.mend),
                ["route": "\(routes[table.route].label)"])
        }
    }

    // MARK: What is in

    /// No letter tells of what `on_error: null` takes away, so the log does: at once, and then now and then.
    mutating func nulled(_ nulled: [LoadingStatistics.NulledColumn: Int]) {
        guard !nulled.isEmpty else { return }
        statistics.update { $0.nulledValues.merge(nulled, uniquingKeysWith: +) }
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

    /// Letters went into their topic without their values.
    func shortened(_ letters: TopicLetters?) {
        guard let letters, letters.shortened > 0 else { return }
        report(
            Incident(
                .warning, "the topic of dead letters takes some of them only without their values",
                code: KafkaErrorCode.messageTooLarge.name, at: letters.topic,
                mend: .letters(.shortened(topic: letters.topic))),
            ["letters": .stringConvertible(letters.shortened)])
    }
}
