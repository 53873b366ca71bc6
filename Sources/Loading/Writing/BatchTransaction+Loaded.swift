extension BatchTransaction {
    /// What went in.
    struct Loaded: Sendable {
        var rows = 0
        /// By target: its rows and deletions, without those that the server has refused.
        var operations = OperationCounts()
        var deadLetters: [DeadLetter] = []
        /// Values that the server refused, and that became NULL.
        var nulledRefusals = 0
        /// From BEGIN until COMMIT was sent, and COMMIT; nil where only the ledger knows of it.
        var copying: Duration?
        var committing: Duration?
        /// When COMMIT was answered; nil like the others.
        var committed: ContinuousClock.Instant?

        /// A message counts once, however many tables it was meant for; one that only waits does not count.
        var badMessages: Int { Set(deadLetters.lazy.filter { !$0.isWaiting }.map(\.message)).count }

        /// Letters that are tried again by themselves.
        var waiting: Int { deadLetters.count(where: \.isWaiting) }

        /// The same by topic.
        func waiting(of batch: Batch) -> [String: Int] {
            var counts: [Int32: Int] = [:]
            for letter in deadLetters where letter.isWaiting {
                counts[batch.messages[letter.message].partition, default: 0] += 1
            }
            return Dictionary(
                counts.map { (batch.partitions[Int($0.key)].partition.topic, $0.value) }, uniquingKeysWith: +)
        }

        /// Takes another part of the same batch in.
        mutating func add(_ other: Loaded) {
            func sum(_ left: Duration?, _ right: Duration?) -> Duration? { left.map { $0 + (right ?? .zero) } ?? right }
            rows += other.rows
            operations.add(other.operations)
            deadLetters += other.deadLetters
            nulledRefusals += other.nulledRefusals
            copying = sum(copying, other.copying)
            committing = sum(committing, other.committing)
            committed = other.committed ?? committed
        }
    }
}

extension BatchTransaction.Loaded {
    /// What the ledger says is in, without a word of the server about its rows: those that the part has.
    init(byLedger part: Batch.Part, of batch: Batch) {
        for section in batch.sections where section.kind != .sets {
            let count = section.rows.count { part.messages.contains(Int($0.message)) }
            let marks = section.rows.count { $0.isMark && part.messages.contains(Int($0.message)) }
            operations.add(section.kind == .rows ? .row : .deletion, target: section.target, count - marks)
            operations.add(.mark, target: section.target, marks)
            rows += count
        }
        deadLetters = batch.deadLetters.filter { part.messages.contains($0.message) }
    }
}
