extension RowBuilders {
    /// Makes sure that each message of a batch has become something, once for each route that takes it: a row, a deletion, a
    /// letter, or what is counted as nothing. A way through the builder that does nothing would be a silent loss.
    ///
    /// - Parameters:
    ///   - byPartition: what has built the rows of each partition's messages.
    ///   - counts: how many messages each partition has.
    package func account(for batch: Batch, _ byPartition: [[RowBuilder]], _ counts: [Int]) {
        // What no route takes any more, since the tables have changed, is nobody's row either.
        var due = [Int](repeating: 0, count: targets.count)
        for (builders, count) in zip(byPartition, counts) {
            for builder in builders { builder.addDue(count, to: &due) }
        }
        let all = due.reduce(0, +)
        guard batch.settled == all else {
            return batch.note(
                InvariantViolation(
                    .accountedFor, at: batch.whereabouts, expected: "\(all) settled", found: batch.settled))
        }
        let made = made(of: batch)
        for (target, due) in zip(targets, due) where due > 0 {
            let envelope = target.route.envelope
            // Elements that are none make no row, and several make several.
            if target.isOfElements || envelope?.isOfRows ?? false { continue }
            // What a condition does not let through may also delete a row, and the change of a key takes one from it to the other.
            let filtered = batch.operations[.filtered, target: target.index] + made.filtered[target.index]
            let most = envelope == nil ? due + filtered : .max
            guard !(due...most).contains(made.all[target.index]) else { continue }
            return batch.note(
                InvariantViolation(
                    .accountedFor, at: "\(batch.whereabouts) for \(target.name)", expected: "\(due) outcomes",
                    found: made.all[target.index]))
        }
    }

    /// What has become of the messages, by the routes' targets: those of tables that a route chooses are the route's. And how
    /// many of it are of conditions of such tables.
    private func made(of batch: Batch) -> (all: [Int], filtered: [Int]) {
        var all = [Int](repeating: 0, count: targets.count)
        var filtered = all
        for section in batch.sections where section.kind != .sets && targets.indices.contains(section.target) {
            all[targets[section.target].place] += section.rows.count
        }
        for letter in batch.deadLetters where targets.indices.contains(letter.target) {
            all[targets[letter.target].place] += 1
        }
        for truncation in batch.truncations { all[targets[truncation.target].place] += 1 }
        for target in targets {
            let counted = batch.operations[.filtered, target: target.index]
            all[target.place] += batch.operations[.skipped, target: target.index] + counted
            if target.place != target.index { filtered[target.place] += counted }
        }
        return (all, filtered)
    }
}
