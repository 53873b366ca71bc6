import Kafka
import Loading

/// What the ledger, the group and the watermarks say about one partition together, and what would come of it.
///
/// It asks `StartPosition` what a start would do and only puts that into words.
public struct PositionFinding: Sendable, Equatable {
    public enum Severity: String, Sendable {
        /// As it should be.
        case fine
        /// It resolves by itself, but an operator may want to know.
        case notice
        /// A loader that starts now stops.
        case stops
    }

    public enum Code: String, Sendable, CaseIterable {
        case ok
        case notBegun = "not_begun"
        case adoption
        case groupBehind = "group_behind"
        case groupAhead = "group_ahead"
        case groupMissing = "group_missing"
        case resetPending = "reset_pending"
        /// It went back by a backfill with an end.
        case loadingAgain = "loading_again"
        case markMissing = "mark_missing"
        case skipPending = "skip_pending"
        case leaderAway = "leader_away"
        case otherLedger = "other_ledger"
        case lostPosition = "lost_position"
        case lostOffsets = "lost_offsets"
        case noPosition = "no_position"
        case unsafeReplay = "unsafe_replay"
    }

    public var code: Code
    public var severity: Severity
    /// What is so, without a full stop; empty for `ok`.
    public var message: String
    /// What to do or type next; empty where there is nothing to do.
    public var next: String

    init(_ code: Code, _ severity: Severity, _ message: String = "", next: String = "") {
        self.code = code
        self.severity = severity
        self.message = message
        self.next = next
    }

    static let ok = PositionFinding(.ok, .fine)

    /// - Parameter isActive: a member of the group is running.
    /// - Returns: with it, where a loader would begin; nil where it would stop.
    static func of(
        _ facts: StartPosition.Facts, _ rules: StartPosition.Rules, isActive: Bool
    ) -> (finding: PositionFinding, start: Int64?) {
        do {
            let start = try StartPosition.decide(facts, rules)
            return (finding(facts, start, isActive: isActive), start.offset)
        } catch {
            return (PositionFinding(Code(error.code), .stops, error.message, next: error.mend.words), nil)
        }
    }

    /// Without a ledger only the group's offset counts.
    ///
    /// - Parameters:
    ///   - group: nil where it has none.
    ///   - watermarks: nil where no leader answers.
    static func withoutLedger(
        _ place: TopicPartition, _ group: Int64?, _ watermarks: Watermarks?, _ options: LoadingOptions, isActive: Bool
    ) -> (finding: PositionFinding, start: Int64?) {
        guard let watermarks else {
            return (PositionFinding(.leaderAway, .notice, "no leader answers for \(place)"), nil)
        }
        do {
            let start = try StartPosition.withoutLedger(place, group: group, watermarks, options)
            guard let group else {
                return (
                    PositionFinding(
                        .notBegun, .notice, "the group has no offset of \(place)",
                        next: isActive ? "" : "start the loader"),
                    start
                )
            }
            return (start == group ? .ok : skip(place, from: group, to: start, isActive: isActive), start)
        } catch {
            return (PositionFinding(Code(error.code), .stops, error.message, next: error.mend.words), nil)
        }
    }

    private static func skip(
        _ place: TopicPartition, from: Int64, to start: Int64, isActive: Bool
    ) -> PositionFinding {
        PositionFinding(
            .skipPending, .notice,
            "the position \(place)@\(from) is lost, and kafka.on_lost_offsets says to go on at @\(start)",
            next: isActive ? "" : "start the loader")
    }

    private static func finding(
        _ facts: StartPosition.Facts, _ start: StartPosition, isActive: Bool
    ) -> PositionFinding {
        let place = facts.partition
        switch (start.step, facts.group) {
        case (.skip(let from), _): return skip(place, from: from, to: start.offset, isActive: isActive)
        case (.reset(let from), _) where from == start.offset:
            return PositionFinding(
                .markMissing, .notice, "the group's offset of \(place) has no mark; the next start puts it there")
        case (.reset(let from), _):
            let what =
                start.offset < from
                ? "\(from - start.offset) messages are loaded again" : "\(start.offset - from) messages are skipped"
            return PositionFinding(
                .resetPending, .notice,
                "somebody reset the group: \(place) goes from @\(from) to @\(start.offset), and \(what)",
                next: "start the loader; or take it back: "
                    + "`\(Mend.Position.backfill(place, Mend.Position.back(to: from, facts.detour)))`")
        case (.resume(let from), _):
            return PositionFinding(
                .loadingAgain, .notice,
                "what \(place) was to load again is in up to @\(from); it goes on from @\(start.offset)",
                next: isActive ? "" : "start the loader")
        case (.insert, _?):
            return PositionFinding(
                .adoption, .notice, "the group's offset \(place)@\(start.offset) is an older consumer's",
                next: "start the loader; it goes on from there")
        case (.insert, nil):
            return PositionFinding(
                .notBegun, .notice, "\(place) was never loaded; it begins at @\(start.offset)",
                next: isActive ? "" : "start the loader")
        case (.none, _) where start.detour != nil:
            let detour = start.detour ?? Detour(until: start.offset, resume: start.offset)
            return PositionFinding(
                .loadingAgain, .notice,
                "\(place) is loaded again from @\(start.offset) up to @\(detour.until), and goes on from @\(detour.resume)",
                next: isActive ? "" : "start the loader")
        case (.none, nil):
            return PositionFinding(
                .groupMissing, .notice,
                "the group has no offset of \(place) (expired or deleted); the ledger's @\(start.offset) counts")
        case (.none, let group?):
            if group.offset < start.offset {
                return PositionFinding(
                    .groupBehind, .notice,
                    "the group is \(start.offset - group.offset) messages behind the ledger at \(place)"
                        + (isActive ? "; it follows with the next commit" : ", after a crash; the ledger counts"))
            }
            if group.offset > start.offset {
                return PositionFinding(
                    .groupAhead, .notice,
                    "the database was restored from a backup: \(group.offset - start.offset) messages of \(place) "
                        + "load again from @\(start.offset)", next: isActive ? "" : "start the loader")
            }
            return .ok
        }
    }
}

extension PositionFinding.Code {
    init(_ code: LoadingError.Code) {
        self =
            switch code {
            case .otherLedger: .otherLedger
            case .lostPosition: .lostPosition
            case .lostOffsets: .lostOffsets
            case .unsafeReplay: .unsafeReplay
            default: .noPosition
            }
    }
}
