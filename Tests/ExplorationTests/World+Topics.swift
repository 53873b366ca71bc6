import Kafka

@testable import Loading

/// Topics that are deleted and made anew, and how a running loader finds out: what `TopicProof` and `LedgerLook` do.
extension World {
    /// - Parameter end: how long it is when it is there again.
    mutating func makeAnew(_ place: Int, end: Int64) {
        logs[place] = Log(end: end, isNew: logs[place].isNew, epoch: logs[place].epoch + 1)
        for number in processes.indices where processes[number].member != nil {
            processes[number].isGoneTold[place] = false
            processes[number].isEndTold[place] = false
        }
        let position = database.positions[place]
        // What was loaded of the former topic is not what counts from now on.
        database.rows[place] = database.rows[place].map { _ in 0 }
        database.ways[place] = nil
        // A position without a message that was loaded tells nothing. One that is not the last is read by a running loader alone.
        let known = scenario.watchesTopics ? position?.earliest : position?.last
        let isKnown = known != nil
        for offset in database.extra[place].indices {
            let isPassed = Int64(offset) < position?.next ?? 0
            database.missed[place][offset] = isPassed && isKnown
            database.extra[place][offset] = isPassed && !isKnown ? -1 : 0
        }
        database.isOfFormerTopic[place] = isKnown
    }

    mutating func grow(_ place: Int) {
        logs[place].end += 1
        for number in processes.indices where processes[number].member != nil {
            processes[number].isEndTold[place] = false
        }
    }

    /// The epoch of which nothing may be taken before it has been compared: the ledger knows the message before the position, and
    /// it is one of the topic that was there before.
    func suspect(_ place: Int, _ process: Process) -> Int64? {
        guard let position = database.positions[place], let last = position.last, last.offset >= logs[place].low,
            let index = process.member?.partitions.place(of: Self.partition(place)),
            process.member?.partitions[index].next == position.next,
            last != Self.message(place, last.offset, logs[place].epoch)
        else { return nil }
        return logs[place].epoch
    }

    // MARK: Looking

    /// What `TopicProof` reads, all at one moment.
    mutating func readAgain(_ number: Int) {
        guard case .asked(let messages) = processes[number].proof else { return }
        var findings: [TopicPartition: TopicWatch.Finding] = [:]
        for (partition, message) in messages {
            let place = Int(partition.partition)
            let log = logs[place]
            // What cannot be read is asked for again.
            if log.isGone || areBrokersAway { continue }
            if message.offset < log.low || message.offset >= log.end {
                findings[partition] = .gone
            } else {
                findings[partition] = Self.message(place, message.offset, log.epoch) == message ? .same : .other
            }
        }
        processes[number].proof = .answered(findings)
        for (partition, finding) in findings.sorted(by: { $0.key < $1.key }) {
            tell("  \(partition)@\(messages[partition]?.offset ?? 0): \(finding)")
        }
    }

    mutating func hearProof(_ number: Int) {
        guard case .answered(let findings) = processes[number].proof else { return }
        processes[number].proof = nil
        handle(number, .readAgain(findings))
    }

    mutating func lookAtLedger(_ number: Int) {
        guard case .asked = processes[number].look else { return }
        processes[number].look = .answered(isDatabaseAway ? nil : knownPositions)
    }

    mutating func hearLook(_ number: Int) {
        guard case .answered(let found) = processes[number].look else { return }
        processes[number].look = nil
        handle(number, .ledgerStands(found))
    }

    /// That the ledger keeps a message that shows that a position has gone over from one topic into another, for whoever comes next.
    mutating func checkEvidence(_ number: Int) {
        guard scenario.watchesTopics, mutant != .topicNotWatched, database.isOfFormerTopic[number],
            let position = database.positions[number]
        else { return }
        let epoch = logs[number].epoch
        let kept = [position.last, position.proven].compactMap(\.self)
        if kept.allSatisfy({ $0 == Self.message(number, $0.offset, epoch) }) {
            breaks(
                .once,
                "\(Self.partition(number))@\(position.next) lies across two topics, and nothing that is kept shows it")
        }
    }

    // MARK: What is remembered, and decided

    /// `Ledger.remember`
    mutating func remember(_ place: Int, _ position: Ledger.Position) {
        database.positions[place]?.isLost = true
        if position.detour?.resume == position.next {
            if mutant != .mixedNotRemembered { database.positions[place] = position }
        } else if position.detour == nil {
            database.positions[place]?.detour = nil
        }
    }

    /// `loader backfill --to-earliest --until-offset`, as the mend says it: what of the topic may be in is left out.
    mutating func loadRest(_ place: Int) {
        guard let position = database.positions[place], let way = position.detour else { return }
        let begin = logs[place].low
        for offset in Int(begin)..<Int(position.next) { loadAgain(place, offset) }
        database.positions[place] = Ledger.Position(next: begin, detour: way)
        database.ways[place] = way
        database.isOfFormerTopic[place] = false
        group.offsets[place] = Group.Offset(offset: begin, metadata: Self.mark.metadata)
        group.orders[place] = nil
        noteWritten(place)
    }
}
