import Postgres

@testable import Loading

/// The ways in which a batch's rows can get into their table: what becomes of them must not depend on it.
enum RowWay: CaseIterable, Sendable {
    /// As if nothing was wrong with any; if one is refused all of them go carefully.
    case together
    /// Prepared before their turn, and brought in at it.
    case ahead
    /// In chunks behind savepoints.
    case carefully
    /// One by one within the server.
    case each

    /// - Parameter begins: in a transaction of its own, that is committed.
    func load(
        _ batch: Batch, _ target: Target, _ connection: Connection, begins: Bool = true
    ) throws -> BatchTransaction.Loaded {
        if begins { try connection.execute(Connection.begin) }
        let loaded = try load(RowSelection(batch: batch, target: target), connection)
        if let violation = batch.violation { throw violation }
        if begins { try connection.execute("COMMIT") }
        return loaded
    }

    private func load(_ selection: RowSelection, _ connection: Connection) throws -> BatchTransaction.Loaded {
        let batch = selection.batch
        var care = Care()
        switch self {
        case .together, .ahead:
            try connection.execute("SAVEPOINT way")
            do throws(Refusal) {
                var loading = TargetLoading(batch: batch, connection: connection)
                if self == .ahead {
                    let own = KeyPrints(batch, [selection.target])
                    let ahead = try loading.getReady([selection], (own, KeyPrints(Batch(), [selection.target])))
                    loading = TargetLoading(batch: batch, connection: connection, behind: ahead)
                }
                return try loading.loadAll([selection])
            } catch {
                guard Suspicion(error.error) == .row else { throw error }
            }
            try connection.execute("ROLLBACK TO SAVEPOINT way")
        case .carefully: break
        case .each: care.triedEach(selection.target.index, rows: 1, refused: 1)
        }
        var loading = CarefulLoading(batch: batch, connection: connection, care: care, isJudging: false)
        try loading.load([selection])
        return loading.loaded
    }
}

extension Connection {
    /// A query's rows, each value as the server writes it, null as `∅`.
    func rows(_ sql: String) throws -> [String] {
        let result = try query(sql)
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.string(row, $0) ?? "∅" }.joined(separator: "|")
        }
    }
}
