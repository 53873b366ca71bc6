import Postgres

extension RowSelection {
    /// What is left of each key's rows where only a newer one changes what is there: written as it is said here, it comes to the same
    /// as each row by itself, whatever the table has.
    ///
    /// - Parameter runs: each key's rows in the order of arrival.
    func versionedStates<Failure: Error>(
        _ runs: [[RowReference]], ranks: (([RowReference]) throws(Failure) -> [Int])?
    ) throws(Failure) -> FinalStates {
        var states = FinalStates(sections: batch.sections)
        states.rows.reserveCapacity(runs.count)
        let several = runs.filter { $0.count > 1 }
        var all: [Int] = []
        if !several.isEmpty {
            let rows = Array(several.joined())
            if target.comparesVersions {
                var ranking = VersionRanks(target)
                for run in several { all += ranking.ranks(run, batch.sections) }
            } else if let ranks {
                all = try ranks(rows)
                for (place, row) in rows.enumerated() where isUnconditional(row) { all[place] = .max }
            } else {
                all = rows.map { _ in 0 }
            }
        }
        var folding = self.folding
        var next = 0
        for run in runs {
            guard run.count > 1 else {
                if let row = run.first, isTombstone(row) {
                    states.deletions.append(row)
                } else {
                    states.rows += run
                }
                continue
            }
            let events = zip(run, all[next..<next + run.count]).map { row, rank in
                VersionedChanges.Event(row: row, rank: rank, isDeletion: isTombstone(row))
            }
            next += run.count
            let changes = VersionedChanges(events)
            for row in changes.stale { states.counted.stale += ChangeCounts(row, batch.sections) }
            if let deletion = changes.deletion {
                states.deletions.append(deletion)
                if !changes.deleted.isEmpty {
                    states.counted.set(counts(of: [deletion] + changes.deleted), of: deletion)
                }
            }
            add(folded(changes.steps, &folding, &states.counted), to: &states)
        }
        if let folded = folding.section { states.sections.append(folded) }
        return states
    }

    private func add(_ rows: [RowReference], to states: inout FinalStates) {
        guard let first = rows.first else { return }
        states.rows.append(first)
        for (round, row) in rows.dropFirst().enumerated() {
            if states.later.count <= round { states.later.append([]) }
            states.later[round].append(row)
        }
    }

    private func counts(of rows: [RowReference]) -> ChangeCounts {
        rows.reduce(into: ChangeCounts()) { $0 += ChangeCounts($1, batch.sections) }
    }

    private func isUnconditional(_ row: RowReference) -> Bool {
        isTombstone(row) && batch.sections[Int(row.section)].versions(of: Int(row.row), target) == nil
    }

    /// Makes the steps of a key as few as they can be. Whether the table takes a step depends on what it has, and once it takes one it
    /// takes those behind it; so a step may go into a later one as far as that, or one still later, says the same columns anew.
    private func folded(
        _ steps: [[RowReference]], _ folding: inout RowFolding, _ counted: inout ChangesCounted
    ) -> [RowReference] {
        guard let last = steps.last else { return [] }
        func omission(_ row: RowReference) -> Int32 { batch.sections[Int(row.section)].rows[Int(row.row)].omission }
        guard steps.count > 1, let omissions, steps.contains(where: { $0.contains { omission($0) != 0 } }) else {
            // Of several spellings of a key the first one stays.
            let rows = steps.count == 1 ? last : [steps[0][0]] + last
            let row = folding.fold(rows)
            if steps.count > 1 || last.count > 1 { counted.set(counts(of: Array(steps.joined())), of: row) }
            return [row]
        }
        let left = steps.map { step in
            step.dropFirst().reduce(Array(omissions[omission(step[0])])) { left, row in
                zip(left, omissions[omission(row)]).map { $0 & $1 }
            }
        }
        var needs = [UInt64](repeating: 0, count: omissions.wordCount)
        if let bit = target.needsRowBit { needs[bit >> 6] = 1 << UInt64(bit & 63) }
        // What no later step says: by step, from the last one on.
        var openBehind = left
        var isOpen = [UInt64](repeating: .max, count: omissions.wordCount)
        var says = [Bool](repeating: false, count: steps.count)
        for place in steps.indices.reversed() {
            let said = zip(zip(left[place], needs), isOpen).map { ~$0.0 & ~$0.1 & $1 }
            says[place] =
                place == steps.count - 1
                || zip(said, target.omissionMask(omissions.wordCount)).contains { $0 & $1 != 0 }
            openBehind[place] = isOpen
            isOpen = zip(isOpen, said).map { $0 & ~$1 }
        }
        var rows: [RowReference] = []
        var before: [RowReference] = []
        // Those of them that no row stands for yet.
        var open: [RowReference] = []
        for place in steps.indices {
            before += steps[place]
            open += steps[place]
            guard says[place] else { continue }
            // What no later step says stays with the earlier one that says it; and once there is a row, one that needs it has it.
            var leaving = zip(openBehind[place], left[place]).map { $0 & $1 }
            for (word, bit) in needs.enumerated() {
                leaving[word] &= ~bit
                if !rows.isEmpty { leaving[word] |= left[place][word] & bit }
            }
            let row = folding.fold(before, leaving: leaving)
            rows.append(row)
            if open.count > 1 || row.section != open[0].section { counted.set(counts(of: open), of: row) }
            open = []
        }
        return rows
    }
}

extension Target {
    /// The bits of the columns that may be left out.
    fileprivate func omissionMask(_ words: Int) -> [UInt64] {
        var mask = [UInt64](repeating: 0, count: words)
        for case let bit? in columns.map(\.omissionBit) { mask[bit >> 6] |= 1 << UInt64(bit & 63) }
        return mask
    }
}
