import Kafka

@testable import Loading

/// What a loader's process does: what `Pipeline` carries out.
extension World {
    mutating func start(_ number: Int) {
        var rules = Member.Rules(
            batch: BatchPolicy(maxRows: scenario.batch, maxDelay: .zero), lanes: scenario.lanes)
        rules.group = "g"
        rules.mark = scenario.hasLedger ? Self.mark.metadata : ""
        // What is due at all is due at once, and again behind it.
        if scenario.watchesTopics, mutant != .topicNotWatched { rules.topicWatchInterval = .zero }
        if scenario.watchesLedger, mutant != .ledgerNotWatched { rules.ledgerWatchInterval = .zero }
        rules.beginsAtOnce = scenario.hasLedger && scenario.offsetReset != .earliest
        var process = Process()
        process.member = Member(rules, at: Self.now)
        process.lanes = (0..<scenario.lanes).map { _ in Process.Lane() }
        process.cursors = Array(repeating: nil, count: logs.count)
        process.isEndTold = Array(repeating: false, count: logs.count)
        process.isGoneTold = Array(repeating: false, count: logs.count)
        process.suspects = Array(repeating: nil, count: logs.count)
        process.isForgotten = Array(repeating: false, count: logs.count)
        processes[number] = process
        group.isMember[number] = true
    }

    /// Tells a member what happened, and does what it says.
    mutating func handle(_ number: Int, _ event: Member.Event, at now: ContinuousClock.Instant = World.now) {
        guard let actions = processes[number].member?.handle(event, at: now) else { return }
        perform(number, actions)
        conclude(number)
    }

    private mutating func perform(_ number: Int, _ actions: [Member.Action]) {
        for action in actions {
            switch action {
            case .findPositions(let wanted):
                if mutant == .positionNotReadAgain, let known = known(wanted, number) {
                    perform(number, processes[number].member?.handle(.found(known), at: Self.now) ?? [])
                    continue
                }
                processes[number].settling = Process.Settling(wanted: wanted)
                tell("  it asks where \(wanted.partitions.map(\.description).joined(separator: " ")) begins")
            case .fetch(let fetch):
                self.fetch(number, fetch)
                if let more = processes[number].member?.handle(.fetching(fetch.purpose), at: Self.now) {
                    perform(number, more)
                }
            case .submit(let lane, let ranges): submit(number, lane, ranges)
            case .clear(let lane): processes[number].lanes[lane].filling = []
            case .abandon(let lane): _ = processes[number].lanes[lane].handoff.abandon()
            case .commit(let offsets): commit(number, offsets)
            case .commitAndWait(let offsets, _): commitAndWait(number, offsets)
            case .tell(.fenced): tell("  the fence has kept its batch out")
            case .tell(.dropped(let count)): tell("  \(count) of its messages are dropped")
            case .replaceClient: replaceClient(number)
            case .tell(.ledgerElsewhere): tell("  its position is another in the ledger")
            case .readAgain(let messages): processes[number].proof = .asked(messages)
            case .lookAtLedger(let positions): processes[number].look = .asked(positions)
            case .lookFor, .lookForOrphans, .prove, .lookAtGroup, .tell, .publish: break
            }
        }
    }

    /// What follows once nothing more is waited for.
    private mutating func conclude(_ number: Int) {
        guard let member = processes[number].member else { return }
        if let failure = member.failure {
            tell("  it stops: \(failure.message)")
            return end(number, failure.code)
        }
        guard member.flush == nil else { return }
        if let giving = processes[number].giving {
            processes[number].giving = nil
            processes[number].waiting.drop(giving)
            checkGiven(number, giving)
            for partition in giving {
                let place = Int(partition.partition)
                processes[number].cursors[place] = nil
                processes[number].isForgotten[place] = false
                if group.owners[place] == number { group.owners[place] = nil }
            }
            // It joins anew, as somebody else.
            if processes[number].isLeft { group.isMember[number] = true }
            processes[number].isLeft = false
        }
        if member.isStopping {
            let left = member.partitions.map(\.partition)
            _ = processes[number].member?.handle(.mustGive(left, lost: false), at: Self.now)
            end(number, nil)
        }
    }

    /// Another client takes over, once all that was taken is in: the one that was leaves the group, and gives all back.
    mutating func replaceClient(_ number: Int) {
        guard processes[number].renewal, let member = processes[number].member else {
            return perform(
                number, processes[number].member?.handle(.replaced(nil, hasBegun: false), at: Self.now) ?? [])
        }
        let all = Set(member.partitions.map(\.partition)).union(member.pending).sorted()
        if mutant == .replacedAtOnce {
            processes[number].member?.remove(all, Self.now)
            _ = processes[number].member?.takeActions()
        } else {
            perform(number, processes[number].member?.handle(.mustGive(all, lost: false), at: Self.now) ?? [])
        }
        processes[number].waiting.drop(all)
        checkGiven(number, all)
        processes[number].cursors = processes[number].cursors.map { _ in nil }
        processes[number].isForgotten = processes[number].isForgotten.map { _ in false }
        leave(number)
        // It joins anew, as somebody else.
        group.isMember[number] = true
        perform(number, processes[number].member?.handle(.replaced(nil, hasBegun: true), at: Self.now) ?? [])
        tell("  another client takes over")
    }

    private mutating func checkGiven(_ number: Int, _ partitions: [TopicPartition]) {
        let gone = Set(partitions)
        for lane in processes[number].lanes {
            let loads = lane.handoff.entries.contains { entry in
                // What was given up is in nobody's way but a lock's.
                !entry.isGivenUp && entry.job.ranges.contains { gone.contains($0.partition) }
            }
            let fills = lane.filling.contains { gone.contains(Self.partition($0.partition)) }
            if loads || fills { breaks(.given, "a batch of \(partitions) is still under way") }
        }
        if processes[number].member?.partitions.contains(where: { gone.contains($0.partition) }) ?? false {
            breaks(.given, "\(partitions) are still its own")
        }
    }

    /// The process is gone, however that came.
    mutating func end(_ number: Int, _ failure: LoadingError.Code?) {
        for lane in processes[number].lanes where lane.phase == .open {
            // COMMIT may have been on its way.
            if let load = lane.underWay { database.limbo.append(Limbo(load: load, isFenced: !lane.isAhead)) }
        }
        processes[number] = Process()
        processes[number].failure = failure
        leave(number)
    }

    /// What a member believes of where its partitions stand; nil where it knows nothing of one.
    private func known(_ wanted: Member.Wanted, _ number: Int) -> Member.Places? {
        guard let member = processes[number].member else { return nil }
        let places = wanted.partitions.compactMap { member.partitions.place(of: $0) }.map { member.partitions[$0] }
        guard places.count == wanted.partitions.count else { return nil }
        return Member.Places(
            places: places.map { .init(partition: $0.partition, start: $0.loaded, end: $0.end) })
    }

    // MARK: Messages

    private mutating func fetch(_ number: Int, _ fetch: Member.Fetch) {
        var cursors: [Int64?] = Array(repeating: nil, count: logs.count)
        for position in fetch.positions {
            let place = Int(position.partition.partition)
            let before = processes[number].cursors[place]
            cursors[place] = fetch.restarting.contains(position.partition) ? position.offset : before ?? position.offset
            if cursors[place] != before { processes[number].isEndTold[place] = false }
            if fetch.restarting.contains(position.partition) {
                processes[number].isForgotten[place] = false
                processes[number].suspects[place] = suspect(place, processes[number])
            }
        }
        processes[number].cursors = cursors
    }

    /// The next that comes of a partition: a message, its end, or an error.
    mutating func deliver(_ number: Int, _ place: Int) {
        guard let offset = processes[number].cursors[place] else { return }
        let partition = Self.partition(place)
        if logs[place].isGone {
            processes[number].isGoneTold[place] = true
            return handle(
                number,
                .error(Member.ClientError(code: .unknownTopicOrPartition, reason: "", place: .partition(partition))))
        }
        guard offset >= logs[place].low, offset <= logs[place].end else {
            processes[number].cursors[place] = mutant == .retentionUnnoticed ? logs[place].low : nil
            if mutant == .retentionUnnoticed { return }
            return handle(
                number,
                .error(Member.ClientError(code: .offsetOutOfRange, reason: "", place: .partition(partition))))
        }
        guard offset < logs[place].end else {
            processes[number].isEndTold[place] = true
            return handle(number, .end(partition, offset: offset))
        }
        guard let index = processes[number].member?.partitions.place(of: partition) else {
            processes[number].cursors[place] = offset + 1
            return
        }
        let lane = processes[number].member?.partitions[index].lane ?? 0
        let hasRoom = processes[number].member?.makeRoom(lane) ?? false
        perform(number, processes[number].member?.takeActions() ?? [])
        guard hasRoom else { return }
        processes[number].cursors[place] = offset + 1
        var verdict: Member.Verdict = processes[number].member?.take(index, offset: offset) { Self.now } ?? .skip
        if mutant == .repetitionTaken, verdict == .skip,
            processes[number].member?.partitions[index].range != nil
        {
            verdict = .take(range: 0)
        }
        switch verdict {
        case .take:
            if processes[number].suspects[place] == logs[place].epoch {
                breaks(.once, "\(partition)@\(offset) is taken behind the position of another topic")
            }
            processes[number].lanes[lane].filling.append(
                Record(partition: place, offset: offset, epoch: logs[place].epoch))
        case .skip: break
        case .compare(let last):
            let isSame = mutant == .topicNotCompared || Self.message(place, offset, logs[place].epoch) == last
            handle(number, .compared(partition, with: last, isSame: isSame))
        }
        perform(number, processes[number].member?.takeActions() ?? [])
    }

    static func message(_ place: Int, _ offset: Int64, _ epoch: Int64) -> LastMessage {
        LastMessage(offset: offset, timestamp: 0, fingerprint: Int64(place) + 100 * epoch)
    }

    // MARK: Batches

    private mutating func submit(_ number: Int, _ lane: Int, _ ranges: [Batch.PartitionRange]) {
        let records = processes[number].lanes[lane].filling
        processes[number].lanes[lane].filling = []
        let complete = ranges.map { range in
            var range = range
            let last = records.last { Self.partition($0.partition) == range.partition }
            range.last = last.map { Self.message($0.partition, $0.offset, $0.epoch) }
            return range
        }
        if mutant == .groupBeforeCommit {
            commit(
                number,
                ranges.map { CommittedOffset(partition: $0.partition, offset: $0.next, metadata: Self.mark.metadata) })
        }
        if mutant == .failureUnheard, processes[number].lanes[lane].hasRefusal {
            commit(Load(ranges: complete, records: records))
            commit(
                number,
                ranges.map { CommittedOffset(partition: $0.partition, offset: $0.next, metadata: Self.mark.metadata) })
        }
        processes[number].lanes[lane].handoff.submit(Load(ranges: complete, records: records))
        if processes[number].lanes[lane].handoff.beginBuilding() != nil {
            processes[number].lanes[lane].handoff.built()
        }
        if mutant == .headStartCommits, processes[number].lanes[lane].handoff.entries.count > 1 {
            commit(Load(ranges: complete, records: records))
        }
        beginLoading(number, lane)
    }

    private mutating func beginLoading(_ number: Int, _ lane: Int) {
        guard processes[number].lanes[lane].phase == .idle,
            processes[number].lanes[lane].handoff.beginLoading() != nil
        else { return }
        processes[number].lanes[lane].parts = nil
        processes[number].lanes[lane].isAhead = processes[number].lanes[lane].hasNextAhead
        processes[number].lanes[lane].hasNextAhead = false
        processes[number].lanes[lane].phase = processes[number].lanes[lane].isAhead ? .open : .fencing
        if scenario.hasHeadStarts { processes[number].lanes[lane].handoff.letNextBegin() }
    }

    private mutating func ended(_ number: Int, _ lane: Int, _ outcome: Ended) {
        var isSuccess = false
        if case .loaded = outcome { isSuccess = true }
        processes[number].lanes[lane].handoff.end(with: outcome, isSuccess: isSuccess)
        processes[number].lanes[lane].instead = processes[number].lanes[lane].postponed
        processes[number].lanes[lane].postponed = nil
        processes[number].lanes[lane].phase = .idle
        processes[number].lanes[lane].isAhead = false
        if !isSuccess { processes[number].lanes[lane].hasNextAhead = false }
        beginLoading(number, lane)
    }

    mutating func passFence(_ number: Int, _ lane: Int) {
        if mutant == .youngerFirst, processes[number].lanes[lane].instead == nil,
            let younger = processes[number].lanes[lane].handoff.entries.dropFirst().first?.job
        {
            processes[number].lanes[lane].postponed = processes[number].lanes[lane].loading
            processes[number].lanes[lane].instead = younger
        }
        guard let load = processes[number].lanes[lane].loading, let part = processes[number].lanes[lane].underWay
        else { return }
        if fenceLetsThrough(part.ranges) {
            processes[number].lanes[lane].phase = .open
        } else {
            tell("  somebody else has moved the position")
            ended(number, lane, .fenced(load))
        }
    }

    mutating func finishCommit(_ number: Int, _ lane: Int) {
        guard let load = processes[number].lanes[lane].loading, let part = processes[number].lanes[lane].underWay
        else { return }
        if processes[number].lanes[lane].isAhead, mutant != .headStartUnfenced, !fenceLetsThrough(part.ranges) {
            tell("  somebody else has moved the position")
            return ended(number, lane, .fenced(load))
        }
        commit(mutant == .partMovesAll ? Load(ranges: load.ranges, records: part.records) : part)
        partIsIn(number, lane, load)
    }

    private mutating func partIsIn(_ number: Int, _ lane: Int, _ load: Load) {
        guard let parts = processes[number].lanes[lane].parts, parts + 1 < load.records.count else {
            return ended(number, lane, .loaded(load))
        }
        processes[number].lanes[lane].parts = parts + 1
        processes[number].lanes[lane].phase = .fencing
    }

    /// The connection ends with COMMIT on its way.
    mutating func loseCommit(_ number: Int, _ lane: Int) {
        guard let load = processes[number].lanes[lane].underWay else { return }
        database.limbo.append(Limbo(load: load, isFenced: !processes[number].lanes[lane].isAhead))
        processes[number].lanes[lane].forgetHeadStarts()
        processes[number].lanes[lane].phase = .unknown
    }

    /// The rows of the batch behind the one that is loaded are copied, and nothing of it is there yet.
    mutating func copyAhead(_ number: Int, _ lane: Int) {
        guard processes[number].lanes[lane].handoff.beginCopying() != nil else { return }
        processes[number].lanes[lane].handoff.copied()
        processes[number].lanes[lane].hasNextAhead = true
    }

    /// The database refuses it for good.
    mutating func refuse(_ number: Int, _ lane: Int) {
        guard let load = processes[number].lanes[lane].loading else { return }
        ended(number, lane, .refused(load))
    }

    /// What `BatchLoader.attempt` does behind that.
    mutating func askLedger(_ number: Int, _ lane: Int) {
        guard let load = processes[number].lanes[lane].loading, let part = processes[number].lanes[lane].underWay
        else { return }
        guard scenario.hasLedger else {
            processes[number].lanes[lane].phase = .fencing
            return
        }
        var outcome = Ledger.Outcome(of: part.ranges, known: ledgerRows)
        if mutant == .unknownTakenForDone { outcome = .committed }
        if mutant == .unknownTakenForFailed {
            processes[number].lanes[lane].phase = .open
            return
        }
        switch outcome {
        case .committed: partIsIn(number, lane, load)
        case .takenOver: ended(number, lane, .fenced(load))
        case .notCommitted: processes[number].lanes[lane].phase = .fencing
        }
        tell("  the ledger says: \(outcome)")
    }

    mutating func giveUp(_ number: Int, _ lane: Int) {
        guard let load = processes[number].lanes[lane].loading else { return }
        if processes[number].lanes[lane].phase == .open, let part = processes[number].lanes[lane].underWay {
            database.limbo.append(Limbo(load: part, isFenced: !processes[number].lanes[lane].isAhead))
        }
        ended(number, lane, .abandoned(load))
    }

    mutating func collect(_ number: Int, _ lane: Int) {
        guard let outcome = processes[number].lanes[lane].handoff.takeOutcome() else { return }
        let decided: Member.Outcome
        switch outcome {
        case .loaded(let load): decided = .loaded(load.ranges, rowBytesPerByte: 1)
        case .fenced(let load): decided = .fenced(load.ranges, messages: load.records.count)
        case .abandoned: decided = .abandoned
        case .refused: decided = .failed(LoadingError(.database, "it is refused", mend: .database(.refusedBatch)))
        }
        handle(number, .outcome(lane: lane, decided))
    }

    // MARK: The group's offsets

    mutating func commit(_ number: Int, _ offsets: [CommittedOffset]) {
        if mutant == .commitsOvertake, processes[number].sent != nil {
            _ = accept(offsets, from: number)
            return
        }
        processes[number].waiting.add(offsets)
        sendNext(number)
    }

    mutating func sendNext(_ number: Int) {
        let isUnderWay = processes[number].sent != nil
        guard let offsets = processes[number].waiting.takeAll(isUnderWay: isUnderWay) else { return }
        processes[number].sent = offsets
        processes[number].isSentStale = !group.isMember[number]
    }

    /// The answer to a commit comes.
    mutating func answer(_ number: Int) {
        finishSent(number)
        conclude(number)
        if processes[number].member != nil { sendNext(number) }
    }

    private mutating func finishSent(_ number: Int) {
        guard let offsets = processes[number].sent else { return }
        let error = accept(offsets, from: number, isStale: processes[number].isSentStale)
        processes[number].sent = nil
        processes[number].isSentStale = false
        if let more = processes[number].member?.handle(.committed(offsets, error), at: Self.now) {
            perform(number, more)
        }
    }

    /// `GroupCommitter.commit(_:timeout:)`
    mutating func commitNow(_ number: Int, _ offsets: [CommittedOffset], isClaim: Bool = false) -> KafkaError? {
        processes[number].waiting.drop(offsets.map(\.partition))
        finishSent(number)
        // What the group has does not change by it.
        return accept(isClaim ? [] : offsets, from: number)
    }

    private mutating func commitAndWait(_ number: Int, _ offsets: [CommittedOffset]) {
        guard commitNow(number, offsets) != nil else { return }
        if let more = processes[number].member?.handle(.lastOffsetsRefused(offsets), at: Self.now) {
            perform(number, more)
        }
    }
}
