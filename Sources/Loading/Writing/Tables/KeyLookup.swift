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
        target.keyCount > 0 && !group.needsRows && group.inserting(target).mixed.isEmpty
            && group.rows.count >= Self.fewestRows
            && (target.table.kind == .table || target.table.kind == .partitioned)
    }

    /// Rows by whether the table has their keys.
    struct Split {
        var new: RowGroup
        var known: [RowReference] = []
    }

    /// Asks which rows are new.
    ///
    /// - Parameter prints: of these rows, and of those that will be there as well by the time that these go in.
    /// - Returns: nil if ON CONFLICT alone is to settle it, as none is new, or few.
    func split(
        _ group: RowGroup, _ source: RowSource, _ keys: KeyTable, prints: (own: KeyPrints, behind: KeyPrints)? = nil,
        over connection: RowConnection
    ) throws(Refusal) -> Split? {
        guard var found = try found(group.rows, source, keys, over: connection) else { return nil }
        if let prints { prints.own.mark(group.rows, of: source, behind: prints.behind, in: &found) }
        return split(group, found)
    }

    /// - Parameter found: for each row whether the table has its key, or may have it.
    func split(_ group: RowGroup, _ found: [Bool]) -> Split? {
        var split = Split(new: group.inserting(target))
        split.new.rows = zip(group.rows, found).filter { !$1 }.map(\.0)
        split.known = zip(group.rows, found).filter { $1 }.map(\.0)
        return split.new.rows.isEmpty ? nil : split
    }

    /// Loads the rows whose keys are new.
    ///
    /// - Parameter after: statements that follow in the same round trip.
    /// - Returns: whether it went, with what followed; if not, nothing of it is in, and ON CONFLICT is to settle it.
    func load(
        _ new: RowGroup, _ source: RowSource, after: [String] = [], over connection: RowConnection
    ) throws(Refusal) -> Bool {
        do throws(Refusal) {
            try StraightCopy(target).load(
                new, source, before: ["SAVEPOINT loader_new"], after: ["RELEASE SAVEPOINT loader_new"] + after,
                over: connection)
            return true
        } catch {
            // Somebody else was faster with a key, or COPY is not for this table: row-level security refuses it.
            let isSettledByConflict = [.uniqueViolation, .featureNotSupported].contains(error.error.sqlState)
            guard isSettledByConflict, connection.isOpen else { throw error }
        }
        try connection.run("ROLLBACK TO SAVEPOINT loader_new; RELEASE SAVEPOINT loader_new")
        return false
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
