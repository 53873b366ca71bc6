import Postgres

/// A refusal, with the row that the server named, if it named one.
package struct Refusal: Error {
    package var error: PostgresError
    /// In `RowSelection.rows`.
    package var row: RowReference?

    /// - Parameter withRows: rows were there that the server's words may quote.
    init(error: PostgresError, withRows: Bool, row: RowReference? = nil) {
        self.error = error
        self.error.cameWithRows = withRows
        self.row = row
    }
}

/// How a target's rows get into its table, by its mode: COPY, or COPY into a stage and on from there.
///
/// One for each transaction, whose temporary tables it knows: at most two for each target.
package struct TargetLoading {
    let batch: Batch
    let connection: Connection
    /// By target: whether it has its stage, and its table of keys, and whether something may stand in them. A savepoint
    /// that is rolled back to may bring back what stood there.
    private var stages: [Int: Bool] = [:]
    private var keyTables: [Int: Bool] = [:]
    /// Whether the statements carry rows, so that the server's words may quote them.
    private var carriesRows = true

    package init(batch: Batch, connection: Connection) {
        self.batch = batch
        self.connection = connection
    }

    /// Loads a part of a target's rows; where it throws, some of them may be in.
    ///
    /// - Parameter isLast: nothing follows for this target in the transaction, so nothing can be in the table by then that
    ///   was not there when it was asked about keys, but by somebody else.
    package mutating func load(
        _ selection: RowSelection, _ part: some Collection<Int>, isLast: Bool
    ) throws(Refusal) {
        let target = selection.target
        let statements = TargetStatements(target)
        var states = try selection.finalStates(part) { rows throws(Refusal) in
            try sameKeys(rows, target, statements)
        }
        // Deletions first: the rows that follow may take a unique value that a deleted row held.
        if !states.deletions.isEmpty {
            try copyKeys(states.deletions, batch.sections, target, statements)
            try run(statements.deleteKeys)
        }
        let groups = RowGroup.groups(
            of: states.rows, target, states.sections, selection.omissions, nulls: selection.nulls)
        states.rows = []
        for group in groups {
            try load(group, RowSource(target, states.sections, selection.omissions), statements, isLast: isLast)
        }
    }

    /// The statements that a row takes, without the row: what fails now is no row's fault. To be rolled back.
    ///
    /// - Parameter leavingOutNothing: as if the row named all columns, so that none is left to its default.
    mutating func loadNothing(
        like row: Int, of selection: RowSelection, leavingOutNothing: Bool = false
    ) throws(Refusal) {
        carriesRows = false
        defer { carriesRows = true }
        let target = selection.target
        let statements = TargetStatements(target)
        let states = try selection.finalStates([row]) { _ throws(Refusal) in [] }
        if !states.deletions.isEmpty {
            try copyKeys([], batch.sections, target, statements)
            try run(statements.deleteKeys)
        }
        guard !states.rows.isEmpty else { return }
        let groups = RowGroup.groups(
            of: states.rows, target, states.sections, selection.omissions, nulls: selection.nulls)
        // A row of defaults alone has no statement that could go without it.
        for var group in groups where leavingOutNothing || !group.columns.isEmpty {
            group.rows = []
            if leavingOutNothing { group = RowGroup(rows: [], columns: Array(target.columns.indices)) }
            try load(group, RowSource(target, states.sections, selection.omissions), statements, isLast: false)
        }
    }

    private mutating func load(
        _ group: RowGroup, _ source: RowSource, _ statements: TargetStatements, isLast: Bool
    ) throws(Refusal) {
        let target = source.target
        guard !group.columns.isEmpty else {
            for row in group.rows {
                do throws(Refusal) { try run(statements.insertDefaults) } catch {
                    throw Refusal(error: error.error, withRows: true, row: row)
                }
            }
            return
        }
        if target.mode == .insert, group.mixed.isEmpty {
            try copy(group, source, statements.copy(group))
            return
        }
        var group = group
        // With care, and where a key has a row more, ON CONFLICT does all of it.
        if isLast, KeyLookup.pays(for: group, target) {
            try copyNew(&group, source, statements)
            if group.rows.isEmpty { return }
        }
        if stages[target.index] == nil {
            try run(statements.createStage)
        } else if stages[target.index] == true {
            try run(statements.emptyStage)
        }
        stages[target.index] = true
        try copy(group, source, statements.copyStage(group), takesAll: true)
        if let indexStage = statements.indexStage(group) { try run(indexStage) }
        try run(statements.merge(group))
    }

    /// Copies the rows whose keys are new straight into the table, and leaves the others.
    private mutating func copyNew(
        _ group: inout RowGroup, _ source: RowSource, _ statements: TargetStatements
    ) throws(Refusal) {
        guard let found = try foundKeys(group.rows, source, statements), found.contains(false) else { return }
        try run("SAVEPOINT loader_new")
        var new = group.inserting(source.target)
        new.rows = zip(group.rows, found).filter { !$1 }.map(\.0)
        do throws(Refusal) {
            try copy(new, source, statements.copy(new))
        } catch {
            // Somebody else was faster with a key, or COPY is not for this table: row-level security refuses it.
            let isSettledByConflict = [.uniqueViolation, .featureNotSupported].contains(error.error.sqlState)
            guard isSettledByConflict, connection.isOpen else { throw error }
            try run("ROLLBACK TO SAVEPOINT loader_new; RELEASE SAVEPOINT loader_new")
            return
        }
        try run("RELEASE SAVEPOINT loader_new")
        group.rows = zip(group.rows, found).filter { $1 }.map(\.0)
    }

    // MARK: Keys

    /// Asks the server which rows' keys are in the table already.
    ///
    /// - Returns: for each row whether its key was found; nil where that is likely for most.
    private mutating func foundKeys(
        _ rows: [RowReference], _ source: RowSource, _ statements: TargetStatements
    ) throws(Refusal) -> [Bool]? {
        var sample: [RowReference] = []
        for position in stride(from: 0, to: rows.count, by: max(1, rows.count / KeyLookup.sampleSize)) {
            sample.append(rows[position])
        }
        func ask(_ rows: [RowReference]) throws(Refusal) -> [Bool] {
            try copyKeys(rows, source.sections, source.target, statements)
            var found = [Bool](repeating: false, count: rows.count)
            let known = try query(statements.foundKeys)
            for row in 0..<known.rowCount {
                if let position = known.int(row, 0), found.indices.contains(Int(position)) {
                    found[Int(position)] = true
                }
            }
            return found
        }
        guard try ask(sample).count(where: { $0 }) < sample.count / 2 else { return nil }
        return try ask(rows)
    }

    private mutating func sameKeys(
        _ rows: [RowReference], _ target: Target, _ statements: TargetStatements
    ) throws(Refusal) -> [[Int]] {
        try copyKeys(rows, batch.sections, target, statements)
        let answer = try query(statements.sameKeys)
        return KeyLookup.classes((0..<answer.rowCount).map { answer.string($0, 0) ?? "" }, count: rows.count)
    }

    /// Fills the table of keys with those of these rows, each with its position.
    private mutating func copyKeys(
        _ rows: [RowReference], _ sections: [Batch.Section], _ target: Target, _ statements: TargetStatements
    ) throws(Refusal) {
        if keyTables[target.index] == nil {
            try run(statements.createKeys)
        } else if keyTables[target.index] == true {
            try run(statements.emptyKeys)
        }
        keyTables[target.index] = true
        try copy(statements.copyKeys, naming: rows, takesAll: true) {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try KeyLookup.send(rows, sections, target, to: stream)
        }
    }

    // MARK: Statements

    /// - Parameter takesAll: it is a table of our own, where no trigger leaves a row out.
    private func copy(
        _ group: RowGroup, _ source: RowSource, _ statement: String, takesAll: Bool = false
    ) throws(Refusal) {
        try copy(statement, naming: group.rows, takesAll: takesAll) {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try source.send(group, to: stream)
        }
    }

    private func copy(
        _ statement: String, naming rows: [RowReference], takesAll: Bool,
        _ send: (borrowing CopyInStream) throws(PostgresError) -> Void
    ) throws(Refusal) {
        do throws(PostgresError) {
            let taken = try connection.copyIn(statement, send)
            precondition(
                taken == rows.count || (taken < rows.count && !takesAll),
                "COPY has taken \(taken) rows of \(rows.count)")
        } catch {
            let named = error.copyLine.flatMap { rows.indices.contains($0 - 1) ? rows[$0 - 1] : nil }
            throw Refusal(error: error, withRows: carriesRows, row: named)
        }
    }

    private func run(_ statement: String) throws(Refusal) {
        do throws(PostgresError) { try connection.execute(statement) } catch {
            throw Refusal(error: error, withRows: carriesRows)
        }
    }

    private func query(_ statement: String) throws(Refusal) -> QueryResult {
        do throws(PostgresError) { return try connection.query(statement) } catch {
            throw Refusal(error: error, withRows: carriesRows)
        }
    }

    /// Makes the temporary tables that a target may need. Before a savepoint, so that rolling back to it leaves them.
    package mutating func prepareStages(_ selection: RowSelection, _ part: some Collection<Int>) throws(PostgresError) {
        let target = selection.target
        let statements = TargetStatements(target)
        // A set of columns left out means that some rows may need defaults from the statement.
        let needsStage =
            target.mode != .insert
            || target.leavesToServer && target.table.mayMakeTemporary && (selection.omissions?.count ?? 1) > 1
        if needsStage, stages[target.index] == nil {
            try connection.execute(statements.createStage)
            stages[target.index] = false
        }
        let needsKeys = target.keyCount > 0 && (target.asksForSameKeys || selection.hasTombstones)
        if needsKeys, keyTables[target.index] == nil {
            try connection.execute(statements.createKeys)
            keyTables[target.index] = false
        }
    }
}
