import Postgres

/// The last looks at what is to be committed. What was noted on the batch on its way counts as what is seen here.
extension BatchTransaction {
    /// Rows go into a transaction of their own: into the one of their head start, or into one that is still to begin. What an
    /// earlier one has left open would be committed along with them.
    func checkBeginning() throws(TransactionFailure) {
        try require(batch.violation)
        // Of a connection that has gone nothing is known, and nothing is left.
        guard connection.isOpen else { return }
        let status = connection.transactionStatus
        guard let headStart else {
            guard status == .inTransaction || status == .failed else { return }
            throw violated(.transaction, expected: "no transaction yet", found: "one that is open")
        }
        guard headStart.tables == batch.tables.number, headStart.rowCount == batch.rowCount, batch.truncations.isEmpty
        else {
            throw violated(
                .headStart, expected: "\(headStart.rowCount) rows of tables \(headStart.tables)",
                found: "\(batch.rowCount) of \(batch.tables.number), \(batch.truncations.count) truncations")
        }
        guard status == .inTransaction || status == .failed else {
            throw violated(.transaction, expected: "the transaction of a head start", found: "none")
        }
    }

    /// Nothing is left but COMMIT.
    func checkEnd(_ loaded: Loaded) throws(TransactionFailure) {
        if let part { batch.check(part) }
        try require(batch.violation)
        let own = batch.deadLetters.count { (part?.messages ?? batch.messages.indices).contains($0.message) }
        guard loaded.deadLetters.count >= own else {
            throw violated(.letterCount, expected: "\(own) letters at least", found: loaded.deadLetters.count)
        }
        // COMMIT behind a failure that nobody has noticed takes everything back, and says so in a word that nobody reads.
        guard !connection.isOpen || connection.transactionStatus == .inTransaction else {
            throw violated(
                .transaction, expected: "a transaction that can be committed", found: "\(connection.transactionStatus)")
        }
    }

    /// - Parameter selections: of all targets, as they are to go in.
    func checkTruncations(_ selections: [RowSelection]) throws(TransactionFailure) {
        for selection in selections where selection.truncates {
            let target = selection.target
            guard target.route.mode != .history else {
                throw violated(.truncation, expected: "\(target.name) never emptied", found: "a history to be emptied")
            }
            let messages = part?.messages ?? batch.messages.indices
            let last = batch.lastTruncation(of: target.index, in: messages) ?? 0
            if let early = selection.rows.first(where: { Int($0.message) < last }) {
                throw violated(
                    .truncation, expected: "rows behind \(batch.whereabouts(of: last))",
                    found: batch.whereabouts(of: Int(early.message)))
            }
        }
    }

    private func require(_ violation: InvariantViolation?) throws(TransactionFailure) {
        if let violation { throw .violated(violation) }
    }

    private func violated(
        _ invariant: InvariantViolation.Invariant, expected: String, found: some CustomStringConvertible
    ) -> TransactionFailure {
        .violated(InvariantViolation(invariant, at: batch.whereabouts, expected: expected, found: found))
    }
}
