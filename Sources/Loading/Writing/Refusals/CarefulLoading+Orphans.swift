import Postgres

/// Rows that refer to what is not there (yet): found together where the server can say so, and tried again once other targets'
/// rows are in.
extension CarefulLoading {
    /// How often a target's rows are looked at together, while other transactions take away what they refer to.
    private static let mostLookups = 3

    func mayAskForOrphans(_ progress: Progress) -> Bool {
        progress.selection.units == nil && progress.lookups < Self.mostLookups
            && !progress.selection.target.asksForSameKeys
    }

    /// Finds all rows that refer to nothing at once, where the server can say so.
    ///
    /// - Returns: whether there were any.
    mutating func setOrphansAside(_ progress: inout Progress) throws(TransactionFailure) -> Bool {
        let selection = progress.selection
        guard mayAskForOrphans(progress) else { return false }
        let candidates = (progress.search.position..<selection.rows.count).filter { !progress.refused.contains($0) }
        let found = try orphans(among: candidates, of: selection)
        progress.lookups += 1
        let places = found.keys.sorted()
        // A later row of its key that can go in takes its place.
        let alone = zip(places, selection.followers(of: places)).compactMap { place, later in
            later.allSatisfy { found[$0] != nil } ? place : nil
        }
        let before = progress.refused.count
        try rehearse(alone, found, &progress)
        guard progress.refused.count > before else { return false }
        care.refused()
        return true
    }

    /// Finds out of orphans whether that is all that is wrong with them. What else the server refuses a row for it says when
    /// it meets the row, and that it refers to nothing only behind the last one.
    private mutating func rehearse(
        _ places: [Int], _ found: [Int: ForeignKey], _ progress: inout Progress
    ) throws(TransactionFailure) {
        let selection = progress.selection
        var search = RefusalSearch(count: places.count)
        while !search.isDone {
            let part = search.part(upTo: Care.largest)
            guard let refusal = try tryPart(selection, part.map { places[$0] }, keeps: false) else {
                // What they refer to has just come.
                search.loaded(part)
                continue
            }
            if refusal.error.sqlState == .foreignKeyViolation {
                for place in part.map({ places[$0] }) {
                    guard let key = found[place] else { continue }
                    progress.orphans.append((place, .orphan(of: key, in: selection.target.name)))
                    progress.refused.insert(place)
                }
                search.loaded(part)
                continue
            }
            let single = part.count == 1 ? places[part.lowerBound]..<places[part.lowerBound] + 1 : 0..<0
            if selection.setNull(refusal, single) {
                loaded.nulledRefusals += 1
                continue
            }
            let named = refusal.row.flatMap { row in
                part.first { selection.rows[places[$0]].message == row.message }
            }
            guard let guilty = search.refused(part, naming: named) else { continue }
            try makeSure(refusal, places[guilty], of: selection)
            loaded.deadLetters.append(
                DeadLetter(refused: refusal.error, selection.rows[places[guilty]], selection.target))
            progress.refused.insert(places[guilty])
        }
    }

    /// - Returns: those of the rows that refer to nothing, by their places; none where it cannot be asked.
    private mutating func orphans(
        among places: [Int], of selection: RowSelection
    ) throws(TransactionFailure) -> [Int: ForeignKey] {
        let target = selection.target
        guard let lookup = lookups[target.index] ?? ParentLookup(target, on: connection) else { return [:] }
        let asked = places.filter { place in
            batch.sections[Int(selection.rows[place].section)].kind == .rows
        }
        try execute("SAVEPOINT loader_parents")
        do throws(PostgresError) {
            let found = try lookup.orphans(among: asked.map { selection.rows[$0] }, batch.sections)
            lookups[target.index] = lookup
            try connection.execute("RELEASE SAVEPOINT loader_parents")
            return Dictionary(uniqueKeysWithValues: found.map { (asked[$0.key], $0.value) })
        } catch {
            // To ask is a help and no more: without an answer they are tried.
            guard connection.isOpen else { throw .postgres(error, commitSent: false) }
            try execute("ROLLBACK TO SAVEPOINT loader_parents; RELEASE SAVEPOINT loader_parents")
            return [:]
        }
    }

    /// From so many on, rows without later ones of their key are tried again together.
    private static let many = 8

    /// Tries the rows again that referred to nothing, each with the later rows of its key behind it, so that the last
    /// one still wins.
    ///
    /// - Returns: whether one went in.
    mutating func retryOrphans(_ progress: inout Progress) throws(TransactionFailure) -> Bool {
        guard !progress.orphans.isEmpty else { return false }
        let selection = progress.selection
        if let units = selection.units { return try retryOrphans(&progress, units) }
        // In the order of arrival, however they were found.
        progress.orphans.sort { $0.row < $1.row }
        let places = progress.orphans.map(\.row)
        let followers = selection.followers(of: places)
        let still = progress.orphans.count > 1 ? try orphans(among: places, of: selection) : [:]
        var remaining: [Int: PostgresError] = [:]
        for orphan in progress.orphans where still[orphan.row] != nil { remaining[orphan.row] = orphan.error }
        let last = zip(places, followers).filter { $0.1.isEmpty && still[$0.0] == nil }.map(\.0)
        let together = try retryTogether(last, of: selection)
        remaining.merge(together.refused) { $1 }
        progress.refused.subtract(together.tried.subtracting(together.refused.keys))
        for (place, later) in zip(places, followers) where still[place] == nil && !together.tried.contains(place) {
            let part = [place] + later.filter { !progress.refused.contains($0) }
            if let refusal = try tryPart(selection, part, again: part.count > 1) {
                remaining[place] = refusal.error
            } else {
                // Behind it others of its key come.
                progress.refused.remove(place)
            }
        }
        progress.refused.subtract(places)
        progress.refused.formUnion(remaining.keys)
        loaded.rows += places.count - remaining.count
        progress.orphans = remaining.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return remaining.count < places.count
    }

    /// Tries rows again that no later row of their key follows.
    ///
    /// - Returns: those that were tried, and of them those that are still refused.
    private mutating func retryTogether(
        _ places: [Int], of selection: RowSelection
    ) throws(TransactionFailure) -> (tried: Set<Int>, refused: [Int: PostgresError]) {
        var (tried, refused): (Set<Int>, [Int: PostgresError]) = ([], [:])
        guard places.count >= Self.many else { return (tried, refused) }
        for start in stride(from: 0, to: places.count, by: RowByRow.most) {
            let part = Array(places[start..<min(start + RowByRow.most, places.count)])
            guard let stillRefused = try retryEach(part, of: selection) else { break }
            tried.formUnion(part)
            refused.merge(stillRefused) { $1 }
        }
        return (tried, refused)
    }
}

extension PostgresError {
    /// What the server would say of a row that refers to nothing, without the row's values.
    fileprivate static func orphan(of key: ForeignKey, in table: TableName) -> PostgresError {
        PostgresError(
            .server, sqlState: .foreignKeyViolation,
            message:
                "insert or update on table \"\(table.name)\" violates foreign key constraint \"\(key.constraint)\"",
            detail: "\(key.parent) has no row with its (\(key.pairs.map(\.column).joined(separator: ", ")))",
            schema: table.schema, table: table.name, constraint: key.constraint, cameWithRows: true)
    }
}
