import Kafka
import Logging

/// What the log and the statistics are told of committed batches: a line every ten seconds while anything happens, and one
/// of dead letters as seldom.
struct ProgressLog {
    private let statistics: LoadingStatistics
    private let logger: Logger
    private let routes: [Route]
    /// The targets' tables and routes, as of the version of which batches were loaded last.
    private var tables: [String]
    private var places: [Int]
    private var version = 0
    /// Which routes take a topic.
    private var routesOfTopics: [String: [Int]] = [:]
    private let hasLetterTable: Bool
    private var isDirty = false
    private var since: ContinuousClock.Instant = .now
    /// At the last line.
    private var messages = 0
    private var deadLettersToSay = 0
    private var nextDeadLetterLine: ContinuousClock.Instant = .now

    private static let interval = Duration.seconds(10)

    init(statistics: LoadingStatistics, options: LoadingOptions, logger: Logger) {
        self.statistics = statistics
        self.logger = logger
        routes = options.routes
        tables = routes.map { "\($0.table)" }
        places = Array(routes.indices)
        hasLetterTable = options.deadLetters.table != nil
        statistics.begin(routes)
    }

    /// When the next line is due; nil while there is nothing to say.
    var due: ContinuousClock.Instant? { isDirty ? since + Self.interval : nil }

    mutating func count(_ batch: Batch, _ loaded: BatchTransaction.Loaded, writer: Int) {
        isDirty = true
        // What waits is told of by who tries it again.
        let letters = loaded.deadLetters.filter { !$0.isWaiting }
        let record = BatchRecord(
            writer: writer, partitions: batch.partitions.count, messages: batch.messages.count,
            rows: loaded.rows, bytes: batch.arena.count, deadLetters: letters.count,
            wait: batch.waiting.inSeconds, decode: batch.building?.duration.inSeconds ?? 0,
            copy: loaded.copying?.inSeconds,
            commit: loaded.committing?.inSeconds)
        let offsets = batch.partitions.reduce(0) { $0 + $1.next - $1.expected }
        use(batch.tables)
        let tally = BatchTally(batch, loaded, tables: tables, places: places, time: record.time) { routes(of: $0) }
        statistics.update { state in
            state.count(record, offsets: offsets)
            state.count(tally, at: record.time)
            state.parentWaits.waiting += loaded.waiting
        }
        if let first = letters.first { say(first, of: batch, count: letters.count) }
    }

    private mutating func use(_ version: RoutedTables.Version) {
        guard version.number != self.version else { return }
        self.version = version.number
        tables = version.targets.map { "\($0.routePlace == nil ? $0.route.table : $0.name)" }
        places = version.targets.map(\.place)
    }

    private mutating func routes(of topic: String) -> [Int] {
        if let known = routesOfTopics[topic] { return known }
        let found = routes.indices.filter { routes[$0].topics.contains { $0.matches(topic) } }
        routesOfTopics[topic] = found
        return found
    }

    private mutating func say(_ letter: DeadLetter, of batch: Batch, count: Int) {
        let (partition, offset) = batch.coordinates(of: letter.message)
        let kind = LetterKind(
            table: tables.indices.contains(letter.target) ? tables[letter.target] : nil, column: letter.column,
            reason: letter.reason.rawValue, sqlState: letter.sqlState?.rawValue)
        let form = batch.value(of: letter.message).flatMap { Route.TombstoneForm($0) }
        let incident = Incident(
            .warning, "dead letters", code: letter.sqlState?.rawValue ?? letter.reason.rawValue,
            error: letter.explanation, at: "\(partition)@\(offset)",
            mend: .letters(.dead(kind, form, inTable: hasLetterTable)))
        deadLettersToSay += count
        // Where every batch has some, the log gets a line now and then.
        guard nextDeadLetterLine <= .now else { return statistics.note(incident) }
        statistics.report(
            incident, to: logger,
            ["dead_letters": .stringConvertible(deadLettersToSay), "reason": "\(letter.reason.rawValue)"])
        deadLettersToSay = 0
        nextDeadLetterLine = .now + Self.interval
    }

    /// Writes the line that is due, or the last one, which comes also where nothing was loaded.
    mutating func report(_ now: ContinuousClock.Instant, isLast: Bool = false) {
        guard isLast || (isDirty && now >= since + Self.interval) else { return }
        let snapshot = statistics.snapshot
        let seconds = max(0.001, (now - since).inSeconds)
        var metadata = snapshot.totals
        metadata["messages_per_second"] = .stringConvertible(Int(Double(snapshot.messages - messages) / seconds))
        if let catchUp = snapshot.pace.catchUp, !isLast {
            metadata["percent"] = .stringConvertible(Int(catchUp.share * 100))
            if let left = catchUp.secondsLeft { metadata["seconds_left"] = .stringConvertible(Int(left.rounded(.up))) }
        }
        logger.info(isLast ? "finished" : "progress", metadata: metadata)
        isDirty = false
        since = now
        messages = snapshot.messages
    }
}

extension LoadingStatistics.Snapshot {
    /// What was loaded, as the log's summaries say it.
    public var totals: Logger.Metadata {
        [
            "messages": .stringConvertible(messages), "rows": .stringConvertible(rows),
            "dead_letters": .stringConvertible(deadLetterCount), "batches": .stringConvertible(batches),
            "lag": .stringConvertible(lag),
        ]
    }
}
