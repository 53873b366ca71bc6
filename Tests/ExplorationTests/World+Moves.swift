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
        /// Messages that were loaded are read again, or what came of that is heard.
        case readAgain(Int)
        case hearProof(Int)
        /// The ledger is read where nothing comes, or what came of that is heard.
        case lookAtLedger(Int)
        case hearLook(Int)
        /// A partition that stands still is suspected, is asked for, and what came of that is heard.
        case suspect(Int)
        case askForSuspects(Int)
        case hearSuspects(Int)
        /// A topic that was gone is there again, and so long by then.
        case topicBack(end: Int64)
        /// A message is written.
        case grow(Int)
        /// What is left of a transaction whose connection has ended comes to an end.
        case resolve(Int, isCommitted: Bool)
        case silence(Int)
        case databaseBack
        case brokersBack
        /// An operator does what a loader that has stopped has told.
        case decide(Int, Int64)
        /// He has the rest of a topic loaded, up to where the loader has gone over into it.
        case loadRest(Int)
        case dump
        /// Whoever has restored a database starts the loaders again, where they do not look by themselves.
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
        case topicGone
        case renew(Int, hasBegun: Bool)
        case forget(Int, Int)

        var isFault: Bool {
            switch self {
            case .crash, .expire, .stop, .loseCommit, .databaseAway, .brokersAway, .slowWriter, .repeatMessage,
                .groupGone, .reset, .otherLedger, .restore, .retention, .newPartition, .refuse, .tooMuch, .backfill,
                .topicAnew, .topicGone, .renew, .forget:
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
        if isRestored, !scenario.watchesLedger {
            moves += processes.indices.filter { processes[$0].member != nil }.map { .restart($0) }
        }
        if areBrokersAway { moves.append(.brokersBack) }
        if scenario.faults.contains(.restore), dump == nil, !isDatabaseAway { moves.append(.dump) }
        addTopicsMoves(to: &moves)
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
        addLooks(of: number, to: &moves)
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
        let free = logs[0].isGone ? [] : free
        if !free.isEmpty, !scenario.isEager || owned.isEmpty {
            moves.append(.give(number, free))
            if free.count > 1 { moves += free.map { .give(number, [$0]) } }
        }
        let hasOthers = group.isMember.indices.contains { $0 != number && group.isMember[$0] }
        if !owned.isEmpty, hasOthers || logs[0].isGone {
            moves.append(.ask(number, owned))
            if owned.count > 1, !scenario.isEager { moves += owned.map { .ask(number, [$0]) } }
        }
    }

    private func canDeliver(_ process: Process, _ member: Member, _ place: Int) -> Bool {
        guard let cursor = process.cursors[place], !process.isForgotten[place] else { return false }
        if logs[place].isGone {
            guard !process.isGoneTold[place] else { return false }
        } else {
            guard cursor != logs[place].end || !process.isEndTold[place] else { return false }
        }
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

    private func addLooks(of number: Int, to moves: inout [Move]) {
        let process = processes[number]
        switch process.proof {
        case .asked: moves.append(.readAgain(number))
        case .answered where !process.isBusy: moves.append(.hearProof(number))
        default: break
        }
        switch process.stall {
        case .asked: moves.append(.askForSuspects(number))
        case .answered where !process.isBusy: moves.append(.hearSuspects(number))
        case nil where !process.isBusy && !suspects(number).isEmpty: moves.append(.suspect(number))
        default: break
        }
        switch process.look {
        case .asked: moves.append(.lookAtLedger(number))
        case .answered where !process.isBusy: moves.append(.hearLook(number))
        default: break
        }
    }

    private func addTopicsMoves(to moves: inout [Move]) {
        if logs[0].isGone {
            let ends = [0, scenario.messages] + database.positions.compactMap { $0?.next }
            moves += Set(ends).sorted().map { .topicBack(end: $0) }
        } else {
            for (place, log) in logs.enumerated() where log.end < scenario.messages { moves.append(.grow(place)) }
        }
    }

    private func addOperatorsMoves(to moves: inout [Move]) {
        guard group.isEmpty, !logs[0].isGone,
            processes.contains(where: { $0.failure != nil && $0.failure != .database })
        else { return }
        for place in logs.indices {
            let position = database.positions[place]?.next ?? logs[place].low
            moves.append(.decide(place, logs[place].low))
            if position > logs[place].low { moves.append(.decide(place, position)) }
            let way = database.positions[place].flatMap { $0.isLost ? $0.detour : nil }
            let isMixed = way?.resume == position
            // Where a way leads nowhere, all that is there may be in.
            let leadsAhead = way.map { $0.resume > position } ?? false
            if leadsAhead, logs[place].end > position { moves.append(.decide(place, logs[place].end)) }
            // Who sets a position waits for whoever holds it.
            if isMixed, !isLocked([Self.partition(place)]) { moves.append(.loadRest(place)) }
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
            for (place, cursor) in process.cursors.enumerated() where may(.forgetting) {
                if let cursor, cursor < logs[place].end, !process.isForgotten[place] {
                    moves.append(.forget(number, place))
                }
            }
        }
        if may(.databaseAway), !isDatabaseAway { moves.append(.databaseAway) }
        if may(.brokersAway), !areBrokersAway {
            moves.append(.brokersAway(isCommitTaken: false))
            if processes.contains(where: { $0.sent != nil }) { moves.append(.brokersAway(isCommitTaken: true)) }
        }
        if may(.restore), dump != nil { moves.append(.restore) }
        if may(.topicReplaced), logs[0].epoch < scenario.replacements, !logs[0].isGone {
            moves.append(.topicGone)
        }
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
                processes[number].member?.remove(places.map(Self.partition), Self.now)
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
        case .readAgain(let number): readAgain(number)
        case .hearProof(let number): hearProof(number)
        case .suspect(let number):
            processes[number].stall = .asked(suspects(number))
            processes[number].member?.isProving = true
        case .askForSuspects(let number): askForSuspects(number)
        case .hearSuspects(let number): hearSuspects(number)
        case .lookAtLedger(let number): lookAtLedger(number)
        case .hearLook(let number): hearLook(number)
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
        case .loadRest(let place):
            for number in processes.indices { processes[number].failure = nil }
            loadRest(place)
        case .topicAnew(let place): makeAnew(place, end: logs[place].end)
        case .topicGone:
            for place in logs.indices { logs[place].isGone = true }
            // Kafka deletes the group's offsets along with it.
            group.offsets = group.offsets.map { _ in nil }
        case .topicBack(let end): for place in logs.indices { makeAnew(place, end: end) }
        case .grow(let place): grow(place)
        case .renew(let number, let hasBegun):
            processes[number].renewal = hasBegun
            if mutant == .replacedAtOnce {
                replaceClient(number)
            } else {
                handle(number, .secretsChanged)
            }
        case .forget(let number, let place): processes[number].isForgotten[place] = true
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
            processes[number].isGoneTold.append(false)
            processes[number].suspects.append(nil)
            processes[number].isForgotten.append(false)
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
        missed.append(Array(repeating: false, count: Int(messages)))
        isBehind.append(false)
    }
}
