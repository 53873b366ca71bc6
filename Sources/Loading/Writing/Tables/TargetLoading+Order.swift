extension TargetLoading.Order {
    /// Makes sure that what is left of rows is all of them: each in a group, each by itself where there is no key, and something
    /// of each key where there is one.
    ///
    /// - Parameter built: how many rows and deletions it was made of.
    func check(_ built: Int, _ selection: RowSelection) {
        let target = selection.target
        let grouped = groups.reduce(0) { $0 + $1.rows.count }
        var problem: (expected: String, found: Int)?
        if grouped != rowCount {
            problem = ("\(rowCount) rows in groups", grouped)
        } else if target.keyCount == 0, target.parent == nil, rowCount + deletions.count != built {
            problem = ("\(built) rows", rowCount + deletions.count)
        } else if target.parent == nil, target.versionCount == 0 {
            let states = rowCount + deletions.count
            // A key that is deleted and comes again has both.
            if states > built || (built > 0 && states == 0) { problem = ("states of \(built) rows", states) }
        }
        guard let problem else { return }
        let first = selection.rows.first.map { selection.batch.whereabouts(of: Int($0.message)) }
        selection.batch.note(
            InvariantViolation(
                .rowCount, at: "\(first ?? selection.batch.whereabouts) for \(target.name)", expected: problem.expected,
                found: problem.found))
    }
}
