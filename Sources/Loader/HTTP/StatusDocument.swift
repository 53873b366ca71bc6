import Foundation
import Kafka
import Loading
import Postgres

/// `/status.json`: what the status page shows. Its names are those of the log's fields. It holds no message's values.
struct StatusDocument: Encodable {
    struct State: Encodable, Equatable {
        /// How bad it is: `good`, `busy`, `warn`, `bad` or `none`.
        var level: String
        var title: String
        var detail: String
        /// What to do, where something is to be done.
        var mend: String?
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
        var time: Date
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
        var lag: Int64
    }

    var time: Date
    var group: String
    var version = Version.loader
    var librdkafka = KafkaLibrary.versionString
    var libpq = PostgresLibrary.versionString
    var state: State
    var messages: Int
    var rows: Int
    var bytes: Int
    var batches: Int
    var deadLetters: Int
    var lag: Int64
    var messagesPerSecond: Int
    /// While it catches up.
    var percent: Int?
    var secondsLeft: Int?
    var lastCommit: Date?
    var deadLettersByReason: [String: Int]
    /// Values that became NULL by `on_error: null`.
    var nulledValues: [NulledColumn]
    /// Those that lag most come first.
    var partitions: [Partition]
    /// What is not loaded for a reason of its own.
    var standstills: [StandingStill]
    /// The newest last, as all that follow.
    var recentBatches: [Batch]
    var recentErrors: [Trouble]
    var history: [Sample]

    init(_ status: ServiceStatus) {
        let snapshot = status.snapshot
        time = status.time
        group = status.group
        state = State(status)
        messages = snapshot.messages
        rows = snapshot.rows
        bytes = snapshot.bytes
        batches = snapshot.batches
        deadLetters = snapshot.deadLetterCount
        lag = snapshot.lag
        messagesPerSecond = Int(snapshot.pace.messagesPerSecond.rounded())
        if case .catchingUp(let catchUp) = status.condition {
            percent = Int(catchUp.share * 100)
            secondsLeft = catchUp.secondsLeft.map { Int($0.rounded(.up)) }
        }
        lastCommit = snapshot.lastCommit
        deadLettersByReason = snapshot.deadLetters
        nulledValues = snapshot.nulledValues.map { column, count in
            NulledColumn(route: column.route, table: column.table, column: column.column, count: count)
        }.sorted { ($0.route, $0.column) < ($1.route, $1.column) }
        partitions = snapshot.partitions.sorted { ($1.value.lag, $0.key) < ($0.value.lag, $1.key) }.map {
            Partition(
                topic: $0.topic, partition: $0.partition, position: $1.position, end: $1.end, lag: $1.lag)
        }
        standstills = snapshot.standstills.map {
            StandingStill(reason: $0.reason.rawValue, code: $0.code, at: $0.place)
        }
        recentBatches = snapshot.recentBatches.map {
            Batch(
                time: $0.time, writer: $0.writer, partitions: $0.partitions, messages: $0.messages, rows: $0.rows,
                bytes: $0.bytes, deadLetters: $0.deadLetters, waitSeconds: $0.wait, decodeSeconds: $0.decode,
                copySeconds: $0.copy, commitSeconds: $0.commit)
        }
        recentErrors = snapshot.incidents.map {
            Trouble(
                time: $0.time, level: $0.level.rawValue, message: $0.summary, code: $0.code, error: $0.error,
                at: $0.place, mend: $0.mend, count: $0.count)
        }
        history = snapshot.history.map { Sample(time: $0.time, messages: $0.messages, lag: $0.lag) }
    }

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

extension StatusDocument.State {
    init(_ status: ServiceStatus) {
        let snapshot = status.snapshot
        let rate = "\(grouped(Int(snapshot.pace.messagesPerSecond.rounded()))) messages a second"
        switch status.condition {
        case .well:
            let isQuiet = snapshot.lag == 0 && snapshot.pace.messagesPerSecond < 0.5
            self.init(
                level: "good", title: "Well",
                detail: isQuiet
                    ? "All is loaded, and nothing new comes."
                    : "It keeps up: \(rate), lag \(grouped(Int(snapshot.lag))).")
        case .catchingUp(let catchUp):
            let left = catchUp.secondsLeft.flatMap(durationText).map { ", \($0) left" } ?? ""
            self.init(
                level: "busy", title: "Catching up",
                detail: "\(Int(catchUp.share * 100)) %, \(rate)\(left), lag \(grouped(Int(snapshot.lag))).")
        case .waiting(let places, let since):
            let names = places.map(\.name).joined(separator: " and ")
            let time = since.formatted(Date.ISO8601FormatStyle().time(includingFractionalSeconds: false))
            self.init(
                level: "warn", title: "Waiting for \(names)",
                detail: "Since \(time.prefix(8)) UTC, "
                    + "for \(durationText(status.time.timeIntervalSince(since)) ?? "long"). Nothing is lost.",
                mend: "Bring \(places.count == 1 ? "it" : "them") back; the loader goes on by itself.")
        case .starting:
            self.init(level: "none", title: "Starting", detail: "The group has not assigned partitions yet.")
        case .standby:
            self.init(
                level: "none", title: "Standing by",
                detail: "The group has no partition for this member: it has more members than partitions, "
                    + "or the topics are not there yet.")
        case .partly(let standstills):
            let more = standstills.count > 3 ? ", and \(standstills.count - 3) more" : ""
            self.init(
                level: "bad", title: "Not all is loaded",
                detail: standstills.prefix(3).map(\.obstacle).joined(separator: "; ") + more + ".",
                mend: "The recent errors say what to do about each; what is mended goes on by itself.")
        case .stalled(let seconds):
            self.init(
                level: "bad", title: "Standing still",
                detail:
                    "\(grouped(Int(snapshot.lag))) messages are left, and for \(durationText(Double(seconds)) ?? "long") "
                    + "none was committed, although nothing is known to be away.",
                mend: "See what its sessions wait for: SELECT * FROM pg_stat_activity "
                    + "WHERE application_name LIKE 'loader %'.")
        case .stopping(let reason):
            self.init(level: "warn", title: "Stopping", detail: "Because \(reason).")
        case .stuck:
            self.init(
                level: "bad", title: "Stuck",
                detail: "The loop has not turned for longer than max.poll.interval.ms.",
                mend: "Keep its log and restart it; nothing is lost.")
        }
    }
}
