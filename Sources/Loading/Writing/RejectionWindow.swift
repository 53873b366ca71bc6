/// The share of bad messages among the last ones, which tells a broken route from bad data.
struct RejectionWindow: Sendable {
    /// Messages that the share is taken over. Before that many were seen there is no share: a small topic may be all bad.
    static let length = 10_000

    private var batches: [(messages: Int, bad: Int)] = []
    private var messages = 0
    private var bad = 0

    /// The share if a batch with these counts came on top; nil before enough messages were seen.
    func share(adding batchMessages: Int, bad batchBad: Int) -> Double? {
        var copy = self
        copy.add(batchMessages, bad: batchBad)
        return copy.messages >= Self.length ? Double(copy.bad) / Double(copy.messages) : nil
    }

    mutating func add(_ batchMessages: Int, bad batchBad: Int) {
        batches.append((batchMessages, batchBad))
        messages += batchMessages
        bad += batchBad
        while let oldest = batches.first, messages - oldest.messages >= Self.length {
            messages -= oldest.messages
            bad -= oldest.bad
            batches.removeFirst()
        }
    }
}
