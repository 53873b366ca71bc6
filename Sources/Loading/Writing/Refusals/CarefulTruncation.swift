import Postgres

/// The careful way among truncations: a table that the server does not let be emptied keeps its rows, and who asked for it
/// becomes a dead letter.
///
/// Tables are emptied together first, as without care. Where one refuses that, or rows are found to refer to what is gone, the batch
/// is divided where tables are to be emptied: what came before goes in, and each is tried in its place.
struct CarefulTruncation {
    private(set) var careful: CarefulLoading
    var loaded = BatchTransaction.Loaded()
    private let messages: Range<Int>
    /// By target: what the server said when its table was last to be emptied, as long as nothing has gone in since.
    private var refusals: [Int: PostgresError] = [:]
    /// By target: the message that empties its table, where that was done before its turn.
    private var emptiedAhead: [Int: Int] = [:]

    init(_ careful: CarefulLoading, _ messages: Range<Int>) {
        self.careful = careful
        self.messages = messages
    }

    private var batch: Batch { careful.batch }

    /// - Parameter selections: of all tables that may have rows or are to be emptied.
    mutating func load(_ selections: [RowSelection]) throws(TransactionFailure) {
        let emptied = selections.filter(\.truncates).map(\.target)
        guard !emptied.isEmpty else { return try loadRows(of: selections) }
        let fresh = careful
        try careful.execute("SAVEPOINT loader_truncations")
        if try tryToEmpty(emptied) == nil {
            try loadRows(of: selections)
            let hasOrphans = loaded.deadLetters.contains { $0.sqlState == .foreignKeyViolation }
            if !hasOrphans { return try careful.execute("RELEASE SAVEPOINT loader_truncations") }
        }
        try careful.execute("ROLLBACK TO SAVEPOINT loader_truncations; RELEASE SAVEPOINT loader_truncations")
        careful = CarefulLoading(
            batch: batch, connection: fresh.connection, care: fresh.care, isJudging: fresh.isJudging)
        // What has become NULL in the batch stays so.
        let nulled = loaded.nulledRefusals
        loaded = BatchTransaction.Loaded()
        loaded.nulledRefusals = nulled
        refusals = [:]
        try loadInTurn(selections)
    }

    private mutating func loadInTurn(_ selections: [RowSelection]) throws(TransactionFailure) {
        let events = batch.truncations.filter { messages.contains(Int($0.message)) }
        let ends = Dictionary(grouping: events) { Int($0.message) }
        var start = messages.lowerBound
        for end in ends.keys.sorted() + [messages.upperBound] {
            if batch.hasRows(start..<end) {
                let ahead = emptiedAhead
                try loadRows(
                    of: selections.map { selection in
                        RowSelection(
                            batch, selection.target, messages: start..<end, emptiedBy: ahead[selection.target.index])
                    })
            }
            let here = Set((ends[end] ?? []).map(\.target))
            for target in selections.map(\.target).filter({ here.contains($0.index) }).emptyingOrder {
                try empty(target, by: end, later: selections.map(\.target))
            }
            start = end
        }
    }

    private mutating func loadRows(of selections: [RowSelection]) throws(TransactionFailure) {
        let rows = selections.filter { !$0.rows.isEmpty }
        guard !rows.isEmpty else { return }
        try careful.load(rows)
        loaded.add(careful.loaded)
        careful.loaded = BatchTransaction.Loaded()
        refusals.removeAll()
    }

    /// - Parameter targets: those of them that are emptied later in the batch may be so now, if that helps: what they have got until then
    ///   is void.
    private mutating func empty(
        _ target: Target, by message: Int, later targets: [Target]
    ) throws(TransactionFailure) {
        // Truncations behind one another cost as much as one.
        var refusal = refusals[target.index]
        if refusal == nil { refusal = try tryToEmpty([target]) }
        if refusal != nil, refusals[target.index] == nil {
            var ahead: [Int: Int] = [:]
            for event in batch.truncations.reversed()
            where Int(event.message) > message && messages.contains(Int(event.message)) && event.target != target.index
            {
                ahead[event.target] = Int(event.message)
            }
            let others = targets.filter { ahead[$0.index] != nil }
            if !others.isEmpty, try tryToEmpty(others + [target]) == nil {
                emptiedAhead.merge(ahead) { $1 }
                refusal = nil
            }
        }
        guard let refusal else { return refusals.removeAll() }
        refusals[target.index] = refusal
        loaded.deadLetters.append(DeadLetter(refused: refusal, truncation: message, target))
        loaded.operations.add(.truncation, target: target.index, -1)
    }

    /// - Returns: what the server says where it is the tables' rows that stand against it; none of them is emptied then.
    private func tryToEmpty(_ targets: [Target]) throws(TransactionFailure) -> PostgresError? {
        try careful.execute("SAVEPOINT loader_empty; SET CONSTRAINTS ALL DEFERRED")
        do throws(Refusal) {
            for target in targets.emptyingOrder { try target.empty(over: careful.connection) }
            do throws(PostgresError) { try careful.connection.execute("SET CONSTRAINTS ALL IMMEDIATE") } catch {
                throw Refusal(error: error, withRows: true)
            }
        } catch {
            let suspicion = Suspicion(error.error)
            guard careful.connection.isOpen, error.error.cameWithRows,
                suspicion == .row || suspicion == .perhaps && careful.isJudging
            else { throw TransactionFailure(error) }
            try careful.execute("ROLLBACK TO SAVEPOINT loader_empty; RELEASE SAVEPOINT loader_empty")
            return error.error
        }
        try careful.execute("RELEASE SAVEPOINT loader_empty")
        return nil
    }
}

extension [Target] {
    /// What refers to others first.
    var emptyingOrder: [Target] { ReferenceOrder(self).upwards.reversed().map { self[$0] } }
}

extension Target {
    /// Takes all rows out of its table.
    ///
    /// - Throws: of what stands in the database, which no message is to blame for, a refusal without rows.
    func empty(over connection: Connection) throws(Refusal) {
        do throws(PostgresError) {
            try connection.execute("\(table.mayTruncate ? "TRUNCATE" : "DELETE FROM") \(table.name.quoted)")
        } catch {
            throw Refusal(error: error, withRows: FailureClass(error) != .setup)
        }
    }
}

extension Batch {
    /// Whether some of these messages have rows or deletions.
    fileprivate func hasRows(_ messages: Range<Int>) -> Bool {
        sections.contains { section in
            // They are in the order of the messages.
            let rows = section.rows
            var (low, high) = (0, rows.count)
            while low < high {
                let middle = (low + high) / 2
                if Int(rows[middle].message) < messages.lowerBound { low = middle + 1 } else { high = middle }
            }
            return low < rows.count && Int(rows[low].message) < messages.upperBound
        }
    }
}
