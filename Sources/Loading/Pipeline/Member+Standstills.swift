import Kafka

/// What is not loaded for a reason of its own, and when it is tried again.
extension Member {
    /// An error, or the end of the client, in place of a message.
    mutating func meet(_ error: ClientError, _ now: ContinuousClock.Instant) {
        var index: Int?
        if case .partition(let partition) = error.place {
            index = partitions.place(of: partition)
            // Of a partition that is another member's by now.
            if index == nil { return }
        }
        switch ConsumerErrorFate(error.code, of: error.place.scope) {
        // Told by its offset, as an event of its own.
        case .end: break
        case .position:
            // Decided by the ledger and the watermarks, not by librdkafka.
            guard let index else { return }
            let partition = partitions[index].partition
            act(.tell(.questioned(error.code, partition, partitions[index].next)))
            topicWatch?.suspect(partition.topic)
            reposition([partition], now)
        case .fatal:
            fail(
                .fatal(
                    error.fatal
                        ?? KafkaError(code: error.code, operation: "membership in the group", reason: error.reason)))
        case .standstill(let why): standStill(why, error, index, now)
        case .told: act(.tell(.slow(error.code, error.reason)))
        case .passing: act(.tell(.passing(error.code, error.reason)))
        }
    }

    private mutating func standStill(
        _ why: Standstill.Reason, _ error: ClientError, _ index: Int?, _ now: ContinuousClock.Instant
    ) {
        switch error.place {
        case .partition(let partition):
            guard let index else { return }
            partitions[index].hold =
                switch why {
                case .unreadable: .held
                case .missing: .missing
                default: .doubted
                }
            let standstill = Standstill(why, code: error.code.name, at: "\(partition)@\(partitions[index].next)")
            // One that is gone is not fetched again: asking for it would hold up the others.
            if standstills.hold(partition, standstill, isFetchedAgain: why != .missing, at: now) {
                tell(standstill, error.code, error.reason, partition)
            }
        case .topic(let topic):
            let standstill = Standstill(why, code: error.code.name, at: topic)
            if standstills.miss(topic, standstill, at: now) { tell(standstill, error.code, error.reason) }
            act(.lookFor(standstills.missingTopics))
        case .group:
            let standstill = Standstill(why, code: error.code.name, at: rules.group)
            // A start does not wait for that to change.
            if !hasJoined, !rules.waitsAtStart {
                return fail(.refusedByGroup(rules.group, error.code, error.reason))
            }
            if standstills.refuse(standstill, at: now) { tell(standstill, error.code, error.reason) }
        }
    }

    mutating func tell(
        _ standstill: Standstill, _ code: KafkaErrorCode, _ reason: String, _ partition: TopicPartition? = nil
    ) {
        act(.tell(.standstill(standstill, code, reason, partition)))
        act(.publish)
    }

    /// Something has come of a partition in doubt.
    ///
    /// - Returns: false if it must not be taken.
    mutating func goOn(_ index: Int, _ now: () -> ContinuousClock.Instant) -> Bool {
        let partition = partitions[index].partition
        if partitions[index].hold == .missing {
            // Nothing is taken until what comes has been compared with what was loaded.
            partitions[index].hold = .held
            topicWatch?.suspect(partition.topic)
            reposition([partition], now())
            return false
        }
        guard partitions[index].hold == .doubted else { return false }
        partitions[index].hold = .none
        standstills.release(partition)
        act(.tell(.loadedAgain(partition)))
        act(.publish)
        return true
    }

    /// Fetches the partitions that stand still again.
    mutating func fetchAgain(_ now: ContinuousClock.Instant) {
        guard !standstills.isEmpty, pending.isEmpty else { return }
        let again = standstills.takeDue(at: now).filter { partitions.place(of: $0) != nil }
        // From the next message to take on, which is in no batch: neither ledger nor group has anything to say.
        if !again.isEmpty { fetch(restarting: Set(again), for: .again(again)) }
    }

    mutating func found(_ topics: Set<String>) {
        let found = standstills.release(topics: topics)
        guard !found.isEmpty else { return }
        act(.tell(.topicsFound(found)))
        act(.publish)
    }

    /// Takes no more of topics whose rows wait in great numbers, until some of them are decided: what they wait for comes
    /// all the sooner.
    mutating func hold(_ full: Set<String>, _ now: ContinuousClock.Instant) {
        guard pending.isEmpty, failure == nil, !isStopping, full != heldTopics else { return }
        let before = heldTopics
        heldTopics = full
        for index in partitions.indices {
            let isFull = full.contains(partitions[index].partition.topic)
            if isFull, partitions[index].hold == .none { partitions[index].hold = .full }
            if !isFull, partitions[index].hold == .full { partitions[index].hold = .none }
        }
        let released = before.subtracting(full)
        let again = partitions.map(\.partition).filter { released.contains($0.topic) }
        fetch(restarting: Set(again), for: .hold)
        for topic in full.subtracting(before).sorted() { act(.tell(.topicFull(topic))) }
        for topic in released.sorted() { act(.tell(.topicTaken(topic))) }
    }
}

extension Member.ClientError.Place {
    fileprivate var scope: ConsumerErrorFate.Scope {
        switch self {
        case .partition: .partition
        case .topic: .topic
        case .group: .group
        }
    }
}
