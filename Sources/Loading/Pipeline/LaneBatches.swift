import Foundation

/// A writer with the batches that go to it and come back. The consumer's thread owns it; what is decided about them is
/// `Member.Lane`'s.
final class LaneBatches {
    let writer: Writer
    /// The batch that takes messages; nil while both are with the writer.
    private(set) var filling: Batch?
    private var spare: Batch?
    /// When the filling batch took its first message.
    private var began: ContinuousClock.Instant = .now

    init(writer: Writer) {
        self.writer = writer
        (filling, spare) = (Batch(), Batch())
    }

    /// The filling batch takes its first message.
    func begin() {
        filling?.began = Int64(Date().timeIntervalSince1970 * 1_000_000)
        began = .now
    }

    /// Gives the filling batch to the writer and takes the other one to fill, if it is there.
    ///
    /// - Returns: whether there was one to give: memory is for two.
    func handOver(_ ranges: [Batch.PartitionRange]) -> Bool {
        guard let batch = filling else { return false }
        var ranges = ranges
        if Failpoint.miscount.fails, !ranges.isEmpty { ranges[0].taken += 1 }
        batch.seal(ranges)
        batch.waiting = .now - began
        (filling, spare) = (spare, nil)
        writer.submit(batch)
        return true
    }

    /// Takes a batch back from the writer, for the messages to come.
    func takeBack(_ batch: Batch, keepingAtMost limit: Int) {
        batch.removeAll(keepingAtMost: limit)
        if filling == nil { filling = batch } else { spare = batch }
    }

    /// Forgets what was taken but not handed over.
    func clear(keepingAtMost limit: Int) { filling?.removeAll(keepingAtMost: limit) }
}
