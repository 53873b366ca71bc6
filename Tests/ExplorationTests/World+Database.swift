import Kafka

@testable import Loading

/// What PostgreSQL does with what it is sent.
extension World {
    /// Somebody's transaction holds the row of one of these positions.
    func isLocked(_ partitions: some Sequence<TopicPartition>) -> Bool {
        let wanted = Set(partitions)
        func holds(_ load: Load) -> Bool { load.ranges.contains { wanted.contains($0.partition) } }
        return database.limbo.contains { $0.isFenced && holds($0.load) }
            || processes.contains { process in
                process.lanes.contains { lane in
                    lane.phase == .open && !lane.isAhead && (lane.underWay.map(holds) ?? false)
                }
            }
    }

    /// The rule of `Ledger.advancing`: each position moves from where it is expected, or none does.
    func fenceLetsThrough(_ ranges: [Batch.PartitionRange]) -> Bool {
        guard scenario.hasLedger, mutant != .fenceOff else { return true }
        return ranges.allSatisfy { range in
            guard let position = database.positions[Int(range.partition.partition)] else { return false }
            return position.next == range.expected && position.detour == range.detour
        }
    }

    /// Rows and positions of a transaction are there for all to see.
    mutating func commit(_ load: Load) {
        for record in load.records { commit(record) }
        for range in load.ranges {
            let number = Int(range.partition.partition)
            let offsets = load.records.filter { $0.partition == number }.map(\.offset)
            if zip(offsets, offsets.dropFirst()).contains(where: { $0 >= $1 }) {
                breaks(.order, "\(range.partition) goes in as \(offsets)")
            }
            guard scenario.hasLedger else { continue }
            if let way = database.ways[number], let offset = offsets.first(where: { $0 >= way.until }) {
                breaks(.resets, "\(range.partition)@\(offset) is loaded again, and it was to be until @\(way.until)")
            }
            let before = database.positions[number]
            let proven = range.proven ?? before?.earliest
            database.positions[number] = Ledger.Position(
                next: range.next, last: range.last, proven: mutant == .provenNotKept ? nil : proven,
                detour: mutant == .detourForgotten ? nil : range.detour)
            noteWritten(number)
            checkRows(number)
            checkEvidence(number)
        }
    }

    private mutating func commit(_ record: Record) {
        let (number, place) = (record.partition, Int(record.offset))
        if record.epoch == logs[number].epoch {
            database.rows[number][place] += 1
        } else if scenario.hasLedger {
            // The position passes the message of the topic that is there now.
            database.missed[number][place] = true
            database.isOfFormerTopic[number] = true
        }
    }

    /// What `Ledger.write` does with what was decided.
    ///
    /// - Returns: false if another member has moved one of the positions in the meantime.
    mutating func write(_ starts: [TopicPartition: StartPosition], by member: Int) -> Bool {
        let updates = starts.compactMap { partition, start -> (Int, Int64)? in
            switch start.step {
            case .none, .insert: nil
            case .reset(let from), .skip(let from), .resume(let from): (Int(partition.partition), from)
            }
        }
        guard updates.allSatisfy({ database.positions[$0.0]?.next == $0.1 }) else { return false }
        let moved = processes[member].settling?.moved ?? []
        if mutant != .versionIgnored, updates.contains(where: { moved.contains($0.0) }) { return false }
        for (partition, start) in starts.sorted(by: { $0.key < $1.key }) {
            write(start, of: Int(partition.partition))
        }
        return true
    }

    private mutating func write(_ start: StartPosition, of number: Int) {
        switch start.step {
        case .none: return
        case .insert:
            if start.needsMark, group.offsets[number]?.offset == start.offset,
                database.positions[number]?.next ?? start.offset == start.offset
            {
                group.offsets[number]?.isFollowed = true
            }
            guard database.positions[number] == nil else { return }
            // What lies before where a group begins is not to be loaded. A partition that is new has nothing before it.
            let begin = logs[number].isNew && group.offsets[number] == nil ? logs[number].low : start.offset
            excuse(number, 0..<begin)
        case .reset(let from):
            if from != start.offset, group.offsets[number]?.isOrdered != true, group.orders[number] != start.offset {
                breaks(
                    .resets,
                    "the position \(Self.partition(number))@\(from) goes to @\(start.offset), and nobody has reset the group"
                )
            }
            move(number, from: from, to: start.offset)
            group.offsets[number]?.isFollowed = true
            database.ways[number] = nil
            database.isOfFormerTopic[number] = false
        case .skip(let from):
            if logs[number].low <= from, from <= logs[number].end, !database.isOfFormerTopic[number] {
                breaks(.resets, "the position \(Self.partition(number))@\(from) is left, and it was not lost")
            }
            move(number, from: from, to: start.offset)
            database.isBehind[number] = true
            database.ways[number] = nil
            database.isOfFormerTopic[number] = false
        case .resume(let from): resume(number, from: from, to: start.offset)
        }
        var position = Ledger.Position(next: start.offset, detour: start.detour)
        if case .resume = start.step { position.proven = database.positions[number]?.earliest }
        database.positions[number] = position
        noteWritten(number)
        checkRows(number)
    }

    /// The way back is over: what lies behind its end is in already.
    private mutating func resume(_ number: Int, from: Int64, to: Int64) {
        guard let way = database.ways[number], to == way.resume else { return resumeInAnotherTopic(number, from, to) }
        if from < way.until, from < logs[number].end {
            breaks(.resets, "\(Self.partition(number))@\(from) was to be loaded again, and is not")
        }
        excuse(number, from..<to)
        database.ways[number] = nil
    }

    /// The way was asked for in the topic that was there before: what it passes over is to be found out, where anything of that one
    /// is known.
    private mutating func resumeInAnotherTopic(_ number: Int, _ from: Int64, _ to: Int64) {
        guard logs[number].epoch > 0, database.positions[number]?.detour != nil else {
            return breaks(.resets, "nobody has asked for a way back, which ends at @\(from)")
        }
        if database.isOfFormerTopic[number] {
            for offset in from..<to { database.missed[number][Int(offset)] = true }
        } else {
            excuse(number, from..<to)
        }
    }

    mutating func noteWritten(_ number: Int) {
        for process in processes.indices { processes[process].settling?.moved.insert(number) }
    }

    /// An operator's decision moves a position: what lies between is loaded once more, or not at all.
    private mutating func move(_ number: Int, from: Int64, to: Int64) {
        if to < from { goBack(number, from: from, to: to) }
        if from < to { excuse(number, from..<to) }
        // What was left out before stays so, and that was said.
        for place in 0..<Int(to) where database.missed[number][place] {
            database.extra[number][place] -= 1
            database.missed[number][place] = false
        }
    }

    private mutating func goBack(_ number: Int, from: Int64, to: Int64) {
        for place in Int(to)..<Int(from) {
            if scenario.replayDoubles, database.rows[number][place] > 0 {
                breaks(
                    .once, "\(Self.partition(number))@\(place) is in, and is loaded once more without anybody's leave")
            }
            loadAgain(number, place)
        }
    }

    /// A message that was below the position is above it now.
    mutating func loadAgain(_ number: Int, _ place: Int) {
        database.extra[number][place] += database.missed[number][place] ? 0 : 1
        database.missed[number][place] = false
        // How often is told only up to a point: operators may decide so without end, and there would be no end of states.
        if database.extra[number][place] > 2, database.rows[number][place] > 2 {
            database.extra[number][place] -= 1
            database.rows[number][place] -= 1
        }
    }

    mutating func excuse(_ number: Int, _ offsets: Range<Int64>, by count: Int8 = 1) {
        for offset in offsets { database.extra[number][Int(offset)] -= count }
    }

    /// The ledger's answer to who asks where the topic's partitions stand.
    var ledgerRows: [TopicPartition: Ledger.Position] {
        var rows: [TopicPartition: Ledger.Position] = [:]
        for (number, position) in database.positions.enumerated() { rows[Self.partition(number)] = position }
        return rows
    }

    var knownPositions: [TopicPartition: Int64] { ledgerRows.mapValues(\.next) }
}
