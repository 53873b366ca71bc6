import Postgres

/// Rows that are elements of one message go in together, or none of them does.
extension CarefulLoading {
    /// Where a message's elements may be left out, loads it without those that the server refuses.
    ///
    /// - Returns: false where that is not so, or does not help; nothing of the message is in then.
    mutating func loadWithoutBadElements(_ place: Int, of selection: RowSelection) throws(TransactionFailure) -> Bool {
        guard selection.target.route.onBadElement == .skip, let unit = selection.units?[place] else { return false }
        let rows = unit.filter { !selection.isSet(selection.rows[$0]) }
        try TransactionFailure.ofNoRow { () throws(PostgresError) in try loading.prepare(selection) }
        try execute("SAVEPOINT loader_elements")
        var search = RefusalSearch(count: rows.count)
        var refused: Set<Int> = []
        // First what goes in; then all of it once more, as what the message has of its parent.
        while !search.isDone {
            let part = search.part(upTo: rows.count)
            guard let refusal = try tryPart(selection, part.map { rows[$0] }) else {
                search.loaded(part)
                continue
            }
            let named = refusal.row.flatMap { named in
                part.first {
                    selection.rows[rows[$0]].row == named.row && selection.rows[rows[$0]].section == named.section
                }
            }
            if let guilty = search.refused(part, naming: named) { refused.insert(rows[guilty]) }
        }
        let left = unit.filter { !refused.contains($0) }
        // Without a parent each row is what it is by itself.
        let last = selection.target.parent == nil ? nil : try tryPart(selection, left)
        guard last == nil else {
            try execute("ROLLBACK TO SAVEPOINT loader_elements; RELEASE SAVEPOINT loader_elements")
            return false
        }
        try execute("RELEASE SAVEPOINT loader_elements")
        loaded.rows += rows.count - refused.count
        loaded.operations.add(.row, target: selection.target.index, -refused.count)
        loaded.operations.add(.skippedElement, target: selection.target.index, refused.count)
        return true
    }

    /// Tries messages again whose elements referred to nothing, each with the later ones behind it that say something of the same
    /// rows, so that the last one still wins.
    ///
    /// - Returns: whether one went in.
    mutating func retryOrphans(_ progress: inout Progress, _ units: [Range<Int>]) throws(TransactionFailure) -> Bool {
        let selection = progress.selection
        progress.orphans.sort { $0.row < $1.row }
        var remaining: [(row: Int, error: PostgresError)] = []
        let keys = selection.target.mode == .upsert ? units.map { selection.keysOfSets($0) } : []
        for orphan in progress.orphans {
            let later =
                keys.isEmpty
                ? []
                : units.indices[(orphan.row + 1)...].filter { later in
                    !progress.refused.contains(later) && !keys[later].isDisjoint(with: keys[orphan.row])
                }
            let part = ([orphan.row] + later).flatMap { units[$0] }
            if let refusal = try tryPart(selection, part, again: true) {
                remaining.append((orphan.row, refusal.error))
            } else {
                // Behind it others of its key come.
                progress.refused.remove(orphan.row)
                loaded.rows += units[orphan.row].count { !selection.isSet(selection.rows[$0]) }
            }
        }
        let hasMoved = remaining.count < progress.orphans.count
        progress.orphans = remaining
        return hasMoved
    }
}

extension RowSelection {
    /// What tells one message's rows from others': the keys of what holds them, or where there is none each row's own.
    fileprivate func keysOfSets(_ unit: Range<Int>) -> Set<[UInt8]> {
        var known: Set<[UInt8]> = []
        for row in rows[unit] where target.parent == nil || batch.sections[Int(row.section)].kind != .rows {
            let keys = CanonicalKeys(target, count: target.parent?.keyCount)
            keys.append(row, of: batch.sections)
            known.insert(Array(keys[0]))
        }
        return known
    }
}
