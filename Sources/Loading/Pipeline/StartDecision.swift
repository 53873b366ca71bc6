import Kafka

/// Where partitions of a group begin: what `StartPosition` says of each once everything is known, of which others the beginning is
/// written along with theirs, and what follows for whoever carries it out. `StartSettling` asks and writes for it; here is no I/O.
struct StartDecision {
    struct Rules {
        var mark: LedgerMark
        var offsetReset: LoadingOptions.OffsetReset
        var onLostOffsets: LoadingOptions.OnLostOffsets
        /// Whether going back would load rows of a topic twice.
        var replayDoubles: (String) -> Bool
    }

    let wanted: [TopicPartition]
    /// What is known of the wanted partitions' topics.
    let ledger: [TopicPartition: Ledger.Position]
    var groups: [TopicPartition: CommittedOffset] = [:]
    var watermarks: [TopicPartition: Watermarks] = [:]
    /// All partitions to decide on: those that are wanted, and those whose beginning is written along with theirs.
    private(set) var asked: [TopicPartition]
    /// Topics of which the ledger has no position, and that are not new.
    private(set) var unseen: Set<String>
    /// Topics that have appeared since the group has begun.
    private(set) var newTopics: Set<String> = []
    /// Subscriptions with which the group begins now.
    private var begun: [Route.TopicPattern] = []
    /// What the group loads where, as far as the ledger does not say so yet.
    private let unnoted: [String]
    /// Positions that were found to be another log's, by a message before them.
    private let strangers: [TopicPartition: StartSettling.Stranger]
    /// Positions at which nothing more comes before the end of what is loaded again.
    private let reached: [TopicPartition: Int64]

    /// - Parameters:
    ///   - rows: what the ledger has of the wanted topics, and of `notes`.
    ///   - notes: what the ledger is to remember of what the group loads where.
    init(
        _ wanted: [TopicPartition], rows: [TopicPartition: Ledger.Position], notes: [String] = [],
        strangers: [TopicPartition: StartSettling.Stranger], reached: [TopicPartition: Int64]
    ) {
        self.wanted = wanted
        self.strangers = strangers
        self.reached = reached
        ledger = rows.filter { !LedgerMemory.isMemory($0.key.topic) }
        asked = wanted
        unnoted = Array(Set(notes).subtracting(rows.keys.map(\.topic))).sorted()
        unseen = Set(wanted.map(\.topic)).subtracting(ledger.keys.map(\.topic))
    }

    /// Takes note of what the group has done before.
    ///
    /// - Parameter topics: of all rows that the ledger has of the group.
    mutating func note(_ topics: [String], _ subscriptions: [Route.TopicPattern]) {
        begun = subscriptions.filter { !LedgerMemory.hasBegun($0, topics) }
        newTopics = unseen.filter { LedgerMemory.isNew($0, subscriptions, topics) }
        unseen.subtract(newTopics)
    }

    /// The first member to see a topic writes where all of its partitions begin, also those it was not given. So a
    /// partition without a position is new, whichever member gets it, and whatever `latest` means a minute later. Nor
    /// may a topic that was there when the group began be taken for a new one.
    var concernsWholeTopics: Bool { !unseen.isEmpty || !newTopics.isEmpty || !begun.isEmpty }

    /// - Parameter counts: of the partitions of all topics that there are.
    mutating func include(_ counts: [String: Int]) {
        let begin = counts.keys.filter { topic in begun.contains { $0.matches(topic) } }
        let all = unseen.union(newTopics).union(begin).flatMap { topic in
            (0..<Int32(counts[topic] ?? 0)).map { TopicPartition(topic: topic, partition: $0) }
        }
        asked = Set(wanted).union(all).sorted()
    }

    /// Partitions of which it matters where the log ends, whatever a consumer gets of it.
    var beyondEnds: [TopicPartition] {
        asked.filter {
            watermarks.isBeyondEnd(ledger[$0]?.next, of: $0)
                || watermarks.isBeyondEnd(ledger[$0]?.detour?.resume, of: $0)
                || watermarks.isBeyondEnd(groups[$0]?.offset, of: $0)
        }
    }

    // MARK: What is decided

    struct Verdict {
        var starts: [TopicPartition: StartPosition] = [:]
        /// Nothing begins; the rest says what is to be remembered of that.
        var failure: LoadingError?
        var lost: [TopicPartition: Ledger.Position] = [:]
    }

    /// - Throws: where the leader of a wanted partition has not said what it holds.
    func decide(_ rules: Rules) throws(KafkaError) -> Verdict {
        var verdict = Verdict()
        let mine = Set(wanted)
        let seen = Set(ledger.keys.map(\.topic))
        for partition in asked {
            guard let watermarks = watermarks[partition] else {
                // What is wrong with another member's partition is that member's to say.
                guard mine.contains(partition) else { continue }
                throw KafkaError(
                    code: .timedOut, operation: "reading the watermarks", reason: "no leader answers",
                    topic: partition.topic, partition: partition.partition)
            }
            let position = ledger[partition]
            let facts = StartPosition.Facts(
                partition: partition, ledger: position?.next, group: groups[partition], watermarks: watermarks,
                isNew: seen.contains(partition.topic) || newTopics.contains(partition.topic),
                loss: position.flatMap { loss(of: partition, $0) },
                detour: position.flatMap { detour(of: partition, $0) },
                hasReachedEnd: position != nil && reached[partition] == position?.next)
            let rules = StartPosition.Rules(
                mark: rules.mark, offsetReset: rules.offsetReset, onLostOffsets: rules.onLostOffsets,
                replayDoubles: rules.replayDoubles(partition.topic))
            do {
                verdict.starts[partition] = try StartPosition.decide(facts, rules)
            } catch {
                guard mine.contains(partition) else { continue }
                verdict.failure = verdict.failure ?? error
                if error.code == .lostOffsets, facts.isLedgers { verdict.lost[partition] = facts.position }
            }
        }
        return verdict
    }

    /// Whether another member has moved a position since it was read, so that the group's offsets may be later than it.
    ///
    /// - Parameter rows: what the ledger has now.
    func isOvertaken(by rows: [TopicPartition: Ledger.Position]) -> Bool {
        wanted.contains { ledger[$0]?.version != rows[$0]?.version }
    }

    /// What was found out about this very position: not about another that is at the same offset by now.
    private func stranger(_ partition: TopicPartition, _ position: Ledger.Position) -> StartSettling.Stranger? {
        guard let stranger = strangers[partition], stranger.position == position.next else { return nil }
        // Where no message is known nothing was loaded since the position was set.
        return position.last == nil || position.last == stranger.last ? stranger : nil
    }

    private func loss(of partition: TopicPartition, _ position: Ledger.Position) -> StartPosition.Loss? {
        if stranger(partition, position) != nil { return .anotherLog }
        return position.isLost ? .remembered : nil
    }

    private func detour(of partition: TopicPartition, _ position: Ledger.Position) -> Detour? {
        guard let stranger = stranger(partition, position) else { return position.detour }
        return Detour(until: stranger.from, resume: stranger.position)
    }

    /// What the ledger is to remember along with these positions.
    func memories(_ starts: [TopicPartition: StartPosition]) -> [String] {
        // A topic whose beginning could not be written now must not be taken for a new one later.
        let undecided = Set(asked.filter { starts[$0] == nil }.map(\.topic))
        let begun = begun.filter { pattern in !undecided.contains { pattern.matches($0) } }
        return begun.map { LedgerMemory.topic(of: $0) } + unnoted
    }

    /// What the group is told once more, as it stands, before the ledger follows it: it takes that of its members alone. Somebody
    /// whom it has taken for dead meanwhile could else follow a reset that another has followed already.
    func claims(_ starts: [TopicPartition: StartPosition]) -> [CommittedOffset] {
        wanted.filter { starts[$0]?.needsMark ?? false }.compactMap { groups[$0] }
            .filter { LedgerMark(metadata: $0.metadata) == nil }
    }

    // MARK: What follows

    /// A position that the ledger has moved.
    struct Move {
        var partition: TopicPartition
        var from: Int64
        var to: Int64
        var reason: Reason

        enum Reason { case groupWasReset, positionWasLost, loadedAgain }
    }

    struct Conclusion {
        var offsets: [TopicPartition: Int64] = [:]
        /// What the message before each position must be.
        var last: [TopicPartition: LastMessage] = [:]
        /// What an earlier one must be.
        var proven: [TopicPartition: LastMessage] = [:]
        /// Partitions that do not go on to their end.
        var detours: [TopicPartition: Detour] = [:]
        /// What the group has to be told before the first message. A crash after the first batch would else look like another
        /// reset, and load twice.
        var marks: [CommittedOffset] = []
        var moves: [Move] = []
        var resets: Int { moves.count { $0.reason != .loadedAgain } }
    }

    /// What follows once the ledger has what was decided.
    ///
    /// - Parameter written: the positions as they stand behind that: what another member wrote first stands.
    /// - Throws: where that is not what the group was set to. With the mark beside it, nobody would ever know what was.
    func conclude(
        _ starts: [TopicPartition: StartPosition], written: [TopicPartition: Int64], _ mark: LedgerMark
    ) throws(StartSettling.Overtaken) -> Conclusion {
        var result = Conclusion()
        for partition in wanted {
            guard let start = starts[partition] else { continue }
            let offset = start.step == .insert ? written[partition] ?? start.offset : start.offset
            guard offset == start.offset || !start.needsMark else { throw StartSettling.Overtaken() }
            result.offsets[partition] = offset
            result.detours[partition] = start.detour
            if start.needsMark {
                result.marks.append(
                    CommittedOffset(partition: partition, offset: offset, metadata: mark.metadata))
            }
            switch start.step {
            case .reset(let from), .skip(let from):
                // The same step again after a crash changes nothing, and is none.
                guard from != start.offset else { continue }
                let wasReset = start.needsMark && groups[partition]?.offset == start.offset
                result.moves.append(
                    Move(
                        partition: partition, from: from, to: start.offset,
                        reason: wasReset ? .groupWasReset : .positionWasLost))
            case .resume(let from):
                result.proven[partition] = ledger[partition]?.earliest
                result.moves.append(Move(partition: partition, from: from, to: start.offset, reason: .loadedAgain))
            case .none:
                let last = ledger[partition]?.last
                if let last, last.offset >= watermarks[partition]?.low ?? 0 { result.last[partition] = last }
                result.proven[partition] = ledger[partition]?.earliest
            case .insert: break
            }
        }
        return result
    }
}
