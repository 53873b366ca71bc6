import Postgres

/// Asks the server which keys are in the table already, and copies the other rows straight into it, which costs it about half
/// of what a stage and ON CONFLICT do.
///
/// The answer is a hint, no lock: another transaction may insert such a key a moment later, and COPY then fails on it.
struct KeyLookup {
    private let target: Target

    init(_ target: Target) { self.target = target }

    /// Below this many rows the round trips cost more than they save.
    private static let fewestRows = 2000
    /// What is asked for first: where most keys are known, asking for all of them does not pay.
    private static let sampleSize = 64

    /// Whether rows may bypass ON CONFLICT, and enough of them.
    func pays(for group: RowGroup) -> Bool {
        target.keyCount > 0 && group.inserting(target).mixed.isEmpty && group.rows.count >= Self.fewestRows
            && (target.table.kind == .table || target.table.kind == .partitioned)
    }

    /// Loads the rows whose keys are new.
    ///
    /// - Returns: the rows that are left.
    func load(
        _ group: RowGroup, _ source: RowSource, _ keys: KeyTable, over connection: RowConnection
    ) throws(Refusal) -> [RowReference] {
        guard let found = try found(group.rows, source, keys, over: connection), found.contains(false) else {
            return group.rows
        }
        try connection.run("SAVEPOINT loader_new")
        var new = group.inserting(target)
        new.rows = zip(group.rows, found).filter { !$1 }.map(\.0)
        do throws(Refusal) {
            try StraightCopy(target).load(new, source, over: connection)
        } catch {
            // Somebody else was faster with a key, or COPY is not for this table: row-level security refuses it.
            let isSettledByConflict = [.uniqueViolation, .featureNotSupported].contains(error.error.sqlState)
            guard isSettledByConflict, connection.isOpen else { throw error }
            try connection.run("ROLLBACK TO SAVEPOINT loader_new; RELEASE SAVEPOINT loader_new")
            return group.rows
        }
        try connection.run("RELEASE SAVEPOINT loader_new")
        return zip(group.rows, found).filter { $1 }.map(\.0)
    }

    /// - Returns: for each row whether its key was found; nil where that is likely for most.
    private func found(
        _ rows: [RowReference], _ source: RowSource, _ keys: KeyTable, over connection: RowConnection
    ) throws(Refusal) -> [Bool]? {
        var sample: [RowReference] = []
        for position in stride(from: 0, to: rows.count, by: max(1, rows.count / Self.sampleSize)) {
            sample.append(rows[position])
        }
        let known = try keys.found(sample, source.sections, over: connection).count { $0 }
        guard known < sample.count / 2 else { return nil }
        return try keys.found(rows, source.sections, over: connection)
    }
}
