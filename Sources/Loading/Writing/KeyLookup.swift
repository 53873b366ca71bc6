import Postgres

/// Asks the server which rows' keys are in the table already. The others can be copied straight into it, which costs the
/// server about half of what a stage and ON CONFLICT do.
///
/// The answer is a hint, no lock: another transaction may insert such a key a moment later, and COPY then fails on it.
struct KeyLookup {
    let section: Batch.Section
    let keyCount: Int
    let statements: TargetStatements
    let connection: Connection

    /// Below this many rows the round trips cost more than they save.
    private static let fewestRows = 2000
    /// What is asked for first: where most keys are known, asking for all of them does not pay.
    private static let sampleSize = 64

    /// Nil where rows cannot bypass ON CONFLICT, or it would not pay.
    init?(
        _ target: Target, _ section: Batch.Section, _ statements: TargetStatements, rows: Int, on connection: Connection
    ) {
        guard target.keyCount > 0, target.isKeyBytewise, target.format == .binary, rows >= Self.fewestRows,
            target.table.kind == .table || target.table.kind == .partitioned, section.kind != .tombstones
        else { return nil }
        self.section = section
        self.statements = statements
        self.connection = connection
        keyCount = target.keyCount
    }

    /// - Returns: for each row whether its key was found; nil where that is likely for most.
    func found(_ rows: [RowReference]) throws(PostgresError) -> [Bool]? {
        try connection.execute(statements.createKeys)
        var found = [Bool](repeating: false, count: rows.count)
        try look(for: rows, stride(from: 0, to: rows.count, by: rows.count / Self.sampleSize), &found)
        guard found.count(where: { $0 }) < Self.sampleSize / 2 else { return nil }
        try look(for: rows, rows.indices, &found)
        return found
    }

    private func look(
        for rows: [RowReference], _ positions: some Sequence<Int>, _ found: inout [Bool]
    ) throws(PostgresError) {
        _ = try connection.copyIn(statements.copyKeys) { (stream: borrowing CopyInStream) throws(PostgresError) in
            var scratch = CopyBuffer(capacity: 160 << 10)
            BinaryCopy.appendHeader(to: &scratch)
            for position in positions {
                let row = section.rows[Int(rows[position].row)]
                // A row begins with its number of columns, then come the key's.
                let start = row.start + 2
                scratch.append(Int16(truncatingIfNeeded: keyCount + 1))
                scratch.append(
                    UnsafeRawBufferPointer(rebasing: section.buffer.bytes[start..<start + Int(row.keyCount)]))
                scratch.append(4 as Int32)
                scratch.append(Int32(truncatingIfNeeded: position))
                if scratch.count > 128 << 10 {
                    try stream.send(scratch.bytes)
                    scratch.removeAll()
                }
            }
            BinaryCopy.appendTrailer(to: &scratch)
            try stream.send(scratch.bytes)
        }
        let known = try connection.query(statements.foundKeys)
        for row in 0..<known.rowCount {
            if let position = known.int(row, 0), found.indices.contains(Int(position)) { found[Int(position)] = true }
        }
    }
}
