import Kafka
import Postgres

/// Why the loader stopped: what happened, where, and what to type next.
public struct LoadingError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// The start-up check found mistakes.
        case setup
        /// The group's offsets carry the mark of another database's ledger.
        case otherLedger = "other_ledger"
        /// The group knows this ledger, but the ledger has lost the position.
        case lostPosition = "lost_position"
        /// The position points outside what the partition holds.
        case lostOffsets = "lost_offsets"
        /// No position, and `auto_offset_reset: error`.
        case noPosition = "no_position"
        /// The group was set back, and an append-only route would load rows twice.
        case unsafeReplay = "unsafe_replay"
        /// More than `dead_letters.max_share` of the messages are bad.
        case tooManyDeadLetters = "too_many_dead_letters"
        /// The database refuses in a way that waiting does not mend.
        case database
        /// The brokers refuse in a way that waiting does not mend.
        case kafka
        /// An outage outlasted `outage_timeout`.
        case unavailable
    }

    public var code: Code
    public var message: String
    /// What to do or type next.
    public var mend: String
    /// All that the start-up check found, for `setup`.
    public var problems: [SetupProblem] = []

    public init(_ code: Code, _ message: String, mend: String) {
        self.code = code
        self.message = message
        self.mend = mend
    }

    public init(problems: [SetupProblem]) {
        code = .setup
        message = problems.count == 1 ? "1 mistake found" : "\(problems.count) mistakes found"
        mend = "mend each as its line says, and start again"
        self.problems = problems
    }

    /// What happened and what to do, in one line.
    public var summary: String { "\(message); \(mend)" }

    public var description: String {
        problems.isEmpty ? summary : ([message + ":"] + problems.map { "  - \($0)" }).joined(separator: "\n")
    }

    /// - Parameter position: where this ledger stands; nil where it has none.
    static func otherLedger(
        _ partition: TopicPartition, ours: String, theirs: String, position: Int64?
    ) -> LoadingError {
        LoadingError(
            .otherLedger,
            "the group's offset of \(partition) belongs to another database: its mark names ledger \(theirs), "
                + "this database's is \(ours)",
            mend: "give this loader a group of its own (kafka.group), or take the group over: "
                + "`\(takeOver(partition.topic, position == nil ? "--to-earliest" : "--shift-by 0"))`")
    }

    static func lostPosition(_ partition: TopicPartition, ledger: String, group: Int64) -> LoadingError {
        LoadingError(
            .lostPosition,
            "the group is at \(partition)@\(group) by a commit of this ledger (\(ledger)), "
                + "but loader.positions has no row of it",
            mend: "restore loader.positions, give this loader a group of its own (kafka.group), or go on where the "
                + "group is: `\(backfill(partition, "--to-offset \(group)"))`")
    }

    /// - Parameter loss: how it is known where the position lies within the watermarks.
    package static func lostOffsets(
        _ partition: TopicPartition, position: Int64, watermarks: Watermarks, _ loss: StartPosition.Loss? = nil,
        _ detour: Detour? = nil, doubles: Bool = false
    ) -> LoadingError {
        let bounds = "\(watermarks.low)…\(watermarks.high)"
        if loss != nil, let mixed = detour?.mixed(at: position) {
            return lostOffsets(partition, mixed, low: watermarks.low, bounds: bounds, doubles: doubles)
        }
        let outside = "the position \(partition)@\(position) lies outside \(bounds); "
        let what =
            if position < watermarks.low {
                outside + "\(watermarks.low - position) unread messages are gone: retention deleted them"
            } else if position > watermarks.logEnd {
                outside + "the partition ends before it: the topic was recreated, or its log was truncated"
            } else if loss == .anotherLog {
                "the position \(partition)@\(position) is another log's: the message before it is not the one that was "
                    + "loaded, so the topic was deleted and created anew, or its log was truncated; it holds \(bounds)"
            } else {
                "the position \(partition)@\(position) was lost when a loader stopped for it, and nobody has decided since "
                    + "where to go on; the partition holds \(bounds)"
            }
        if let detour, position < watermarks.low {
            let rest = backfill(partition, "--to-earliest --until-offset \(detour.until)")
            return LoadingError(
                .lostOffsets, what,
                mend: (watermarks.low < detour.until ? "load again what is left: `\(rest)`, or " : "")
                    + "go on where the partition stood before: `\(backfill(partition, "--to-offset \(detour.resume)"))`"
            )
        }
        return LoadingError(
            .lostOffsets, what,
            mend: "choose where to go on: `\(backfill(partition, "--to-earliest"))` or `--to-latest`, "
                + "or set kafka.on_lost_offsets to earliest or latest")
    }

    /// - Parameters:
    ///   - mixed: messages that may be loaded of the log as it is now.
    ///   - doubles: whether loading them once more would leave their rows once more.
    private static func lostOffsets(
        _ partition: TopicPartition, _ mixed: Range<Int64>, low: Int64, bounds: String, doubles: Bool
    ) -> LoadingError {
        let (from, position) = (mixed.lowerBound, mixed.upperBound)
        let mend =
            if low >= from {
                // All that it holds may be loaded.
                "go on where it stands: `\(backfill(partition, "--to-offset \(position)"))`"
            } else if doubles {
                "load what is before @\(from): `\(backfill(partition, "--to-earliest --until-offset \(from)"))`, which doubles "
                    + "nothing of a new topic, and if it was replaced in the midst of traffic leaves out a batch of it at most; "
                    + "or `--to-earliest --allow-duplicates`, which leaves nothing out and may double what is behind"
            } else {
                "choose where to go on: `\(backfill(partition, "--to-earliest"))` or `--to-latest`, "
                    + "or set kafka.on_lost_offsets to earliest or latest"
            }
        return LoadingError(
            .lostOffsets,
            "the position \(partition)@\(position) is another log's: @\(from - 1) no longer holds the message that was "
                + "loaded, so the topic was deleted and created anew while it was loaded, or its log was truncated; it holds "
                + "\(bounds), and of a new topic nothing before @\(from) is loaded, but some or all from there to "
                + "@\(position - 1)",
            mend: mend)
    }

    /// The command by which a group's offsets get this ledger's mark, without or with moving.
    private static func takeOver(_ topic: String, _ destination: String) -> String {
        "loader backfill --topic \(topic) \(destination)"
    }

    /// What to do where `loader.ledger` has lost its row.
    ///
    /// - Parameter topics: those that the group has positions of.
    package static func mendOfLostIdentity(_ topics: some Sequence<String>) -> String {
        let commands = topics.sorted().map { "`\(takeOver($0, "--shift-by 0"))`" }
        return "restore it from a backup; or, as its owner: INSERT INTO loader.ledger (schema_version) VALUES (1);"
            + (commands.isEmpty ? "" : " and take the group over: \(commands.joined(separator: ", "))")
    }

    /// The command that moves this partition and no other.
    package static func backfill(_ partition: TopicPartition, _ destination: String) -> String {
        "loader backfill --topic \(partition.topic) --partitions \(partition.partition) \(destination)"
    }

    /// Where a partition stood, for `backfill`.
    package static func back(to position: Int64, _ detour: Detour?) -> String {
        "--to-offset \(position)" + (detour.map { " --until-offset \($0.until)" } ?? "")
    }

    package static func noPosition(_ partition: TopicPartition) -> LoadingError {
        LoadingError(
            .noPosition, "neither the ledger nor the group has a position of \(partition)",
            mend: "set kafka.auto_offset_reset to earliest or latest")
    }

    /// - Parameter repeated: how many messages from the offset on are loaded already.
    static func unsafeReplay(
        _ partition: TopicPartition, from position: Int64, to offset: Int64, repeated: Int64, _ detour: Detour? = nil
    ) -> LoadingError {
        if let mixed = detour?.mixed(at: position) {
            return LoadingError(
                .unsafeReplay,
                "the group was set to \(partition)@\(offset), a route of this topic only appends, and \(repeated) messages may "
                    + "be loaded of it already: its log became another one while it was loaded",
                mend: "load what is before them: "
                    + "`\(backfill(partition, "--to-earliest --until-offset \(mixed.lowerBound)"))`; or accept the doubles with "
                    + "--allow-duplicates")
        }
        return LoadingError(
            .unsafeReplay,
            "the group was set \(offset < position ? "back " : "")from \(partition)@\(position) to @\(offset), and a route "
                + "of this topic only appends: \(repeated) messages would be loaded twice",
            mend: "take the reset back: `\(backfill(partition, back(to: position, detour)))`; "
                + "or use mode ignore or upsert with a key, or accept the doubles with --allow-duplicates")
    }
}
