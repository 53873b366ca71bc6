import Kafka

/// Whether it is the group that this member waits for.
extension Member {
    /// Brokers that are away, and what the group refuses, have been said; and who ends waits for nothing.
    private var canWaitForGroup: Bool { brokersAwaySince == nil && !standstills.isRefused && !isStopping }

    /// When to look whether it is the group that is waited for; nil: not at all.
    var groupWaitDue: ContinuousClock.Instant? { canWaitForGroup ? groupWait?.due : nil }

    mutating func watchGroup(_ now: ContinuousClock.Instant) {
        guard canWaitForGroup, groupWait?.takeDue(at: now) ?? false else { return }
        act(.lookAtGroup)
    }

    mutating func groupKnows(_ isKnown: Bool, _ now: ContinuousClock.Instant) {
        guard let waited = groupWait?.settle(isKnown: isKnown, at: now) else { return }
        act(.tell(.groupWaits(waited)))
    }

    mutating func endGroupWait(_ now: ContinuousClock.Instant) {
        guard let waited = groupWait?.end(at: now) else { return }
        act(.tell(.groupGives(waited)))
    }
}
