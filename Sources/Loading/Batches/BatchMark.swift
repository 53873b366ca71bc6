import Postgres

/// What a batch has for a target, to go back to.
struct BatchMark {
    let target: Int
    let rows: Batch.Section.End
    let sets: Batch.Section.End?
    private let deletions: Batch.Section.End?
    private let letters: Int
    private let nulled: Int
    private let filtered: Int

    /// - Parameter isOfChanges: deletions may come, too.
    init(_ target: Target, _ batch: Batch, isOfChanges: Bool = false) {
        self.target = target.index
        rows = Batch.Section.End(batch.section(target.index, .rows, omissible: target.omissionCount))
        sets = target.parent.map { _ in Batch.Section.End(batch.section(target.index, .sets)) }
        deletions = isOfChanges ? Batch.Section.End(batch.section(target.index, .tombstones)) : nil
        (letters, nulled) = (batch.deadLetters.count, batch.nulledValues.count)
        filtered = batch.operations[.filtered, target: target.index]
    }

    /// Whether something has become a dead letter since.
    func hasLetter(_ batch: Batch) -> Bool { batch.deadLetters.count > letters }

    /// Forgets what came since.
    func takeBack(in batch: Batch) {
        rows.takeBack()
        sets?.takeBack()
        deletions?.takeBack()
        batch.deadLetters.removeSubrange(letters...)
        batch.nulledValues.removeSubrange(nulled...)
        batch.takeBack(.filtered, target: target, to: filtered)
    }

    /// The same, but for the last letter.
    ///
    /// - Returns: nil where there is none.
    func takeBackForLetter(in batch: Batch) -> DeadLetter? {
        guard hasLetter(batch) else { return nil }
        let letter = batch.deadLetters.last
        takeBack(in: batch)
        return letter
    }
}
