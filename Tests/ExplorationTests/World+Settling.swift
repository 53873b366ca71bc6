import Kafka

@testable import Loading

/// How a loader finds out where partitions begin: what `PositionFinder` and `StartSettling` do, call by call.
extension World {
    /// The next call is answered.
    mutating func settle(_ number: Int) {
        guard let settling = processes[number].settling else { return }
        if isDatabaseAway, scenario.hasLedger, settling.step == .ledger || settling.step == .write {
            return obstacle(number)
        }
        guard scenario.hasLedger else { return settleWithoutLedger(number, settling.wanted) }
        switch settling.step {
        case .ledger: readLedger(number, settling.wanted)
        case .group: readGroup(number)
        case .claim: decideStarts(number)
        case .write: writeStarts(number)
        case .mark: mark(number)
        }
    }

    private mutating func obstacle(_ number: Int) {
        processes[number].settling = nil
        tell("  it cannot be told now")
        handle(number, .notFound(.passing(Member.PassingObstacle(error: "away", mend: .said("wait")))))
    }

    private mutating func readLedger(_ number: Int, _ wanted: Member.Wanted) {
        let strangers =
            mutant == .narrowingForgotten
            ? wanted.strangers.mapValues { .init(position: $0.position, from: $0.position, last: $0.last) }
            : wanted.strangers
        var decision = StartDecision(
            wanted.partitions, rows: ledgerRows, strangers: strangers, reached: wanted.reached)
        if scenario.offsetReset != .earliest, wanted.isBeginning || !decision.unseen.isEmpty {
            decision.note(ledgerRows.keys.map(\.topic), [.name(Self.topic)])
        }
        if decision.concernsWholeTopics { decision.include([Self.topic: logs[0].isGone ? 0 : logs.count]) }
        processes[number].settling?.decision = decision
        processes[number].settling?.step = .group
        processes[number].settling?.moved = []
        tell("  the ledger is at \(wanted.partitions.map { decision.ledger[$0].map { "\($0.next)" } ?? "–" })")
    }

    private mutating func readGroup(_ number: Int) {
        guard !areBrokersAway, var decision = processes[number].settling?.decision else { return obstacle(number) }
        for partition in decision.asked {
            let place = Int(partition.partition)
            if logs[place].isGone { continue }
            decision.watermarks[partition] = Watermarks(low: logs[place].low, high: logs[place].end)
            guard let told = group.offsets[place] else { continue }
            var metadata = told.metadata
            if mutant == .resetIgnored { metadata = Self.mark.metadata }
            if mutant == .otherLedgerTakenForOurs, metadata == Self.otherMark.metadata { metadata = Self.mark.metadata }
            decision.groups[partition] = CommittedOffset(partition: partition, offset: told.offset, metadata: metadata)
        }
        processes[number].settling?.decision = decision
        processes[number].settling?.step = .claim
        tell("  the group is at \(decision.wanted.map { decision.groups[$0].map { "\($0.offset)" } ?? "–" })")
    }

    private mutating func decideStarts(_ number: Int) {
        guard let decision = processes[number].settling?.decision else { return }
        let rules = StartDecision.Rules(
            mark: Self.mark, offsetReset: scenario.offsetReset, onLostOffsets: scenario.onLostOffsets,
            replayDoubles: { [scenario] _ in scenario.replayDoubles })
        guard var verdict = try? decision.decide(rules) else { return obstacle(number) }
        if let failure = verdict.failure {
            let places = decision.wanted.map { Int($0.partition) }
            if mutant != .stopNotVerified,
                places.contains(where: { processes[number].settling?.moved.contains($0) ?? false })
            {
                return obstacle(number)
            }
            checkStop(failure, places, decision)
            for (partition, position) in verdict.lost {
                let place = Int(partition.partition)
                guard database.positions[place]?.next == position.next else { continue }
                remember(place, position)
            }
            processes[number].settling = nil
            return handle(number, .notFound(.failure(failure)))
        }
        mutant?.alter(&verdict.starts, decision)
        processes[number].settling?.starts = verdict.starts
        processes[number].settling?.step = .write
        let claims = decision.claims(verdict.starts)
        guard !claims.isEmpty else { return }
        if commitNow(number, claims, isClaim: true) != nil { obstacle(number) }
    }

    private mutating func writeStarts(_ number: Int) {
        guard let settling = processes[number].settling, let decision = settling.decision else { return }
        var starts = settling.starts
        let isMoving = starts.contains { $0.value.step != .none && $0.value.step != .insert }
        if isMoving, isLocked(starts.keys) { return obstacle(number) }
        for partition in decision.wanted
        where group.offsets[Int(partition.partition)]?.metadata == Self.otherMark.metadata {
            breaks(.foreign, "\(partition) begins, though the group's offset is another database's")
        }
        guard mutant == .markBeforeLedger || write(starts, by: number) else { return obstacle(number) }
        let written = knownPositions
        if mutant == .adoptionOvertaken {
            for (partition, start) in starts where start.step == .insert {
                starts[partition]?.offset = written[partition] ?? start.offset
            }
        }
        guard let conclusion = try? decision.conclude(starts, written: written, Self.mark) else {
            return obstacle(number)
        }
        processes[number].settling?.conclusion = conclusion
        processes[number].settling?.step = .mark
        if mutant == .markBeforeLedger {
            _ = commitNow(number, conclusion.marks)
            guard broken == nil, write(starts, by: number) else { return obstacle(number) }
        }
    }

    /// That who stops has a reason.
    private mutating func checkStop(_ failure: LoadingError, _ places: [Int], _ decision: StartDecision) {
        let isSo = places.contains { place in
            let partition = Self.partition(place)
            // As it was when it was asked: since then the topic may have grown, or gone and taken the group's offsets along.
            let held = decision.watermarks[partition] ?? Watermarks(low: logs[place].low, high: logs[place].end)
            let position = database.positions[place]
            let told = decision.groups[partition]
            return switch failure.code {
            case .lostPosition: position == nil
            case .otherLedger: told?.metadata == Self.otherMark.metadata
            case .unsafeReplay: told?.metadata.isEmpty ?? false
            case .lostOffsets:
                position.map { $0.isLost || $0.next < held.low || $0.next > held.high } ?? false
                    || database.isOfFormerTopic[place]
                    || position?.detour.map { $0.resume > held.high } ?? false
                    || told.map { $0.offset < held.low || $0.offset > held.high } ?? false
            default: false
            }
        }
        if !isSo { breaks(.stops, failure.message) }
    }

    private mutating func mark(_ number: Int) {
        guard let settling = processes[number].settling, let decision = settling.decision,
            let conclusion = settling.conclusion
        else { return }
        if !conclusion.marks.isEmpty, mutant != .resetNotMarked, commitNow(number, conclusion.marks) != nil {
            return obstacle(number)
        }
        for partition in decision.wanted where settling.starts[partition]?.needsMark ?? false {
            if group.offsets[Int(partition.partition)]?.isOrdered ?? false {
                breaks(.resets, "\(partition) begins, and the group does not say that its reset was followed")
            }
        }
        processes[number].settling = nil
        let places = decision.wanted.map { partition in
            let marks = decision.watermarks[partition] ?? Watermarks(low: 0, high: 0)
            return Member.Places.Place(
                partition: partition, start: conclusion.offsets[partition] ?? marks.low, end: marks.high,
                last: conclusion.last[partition], proven: conclusion.proven[partition],
                detour: conclusion.detours[partition])
        }
        tell("  it begins at \(places.map { "\($0.partition)@\($0.start)" }.joined(separator: " "))")
        handle(number, .found(Member.Places(places: places, mark: Self.mark.metadata)))
    }

    private mutating func settleWithoutLedger(_ number: Int, _ wanted: Member.Wanted) {
        guard !areBrokersAway else { return obstacle(number) }
        let options = LoadingOptions(
            brokers: "", group: "g", routes: [], autoOffsetReset: scenario.offsetReset,
            onLostOffsets: scenario.onLostOffsets)
        var places: [Member.Places.Place] = []
        for partition in wanted.partitions {
            let log = logs[Int(partition.partition)]
            let marks = Watermarks(low: log.low, high: log.end)
            let told = group.offsets[Int(partition.partition)]?.offset
            do throws(LoadingError) {
                let start = try StartPosition.withoutLedger(partition, group: told, marks, options)
                places.append(Member.Places.Place(partition: partition, start: start, end: log.end))
            } catch {
                processes[number].settling = nil
                return handle(number, .notFound(.failure(error)))
            }
        }
        processes[number].settling = nil
        handle(number, .found(Member.Places(places: places)))
    }
}
