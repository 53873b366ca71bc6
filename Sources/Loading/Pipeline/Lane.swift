/// One writer with the batch that fills for it. The consumer's thread owns it.
final class Lane {
    let writer: Writer
    /// The batch that takes messages.
    private(set) var filling: Batch
    private var spare: Batch?
    /// A batch is with the writer.
    private(set) var isLoading = false
    /// When the filling batch took its first message.
    private var began: ContinuousClock.Instant?
    /// When the filling batch has to be handed over, set by its first message.
    private(set) var deadline: ContinuousClock.Instant?
    /// The batch under way has had its rows built again after a change of the catalog.
    var hasRebuilt = false

    init(writer: Writer) {
        self.writer = writer
        filling = Batch()
        spare = Batch()
    }

    /// Bytes of the batches that fill or load. Of the one with the writer it is what was handed over.
    var byteCount: Int { filling.byteCount + loadingByteCount }
    private var loadingByteCount = 0

    var isDrained: Bool { !isLoading && filling.isEmpty }

    /// Starts the time that the filling batch has, with its first message.
    func begin(at now: ContinuousClock.Instant, maxDelay: Duration) {
        began = now
        deadline = now + maxDelay
    }

    /// Gives the filling batch to the writer and takes the other one to fill.
    func handOver(_ targets: [Target]) {
        guard let next = spare else { preconditionFailure("a third batch was asked for") }
        if let began { filling.waiting = .now - began }
        loadingByteCount = filling.byteCount
        writer.load(Writer.Job(batch: filling, targets: targets))
        isLoading = true
        hasRebuilt = false
        filling = next
        spare = nil
        deadline = nil
    }

    /// Gives the batch that came back to the writer once more.
    func handOverAgain(_ batch: Batch, _ targets: [Target]) {
        hasRebuilt = true
        writer.load(Writer.Job(batch: batch, targets: targets))
    }

    /// Takes a batch back from the writer, for the messages to come.
    func takeBack(_ batch: Batch, keepingAtMost limit: Int) {
        batch.removeAll(keepingAtMost: limit)
        spare = batch
        isLoading = false
        loadingByteCount = 0
    }

    /// Forgets what was taken but not handed over.
    func drop(keepingAtMost limit: Int) {
        filling.removeAll(keepingAtMost: limit)
        deadline = nil
    }
}
