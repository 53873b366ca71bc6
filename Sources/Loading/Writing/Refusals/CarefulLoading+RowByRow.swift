import Postgres

/// Rows of a part in which the server refuses several: to look for each costs some statements, so they go in one after the other
/// within the server.
extension CarefulLoading {
    /// How it ended.
    enum EachOutcome {
        case loaded
        /// Rows refer to what another target may yet load.
        case waits
        /// It cannot be done like this: the refused rows are to be looked for.
        case notPossible
    }

    /// How often it is tried in vain, before it is given up for the rest of the transaction: without PL/pgSQL, or where a function
    /// raises what only the server itself should say.
    private static let mostFailures = 3

    func mayLoadEach(_ selection: RowSelection) -> Bool {
        // What the end of a version is refused for, is not the fault of one row in a block of many.
        selection.units == nil && !isJudging && failuresOfEach < Self.mostFailures
            && selection.target.table.mayMakeTemporary && selection.target.validity == nil
    }

    /// Loads the next rows of a target one by one.
    mutating func loadEach(
        _ progress: inout Progress, waitsForParents: Bool
    ) throws(TransactionFailure) -> EachOutcome {
        let selection = progress.selection
        let part = progress.search.next(upTo: RowByRow.most)
        var mayAsk = mayAskForOrphans(progress)
        while true {
            let tried = part.filter { !progress.refused.contains($0) }
            guard let refused = try tryEach(selection, tried) else { return .notPossible }
            if refused.contains(where: { $0.error.sqlState == .foreignKeyViolation }) {
                if waitsForParents {
                    try undoEach()
                    return .waits
                }
                if mayAsk {
                    mayAsk = false
                    try undoEach()
                    _ = try setOrphansAside(&progress)
                    continue
                }
            }
            if nulled(refused, of: selection) {
                try undoEach()
                continue
            }
            guard try keepEach() else { return .notPossible }
            loaded.rows += tried.count - refused.count
            try settle(refused, &progress)
            progress.search.loaded(part)
            care.triedEach(selection.target.index, rows: part.count, refused: refused.count)
            progress.isDense = care.isDense(selection.target.index)
            return .loaded
        }
    }

    /// Tries rows again that referred to nothing, and have no later rows of their key.
    ///
    /// - Returns: those that are still refused; nil where it cannot be done like this.
    mutating func retryEach(
        _ rows: [Int], of selection: RowSelection
    ) throws(TransactionFailure) -> [Int: PostgresError]? {
        guard let refused = try tryEach(selection, rows), try keepEach() else { return nil }
        return Dictionary(uniqueKeysWithValues: refused.map { ($0.row, $0.words) })
    }

    /// - Returns: those that the server refuses; the others are in, behind a savepoint. Nil where it cannot be done like this, with
    ///   nothing in.
    private mutating func tryEach(
        _ selection: RowSelection, _ rows: [Int]
    ) throws(TransactionFailure) -> [RowByRow.Refused]? {
        guard mayLoadEach(selection) else { return nil }
        try TransactionFailure.ofNoRow { () throws(PostgresError) in try loading.prepareEach(selection) }
        let timing = selection.target.table.hasDeferredConstraints ? "DEFERRED" : "IMMEDIATE"
        try execute("SAVEPOINT loader_chunk; SET CONSTRAINTS ALL \(timing)")
        guard !rows.isEmpty else { return [] }
        var refused: [RowByRow.Refused]?
        do throws(Refusal) {
            refused = try loading.loadEach(selection, rows, nulled: &loaded.nulledRefusals)
        } catch {
            try mayBeLookedFor(error)
        }
        if let refused { return refused }
        try undoEach()
        return nil
    }

    private func undoEach() throws(TransactionFailure) {
        try execute("ROLLBACK TO SAVEPOINT loader_chunk; RELEASE SAVEPOINT loader_chunk")
    }

    /// - Returns: whether what is in stays.
    private mutating func keepEach() throws(TransactionFailure) -> Bool {
        do throws(PostgresError) {
            try connection.execute("SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT loader_chunk")
            return true
        } catch {
            try mayBeLookedFor(Refusal(error: error, withRows: true))
        }
        try undoEach()
        return false
    }

    /// - Throws: what is no row's fault by its code.
    private mutating func mayBeLookedFor(_ refusal: Refusal) throws(TransactionFailure) {
        guard connection.isOpen, Suspicion(refusal.error) == .row else { throw TransactionFailure(refusal) }
        failuresOfEach += 1
    }

    /// Puts NULL in the place of values that their types or domains refuse, where the route says so.
    ///
    /// - Returns: whether there were any.
    private mutating func nulled(_ refused: [RowByRow.Refused], of selection: RowSelection) -> Bool {
        var isAny = false
        for entry in refused
        where selection.setNull(
            Refusal(error: entry.error, withRows: true), in: entry.column, entry.row..<entry.row + 1)
        {
            loaded.nulledRefusals += 1
            isAny = true
        }
        return isAny
    }

    /// Takes note of what was refused, in the order of the rows.
    private mutating func settle(
        _ refused: [RowByRow.Refused], _ progress: inout Progress
    ) throws(TransactionFailure) {
        let selection = progress.selection
        let target = selection.target
        for entry in refused {
            try makeSure(Refusal(error: entry.error, withRows: true), entry.row, of: selection)
            progress.refused.insert(entry.row)
            if entry.error.sqlState == .foreignKeyViolation {
                progress.orphans.append((entry.row, entry.words))
                continue
            }
            let column = entry.column.map { target.columns[$0].name }
            loaded.deadLetters.append(
                DeadLetter(refused: entry.words, selection.rows[entry.row], target, column: column))
        }
    }
}

extension RowByRow.Refused {
    /// As the server would say it of the row by itself.
    fileprivate var words: PostgresError {
        var words = error
        if isOfCopy { words.copyLine = 1 }
        return words
    }
}
