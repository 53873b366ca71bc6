import Foundation
import Kafka
import Loading
import Operating
import Postgres

/// `/status.json`: what the status page shows. Its names are those of the log's fields. It holds no message's values.
struct StatusDocument: Encodable {
    struct State: Encodable, Equatable {
        /// How bad it is: `good`, `busy`, `warn`, `bad` or `none`.
        var level: String
        var title: String
        var detail: String
        /// What to do, where something is to be done. What is to be typed stands in backquotes, as in every `mend`.
        var mend: String?
    }

    struct Route: Encodable {
        var label: String
        var topics: [String]
        var table: String
        var mode: String
        var partitions: Int
        var lag: Int64
        var messagesPerSecond: Double
        var messages: Int
        var rows: Int
        /// What its messages did, by the names that the metrics have; what none did is left out.
        var operations: [String: Int]
        var deadLetters: Int
        var lastRow: Date?
        var notes: [Note]
    }

    /// What is to be said of a route.
    struct Note: Encodable {
        /// `info` or `warning`.
        var level: String
        var kind: String
        var text: String
        var mend: String?
        var since: Date
        var over: Date?
    }

    struct Letters: Encodable {
        /// Nil where no route took the message.
        var table: String?
        var column: String?
        var reason: String
        /// The SQLSTATE, of rows that the server refused.
        var code: String?
        var count: Int
        var last: Date
        var at: String
        var explanation: String
        /// What shows them.
        var command: String?
    }

    struct Partition: Encodable {
        var topic: String
        var partition: Int32
        var position: Int64
        var end: Int64
        var lag: Int64
    }

    struct StandingStill: Encodable {
        var reason: String
        var code: String
        var at: String
    }

    struct NulledColumn: Encodable {
        var route: String
        var table: String
        var column: String
        var count: Int
    }

    struct LockWait: Encodable {
        var at: String
        var heldBy: String
        var mend: String
        var since: Date
    }

    /// Where a route and its messages have drifted apart. It names fields, no values.
    struct Drift: Encodable {
        struct Note: Encodable {
            var kind: String
            var field: String
            var column: String?
            var words: String
            var mend: String
            var at: String?
            var since: Date
        }

        var route: String
        var table: String
        /// What a column misses first, then what is new; not all, where there are many.
        var notes: [Note]
        /// There are more, or fields that are not named.
        var hasMore: Bool

        /// Notes of a route that are shown.
        private static let most = 50

        init(_ drift: RouteDrift) {
            route = drift.route
            table = drift.table
            // What a column misses goes before what none takes.
            let notes =
                drift.notes.filter { $0.kind == .vanished || $0.kind == .changed }
                + drift.notes.filter { $0.kind == .new } + drift.notes.filter { $0.kind == .unrouted }
            self.notes = notes.prefix(Self.most).map {
                Note(
                    kind: $0.kind.rawValue, field: $0.field, column: $0.column, words: $0.words, mend: $0.mend.words,
                    at: $0.place, since: $0.since)
            }
            hasMore = drift.hasMore || notes.count > Self.most
        }
    }

    struct Batch: Encodable {
        var time: Date
        var writer: Int
        var partitions: Int
        var messages: Int
        var rows: Int
        var bytes: Int
        var deadLetters: Int
        var waitSeconds: Double
        var decodeSeconds: Double
        var copySeconds: Double?
        var commitSeconds: Double?
    }

    struct Trouble: Encodable {
        /// When it was said last.
        var time: Date
        /// When it began.
        var since: Date
        /// Since when it is over; nil while it goes on, and for what only happened.
        var over: Date?
        var goesOn: Bool
        var level: String
        var message: String
        var code: String?
        var error: String?
        var at: String?
        var mend: String
        var count: Int
    }

    struct Sample: Encodable {
        var time: Date
        var messages: Int
        var deadLetters: Int
        var lag: Int64
    }

    struct Database: Encodable {
        /// `shop on db1:5432`
        var place: String
        /// PostgreSQL's; nil before it has answered.
        var version: String?
    }

    struct Process: Encodable {
        var host: String
        var started: Date
        var version = Version.loader
        var commit = Version.commit
        var librdkafka = KafkaLibrary.versionString
        var libpq = PostgresLibrary.versionString
        var delivery: String
        var writers: Int
    }

    var time: Date
    var group: String
    var brokers: String
    var database: Database
    var process: Process
    var state: State
    var messages: Int
    var rows: Int
    var bytes: Int
    var batches: Int
    var deadLetters: Int
    /// Of the last ten minutes, or since the start.
    var deadLettersLately: Int
    /// Of the messages of that time, 0…1.
    var deadLettersShareLately: Double
    var lag: Int64
    var messagesPerSecond: Int
    /// While it catches up.
    var percent: Int?
    var secondsLeft: Int?
    var lastCommit: Date?
    /// In the order of the configuration.
    var routes: [Route]
    /// The most frequent first.
    var deadLettersByKind: [Letters]
    var deadLettersByReason: [String: Int]
    /// Values that became NULL by `on_error: null`.
    var nulledValues: [NulledColumn]
    /// Those that lag most come first.
    var partitions: [Partition]
    /// What is not loaded for a reason of its own.
    var standstills: [StandingStill]
    /// Locks that are waited for.
    var lockWaits: [LockWait]
    /// By route.
    var drift: [Drift]
    /// The newest last.
    var recentBatches: [Batch]
    /// What goes on comes first, then the newest.
    var recentErrors: [Trouble]
    /// The newest last.
    var history: [Sample]

    /// Keys in `snake_case`, times in ISO 8601.
    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(style))
        }
        return try encoder.encode(self)
    }
}

extension StatusDocument {
    init(_ status: ServiceStatus) {
        let snapshot = status.snapshot
        let facts = status.facts
        time = status.time
        (group, brokers) = (facts.group, facts.brokers)
        database = Database(place: snapshot.database?.place ?? facts.database, version: snapshot.database?.version)
        process = Process(
            host: facts.host, started: facts.started, delivery: facts.delivery.rawValue, writers: facts.writers)
        state = State(status)
        (messages, rows, bytes) = (snapshot.messages, snapshot.rows, snapshot.bytes)
        (batches, deadLetters) = (snapshot.batches, snapshot.deadLetterCount)
        (deadLettersLately, deadLettersShareLately) = (snapshot.lately(at: time).deadLetters, status.badShare)
        lag = snapshot.lag
        messagesPerSecond = Int(snapshot.pace.messagesPerSecond.rounded())
        if case .catchingUp(let catchUp) = status.condition {
            percent = Int(catchUp.share * 100)
            secondsLeft = catchUp.secondsLeft.map { Int($0.rounded(.up)) }
        }
        lastCommit = snapshot.lastCommit
        routes = Route.all(snapshot)
        deadLettersByKind = Letters.all(snapshot, facts)
        deadLettersByReason = snapshot.deadLetters
        nulledValues = snapshot.nulledValues.map { column, count in
            NulledColumn(route: column.route, table: column.table, column: column.column, count: count)
        }.sorted { ($0.route, $0.column) < ($1.route, $1.column) }
        partitions = snapshot.partitions.sorted { ($1.value.lag, $0.key) < ($0.value.lag, $1.key) }.map {
            Partition(topic: $0.topic, partition: $0.partition, position: $1.position, end: $1.end, lag: $1.lag)
        }
        standstills = snapshot.standstills.map {
            StandingStill(reason: $0.reason.rawValue, code: $0.code, at: $0.place)
        }
        lockWaits = snapshot.lockedPlaces.map {
            LockWait(at: $0.place, heldBy: $0.holder, mend: $0.mend.words, since: $0.since)
        }
        drift = snapshot.drift.map { Drift($0) }
        recentBatches = snapshot.recentBatches.map { Batch($0) }
        let incidents = snapshot.incidents.reversed()
        recentErrors = (incidents.filter(\.goesOn) + incidents.filter { !$0.goesOn }).map { Trouble($0) }
        history = snapshot.history.samples.map {
            Sample(time: $0.time, messages: $0.messages, deadLetters: $0.deadLetters, lag: $0.lag)
        }
    }
}

extension StatusDocument.Route {
    fileprivate static func all(_ snapshot: LoadingStatistics.Snapshot) -> [StatusDocument.Route] {
        // A regular expression is asked once about each topic, not about each partition.
        var topics: [String: (partitions: Int, lag: Int64)] = [:]
        for (partition, state) in snapshot.partitions {
            topics[partition.topic, default: (0, 0)].partitions += 1
            topics[partition.topic]?.lag += state.lag
        }
        return snapshot.routes.map { route in
            let taken = topics.filter { route.takes($0.key) }.values
            return StatusDocument.Route(
                label: route.label, topics: route.topics.map(\.subscription), table: "\(route.table)",
                mode: route.mode.rawValue, partitions: taken.reduce(0) { $0 + $1.partitions },
                lag: taken.reduce(0) { $0 + $1.lag },
                messagesPerSecond: (route.rate.perSecond * 10).rounded() / 10, messages: route.messages,
                rows: route.rows,
                operations: Dictionary(uniqueKeysWithValues: route.operations.map { ($0.key.name, $0.value) }),
                deadLetters: route.deadLetters, lastRow: route.lastRow,
                notes: route.notes.map {
                    StatusDocument.Note(
                        level: $0.level.rawValue, kind: $0.kind, text: $0.text, mend: $0.mend?.words, since: $0.since,
                        over: $0.over)
                })
        }
    }
}

extension StatusDocument.Letters {
    fileprivate static func all(
        _ snapshot: LoadingStatistics.Snapshot, _ facts: ServiceFacts
    ) -> [StatusDocument.Letters] {
        snapshot.letters.map { kind, figure in
            StatusDocument.Letters(
                table: kind.table, column: kind.column, reason: kind.reason, code: kind.sqlState, count: figure.count,
                last: figure.last, at: figure.place, explanation: figure.explanation,
                command: facts.hasDeadLetterTable ? command(kind) : nil)
        }.sorted {
            ($1.count, $0.table ?? "", $0.column ?? "", $0.reason, $0.code ?? "")
                < ($0.count, $1.table ?? "", $1.column ?? "", $1.reason, $1.code ?? "")
        }
    }

    private static func command(_ kind: LetterKind) -> String {
        var words = ["loader dead-letters list"]
        if let table = kind.table { words.append("--table \(shellQuoted(table))") }
        if let column = kind.column { words.append("--column \(shellQuoted(column))") }
        words.append("--reason \(kind.reason)")
        if let state = kind.sqlState { words.append("--sqlstate \(state)") }
        return words.joined(separator: " ")
    }

    private static func shellQuoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return isPlain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }
}

extension StatusDocument.Batch {
    fileprivate init(_ batch: BatchRecord) {
        self.init(
            time: batch.time, writer: batch.writer, partitions: batch.partitions, messages: batch.messages,
            rows: batch.rows, bytes: batch.bytes, deadLetters: batch.deadLetters, waitSeconds: batch.wait,
            decodeSeconds: batch.decode, copySeconds: batch.copy, commitSeconds: batch.commit)
    }
}

extension StatusDocument.Trouble {
    fileprivate init(_ incident: Incident) {
        self.init(
            time: incident.time, since: incident.since, over: incident.over, goesOn: incident.goesOn,
            level: incident.level.rawValue, message: incident.summary, code: incident.code, error: incident.error,
            at: incident.place, mend: incident.mend.words, count: incident.count)
    }
}
