import Postgres

/// The connection as rows go over it: what the server refuses comes back as a `Refusal`.
struct RowConnection {
    let plain: Connection
    /// Whose rows they are.
    let batch: Batch
    /// Whether the statements carry rows, so that the server's words may quote them.
    var carriesRows = true

    var isOpen: Bool { plain.isOpen }

    /// - Returns: the rows that it has touched.
    @discardableResult
    func run(_ statement: String) throws(Refusal) -> Int {
        do throws(PostgresError) { return try plain.execute(statement) } catch { throw refusal(error) }
    }

    func query(_ statement: String) throws(Refusal) -> QueryResult {
        do throws(PostgresError) { return try plain.query(statement) } catch { throw refusal(error) }
    }

    /// Has a table of the transaction there, and empty.
    func clear(_ table: ScratchTable, _ create: @autoclosure () -> String) throws(Refusal) {
        do throws(PostgresError) { try table.clear(create(), on: plain) } catch { throw refusal(error) }
    }

    /// - Parameters:
    ///   - rows: those that are sent, in their order: the server names them by their lines.
    ///   - takesAll: it is a table of our own, where no trigger leaves a row out.
    ///   - before, after: statements around it.
    func copy(
        _ statement: String, naming rows: [RowReference], takesAll: Bool, before: [String] = [], after: [String] = [],
        _ send: (borrowing CopyInStream) throws(PostgresError) -> Void
    ) throws(Refusal) {
        do throws(PostgresError) {
            let taken = try plain.copyIn(statement, before: before, after: after, send)
            guard taken != rows.count, takesAll || taken > rows.count else { return }
            let place = rows.first.map { batch.whereabouts(of: Int($0.message)) } ?? batch.whereabouts
            batch.note(
                InvariantViolation(.copyCount, at: place, expected: "\(rows.count) rows copied", found: taken))
        } catch {
            let named = error.copyLine.flatMap { rows.indices.contains($0 - 1) ? rows[$0 - 1] : nil }
            throw refusal(error, of: named)
        }
    }

    private func refusal(_ error: PostgresError, of row: RowReference? = nil) -> Refusal {
        Refusal(error: error, withRows: carriesRows, row: row)
    }
}
