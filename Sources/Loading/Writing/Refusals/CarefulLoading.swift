import Postgres

/// The careful way: loads all targets' rows chunk by chunk behind savepoints, and makes dead letters of those that the server
/// refuses by themselves.
struct CarefulLoading {
    let batch: Batch
    let connection: Connection
    var loading: TargetLoading
    /// One message, alone for the last time: a row that fails has had its chances.
    let isJudging: Bool
    /// Sections whose statements went through without rows.
    private var sound: Set<Int32> = []
    /// By target.
    var lookups: [Int: ParentLookup] = [:]
    /// How often rows could not go in one by one within the server.
    var failuresOfEach = 0
    var care: Care
    var loaded = BatchTransaction.Loaded()

    init(batch: Batch, connection: Connection, care: Care, isJudging: Bool) {
        self.batch = batch
        self.connection = connection
        self.care = care
        self.isJudging = isJudging
        loading = TargetLoading(batch: batch, connection: connection)
    }

    /// A target's rows on their way in.
    struct Progress {
        let selection: RowSelection
        var search: RefusalSearch
        /// Rows whose foreign key found nothing, though what they refer to may yet come.
        var orphans: [(row: Int, error: PostgresError)] = []
        var refused: Set<Int> = []
        /// How often it was asked which rows refer to nothing.
        var lookups = 0
        /// Refusals since a chunk went in whole.
        var refusals = 0
        /// So many rows are refused that the next ones go in one by one.
        var isDense: Bool

        init(_ selection: RowSelection, _ care: Care) {
            self.selection = selection
            isDense = care.isDense(selection.target.index)
            search = RefusalSearch(count: selection.units?.count ?? selection.rows.count)
        }

        /// The rows of a part of what is searched: of elements a message's are one.
        func rows(of part: Range<Int>) -> Range<Int> {
            guard let units = selection.units else { return part }
            return part.isEmpty ? 0..<0 : units[part.lowerBound].lowerBound..<units[part.upperBound - 1].upperBound
        }

        /// Those of it that were not refused.
        func rows(of part: Range<Int>, except refused: Set<Int>) -> [Int] {
            guard let units = selection.units else { return part.filter { !refused.contains($0) } }
            return part.filter { !refused.contains($0) }.flatMap { units[$0] }
        }

        /// One row of what is in this place: the first that is a row, if there is any.
        func row(at place: Int) -> Int {
            guard let unit = selection.units?[place] else { return place }
            return unit.first { !selection.isSet(selection.rows[$0]) } ?? unit.lowerBound
        }
    }

    /// A target whose foreign keys wait for rows of another one stops there, and goes on when that one has got further.
    /// Only when nothing moves any more are the rows found that refer to nothing.
    mutating func load(_ selections: [RowSelection]) throws(TransactionFailure) {
        var all = selections.map { Progress($0, care) }
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
            loaded.operations.add(progress.selection)
            for orphan in progress.orphans {
                loaded.deadLetters.append(
                    DeadLetter(
                        refused: orphan.error, progress.selection.rows[progress.row(at: orphan.row)],
                        progress.selection.target))
            }
        }
        for progress in all { loaded.operations.remove(progress.selection, refused: loaded.deadLetters) }
        check(all)
    }

    /// Makes sure that each row is in or refused, and each that is refused a letter. Of elements a message's rows may be both.
    private func check(_ all: [Progress]) {
        guard all.allSatisfy({ $0.selection.units == nil }) else { return }
        let rows = all.reduce(0) { $0 + $1.selection.rows.count }
        let refused = all.reduce(0) { $0 + $1.refused.count }
        guard loaded.rows + refused != rows || loaded.deadLetters.count != refused else { return }
        batch.note(
            InvariantViolation(
                .rowCount, at: batch.whereabouts, expected: "\(rows) rows in or refused",
                found: "\(loaded.rows) in, \(refused) refused, \(loaded.deadLetters.count) letters"))
    }

    /// Loads a target's rows chunk by chunk, and finds those that the server refuses.
    private mutating func advance(
        _ progress: inout Progress, waitsForParents: Bool
    ) throws(TransactionFailure) {
        let selection = progress.selection
        let rows = selection.rows
        while !progress.search.isDone {
            if progress.isDense, mayLoadEach(selection) {
                switch try loadEach(&progress, waitsForParents: waitsForParents) {
                case .loaded: continue
                case .waits: return
                case .notPossible: progress.isDense = false
                }
            }
            let part = progress.search.part(upTo: care.chunk)
            let tried = progress.rows(of: part, except: progress.lookups == 0 ? [] : progress.refused)
            guard !tried.isEmpty, let refusal = try tryPart(selection, tried) else {
                loaded.rows += selection.target.parent == nil ? tried.count : tried.count { !selection.isSet(rows[$0]) }
                progress.search.loaded(part)
                if part.count >= care.chunk {
                    care.chunkLoaded()
                    progress.refusals = 0
                }
                continue
            }
            let isOrphan = refusal.error.sqlState == .foreignKeyViolation
            if isOrphan, waitsForParents { return }
            if isOrphan, tried.count > 1, try setOrphansAside(&progress) { continue }
            // One guilty row is refused several times until it is found.
            if !progress.search.isSearching { care.refused() }
            if selection.setNull(refusal, progress.rows(of: part)) {
                loaded.nulledRefusals += 1
                continue
            }
            let named = refusal.row.flatMap { row in
                part.first { rows[progress.row(at: $0)].message == row.message }
            }
            let isFirst = !progress.search.isSearching
            guard let guilty = progress.search.refused(part, naming: named) else {
                if isFirst { progress.refusals += 1 }
                // One row that is named is cheap to find.
                if progress.refusals > 1 || (named == nil && part.count <= RowByRow.most) { progress.isDense = true }
                continue
            }
            let row = progress.row(at: guilty)
            try makeSure(refusal, row, of: selection)
            if isOrphan {
                progress.orphans.append((guilty, refusal.error))
            } else if try loadWithoutBadElements(guilty, of: selection) {
                continue
            } else {
                loaded.deadLetters.append(DeadLetter(refused: refusal.error, rows[row], selection.target))
            }
            progress.refused.insert(guilty)
        }
    }

    /// - Parameters:
    ///   - keeps: whether it stays in if it goes in.
    ///   - again: some of it is in already, and what it does is counted.
    /// - Returns: nil if the part is in; the refusal if the server took none of it.
    mutating func tryPart(
        _ selection: RowSelection, _ part: some Collection<Int>, keeps: Bool = true, again: Bool = false
    ) throws(TransactionFailure) -> Refusal? {
        loading.notNewer.removeAll()
        try TransactionFailure.ofNoRow { () throws(PostgresError) in try loading.prepare(selection) }
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
        if keeps, !again { loaded.operations.add(loading.notNewer) }
        return nil
    }

    /// Makes sure that it is the row's fault that it fails alone. Where COPY was at the row, or the same statements go
    /// through without any, it is, whatever the SQLSTATE.
    ///
    /// - Throws: what the statements fail with when they carry nothing: a missing right, a table that is gone, a trigger
    ///   that refuses every statement.
    mutating func makeSure(
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

    func execute(_ statement: String) throws(TransactionFailure) {
        try TransactionFailure.ofNoRow { () throws(PostgresError) in try connection.execute(statement) }
    }
}
