/// How carefully rows go in once the server has refused one: in chunks behind savepoints, small while there are
/// refusals, larger again while there are none.
///
/// Kept from batch to batch: where one row was bad the next is not far, and a batch that begins with care does not have
/// to be copied twice.
struct Care: Sendable, Equatable {
    static let smallest = 256
    static let largest = 4096
    /// Batches without a refusal after which care ends.
    static let patience = 50

    private(set) var chunk = largest
    private(set) var cleanBatches = 0
    /// From this share of refused rows on, one in so many, the next ones go in one by one without being tried together.
    static let dense = 64
    /// The targets that had so many.
    private var denseTargets: Set<Int> = []

    mutating func refused() {
        cleanBatches = 0
        chunk = max(Self.smallest, chunk / 2)
    }

    /// Whether a target's next rows go in one by one.
    func isDense(_ target: Int) -> Bool { denseTargets.contains(target) }

    /// Rows of a target went in one by one.
    mutating func triedEach(_ target: Int, rows: Int, refused: Int) {
        if refused * Self.dense >= rows { denseTargets.insert(target) } else { denseTargets.remove(target) }
        if refused > 0 { self.refused() } else { chunkLoaded() }
    }

    mutating func chunkLoaded() { chunk = min(Self.largest, chunk * 2) }

    /// - Returns: whether the next batch still needs care.
    mutating func batchEnded(refusals: Int) -> Bool {
        cleanBatches = refusals == 0 ? cleanBatches + 1 : 0
        return cleanBatches < Self.patience
    }
}
