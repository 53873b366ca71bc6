import Postgres

/// A refusal, with the row that the server named, if it named one.
struct Refusal: Error {
    var error: PostgresError
    /// In `RowSelection.rows`.
    var row: RowReference?
}

/// How a target's rows get into its table, by its mode: COPY, or COPY into a stage and ON CONFLICT.
///
/// One for each transaction, whose stages it knows.
struct TargetLoading {
    let batch: Batch
    let connection: Connection
    /// The sections whose stages this transaction has made.
    private var stages: Set<Int32> = []

    init(batch: Batch, connection: Connection) {
        self.batch = batch
        self.connection = connection
    }

    /// Loads a part of a target's rows; where it throws, some of them may be in.
    ///
    /// - Parameter isLast: nothing follows for this target in the transaction, so its stages may keep what they hold.
    mutating func load(
        _ selection: RowSelection, _ part: some Collection<Int>, isLast: Bool
    ) throws(Refusal) {
        let steps = selection.steps(part)
        for (position, step) in steps.enumerated() {
            // A stage may serve several steps, and each must find it empty.
            let isLast = isLast && position == steps.count - 1
            // Deletions first: the rows that follow may take a unique value that a deleted row held.
            let sections = Set(step.map(\.section)).sorted { left, right in
                let isTombstone = batch.sections[Int(left)].kind == .tombstones
                return isTombstone != (batch.sections[Int(right)].kind == .tombstones) ? isTombstone : left < right
            }
            for section in sections {
                let rows = sections.count == 1 ? step : step.filter { $0.section == section }
                try load(selection.target, rows, of: section, isLast: isLast)
            }
        }
    }

    private mutating func load(
        _ target: Target, _ rows: [RowReference], of index: Int32, isLast: Bool
    ) throws(Refusal) {
        let section = batch.sections[Int(index)]
        let statements = TargetStatements(target, Int(index), section.kind)
        func copy(_ rows: [RowReference], _ statement: String) throws(Refusal) {
            do throws(PostgresError) {
                _ = try connection.copyIn(statement) { (stream: borrowing CopyInStream) throws(PostgresError) in
                    try send(rows, of: section, target.format, to: stream)
                }
            } catch {
                let named = error.copyLine.flatMap { rows.indices.contains($0 - 1) ? rows[$0 - 1] : nil }
                throw Refusal(error: error, row: named)
            }
        }
        func run(_ statement: String) throws(Refusal) {
            do throws(PostgresError) { try connection.execute(statement) } catch { throw Refusal(error: error) }
        }
        if target.mode == .insert {
            try copy(rows, statements.copy)
            return
        }
        var rows = rows
        // With care, and where a key has a row more, ON CONFLICT does all of it.
        if isLast, let lookup = KeyLookup(target, section, statements, rows: rows.count, on: connection) {
            rows = try copyNew(rows, lookup, run) { new throws(Refusal) in try copy(new, statements.copy) }
            if rows.isEmpty { return }
        }
        if stages.insert(index).inserted { try run(statements.createStage) }
        try copy(rows, statements.copyStage)
        try run(statements.merge)
        if !isLast { try run(statements.emptyStage) }
    }

    /// Copies the rows whose keys are new straight into the table.
    ///
    /// - Returns: the rows that are left for ON CONFLICT.
    private func copyNew(
        _ rows: [RowReference], _ lookup: KeyLookup, _ run: (String) throws(Refusal) -> Void,
        _ copy: ([RowReference]) throws(Refusal) -> Void
    ) throws(Refusal) -> [RowReference] {
        let found: [Bool]?
        do throws(PostgresError) { found = try lookup.found(rows) } catch { throw Refusal(error: error) }
        guard let found, found.contains(false) else { return rows }
        try run("SAVEPOINT loader_new")
        do throws(Refusal) {
            try copy(zip(rows, found).filter { !$1 }.map(\.0))
        } catch {
            // Somebody else was faster with a key, or COPY is not for this table: row-level security refuses it.
            let isSettledByConflict = [.uniqueViolation, .featureNotSupported].contains(error.error.sqlState)
            guard isSettledByConflict, connection.isOpen else { throw error }
            try run("ROLLBACK TO SAVEPOINT loader_new; RELEASE SAVEPOINT loader_new")
            return rows
        }
        try run("RELEASE SAVEPOINT loader_new")
        return zip(rows, found).filter { $1 }.map(\.0)
    }

    /// Sends rows as they lie in the section's buffer: neighbours in one piece.
    private func send(
        _ rows: [RowReference], of section: Batch.Section, _ format: Target.Format, to stream: borrowing CopyInStream
    ) throws(PostgresError) {
        var scratch = CopyBuffer(capacity: 160 << 10)
        if format == .binary { BinaryCopy.appendHeader(to: &scratch) }
        let bytes = section.buffer.bytes
        var position = 0
        while position < rows.count {
            let first = section.rows[Int(rows[position].row)]
            var end = first.end
            position += 1
            while position < rows.count, section.rows[Int(rows[position].row)].start == end {
                end = section.rows[Int(rows[position].row)].end
                position += 1
            }
            let piece = UnsafeRawBufferPointer(rebasing: bytes[first.start..<end])
            if piece.count > 64 << 10 {
                try stream.send(scratch.bytes)
                scratch.removeAll()
                try stream.send(piece)
            } else {
                scratch.append(piece)
                if scratch.count > 128 << 10 {
                    try stream.send(scratch.bytes)
                    scratch.removeAll()
                }
            }
        }
        try Failpoint.midCopy.pass(stream, sending: &scratch)
        if format == .binary { BinaryCopy.appendTrailer(to: &scratch) }
        if scratch.count > 0 { try stream.send(scratch.bytes) }
    }

    /// Makes the stages that a part needs. Before a savepoint, so that rolling back to it leaves them.
    mutating func prepareStages(_ selection: RowSelection, _ part: some Collection<Int>) throws(PostgresError) {
        guard selection.target.mode != .insert else { return }
        for section in Set(part.map { selection.rows[$0].section }) where stages.insert(section).inserted {
            try connection.execute(
                TargetStatements(selection.target, Int(section), batch.sections[Int(section)].kind).createStage)
        }
    }
}
