import Postgres

/// Rows that go in one after the other without a round trip for each: COPY into a stage, and one block of PL/pgSQL that carries
/// each row into the table behind a savepoint of its own and notes what the server says of those that it refuses, whether a
/// type's own input refuses a value or the table the row.
///
/// Rows behind one another that have given no trouble go in together, the more the longer that lasts: it saves statements, and
/// savepoints, of which the server remembers 64 a session without looking them up.
struct RowByRow {
    let target: Target
    let stage: ScratchTable
    let columns: StagedColumns

    /// So many rows at most at a time: the statement that takes them has to end within its timeout.
    static let most = 512
    /// So many at most behind one savepoint.
    static let mostTogether = 64
    /// Each set of columns is planned twice and compiled once, for each part again: of many sets each row costs more than to look
    /// for those that are refused.
    private static let mostWays = 32
    /// So many rows at least are copied together, however many of them cannot be read.
    private static let fewestCopied = 16

    static let number = quoteIdentifier("loader row")
    /// What the block leaves behind, a setting of the transaction: it takes no table, and goes with its savepoint.
    static let answer = "loader.refused"

    init(_ target: Target) {
        self.target = target
        columns = StagedColumns(target)
        stage = ScratchTable("rows", of: target)
    }

    /// A row that the server refuses by itself.
    struct Refused {
        /// In `RowSelection.rows`.
        var row: Int
        var error: PostgresError
        /// Sent by itself it would have been refused by COPY, as its dead letter says then.
        var isOfCopy: Bool
        /// The column whose value is refused, if it is one's; in the target's order.
        var column: Int?
    }

    /// Makes the stage where it is not there yet.
    func make(on connection: Connection) throws(PostgresError) { try stage.make(create, on: connection) }

    private var create: String { StageMerge.create(stage, target, columns, more: [(Self.number, "int4")]) }

    /// - Parameters:
    ///   - part: ascending places in `selection.rows`.
    ///   - nulled: counts values that became NULL, because their columns cannot hold them.
    /// - Returns: the refused rows in their order; the others are in. Nil where it does not pay, with nothing in.
    /// - Throws: why it cannot be done like this, or what is no row's fault by its code. Nothing is to be kept of it then.
    func load(
        _ selection: RowSelection, _ part: [Int], _ keys: KeyTable, over connection: RowConnection,
        nulled: inout Int
    ) throws(Refusal) -> [Refused]? {
        let plan = Plan(selection, part)
        guard plan.ways.count <= Self.mostWays else { return nil }
        if !plan.deletions.isEmpty {
            try keys.fill(
                plan.deletions.map(\.row), selection.batch.sections, numbers: plan.deletions.map(\.number),
                ofDeletions: true, over: connection)
        }
        let unreadable = try fill(plan, selection, part, over: connection, nulled: &nulled)
        let statements = plan.ways.map { self.statements($0, keys) }
        try connection.run(block(plan, statements, keys))
        let answer = try connection.query(Self.question)
        let all = Array(statements.joined())
        let refused = (0..<answer.rowCount).compactMap { self.refused(answer, $0, plan, part, all) }
        return unreadable.isEmpty ? refused : (refused + unreadable).sorted { $0.row < $1.row }
    }

    // MARK: Into the stage

    /// Brings the rows into the stage, but those that it cannot read: what stands before such a row goes in without it.
    ///
    /// - Returns: those.
    private func fill(
        _ plan: Plan, _ selection: RowSelection, _ part: [Int], over connection: RowConnection, nulled: inout Int
    ) throws(Refusal) -> [Refused] {
        var unreadable: [Refused] = []
        guard let first = part.first, let last = part.last, !plan.rows.isEmpty else { return unreadable }
        try connection.clear(stage, create)
        var (start, most) = (0, plan.rows.count)
        try connection.run("SAVEPOINT loader_copy")
        while start < plan.rows.count {
            let end = min(start + most, plan.rows.count)
            if let refusal = try copy(plan, start..<end, selection, over: connection) {
                try connection.run("ROLLBACK TO SAVEPOINT loader_copy")
                // What is not said of a value may be another row's.
                guard let line = refusal.error.copyLine, (1...end - start).contains(line),
                    let column = target.unfitColumn(refusal.error)
                else { throw refusal }
                if selection.setNull(refusal, first..<last + 1) {
                    nulled += 1
                } else {
                    let stumbled = start + line - 1
                    if let refusal = try copy(plan, start..<stumbled, selection, over: connection) { throw refusal }
                    let place = Int(plan.rows[stumbled].number) - 1
                    unreadable.append(
                        Refused(row: part[place], error: refusal.error, isOfCopy: true, column: column))
                    start = stumbled + 1
                    most = max(Self.fewestCopied, most / 2)
                }
            } else {
                start = end
                most *= 2
            }
            try connection.run("RELEASE SAVEPOINT loader_copy; SAVEPOINT loader_copy")
        }
        try connection.run("RELEASE SAVEPOINT loader_copy")
        return unreadable
    }

    /// - Returns: why the server takes none of these, where a row may be the reason.
    private func copy(
        _ plan: Plan, _ places: Range<Int>, _ selection: RowSelection, over connection: RowConnection
    ) throws(Refusal) -> Refusal? {
        guard !places.isEmpty else { return nil }
        let source = RowSource(target, selection.batch.sections, selection.omissions)
        var group = plan.group
        group.rows = plan.rows[places].map(\.row)
        let numbers = plan.rows[places].map(\.number)
        do throws(Refusal) {
            try connection.copy(copyStatement(group), naming: group.rows, takesAll: true) {
                (stream: borrowing CopyInStream) throws(PostgresError) in
                try source.send(group, numbers: numbers, to: stream)
            }
            return nil
        } catch {
            guard connection.isOpen, Suspicion(error.error) == .row else { throw error }
            return error
        }
    }

    private func copyStatement(_ group: RowGroup) -> String {
        let columns = group.columns.isEmpty ? Self.number : "\(target.quoted(group.columns)), \(Self.number)"
        return "COPY \(stage.name) (\(columns)) FROM STDIN\(target.copyOptions)"
    }
}
