/// How many messages go in one transaction, where a whole batch was too much for it.
///
/// Halved until it goes, doubled again while it goes. A size that fails again and again, because the limit stays, is tried
/// less and less often.
struct TransactionSize: Sendable, Equatable {
    static let longestPatience = 64
    /// Nil: the whole batch.
    private(set) var limit: Int?
    /// Transactions that must go in before a larger one is tried.
    private var patience = 1
    private var successes = 0
    private var hasGrown = false
    /// Since the size was first reduced, or a message was last judged, others have gone in.
    private(set) var othersWentIn = false

    init() {}

    /// - Returns: whether this is the first reduction, which is worth telling.
    mutating func tooMuch(_ messages: Int) -> Bool {
        let isFirst = limit == nil
        if isFirst { (patience, othersWentIn) = (1, false) }
        if hasGrown { patience = min(Self.longestPatience, patience * 2) }
        limit = max(1, messages / 2)
        (successes, hasGrown) = (0, false)
        return isFirst
    }

    /// - Parameters:
    ///   - messages: how many went in.
    ///   - whole: how many a batch may have.
    /// - Returns: whether whole batches go again.
    mutating func loaded(_ messages: Int, whole: Int) -> Bool {
        guard let limit else { return false }
        othersWentIn = true
        // What was left of a batch proves nothing about the size.
        guard messages >= limit else { return false }
        successes += 1
        guard successes >= patience else { return false }
        (successes, hasGrown) = (0, true)
        self.limit = limit * 2
        guard limit * 2 >= whole else { return false }
        self.limit = nil
        return true
    }

    /// A message's rows have become dead letters for what may have been a bad moment: the next one is judged by its own
    /// comparison.
    mutating func judged() { othersWentIn = false }
}
