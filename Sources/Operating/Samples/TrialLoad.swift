import Loading
import Postgres

/// Puts a sample's rows into their table itself, the way that loading does, in a transaction that is rolled back.
///
/// So triggers, defaults, generated columns, indexes, foreign keys, partitions, policies and the rights to all that they use
/// have had their say. Sequences move on. What a rollback may not take back is not fired: see `Obstacle`.
struct TrialLoad {
    private let target: Target
    private let connection: Connection

    /// Rows that go in together while none is refused, and refusals after which the rest is left alone.
    private static let (chunk, mostRefusals) = (256, 100)

    init(_ target: Target, on connection: Connection) {
        self.target = target
        self.connection = connection
    }

    struct Result {
        /// Whatever the SQLSTATE: a row that fails alone.
        var refused: [DeadLetter] = []
        /// Rows whose fate hangs on what the table holds when they are loaded.
        var dependent: [RouteSample.Dependence: Int] = [:]
        /// The table's own triggers, which have run.
        var triggers: [String] = []
    }

    /// Why the rows were not put into the table.
    enum Obstacle: Error {
        /// What runs for a row may reach beyond the transaction: triggers in untrusted languages, foreign tables.
        case reachesOut(String)
        /// The server let nobody try: a lock, a timeout, no right to temporary tables.
        case refused(PostgresError)
    }

    func run(_ batch: Batch) throws(Obstacle) -> Result {
        defer {
            if connection.isOpen, connection.transactionStatus != .idle { _ = try? connection.execute("ROLLBACK") }
        }
        do throws(PostgresError) { try open() } catch { throw .refused(error) }
        var result = Result()
        result.triggers = try triggers()
        let selection = RowSelection(batch: batch, target: target)
        guard !selection.rows.isEmpty else {
            result.refused += try tryDefaults()
            return result
        }
        do throws(PostgresError) { try load(selection, of: batch, &result) } catch { throw .refused(error) }
        return result
    }

    /// With short deadlines: a loader that runs may wait for a row that is tried here.
    private func open() throws(PostgresError) {
        try connection.execute(
            """
            BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '2s';
            SET LOCAL statement_timeout = '10s'; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY';
            SET LOCAL IntervalStyle = 'postgres'; SET CONSTRAINTS ALL IMMEDIATE
            """)
    }

    /// The user's triggers on the table and its partitions, once none of them can reach beyond the transaction.
    private func triggers() throws(Obstacle) -> [String] {
        let found: QueryResult
        do throws(PostgresError) {
            found = try connection.query(
                """
                WITH parts AS (SELECT $1::regclass::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::regclass))
                SELECT t.tgname, NOT (l.lanpltrusted OR l.lanname = 'internal'), l.lanname
                FROM parts JOIN pg_trigger t ON t.tgrelid = parts.oid JOIN pg_proc p ON p.oid = t.tgfoid
                  JOIN pg_language l ON l.oid = p.prolang
                WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
                UNION
                SELECT c.relname, true, NULL FROM parts JOIN pg_class c ON c.oid = parts.oid WHERE c.relkind = 'f'
                ORDER BY 1
                """, [.text(target.name.quoted)])
        } catch { throw .refused(error) }
        for row in 0..<found.rowCount where found.bool(row, 1) == true {
            let name = found.string(row, 0) ?? ""
            throw .reachesOut(
                found.string(row, 2).map { "the trigger \(name) is written in \($0)" } ?? "\(name) is a foreign table")
        }
        return (0..<found.rowCount).compactMap { found.string($0, 0) }
    }

    private func load(
        _ selection: RowSelection, of batch: Batch, _ result: inout Result
    ) throws(PostgresError) {
        var loading = TargetLoading(batch: batch, connection: connection)
        let rows = selection.rows
        var search = RefusalSearch(count: rows.count)
        while !search.isDone, result.refused.count < Self.mostRefusals {
            let part = search.part(upTo: Self.chunk)
            try loading.prepare(selection)
            try connection.execute("SAVEPOINT loader_trial")
            do throws(Refusal) {
                try loading.load(selection, part, isLast: false)
                search.loaded(part)
            } catch {
                // A lock or a timeout says nothing of the rows.
                guard connection.isOpen, ![.lockNotAvailable, .queryCanceled].contains(error.error.sqlState) else {
                    throw error.error
                }
                try connection.execute("ROLLBACK TO SAVEPOINT loader_trial")
                if selection.setNull(error, part) {
                    try connection.execute("RELEASE SAVEPOINT loader_trial")
                    continue
                }
                let named = error.row.flatMap { row in rows[part].firstIndex { $0.message == row.message } }
                if let guilty = search.refused(part, naming: named) { note(rows[guilty], error.error, &result) }
            }
            try connection.execute("RELEASE SAVEPOINT loader_trial")
        }
    }

    private func note(_ row: RowReference, _ error: PostgresError, _ result: inout Result) {
        if let dependence = RouteSample.Dependence(error.sqlState) {
            result.dependent[dependence, default: 0] += 1
            return
        }
        result.refused.append(letter(Int(row.message), error))
    }

    private func letter(_ message: Int, _ error: PostgresError) -> DeadLetter {
        var general = error
        // The same for every row it happens to, so that they can be counted.
        general.copyLine = nil
        return DeadLetter(
            message: message, target: target.index, reason: .refused,
            column: error.column ?? error.copyColumn(among: target.columns.map(\.name)),
            explanation: "\(target.name): \(general)", sqlState: error.sqlState)
    }

    /// Where there is no row to try: whether the role may use what stands behind the columns' defaults.
    private func tryDefaults() throws(Obstacle) -> [DeadLetter] {
        do throws(PostgresError) {
            try connection.execute("INSERT INTO \(target.name.quoted) DEFAULT VALUES")
        } catch {
            if error.sqlState == .insufficientPrivilege { throw .refused(error) }
        }
        return []
    }
}

extension RouteSample.Dependence {
    /// Nil for what the row's own values bring about.
    init?(_ state: SQLState?) {
        switch state {
        case .foreignKeyViolation?: self = .parentIsMissing
        case .uniqueViolation?, .exclusionViolation?: self = .isThere
        default: return nil
        }
    }
}
