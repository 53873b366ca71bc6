import Kafka

@testable import Loading

/// What can happen next, and what it does.
extension World {
    enum Move: Hashable, Sendable {
        case start(Int)
        case give(Int, [Int])
        case ask(Int, [Int])
        case learnLoss(Int)
        case deliver(Int, Int)
        case tick(Int)
        case settle(Int)
        case collect(Int, Int)
        case fence(Int, Int)
        case commit(Int, Int)
        case askLedger(Int, Int)
        case giveUp(Int, Int)
        /// The batch behind the one that is loaded gets its rows.
        case copyAhead(Int, Int)
        case answer(Int)
        /// What is left of a transaction whose connection has ended comes to an end.
        case resolve(Int, isCommitted: Bool)
        case silence(Int)
        case databaseBack
        case brokersBack
        /// An operator does what a loader that has stopped has told.
        case decide(Int, Int64)
        case dump
        /// Whoever has restored a database starts the loaders again: one that has nothing to load does not look.
        case restart(Int)
        // Faults
        case crash(Int)
        case expire(Int)
        case stop(Int)
        case loseCommit(Int, Int)
        case databaseAway
        case brokersAway(isCommitTaken: Bool)
        case slowWriter(Int)
        case repeatMessage(Int, Int)
        case groupGone
        case reset(Int, Int64)
        case otherLedger(Int)
        case restore
        case retention(Int)
        case newPartition
        case refuse(Int, Int)
        case tooMuch(Int, Int)
        case backfill(Int, Int64)
        case topicAnew(Int)
        case renew(Int, hasBegun: Bool)

        var isFault: Bool {
            switch self {
            case .crash, .expire, .stop, .loseCommit, .databaseAway, .brokersAway, .slowWriter, .repeatMessage,
                .groupGone, .reset, .otherLedger, .restore, .retention, .newPartition, .refuse, .tooMuch, .backfill,
                .topicAnew, .renew:
                true
            default: false
            }
        }
    }

    func moves() -> [Move] {
        var moves: [Move] = []
        for number in processes.indices { addMoves(of: number, to: &moves) }
        if !isDatabaseAway {
            for place in database.limbo.indices {
                moves.append(.resolve(place, isCommitted: false))
                let limbo = database.limbo[place]
                // A fence that comes with COMMIT waits for whoever holds the row.
                guard limbo.isFenced || !isLocked(limbo.load.ranges.map(\.partition)) else { continue }
                moves.append(.resolve(place, isCommitted: true))
            }
        }
        if isDatabaseAway { moves.append(.databaseBack) }
        if isRestored { moves += processes.indices.filter { processes[$0].member != nil }.map { .restart($0) } }
        if areBrokersAway { moves.append(.brokersBack) }
        if scenario.faults.contains(.restore), dump == nil, !isDatabaseAway { moves.append(.dump) }
        addOperatorsMoves(to: &moves)
        if faults > 0 { addFaults(to: &moves) }
        return moves
    }

    private func addMoves(of number: Int, to moves: inout [Move]) {
        let process = processes[number]
        guard let member = process.member else {
            moves.append(.start(number))
            return
        }
        addWritersMoves(of: number, to: &moves)
        if process.sent != nil, !process.isBusy { moves.append(.answer(number)) }
        if process.settling != nil { moves.append(.settle(number)) }
        guard !process.isBusy else {
            if member.awaited != nil, isDatabaseAway { moves.append(.silence(number)) }
            return
        }
        if let due = member.due(Self.later), due <= Self.later { moves.append(.tick(number)) }
        for place in logs.indices where canDeliver(process, member, place) { moves.append(.deliver(number, place)) }
        if !group.isMember[number] {
            moves.append(.learnLoss(number))
            return
        }
        let owned = owned(by: number)
        let free = free
        if !free.isEmpty, !scenario.isEager || owned.isEmpty {
            moves.append(.give(number, free))
            if free.count > 1 { moves += free.map { .give(number, [$0]) } }
        }
        let hasOthers = group.isMember.indices.contains { $0 != number && group.isMember[$0] }
        if !owned.isEmpty, hasOthers {
            moves.append(.ask(number, owned))
            if owned.count > 1, !scenario.isEager { moves += owned.map { .ask(number, [$0]) } }
        }
    }

    private func canDeliver(_ process: Process, _ member: Member, _ place: Int) -> Bool {
        guard let cursor = process.cursors[place] else { return false }
        guard cursor != logs[place].end || !process.isEndTold[place] else { return false }
        guard let index = member.partitions.place(of: Self.partition(place)) else { return true }
        let lane = member.partitions[index].lane
        return !member.isHeld(lane) && member.lanes[lane].hasRoom
    }

    private func addWritersMoves(of number: Int, to moves: inout [Move]) {
        let process = processes[number]
        for (place, lane) in process.lanes.enumerated() {
            if lane.handoff.hasOutcome, !process.isBusy || process.member?.awaited?.lane == place {
                moves.append(.collect(number, place))
            }
            if lane.handoff.isLoadingGivenUp { moves.append(.giveUp(number, place)) }
            guard !isDatabaseAway, let load = lane.underWay else { continue }
            if canCopyAhead(lane) { moves.append(.copyAhead(number, place)) }
            switch lane.phase {
            case .idle: break
            case .fencing: if !isLocked(load.ranges.map(\.partition)) { moves.append(.fence(number, place)) }
            // The fence waits for whoever holds the row.
            case .open where lane.isAhead:
                if !isLocked(load.ranges.map(\.partition)) { moves.append(.commit(number, place)) }
            case .open: moves.append(.commit(number, place))
            case .unknown: moves.append(.askLedger(number, place))
            }
        }
    }

    private func canCopyAhead(_ lane: Process.Lane) -> Bool {
        var handoff = lane.handoff
        return scenario.hasHeadStarts && lane.parts == nil && handoff.beginCopying() != nil
    }

    private func addOperatorsMoves(to moves: inout [Move]) {
        guard group.isEmpty, processes.contains(where: { $0.failure != nil && $0.failure != .database }) else { return }
        for place in logs.indices {
            let position = database.positions[place]?.next ?? logs[place].low
            moves.append(.decide(place, logs[place].low))
            if position > logs[place].low { moves.append(.decide(place, position)) }
        }
    }

    private func addFaults(to moves: inout [Move]) {
        func may(_ fault: Scenario.Fault) -> Bool { scenario.faults.contains(fault) }
        for (number, process) in processes.enumerated() where process.member != nil {
            if may(.crash) { moves.append(.crash(number)) }
            if may(.expiry), group.isMember[number] { moves.append(.expire(number)) }
            if may(.stop), !process.isBusy { moves.append(.stop(number)) }
            if may(.slowWriter), process.member?.awaited != nil, !isDatabaseAway { moves.append(.slowWriter(number)) }
            for (place, lane) in process.lanes.enumerated() {
                if may(.lostCommit), lane.phase == .open { moves.append(.loseCommit(number, place)) }
                if may(.refusal), lane.phase == .fencing { moves.append(.refuse(number, place)) }
                if may(.tooMuch), lane.phase == .fencing, lane.parts == nil, lane.loading?.isInParts ?? false {
                    moves.append(.tooMuch(number, place))
                }
            }
            if may(.renewal), !process.isBusy, group.isMember[number], !(process.member?.partitions.isEmpty ?? true) {
                moves += [.renew(number, hasBegun: true), .renew(number, hasBegun: false)]
            }
            for (place, cursor) in process.cursors.enumerated() where may(.repetition) {
                if let cursor, cursor > logs[place].low { moves.append(.repeatMessage(number, place)) }
            }
        }
        if may(.databaseAway), !isDatabaseAway { moves.append(.databaseAway) }
        if may(.brokersAway), !areBrokersAway {
            moves.append(.brokersAway(isCommitTaken: false))
            if processes.contains(where: { $0.sent != nil }) { moves.append(.brokersAway(isCommitTaken: true)) }
        }
        if may(.restore), dump != nil { moves.append(.restore) }
        if may(.newPartition), logs.count == scenario.partitions { moves.append(.newPartition) }
        for (place, log) in logs.enumerated() {
            if may(.retention), log.low < log.end { moves.append(.retention(place)) }
            guard group.isEmpty else { continue }
            if may(.otherLedger) { moves.append(.otherLedger(place)) }
            // Who sets a position waits for whoever holds it.
            if may(.backfill), let position = database.positions[place], position.detour == nil, position.next > 1,
                !isLocked([Self.partition(place)])
            {
                moves += (1..<position.next).map { .backfill(place, $0) }
            }
            if may(.topicAnew), log.epoch == 0, !processes.contains(where: { $0.member != nil }), database.limbo.isEmpty
            {
                moves.append(.topicAnew(place))
            }
            if may(.reset) { moves += resets(place).map { .reset(place, $0) } }
        }
        if group.isEmpty, may(.groupGone), group.offsets.contains(where: { $0 != nil }) { moves.append(.groupGone) }
    }

    /// Where an operator may reset a partition to: its ends, and one back.
    private func resets(_ place: Int) -> [Int64] {
        let position = database.positions[place]?.next ?? logs[place].end
        return Set([logs[place].low, max(logs[place].low, position - 1), logs[place].end]).sorted()
    }

    // MARK: What it does

    mutating func carryOut(_ move: Move) {
        if story != nil {
            let line = words(move)
            tell(line)
        }
        if move.isFault { faults -= 1 }
        switch move {
        case .start(let number): start(number)
        case .give(let number, let places): give(number, places)
        case .ask(let number, let places):
            processes[number].giving = places.map(Self.partition)
            if mutant == .revokedAtOnce {
                processes[number].member?.remove(places.map(Self.partition))
                _ = processes[number].member?.takeActions()
                handle(number, .tick)
            } else {
                handle(number, .mustGive(places.map(Self.partition), lost: false))
            }
        case .learnLoss(let number):
            let places = processes[number].member?.partitions.map(\.partition) ?? []
            let pending = processes[number].member?.pending ?? []
            let all = Set(places).union(pending).sorted()
            processes[number].giving = all
            processes[number].isLeft = true
            if mutant == .lossIgnored { handle(number, .tick) } else { handle(number, .mustGive(all, lost: true)) }
        case .deliver(let number, let place): deliver(number, place)
        case .tick(let number): handle(number, .tick, at: Self.later)
        case .settle(let number): settle(number)
        case .collect(let number, let lane): collect(number, lane)
        case .fence(let number, let lane): passFence(number, lane)
        case .commit(let number, let lane): finishCommit(number, lane)
        case .askLedger(let number, let lane): askLedger(number, lane)
        case .giveUp(let number, let lane): giveUp(number, lane)
        case .copyAhead(let number, let lane): copyAhead(number, lane)
        case .answer(let number): answer(number)
        case .silence(let number), .slowWriter(let number):
            if let lane = processes[number].member?.awaited?.lane { handle(number, .silence(lane: lane)) }
        case .resolve(let place, let isCommitted):
            let limbo = database.limbo.remove(at: place)
            let passes = limbo.isFenced || mutant == .headStartUnfenced || fenceLetsThrough(limbo.load.ranges)
            if isCommitted, passes { commit(limbo.load) }
        default: carryOutElsewhere(move)
        }
    }

    private mutating func give(_ number: Int, _ places: [Int]) {
        for place in places { group.owners[place] = number }
        handle(number, .given(places.map(Self.partition), isCooperative: !scenario.isEager))
    }

    /// What befalls brokers, database and operators.
    private mutating func carryOutElsewhere(_ move: Move) {
        switch move {
        case .databaseBack: isDatabaseAway = false
        case .brokersBack: areBrokersAway = false
        case .dump: dump = database
        case .crash(let number), .restart(let number): end(number, nil)
        case .expire(let number): leave(number)
        case .stop(let number): handle(number, .stop)
        case .loseCommit(let number, let lane): loseCommit(number, lane)
        case .databaseAway:
            isDatabaseAway = true
            rollBackAll()
        case .brokersAway(let isCommitTaken):
            if isCommitTaken {
                for (number, process) in processes.enumerated() {
                    _ = process.sent.map { accept($0, from: number, isStale: process.isSentStale) }
                }
            }
            areBrokersAway = true
        case .repeatMessage(let number, let place): processes[number].cursors[place]? -= 1
        case .groupGone: group.offsets = group.offsets.map { _ in nil }
        case .reset(let place, let offset): reset(place, offset)
        case .decide(let place, let offset):
            for number in processes.indices { processes[number].failure = nil }
            reset(place, offset)
        case .otherLedger(let place):
            group.offsets[place] = Group.Offset(offset: logs[place].end, metadata: Self.otherMark.metadata)
        case .restore:
            if let dump { database = dump }
            database.limbo = []
            for place in logs.indices { noteWritten(place) }
            database.isBehind = database.isBehind.map { _ in true }
            isRestored = true
            rollBackAll()
        case .retention(let place): logs[place].low += 1
        case .refuse(let number, let lane): refuse(number, lane)
        case .tooMuch(let number, let lane): processes[number].lanes[lane].parts = 0
        case .backfill(let place, let until): backfill(place, until)
        case .topicAnew(let place): makeAnew(place)
        case .renew(let number, let hasBegun):
            processes[number].renewal = hasBegun
            if mutant == .replacedAtOnce {
                replaceClient(number)
            } else {
                handle(number, .secretsChanged)
            }
        case .newPartition: addPartition()
        default: break
        }
    }

    private mutating func reset(_ place: Int, _ offset: Int64) {
        group.offsets[place] = Group.Offset(offset: offset, metadata: "", isOrdered: true)
        group.orders[place] = offset
    }

    /// `loader backfill --to-earliest --until-offset`: the ledger goes back, and the group is told so with the mark.
    private mutating func backfill(_ place: Int, _ until: Int64) {
        guard let position = database.positions[place] else { return }
        let way = Detour(until: until, resume: position.next)
        let begin = logs[place].low
        // All of it is in, and is no longer below the position; what lies before the end comes once more.
        excuse(place, begin..<position.next, by: -1)
        database.positions[place] = Ledger.Position(next: begin, detour: way)
        database.ways[place] = way
        group.offsets[place] = Group.Offset(offset: begin, metadata: Self.mark.metadata)
        group.orders[place] = nil
        noteWritten(place)
    }

    private mutating func makeAnew(_ place: Int) {
        logs[place] = Log(end: logs[place].end, isNew: logs[place].isNew, epoch: 1)
        let position = database.positions[place]
        // What was loaded of the former topic is not what counts from now on.
        database.rows[place] = database.rows[place].map { _ in 0 }
        database.extra[place] = database.extra[place].indices.map { Int64($0) < position?.next ?? 0 ? -1 : 0 }
        database.ways[place] = nil
        // A position without a last message tells nothing.
        database.isOfFormerTopic[place] = position?.last != nil
    }

    /// The server ends all sessions.
    private mutating func rollBackAll() {
        for number in processes.indices {
            for lane in processes[number].lanes.indices {
                processes[number].lanes[lane].forgetHeadStarts()
                if processes[number].lanes[lane].phase == .open { processes[number].lanes[lane].phase = .fencing }
            }
        }
    }

    private mutating func addPartition() {
        let hasBegun = database.positions.contains { $0 != nil }
        logs.append(Log(end: scenario.messages, isNew: hasBegun))
        group.offsets.append(nil)
        group.orders.append(nil)
        group.owners.append(nil)
        for number in processes.indices where processes[number].member != nil {
            processes[number].cursors.append(nil)
            processes[number].isEndTold.append(false)
        }
        database.addPartition(scenario.messages)
        dump?.addPartition(scenario.messages)
    }
}

extension World.Database {
    fileprivate mutating func addPartition(_ messages: Int64) {
        positions.append(nil)
        rows.append(Array(repeating: 0, count: Int(messages)))
        extra.append(Array(repeating: 0, count: Int(messages)))
        ways.append(nil)
        isOfFormerTopic.append(false)
        isBehind.append(false)
    }
}
