import Postgres

/// Loads all targets' rows behind savepoints, and makes dead letters of those that the server refuses.
struct CarefulLoading {
    private let batch: Batch
    private let connection: Connection
    private var loading: TargetLoading
    /// One message, alone for the last time: a row that fails has had its chances.
    private let isJudging: Bool
    /// Sections whose statements went through without rows.
    private var sound: Set<Int32> = []
    /// By target.
    private var lookups: [Int: ParentLookup] = [:]
    var care: Care
    private(set) var loaded = BatchTransaction.Loaded()

    init(batch: Batch, connection: Connection, care: Care, isJudging: Bool) {
        self.batch = batch
        self.connection = connection
        self.care = care
        self.isJudging = isJudging
        loading = TargetLoading(batch: batch, connection: connection)
    }

    /// A target's rows on their way in.
    private struct Progress {
        let selection: RowSelection
        var search: RefusalSearch
        /// Rows whose foreign key found nothing, though what they refer to may yet come.
        var orphans: [(row: Int, error: PostgresError)] = []
        var refused: Set<Int> = []
        /// How often it was asked which rows refer to nothing.
        var lookups = 0

        init(_ selection: RowSelection) {
            self.selection = selection
            search = RefusalSearch(count: selection.rows.count)
        }
    }

    /// A target whose foreign keys wait for rows of another one stops there, and goes on when that one has got further.
    /// Only when nothing moves any more are the rows found that refer to nothing.
    mutating func load(_ selections: [RowSelection]) throws(TransactionFailure) {
        var all = selections.map { Progress($0) }
        var isMoving = true
        while isMoving {
            isMoving = false
            for index in all.indices where !all[index].search.isDone {
                let before = all[index].search.position
                try advance(&all[index], waitsForParents: all.count > 1)
                if all[index].search.position > before { isMoving = true }
            }
        }
        for index in all.indices {
            try advance(&all[index], waitsForParents: false)
        }
        isMoving = true
        while isMoving {
            isMoving = false
            for index in all.indices {
                if try retryOrphans(&all[index]) { isMoving = true }
            }
        }
        for progress in all {
            for orphan in progress.orphans {
                loaded.deadLetters.append(
                    DeadLetter(refused: orphan.error, progress.selection.rows[orphan.row], progress.selection.target))
            }
        }
    }

    /// Loads a target's rows chunk by chunk, and finds those that the server refuses.
    private mutating func advance(
        _ progress: inout Progress, waitsForParents: Bool
    ) throws(TransactionFailure) {
        let selection = progress.selection
        let rows = selection.rows
        while !progress.search.isDone {
            let part = progress.search.part(upTo: care.chunk)
            let tried = progress.lookups == 0 ? Array(part) : part.filter { !progress.refused.contains($0) }
            guard !tried.isEmpty, let refusal = try tryPart(selection, tried) else {
                loaded.rows += tried.count
                progress.search.loaded(part)
                if part.count >= care.chunk { care.chunkLoaded() }
                continue
            }
            let isOrphan = refusal.error.sqlState == .foreignKeyViolation
            if isOrphan, waitsForParents { return }
            if isOrphan, tried.count > 1, try setOrphansAside(&progress) { continue }
            // One guilty row is refused several times until it is found.
            if !progress.search.isSearching { care.refused() }
            if selection.setNull(refusal, part) {
                loaded.nulledRefusals += 1
                continue
            }
            let named = refusal.row.flatMap { row in rows[part].firstIndex { $0.message == row.message } }
            guard let guilty = progress.search.refused(part, naming: named) else { continue }
            try makeSure(refusal, guilty, of: selection)
            if isOrphan {
                progress.orphans.append((guilty, refusal.error))
            } else {
                loaded.deadLetters.append(DeadLetter(refused: refusal.error, rows[guilty], selection.target))
            }
            progress.refused.insert(guilty)
        }
    }

    /// How often a target's rows are looked at together, while other transactions take away what they refer to.
    private static let mostLookups = 3

    /// Finds all rows that refer to nothing at once, where the server can say so.
    ///
    /// - Returns: whether there were any.
    private mutating func setOrphansAside(_ progress: inout Progress) throws(TransactionFailure) -> Bool {
        let selection = progress.selection
        guard progress.lookups < Self.mostLookups, !selection.target.asksForSameKeys else { return false }
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
        guard var lookup = lookups[target.index] ?? ParentLookup(target, on: connection) else { return [:] }
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

    /// Tries the rows again that referred to nothing, each with the later rows of its key behind it, so that the last
    /// one still wins.
    ///
    /// - Returns: whether one went in.
    private mutating func retryOrphans(_ progress: inout Progress) throws(TransactionFailure) -> Bool {
        guard !progress.orphans.isEmpty else { return false }
        let selection = progress.selection
        let followers = selection.followers(of: progress.orphans.map(\.row))
        let still = progress.orphans.count > 1 ? try orphans(among: progress.orphans.map(\.row), of: selection) : [:]
        var remaining: [(row: Int, error: PostgresError)] = []
        for (orphan, later) in zip(progress.orphans, followers) {
            if still[orphan.row] != nil {
                remaining.append(orphan)
                continue
            }
            let part = [orphan.row] + later.filter { !progress.refused.contains($0) }
            if let refusal = try tryPart(selection, part) {
                remaining.append((orphan.row, refusal.error))
            } else {
                progress.refused.remove(orphan.row)
                loaded.rows += 1
            }
        }
        defer { progress.orphans = remaining }
        return remaining.count < progress.orphans.count
    }

    /// - Parameter keeps: whether it stays in if it goes in.
    /// - Returns: nil if the part is in; the refusal if the server took none of it.
    private mutating func tryPart(
        _ selection: RowSelection, _ part: some Collection<Int>, keeps: Bool = true
    ) throws(TransactionFailure) -> Refusal? {
        do throws(PostgresError) { try loading.prepareStages(selection, part) } catch {
            throw .postgres(error, commitSent: false)
        }
        // Deferred constraints and triggers have their say at the part's end, as they would have it at COMMIT: not
        // earlier, for what a trigger writes may be whole only then.
        try execute("SAVEPOINT loader_chunk; SET CONSTRAINTS ALL DEFERRED")
        do throws(Refusal) {
            try loading.load(selection, part, isLast: false)
            do throws(PostgresError) {
                let end = keeps ? "" : "ROLLBACK TO SAVEPOINT loader_chunk; "
                try connection.execute("SET CONSTRAINTS ALL IMMEDIATE; \(end)RELEASE SAVEPOINT loader_chunk")
            } catch {
                throw Refusal(error: error, withRows: true)
            }
        } catch {
            let suspicion = Suspicion(error.error)
            guard connection.isOpen, suspicion == .row || (suspicion == .perhaps && isJudging) else {
                throw TransactionFailure(error)
            }
            try execute("ROLLBACK TO SAVEPOINT loader_chunk; RELEASE SAVEPOINT loader_chunk")
            return error
        }
        return nil
    }

    /// Makes sure that it is the row's fault that it fails alone. Where COPY was at the row, or the same statements go
    /// through without any, it is, whatever the SQLSTATE.
    ///
    /// - Throws: what the statements fail with when they carry nothing: a missing right, a table that is gone, a trigger
    ///   that refuses every statement.
    private mutating func makeSure(
        _ refusal: Refusal, _ row: Int, of selection: RowSelection
    ) throws(TransactionFailure) {
        let section = selection.rows[row].section
        guard refusal.error.copyLine == nil, !sound.contains(section) else { return }
        try execute("SAVEPOINT loader_nothing; SET CONSTRAINTS ALL DEFERRED")
        do throws(Refusal) { try loading.loadNothing(like: row, of: selection) } catch {
            try makeSureOfDefaults(error, row, of: selection)
        }
        try execute("ROLLBACK TO SAVEPOINT loader_nothing; RELEASE SAVEPOINT loader_nothing")
        sound.insert(section)
    }

    /// The server computes a constant default while it plans, so it may fail for what a row leaves out before there is a
    /// row. Rows that leave out nothing tell it from a table that takes none.
    private mutating func makeSureOfDefaults(
        _ refusal: Refusal, _ row: Int, of selection: RowSelection
    ) throws(TransactionFailure) {
        guard connection.isOpen, FailureClass(refusal.error) == .data else { throw TransactionFailure(refusal) }
        try execute("ROLLBACK TO SAVEPOINT loader_nothing; SET CONSTRAINTS ALL DEFERRED")
        do throws(Refusal) {
            try loading.loadNothing(like: row, of: selection, leavingOutNothing: true)
        } catch {
            throw TransactionFailure(refusal)
        }
    }

    private func execute(_ statement: String) throws(TransactionFailure) {
        do throws(PostgresError) { try connection.execute(statement) } catch {
            throw .postgres(error, commitSent: false)
        }
    }
}

extension DeadLetter {
    /// Of a row that the server refuses.
    init(refused error: PostgresError, _ row: RowReference, _ target: Target) {
        self.init(
            message: Int(row.message), target: target.index, reason: target.wait.includes(error) ? .waiting : .refused,
            column: error.column ?? error.copyColumn(among: target.columns.map(\.name)),
            explanation: "\(target.name): \(error)",
            serverMessage: "\(target.name): \(error.codeAndPlace): \(error.everything)", sqlState: error.sqlState)
    }

    /// Of a row that ends the connection whenever it is sent.
    init(losing error: PostgresError, _ row: RowReference, _ target: Target) {
        let words =
            "\(target.name): the connection ends whenever this message's rows are sent: see the server's log for a crash"
        self.init(
            message: Int(row.message), target: target.index, reason: .refused, column: nil, explanation: words,
            serverMessage: "\(words); the client says: \(error.message)", sqlState: nil)
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
