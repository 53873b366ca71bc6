import Kafka

/// What the group gives and takes, and what it is told.
extension Member {
    mutating func take(over given: [TopicPartition], _ isCooperative: Bool, _ now: ContinuousClock.Instant) {
        act(.tell(.given(given.count)))
        // Whoever gives them is there. A client that took over from one that was shut out never knew that all were away.
        brokers(nil, now)
        hasBeenAssigned = true
        hasJoined = true
        if standstills.joined() { act(.tell(.takenIn)) }
        endGroupWait(now)
        _ = standstills.release(topics: given.map(\.topic))
        act(.lookFor(standstills.missingTopics))
        if !isCooperative { partitions.removeAll() }
        reposition(given, now)
        act(.publish)
    }

    mutating func give(_ gone: [TopicPartition], lost: Bool, _ now: ContinuousClock.Instant) {
        if lost {
            act(.tell(.lost(gone.count)))
            beginFlush(.giving(gone, lost: true), now, isGivingUp: true)
        } else if isStopping {
            // What could be loaded is.
            act(.tell(.givenBack))
            remove(gone, now)
        } else {
            act(.tell(.asked(gone.count)))
            beginFlush(.giving(gone, lost: false), now)
        }
    }

    mutating func remove(_ gone: [TopicPartition], _ now: ContinuousClock.Instant) {
        let gone = Set(gone)
        pending.subtract(gone)
        partitions.remove(gone)
        standstills.forget(gone)
        topicWatch?.forget(gone)
        act(.lookForOrphans(partitions.map(\.partition)))
        act(.publish)
        // To have nothing in between two assignments is not to be done: a bounded run waits for what it is given next.
        if partitions.isEmpty, pending.isEmpty {
            hasBeenAssigned = false
            groupWait?.begin(at: now)
        }
    }

    // MARK: Commits

    /// Tells the group what is in PostgreSQL. Only ever after its COMMIT.
    mutating func commit(_ offsets: [CommittedOffset]) {
        if !offsets.isEmpty { act(.commit(offsets)) }
    }

    /// Tells the group where all partitions stand, and waits for its answer.
    mutating func commitAll() {
        let offsets = groupOffsets.report(partitions.map(\.partition), of: &partitions, all: true)
        guard !offsets.isEmpty else { return }
        act(.commitAndWait(offsets, brokersAwaySince == nil ? .seconds(5) : .seconds(1)))
    }

    mutating func committed(_ offsets: [CommittedOffset], _ error: KafkaError?, _ now: ContinuousClock.Instant) {
        guard let error else {
            if standstills.committed() { act(.tell(.commitsTaken)) }
            return groupOffsets.taken()
        }
        // The rows are in and the ledger knows it. Whoever has the partition next tells the group, or this member if it
        // stays.
        groupOffsets.refused(offsets, of: &partitions, at: now)
        if error.isFatal || ConsumerErrorFate(error.code, of: .group) == .fatal {
            return fail(.fatal(error))
        }
        guard !error.isRetriable, !error.code.isOfRebalance else {
            return act(.tell(.commitRefused(error.code, "\(error)")))
        }
        let standstill = Standstill(.group, code: error.code.name, at: rules.group)
        if standstills.refuseCommits(standstill, at: now) { tell(standstill, error.code, error.reason) }
    }

    // MARK: Brokers

    mutating func brokers(_ error: KafkaError?, _ now: ContinuousClock.Instant) {
        if let error {
            // Why they are away may come to be known later than that they are.
            brokersAwaySince = brokersAwaySince ?? now
            act(.tell(.brokersAway(error)))
        } else if let since = brokersAwaySince {
            brokersAwaySince = nil
            groupWait?.restart(at: now)
            act(.tell(.brokersBack(now - since)))
        }
    }

    // MARK: Stalls

    /// Suspects a client that no longer fetches a partition although it has messages.
    mutating func watchForStalls(_ now: ContinuousClock.Instant) {
        guard !isProving else { return }
        let canTake = lanes.indices.map { !isHeld($0) && lanes[$0].hasRoom }
        let suspects = stalls.suspects(in: partitions, at: now) { canTake[$0] }
        guard !suspects.isEmpty, brokersAwaySince == nil, pending.isEmpty else { return }
        isProving = true
        act(.tell(.stillSuspects(suspects.count)))
        act(.prove(suspects))
    }

    mutating func proven(
        _ asked: [StallWatch.Suspect], _ answer: [StallWatch.Suspect], _ now: ContinuousClock.Instant
    ) {
        isProving = false
        stalls.clear(Set(asked).subtracting(answer), at: now)
        let stalled = answer.filter { suspect in
            partitions.place(of: suspect.partition).map { partitions[$0].next } == suspect.next
        }
        guard let first = stalled.first, flush == nil, failure == nil, !isStopping else { return }
        act(.tell(.stalled(stalled.count, first)))
        beginFlush(.replacing(.stalled(first)), now)
    }

    // MARK: Another client

    /// What the client was made with has changed, or what it knows: another takes over as soon as nothing else is under way.
    mutating func renew(_ now: ContinuousClock.Instant) {
        guard let why = renewalDue, flush == nil, failure == nil, !isStopping, !isProving else { return }
        renewalDue = nil
        beginFlush(.replacing(why), now)
    }

    /// - Parameter hasBegun: whether another client is there; if not, the one that was goes on.
    mutating func replaced(_ error: LoadingError?, hasBegun: Bool, _ now: ContinuousClock.Instant) {
        guard hasBegun else { return }
        partitions.removeAll()
        pending.removeAll()
        hasBeenAssigned = false
        groupWait?.begin(at: now)
        if let error { fail(error) }
    }
}
