/// Since when the group has given this member nothing, and whether that has been said.
///
/// At each rebalance a group waits until all its members have come: for one that has died until its session is over, for one
/// that still finishes a batch until it may take no longer. So long a loader has nothing to do, and no error says why.
struct GroupWait {
    /// How long a group may take without a word about it: longer than a rebalance among members that all live.
    static let patience = Duration.seconds(10)

    private let patience: Duration
    /// Since when it waits; nil: the group has given.
    private var since: ContinuousClock.Instant?
    /// When to look next whether it is the group that is waited for; nil: not at all, or it has been said.
    private(set) var due: ContinuousClock.Instant?
    private var isTold = false

    init(patience: Duration = Self.patience, at now: ContinuousClock.Instant) {
        self.patience = patience
        begin(at: now)
    }

    /// Nothing is left of what the group has given.
    mutating func begin(at now: ContinuousClock.Instant) {
        guard since == nil else { return }
        (since, due, isTold) = (now, now + patience, false)
    }

    /// What else was waited for is over: the group's time begins now.
    mutating func restart(at now: ContinuousClock.Instant) {
        guard since != nil, !isTold else { return }
        (since, due) = (now, now + patience)
    }

    /// Whether it is time to look whether it is the group that is waited for.
    mutating func takeDue(at now: ContinuousClock.Instant) -> Bool {
        guard let due, due <= now else { return false }
        self.due = nil
        return true
    }

    /// - Parameter isKnown: whether the group knows this member. One that it does not know waits for something else, such as
    ///   topics of the names that it wants.
    /// - Returns: how long it has waited, if that is to be said.
    mutating func settle(isKnown: Bool, at now: ContinuousClock.Instant) -> Duration? {
        guard let since, !isTold else { return nil }
        guard isKnown else {
            restart(at: now)
            return nil
        }
        isTold = true
        return now - since
    }

    /// The group has given, were it nothing.
    ///
    /// - Returns: how long it was waited for, if that was said.
    mutating func end(at now: ContinuousClock.Instant) -> Duration? {
        defer { (since, due, isTold) = (nil, nil, false) }
        return isTold ? since.map { now - $0 } : nil
    }
}
