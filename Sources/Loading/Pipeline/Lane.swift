/// One writer with the batch that fills for it. The consumer's thread owns it.
final class Lane {
    let writer: Writer
    /// The batch that takes messages.
    private(set) var filling: Batch
    private var spare: Batch?
    /// A batch is with the writer.
    private(set) var isLoading = false
    /// The filling batch is full, and the writer may begin with it as soon as the one before is in: nothing is added to it.
    var isOffered: Bool { offeredByteCount != nil }
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
    var byteCount: Int { (offeredByteCount ?? filling.byteCount) + loadingByteCount }
    private var loadingByteCount = 0
    private var offeredByteCount: Int?

    var isDrained: Bool { !isLoading && filling.isEmpty }

    /// Starts the time that the filling batch has, with its first message.
    func begin(at now: ContinuousClock.Instant, maxDelay: Duration) {
        began = now
        deadline = now + maxDelay
    }

    /// Gives the filling batch to the writer and takes the other one to fill.
    func handOver(_ targets: [Target]) {
        if let began { filling.waiting = .now - began }
        filling.noteLastMessages()
        let batch = filling
        beginNext(batch.byteCount)
        writer.load(Writer.Job(batch: batch, targets: targets))
    }

    private func beginNext(_ byteCount: Int) {
        guard let next = spare else { preconditionFailure("a third batch was asked for") }
        loadingByteCount = byteCount
        isLoading = true
        hasRebuilt = false
        filling = next
        spare = nil
        deadline = nil
    }

    /// Lets the busy writer go on with the filling batch without coming back for it.
    func offer(_ targets: [Target]) {
        if let began { filling.waiting = .now - began }
        filling.noteLastMessages()
        offeredByteCount = filling.byteCount
        writer.offer(Writer.Job(batch: filling, targets: targets))
    }

    /// Takes the offer back.
    ///
    /// - Returns: false if it is no longer open: the outcome of the batch before is there to be taken.
    func withdraw() -> Bool {
        guard isOffered else { return true }
        guard writer.withdraw() else { return false }
        endOffer()
        return true
    }

    /// The batch under way was not loaded, so the writer has not begun with what it was offered.
    func endOffer() { offeredByteCount = nil }

    /// Gives the batch that came back to the writer once more.
    func handOverAgain(_ batch: Batch, _ targets: [Target]) {
        hasRebuilt = true
        writer.load(Writer.Job(batch: batch, targets: targets))
    }

    /// Takes a batch back from the writer, for the messages to come. A batch that is still offered is under way now.
    func takeBack(_ batch: Batch, keepingAtMost limit: Int) {
        batch.removeAll(keepingAtMost: limit)
        spare = batch
        isLoading = false
        loadingByteCount = 0
        if let byteCount = offeredByteCount { beginNext(byteCount) }
        endOffer()
    }

    /// Forgets what was taken but not handed over.
    func drop(keepingAtMost limit: Int) {
        filling.removeAll(keepingAtMost: limit)
        deadline = nil
    }
}
