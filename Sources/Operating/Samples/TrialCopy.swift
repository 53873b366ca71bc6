import Loading
import Postgres

/// Lets the server read a sample's rows into a temporary copy of their table, in a transaction that is rolled back.
///
/// The copy has the table's types, domains and CHECK constraints, and nothing that could touch anything else: no
/// triggers, no sequences, no indexes, no foreign keys, no partitions. So what those would refuse is not found here.
struct TrialCopy {
    private let target: Target
    private let connection: Connection

    private static let stage = "pg_temp." + quoteIdentifier("loader_trial")
    /// Rows of a section that the server may refuse before it is left alone.
    private static let mostRefusals = 100

    init(_ target: Target, on connection: Connection) {
        self.target = target
        self.connection = connection
    }

    struct Result {
        var refused: [DeadLetter] = []
        /// What stands in each column, as text.
        var examples: [String: String] = [:]
    }

    /// - Returns: nil where this role or server lets nobody make temporary tables, which is no mistake.
    func run(_ batch: Batch) -> Result? {
        defer {
            if connection.isOpen, connection.transactionStatus != .idle { _ = try? connection.execute("ROLLBACK") }
        }
        do throws(PostgresError) {
            try open()
            var result = Result()
            for (number, section) in batch.sections.enumerated()
            where section.target == target.index && section.kind == .rows {
                // Rows that leave out the same columns are copied together.
                let sets = Dictionary(grouping: section.rows.indices) { section.rows[$0].omission }
                for (set, places) in sets.sorted(by: { $0.key < $1.key }) {
                    let columns = target.columns.indices.filter { column in
                        target.columns[column].omissionBit.map { !section.omissions.contains(set, $0) } ?? true
                    }
                    let rows = places.map {
                        RowReference(section: Int32(number), row: Int32($0), message: section.rows[$0].message)
                    }
                    if !columns.isEmpty { try copy(RowGroup(rows: rows, columns: columns), of: batch, &result) }
                }
            }
            result.examples = try examples()
            return result
        } catch {
            return nil
        }
    }

    private func open() throws(PostgresError) {
        try connection.execute(
            """
            BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '30s'; SET LOCAL TimeZone = 'UTC';
            SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres';
            CREATE TEMP TABLE \(quoteIdentifier("loader_trial")) (LIKE \(target.name.quoted) INCLUDING CONSTRAINTS)
            ON COMMIT DROP
            """)
        // Columns left to their default would be null here. What must not be null is known without the server.
        let nullable = target.table.columns.map { "ALTER \(quoteIdentifier($0.name)) DROP NOT NULL" }
        try connection.execute("ALTER TABLE \(Self.stage) " + nullable.joined(separator: ", "))
    }

    private func copy(_ group: RowGroup, of batch: Batch, _ result: inout Result) throws(PostgresError) {
        let rows = group.rows
        let source = RowSource(target, batch.sections, nil)
        let statement = StraightCopy(target, into: Self.stage).statement(group)
        func send(_ range: Range<Int>) throws(PostgresError) {
            guard !range.isEmpty else { return }
            var part = group
            part.rows = Array(rows[range])
            _ = try connection.copyIn(statement) { (stream: borrowing CopyInStream) throws(PostgresError) in
                try source.send(part, to: stream)
            }
        }
        var next = 0
        var refusals = 0
        while next < rows.count, refusals < Self.mostRefusals {
            try connection.execute("SAVEPOINT loader_trial")
            do throws(PostgresError) {
                try send(next..<rows.count)
                return
            } catch {
                // Without indexes and triggers the row that COPY names is the guilty one.
                guard let line = error.copyLine, next + line <= rows.count
                else { throw error }
                try connection.execute("ROLLBACK TO SAVEPOINT loader_trial")
                let guilty = next + line - 1
                let column = error.copyColumn(among: target.columns.map(\.name))
                // NULL would take its place.
                let isUnfit = target.columns.contains { $0.name == column && $0.mending?.nullsUnfit == true }
                if !isUnfit {
                    result.refused.append(
                        DeadLetter(
                            message: Int(rows[guilty].message), target: target.index, reason: .refused,
                            column: error.column ?? column,
                            explanation: "\(target.name): \(error.withoutRow(of: target.name))",
                            sqlState: error.sqlState))
                }
                refusals += 1
                try send(next..<guilty)
                next = guilty + 1
            }
        }
    }

    private func examples() throws(PostgresError) -> [String: String] {
        let columns = target.columns.map { quoteIdentifier($0.name) }
        let found = try connection.query(
            "SELECT "
                + columns.map {
                    "(SELECT left(\($0)::text, \(RouteSample.longestExample)) FROM \(Self.stage) WHERE \($0) IS NOT NULL LIMIT 1)"
                }.joined(separator: ", "))
        return target.columns.enumerated().reduce(into: [:]) { examples, column in
            examples[column.element.name] = found.string(0, column.offset)
        }
    }
}

extension PostgresError {
    /// The same for every row it happens to, so that they can be counted.
    fileprivate func withoutRow(of table: TableName) -> PostgresError {
        var error = self
        error.copyLine = nil
        error.cameWithRows = true
        // These name the temporary copy.
        error.message = message.replacing("\"loader_trial\"", with: "\"\(table.name)\"")
        error.table = nil
        error.schema = nil
        return error
    }
}
