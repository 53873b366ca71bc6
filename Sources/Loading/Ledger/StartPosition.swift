import Kafka

/// Where to begin with a partition that was assigned, decided from the ledger, the group and the watermarks alone.
///
/// This is the table of `docs/delivery.md`, row by row; it does no I/O.
package struct StartPosition: Equatable, Sendable {
    /// What has to be written into the ledger before the first message is taken.
    package enum Step: Equatable, Sendable {
        case none
        /// The ledger has no position yet.
        case insert
        /// Somebody reset the group: the ledger follows, from the position it had.
        case reset(from: Int64)
        /// The position is lost and the configuration says to go on: the ledger follows.
        case skip(from: Int64)
        /// What was to be loaded again is loaded: the partition goes on where it stood before.
        case resume(from: Int64)
    }

    package var offset: Int64
    package var step: Step
    /// Whether the group's offset has to get our mark before the first message is taken, because without it a crash
    /// after the first batch would look like a reset.
    var needsMark: Bool
    /// What begins here ends before the partition's end.
    package var detour: Detour?

    /// What is known of one partition.
    package struct Facts: Sendable {
        package var partition: TopicPartition
        /// The ledger's `next_offset`; nil without a row.
        var ledger: Int64?
        /// The group's offset; nil where it has none.
        package var group: CommittedOffset?
        package var watermarks: Watermarks
        /// Whether the group has begun before this partition, or its topic, was there.
        var isNew: Bool
        /// Whether the ledger's position counts, not what somebody has set the group to.
        var isLedgers: Bool { ledger != nil && group.map { LedgerMark(metadata: $0.metadata) != nil } ?? true }
        /// Why the ledger's position is none of this log, whatever the partition holds by now.
        var loss: Loss?
        /// The position went back by a backfill with an end.
        package var detour: Detour?
        /// No message lies between the position and the end of the detour.
        var hasReachedEnd: Bool

        package init(
            partition: TopicPartition, ledger: Int64?, group: CommittedOffset?, watermarks: Watermarks, isNew: Bool,
            loss: Loss? = nil, detour: Detour? = nil, hasReachedEnd: Bool = false
        ) {
            self.partition = partition
            self.ledger = ledger
            self.group = group
            self.watermarks = watermarks
            self.isNew = isNew
            self.loss = loss
            self.detour = detour
            self.hasReachedEnd = hasReachedEnd
        }

        /// The ledger's position with what tells how much is loaded of the log as it is now; where a loader stops for it, it is
        /// remembered so. Another log has nothing of a way that began in the one before, but for what may be mixed.
        var position: Ledger.Position? {
            guard let ledger else { return nil }
            let isOther = loss == .anotherLog || ledger > watermarks.logEnd
            let isMixed = loss != nil && detour?.mixed(at: ledger) != nil
            return Ledger.Position(next: ledger, isLost: loss != nil, detour: isOther && !isMixed ? nil : detour)
        }

        /// How many messages from this offset on are loaded already.
        func loaded(from offset: Int64) -> Int64 {
            position?.loaded(of: offset..<max(offset, watermarks.logEnd), in: watermarks) ?? 0
        }
    }

    /// How a position that points at what the partition holds is known to be lost all the same.
    package enum Loss: Equatable, Sendable {
        /// The message before it is another than the one that was loaded.
        case anotherLog
        /// A loader has stopped for it before, and nobody has decided since.
        case remembered
    }

    package struct Rules: Sendable {
        var mark: LedgerMark
        var offsetReset: LoadingOptions.OffsetReset
        var onLostOffsets: LoadingOptions.OnLostOffsets
        /// Whether going back would load rows of this topic twice.
        var replayDoubles: Bool

        package init(
            mark: LedgerMark, offsetReset: LoadingOptions.OffsetReset, onLostOffsets: LoadingOptions.OnLostOffsets,
            replayDoubles: Bool
        ) {
            self.mark = mark
            self.offsetReset = offsetReset
            self.onLostOffsets = onLostOffsets
            self.replayDoubles = replayDoubles
        }
    }

    package static func decide(_ facts: Facts, _ rules: Rules) throws(LoadingError) -> StartPosition {
        switch (facts.ledger, facts.group) {
        case (let position, let group?):
            guard let mark = LedgerMark(metadata: group.metadata) else {
                guard let position else {
                    let adopted = StartPosition(offset: group.offset, step: .insert, needsMark: true)
                    return try adopted.within(facts, rules)
                }
                let repeated = facts.loaded(from: group.offset)
                if repeated > 0, rules.replayDoubles {
                    throw .unsafeReplay(facts, from: position, to: group.offset, repeated: repeated)
                }
                let reset = StartPosition(offset: group.offset, step: .reset(from: position), needsMark: true)
                return try reset.within(facts, rules)
            }
            guard mark == rules.mark else {
                throw .otherLedger(
                    facts.partition, ours: rules.mark.ledger, theirs: mark.ledger, position: facts.ledger)
            }
            guard let position else { throw .lostPosition(facts.partition, ledger: mark.ledger, group: group.offset) }
            return try goOn(at: position, facts, rules)
        case (let position?, nil): return try goOn(at: position, facts, rules)
        case (nil, nil):
            let offset: Int64
            switch (facts.isNew, rules.offsetReset) {
            // Whatever `auto_offset_reset` says: `latest` would lose what was written before this member noticed.
            case (true, _), (false, .earliest): offset = facts.watermarks.low
            case (false, .latest): offset = facts.watermarks.high
            case (false, .error): throw .noPosition(facts.partition)
            }
            return StartPosition(offset: offset, step: .insert, needsMark: false)
        }
    }

    /// Where to begin without a ledger: there only the group's offset counts.
    ///
    /// - Parameter group: nil where it has none.
    package static func withoutLedger(
        _ partition: TopicPartition, group: Int64?, _ watermarks: Watermarks, _ options: LoadingOptions
    ) throws(LoadingError) -> Int64 {
        switch (group, options.autoOffsetReset, options.onLostOffsets) {
        case (let group?, _, _) where group >= watermarks.low && group <= watermarks.logEnd: return group
        case (let group?, _, .stop): throw .lostOffsets(partition, position: group, watermarks: watermarks)
        case (nil, .error, _): throw .noPosition(partition)
        case (.some, _, .earliest), (nil, .earliest, _): return watermarks.low
        case (.some, _, .latest), (nil, .latest, _): return watermarks.high
        }
    }

    /// The ledger's position counts, unless it is lost.
    private static func goOn(
        at position: Int64, _ facts: Facts, _ rules: Rules
    ) throws(LoadingError) -> StartPosition {
        if let detour = facts.detour, facts.loss == nil, position >= detour.until || facts.hasReachedEnd {
            return try StartPosition(offset: detour.resume, step: .resume(from: position), needsMark: false)
                .within(facts, rules)
        }
        return try StartPosition(offset: position, step: .none, needsMark: false, detour: facts.detour)
            .within(facts, rules, loss: facts.loss)
    }

    /// The position, unless the partition no longer holds what it points at.
    private func within(
        _ facts: Facts, _ rules: Rules, loss: Loss? = nil
    ) throws(LoadingError) -> StartPosition {
        // Above what a consumer gets may lie an open transaction: whoever read uncommitted has been there.
        guard offset < facts.watermarks.low || offset > facts.watermarks.logEnd || loss != nil else { return self }
        guard rules.onLostOffsets != .stop else { throw lost(facts, rules, loss) }
        let goOnAt = rules.onLostOffsets == .latest ? facts.watermarks.high : facts.watermarks.low
        let step: Step = facts.ledger.map { .skip(from: $0) } ?? .insert
        var start = StartPosition(offset: goOnAt, step: step, needsMark: true)
        // What retention has left of a detour is still one; what lies behind it is loaded.
        if let detour, loss != .anotherLog, offset < facts.watermarks.low, rules.onLostOffsets == .earliest {
            if goOnAt < detour.until {
                start.detour = detour
            } else {
                start.offset = min(max(goOnAt, detour.resume), facts.watermarks.high)
            }
        }
        // Where going on could double rows, how far is for nobody but an operator to say.
        let again = start.offset..<max(start.offset, start.detour?.until ?? facts.watermarks.logEnd)
        let doubles = facts.position?.loaded(of: again, in: facts.watermarks) ?? 0 > 0 && rules.replayDoubles
        guard !doubles else { throw lost(facts, rules, loss) }
        return start
    }

    private func lost(_ facts: Facts, _ rules: Rules, _ loss: Loss?) -> LoadingError {
        let log = facts.watermarks
        switch step {
        case .resume(let from) where offset > log.logEnd:
            return .lostWayBack(facts.partition, from: from, to: offset, log, doubles: rules.replayDoubles)
        case .none where loss == .remembered && (log.low...log.logEnd).contains(offset):
            guard let detour, detour.resume > offset else { break }
            return .lostWayBack(facts.partition, from: offset, to: detour.resume, log, doubles: rules.replayDoubles)
        default: break
        }
        return .lostOffsets(
            facts.partition, position: offset, watermarks: log, loss, detour, doubles: rules.replayDoubles)
    }
}
