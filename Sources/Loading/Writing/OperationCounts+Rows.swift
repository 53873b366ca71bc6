extension OperationCounts {
    /// Counts all rows and deletions of a target.
    mutating func add(_ selection: RowSelection) {
        let deletions = selection.deletions.count
        add(.row, target: selection.target.index, selection.rows.count - deletions)
        add(.deletion, target: selection.target.index, deletions)
    }

    /// Takes off again those of a target's rows and deletions that have become letters.
    mutating func remove(_ selection: RowSelection, refused letters: [DeadLetter]) {
        let target = selection.target.index
        let refused = letters.lazy.filter { $0.target == target }.map { Int32($0.message) }
        guard !refused.isEmpty else { return }
        let deletions = Set(selection.deletions.map(\.message))
        for message in refused { add(deletions.contains(message) ? .deletion : .row, target: target, -1) }
    }
}
