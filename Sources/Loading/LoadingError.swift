import Kafka
import Postgres

/// Why the loader stopped: what happened, where, and what can be done about it.
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
        /// No position, and nobody says where to begin without one.
        case noPosition = "no_position"
        /// The group was set back, and an append-only route would load rows twice.
        case unsafeReplay = "unsafe_replay"
        /// More of the messages are bad than may be.
        case tooManyDeadLetters = "too_many_dead_letters"
        /// A source was emptied, and its route leaves it to somebody what becomes of the table.
        case truncated
        /// The database refuses in a way that waiting does not mend.
        case database
        /// The brokers refuse in a way that waiting does not mend.
        case kafka
        /// An outage lasted longer than it may.
        case unavailable
        /// A promise of the loader's own does not hold: its fault, seen before it could do harm.
        case invariantViolated = "invariant_violated"
    }

    public var code: Code
    public var message: String
    public var mend: Mend
    /// All that the start-up check found, for `setup`.
    public var problems: [SetupProblem] = []

    public init(_ code: Code, _ message: String, mend: Mend) {
        self.code = code
        self.message = message
        self.mend = mend
    }

    public init(problems: [SetupProblem]) {
        code = .setup
        message = problems.count == 1 ? "1 mistake found" : "\(problems.count) mistakes found"
        mend = .each
        self.problems = problems
    }

    /// What happened; what to do about it is said by whoever has a reader.
    public var description: String {
        problems.isEmpty ? message : ([message + ":"] + problems.map { "  - \($0)" }).joined(separator: "\n")
    }

    /// - Parameter position: where this ledger stands; nil where it has none.
    static func otherLedger(
        _ partition: TopicPartition, ours: String, theirs: String, position: Int64?
    ) -> LoadingError {
        LoadingError(
            .otherLedger,
            "the group's offset of \(partition) belongs to another database: its mark names ledger \(theirs), "
                + "this database's is \(ours)",
            mend: .position(.takeOver(topic: partition.topic, isKnown: position != nil)))
    }

    static func lostPosition(_ partition: TopicPartition, ledger: String, group: Int64) -> LoadingError {
        LoadingError(
            .lostPosition,
            "the group is at \(partition)@\(group) by a commit of this ledger (\(ledger)), "
                + "but loader.positions has no row of it", mend: .position(.restore(partition, group: group)))
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
            return LoadingError(
                .lostOffsets, what,
                mend: .position(.goOnBehind(partition, detour, hasRest: watermarks.low < detour.until)))
        }
        return LoadingError(.lostOffsets, what, mend: .position(.choose(partition)))
    }

    /// - Parameters:
    ///   - mixed: messages that may be loaded of the log as it is now.
    ///   - doubles: whether loading them once more would leave their rows once more.
    private static func lostOffsets(
        _ partition: TopicPartition, _ mixed: Range<Int64>, low: Int64, bounds: String, doubles: Bool
    ) -> LoadingError {
        let (from, position) = (mixed.lowerBound, mixed.upperBound)
        let mend: Mend.Position =
            // All that it holds may be loaded.
            low >= from
            ? .stay(partition, at: position) : doubles ? .loadBefore(partition, from) : .choose(partition)
        return LoadingError(
            .lostOffsets,
            "the position \(partition)@\(position) is another log's: @\(from - 1) no longer holds the message that was "
                + "loaded, so the topic was deleted and created anew while it was loaded, or its log was truncated; it holds "
                + "\(bounds), and of a new topic nothing before @\(from) is loaded, but some or all from there to "
                + "@\(position - 1)",
            mend: .position(mend))
    }

    /// What was to be loaded again is, and the offset at which the partition was to go on is none of it.
    ///
    /// - Parameters:
    ///   - from: where it stands.
    ///   - doubles: whether loading what lies in between once more would leave its rows once more.
    static func lostWayBack(
        _ partition: TopicPartition, from position: Int64, to resume: Int64, _ log: Watermarks, doubles: Bool
    ) -> LoadingError {
        LoadingError(
            .lostOffsets,
            "what was to be loaded again of \(partition) is, up to @\(position), and from there it was to go on at @\(resume), "
                + "which the partition did not hold: the topic was recreated, or its log was truncated; it holds "
                + "\(log.low)…\(log.high)",
            mend: .position(.goOnAt(partition, position, mayDouble: doubles && position < min(resume, log.high))))
    }

    package static func noPosition(_ partition: TopicPartition) -> LoadingError {
        LoadingError(
            .noPosition, "neither the ledger nor the group has a position of \(partition)",
            mend: .position(.sayWhereToBegin))
    }

    /// - Parameter repeated: how many messages from the offset on are loaded already.
    static func unsafeReplay(
        _ facts: StartPosition.Facts, from position: Int64, to offset: Int64, repeated: Int64
    ) -> LoadingError {
        let (partition, detour) = (facts.partition, facts.detour)
        if let mixed = detour?.mixed(at: position) {
            return LoadingError(
                .unsafeReplay,
                "the group was set to \(partition)@\(offset), a route of this topic only appends, and \(repeated) messages may "
                    + "be loaded of it already: its log became another one while it was loaded",
                mend: .position(.loadBeforeReset(partition, mixed.lowerBound)))
        }
        if let detour, facts.loss != nil || detour.resume > facts.watermarks.logEnd {
            let mend: Mend.Position =
                position < facts.watermarks.low
                ? .goOnBehind(partition, detour, hasRest: facts.watermarks.low < detour.until)
                : .goOnAt(partition, position, mayDouble: position < min(detour.resume, facts.watermarks.high))
            return LoadingError(
                .unsafeReplay,
                "the group was set to \(partition)@\(offset), a route of this topic only appends, and \(repeated) messages from "
                    + "there on are loaded already, or may be: it went back for a stretch, and was to go on at @\(detour.resume)",
                mend: .position(mend))
        }
        // Once all of a way back is loaded, it is back where the way ends.
        let back = detour.flatMap { position >= $0.until ? $0.resume : nil }
        return LoadingError(
            .unsafeReplay,
            "the group was set \(offset < position ? "back " : "")from \(partition)@\(position) to @\(offset), and a route "
                + "of this topic only appends: \(repeated) messages would be loaded twice",
            mend: .position(.takeBack(partition, to: back ?? position, back == nil ? detour : nil)))
    }
}
