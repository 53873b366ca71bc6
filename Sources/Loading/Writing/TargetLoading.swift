import Postgres

/// How the rows of targets get into their tables, within one transaction:
///
/// - an append by COPY (`StraightCopy`);
/// - rows with a key by way of a stage (`StageMerge`), but those that a `KeyLookup` finds to be new by COPY;
/// - deletions by their keys (`KeyTable`), before the rows;
/// - rows of nothing but defaults one by one.
package struct TargetLoading {
    private let batch: Batch
    private var connection: RowConnection
    /// By target.
    private var tables: [Int: Tables] = [:]

    /// What a target may need in the transaction: at most two temporary tables.
    private struct Tables {
        let stage: StageMerge
        let keys: KeyTable

        init(_ target: Target) {
            stage = StageMerge(target)
            keys = KeyTable(target)
        }
    }

    package init(batch: Batch, connection: Connection) {
        self.batch = batch
        self.connection = RowConnection(plain: connection)
    }

    private mutating func tables(of target: Target) -> Tables {
        if let known = tables[target.index] { return known }
        let new = Tables(target)
        tables[target.index] = new
        return new
    }

    /// Loads all rows of these targets; where it throws, some of them may be in.
    mutating func loadAll(_ selections: [RowSelection]) throws(Refusal) -> BatchTransaction.Loaded {
        var loaded = BatchTransaction.Loaded()
        for selection in selections {
            try load(selection, selection.rows.indices, isLast: true)
            loaded.rows += selection.rows.count
            loaded.rowsOfTargets[selection.target.index] = selection.rows.count
        }
        return loaded
    }

    /// Loads a part of a target's rows; where it throws, some of them may be in.
    ///
    /// - Parameter isLast: nothing follows for this target in the transaction, so nothing can be in the table by then that
    ///   was not there when it was asked about keys, but by somebody else.
    package mutating func load(
        _ selection: RowSelection, _ part: some Collection<Int>, isLast: Bool
    ) throws(Refusal) {
        let target = selection.target
        let tables = tables(of: target)
        var states = try selection.finalStates(part) { rows throws(Refusal) in
            try tables.keys.same(rows, batch.sections, over: connection)
        }
        // Deletions first: the rows that follow may take a unique value that a deleted row held.
        if !states.deletions.isEmpty { try tables.keys.delete(states.deletions, batch.sections, over: connection) }
        let groups = RowGroup.groups(
            of: states.rows, target, states.sections, selection.omissions, nulls: selection.nulls)
        states.rows = []
        let source = RowSource(target, states.sections, selection.omissions)
        for group in groups { try load(group, source, tables, isLast: isLast) }
    }

    /// The statements that a row takes, without the row: what fails now is no row's fault. To be rolled back.
    ///
    /// - Parameter leavingOutNothing: as if the row named all columns, so that none is left to its default.
    mutating func loadNothing(
        like row: Int, of selection: RowSelection, leavingOutNothing: Bool = false
    ) throws(Refusal) {
        connection.carriesRows = false
        defer { connection.carriesRows = true }
        let target = selection.target
        let tables = tables(of: target)
        let states = try selection.finalStates([row]) { _ throws(Refusal) in [] }
        if !states.deletions.isEmpty { try tables.keys.delete([], batch.sections, over: connection) }
        guard !states.rows.isEmpty else { return }
        let groups = RowGroup.groups(
            of: states.rows, target, states.sections, selection.omissions, nulls: selection.nulls)
        let source = RowSource(target, states.sections, selection.omissions)
        // A row of defaults alone has no statement that could go without it.
        for var group in groups where leavingOutNothing || !group.columns.isEmpty {
            group.rows = []
            if leavingOutNothing { group = RowGroup(rows: [], columns: Array(target.columns.indices)) }
            try load(group, source, tables, isLast: false)
        }
    }

    private func load(
        _ group: RowGroup, _ source: RowSource, _ tables: Tables, isLast: Bool
    ) throws(Refusal) {
        let target = source.target
        if group.columns.isEmpty { return try insertDefaults(group.rows, target) }
        if target.mode == .insert, group.mixed.isEmpty {
            return try StraightCopy(target).load(group, source, over: connection)
        }
        var left = group
        let lookup = KeyLookup(target)
        // With care, and where a key has a row more, ON CONFLICT does all of it.
        if isLast, lookup.pays(for: group) {
            left.rows = try lookup.load(group, source, tables.keys, over: connection)
            if left.rows.isEmpty { return }
        }
        try tables.stage.load(left, source, over: connection)
    }

    private func insertDefaults(_ rows: [RowReference], _ target: Target) throws(Refusal) {
        let onConflict = target.mode == .insert ? "" : " ON CONFLICT\(target.arbiter) DO NOTHING"
        for row in rows {
            do throws(Refusal) {
                try connection.run("INSERT INTO \(target.name.quoted) DEFAULT VALUES\(onConflict)")
            } catch {
                throw Refusal(error: error.error, withRows: true, row: row)
            }
        }
    }

    /// Makes the temporary tables that a target may need. Before a savepoint, so that rolling back to it leaves them.
    package mutating func prepare(_ selection: RowSelection) throws(PostgresError) {
        let target = selection.target
        let tables = tables(of: target)
        // A set of columns left out means that some rows may need defaults from the statement.
        let needsStage =
            target.mode != .insert
            || target.leavesToServer && target.table.mayMakeTemporary && (selection.omissions?.count ?? 1) > 1
        if needsStage { try tables.stage.make(on: connection.plain) }
        let needsKeys = target.keyCount > 0 && (target.asksForSameKeys || selection.hasTombstones)
        if needsKeys { try tables.keys.make(on: connection.plain) }
    }
}
