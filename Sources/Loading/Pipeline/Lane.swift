/// One writer with the batch that fills for it. The consumer's thread owns it.
final class Lane {
    let writer: Writer
    /// The batch that takes messages.
    private(set) var filling: Batch
    private var spare: Batch?
    /// A batch is with the writer.
    private(set) var isLoading = false
    /// When the filling batch has to be handed over, set by its first message.
    var deadline: ContinuousClock.Instant?
    /// The batch under way has had its rows built again after a change of the catalog.
    var hasRebuilt = false

    init(writer: Writer) {
        self.writer = writer
        filling = Batch()
        spare = Batch()
    }

    var isDrained: Bool { !isLoading && filling.isEmpty }

    /// Gives the filling batch to the writer and takes the other one to fill.
    func handOver(_ targets: [Target]) {
        guard let next = spare else { preconditionFailure("a third batch was asked for") }
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
    }

    /// Forgets what was taken but not handed over.
    func drop(keepingAtMost limit: Int) {
        filling.removeAll(keepingAtMost: limit)
        deadline = nil
    }
}
