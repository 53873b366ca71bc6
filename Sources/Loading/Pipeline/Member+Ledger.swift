import Kafka

/// Whether the ledger still stands where this member believes it to, where no batch asks it.
extension Member {
    private var canWatchLedger: Bool { pending.isEmpty }
    var ledgerWatchDue: ContinuousClock.Instant? { canWatchLedger ? ledgerWatch?.due : nil }

    mutating func watchLedger(_ now: ContinuousClock.Instant) {
        guard canWatchLedger, let positions = ledgerWatch?.question(partitions, at: now) else { return }
        act(.lookAtLedger(positions))
    }

    mutating func ledgerStands(_ found: [TopicPartition: Int64]?, _ now: ContinuousClock.Instant) {
        guard let moved = ledgerWatch?.settle(found, partitions), flush == nil, failure == nil, !isStopping else {
            return
        }
        // What has a batch meets the fence, and its position may have been read before that was in.
        let idle = moved.filter { partition in
            !pending.contains(partition) && !lanes.contains { $0.loads(partition) || $0.fills(partition) }
        }
        guard !idle.isEmpty else { return }
        act(.tell(.ledgerElsewhere(idle)))
        reposition(idle, now)
    }
}
