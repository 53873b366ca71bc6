extension OperationCounts {
    /// Counts all rows and deletions of a target.
    mutating func add(_ selection: RowSelection) {
        let deletions = selection.deletions.count
        let marks = selection.target.mark == nil ? 0 : selection.rows.count { selection.isMark($0) }
        add(.row, target: selection.target.index, selection.rowCount - deletions - marks)
        add(.deletion, target: selection.target.index, deletions)
        add(.mark, target: selection.target.index, marks)
    }

    /// Takes off again those of a target's rows and deletions that have become letters.
    mutating func remove(_ selection: RowSelection, refused letters: [DeadLetter]) {
        let target = selection.target.index
        let refused = letters.lazy.filter { $0.target == target }.map { Int32($0.message) }
        guard !refused.isEmpty else { return }
        let deletions = Set(selection.deletions.map(\.message))
        let marks = Set(
            selection.target.mark == nil ? [] : selection.rows.lazy.filter { selection.isMark($0) }.map(\.message))
        guard selection.units == nil else {
            // With a letter all rows of its message are off.
            let refused = Set(refused)
            for row in selection.rows where refused.contains(row.message) && !selection.isSet(row) {
                add(selection.isTombstone(row) ? .deletion : .row, target: target, -1)
            }
            return
        }
        for message in refused {
            add(
                deletions.contains(message) ? .deletion : marks.contains(message) ? .mark : .row, target: target, -1)
        }
    }
}
