import Postgres

/// Takes away what the tables have of parents beyond what their last messages have: by the parents' keys, in a table of the
/// transaction.
struct SetReplacement {
    private let target: Target
    private let parent: ElementParent
    private let table: ScratchTable

    private static let ordinal = quoteIdentifier("loader ordinal")

    init?(_ target: Target) {
        guard let parent = target.parent else { return nil }
        self.target = target
        self.parent = parent
        table = ScratchTable("sets", of: target)
    }

    func make(on connection: Connection) throws(PostgresError) { try table.make(create, on: connection) }

    /// - Parameter keys: holds the keys of what stays.
    func carryOut(
        _ sets: RowSelection.FinalSets, _ keys: KeyTable, over connection: RowConnection
    ) throws(Refusal) {
        guard !sets.parents.isEmpty else { return }
        try fill(sets, over: connection)
        // Most parents are new, or have what they had: only of those that have rows any may have to go.
        let known = try connection.query(foundParents)
        guard known.rowCount > 0 else { return }
        var isKnown = [Bool](repeating: false, count: sets.parents.count)
        for row in 0..<known.rowCount {
            if let place = known.int(row, 0), isKnown.indices.contains(Int(place)) { isKnown[Int(place)] = true }
        }
        let staying = sets.staying.filter { isKnown[$0.parent] }.map(\.row)
        guard !staying.isEmpty else {
            try connection.run(deletion)
            return
        }
        try keys.fill(staying, sets.sections, over: connection)
        try connection.run("\(deletion) AND NOT EXISTS (\(keys.holding("t")))")
    }

    /// The statements without a key.
    func carryOutNothing(_ keys: KeyTable, over connection: RowConnection) throws(Refusal) {
        try connection.clear(table, create)
        try keys.fill([], [], over: connection)
        try connection.run("\(deletion) AND NOT EXISTS (\(keys.holding("t")))")
    }

    private func fill(_ sets: RowSelection.FinalSets, over connection: RowConnection) throws(Refusal) {
        try connection.clear(table, create)
        try connection.copy(
            "COPY \(table.name) FROM STDIN\(target.copyOptions)", naming: sets.parents, takesAll: true
        ) { (stream: borrowing CopyInStream) throws(PostgresError) in
            try stream.send(rows: sets.parents.count, fields: parent.keyCount + 1, target.format) { position, scratch in
                let reference = sets.parents[position]
                scratch.append(sets.sections[Int(reference.section)].key(of: Int(reference.row), target.format))
                scratch.append(integer: Int32(truncatingIfNeeded: position), target.format)
            }
        }
    }

    private var create: String {
        "CREATE TEMP TABLE \(table.newName) ON COMMIT DROP AS SELECT "
            + "\(target.quoted(Array(0..<parent.keyCount))), 0::int4 AS \(Self.ordinal) FROM \(target.name.quoted) WITH NO DATA"
    }

    private var isOfParent: String { target.hasSameKey("t", "s", first: parent.keyCount) }

    private var foundParents: String {
        "SELECT s.\(Self.ordinal) FROM \(table.name) AS s "
            + "WHERE (SELECT true FROM \(target.name.quoted) AS t WHERE \(isOfParent) LIMIT 1)"
    }

    private var deletion: String {
        "DELETE FROM \(target.name.quoted) AS t USING \(table.name) AS s WHERE \(isOfParent)"
    }
}
