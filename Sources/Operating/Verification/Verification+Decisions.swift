import Kafka
import Loading
import Postgres

extension Verification {
    /// Finds the messages of the keys that differ, by reading the topics once more: which one decided, and whether it could.
    func explain(
        _ verdicts: inout [TableVerdict], _ reading: inout LogReading, _ span: VerifiedSpan,
        _ replayed: Set<StoredLetters.Place>
    ) throws {
        guard verdicts.contains(where: \.wantsDecisions) else { return }
        let stretches = span.all
        let all = stretches.reduce(0) { $0 + $1.end - $1.start }
        var known = verdicts
        _ = try reading.read(stretches) { batch in
            try connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE")
            let letters = try letters(of: batch)
            for index in known.indices where known[index].wantsDecisions {
                try explain(&known[index], batch, letters, replayed)
            }
            try connection.execute("COMMIT")
            tell(Progress(step: .explaining, messages: batch.messages.count, all: all))
        }
        verdicts = known
    }

    private func explain(
        _ verdict: inout TableVerdict, _ batch: Batch, _ letters: StoredLetters, _ replayed: Set<StoredLetters.Place>
    ) throws(PostgresError) {
        guard let query = verdict.query else { return }
        var keyed = verdict.table.target.landing(in: query.differences)
        // Only the keys stand there.
        keyed.versionCount = 0
        let names = verdict.table.target.letterNames(targets)
        let selection = RowSelection(batch: batch, target: keyed)
        let rows = selection.rows.filter { row in
            let kind = batch.sections[Int(row.section)].kind
            // What holds elements has a part of the key alone.
            let hasKey = kind == .rows || kind == .tombstones && !keyed.isOfElements
            return hasKey && !letters.contains(batch.letterPlace(of: Int(row.message)), for: names)
        }
        guard !rows.isEmpty else { return }
        var loading = TargetLoading(batch: batch, connection: connection)
        let numbers: [Int64?]
        do throws(Refusal) {
            numbers = try loading.numbers(DifferenceQuery.numberColumn, of: rows, in: selection)
        } catch { throw error.error }
        for (row, number) in zip(rows, numbers) {
            guard let number else { continue }
            let place = batch.letterPlace(of: Int(row.message))
            var decision = TableVerdict.Decision(place: place, isDeletion: selection.isTombstone(row))
            if let known = verdict.decisions[number] {
                let isMoved = known.place.partition != place.partition
                if keyed.mode == .ignore { (decision.place, decision.isDeletion) = (known.place, known.isDeletion) }
                decision.isOfSeveralPartitions = known.isOfSeveralPartitions || isMoved
                decision.isReplayed = known.isReplayed
            }
            if replayed.contains(place) { decision.isReplayed = true }
            verdict.decisions[number] = decision
        }
    }
}
