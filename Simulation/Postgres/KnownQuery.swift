/// Questions to the catalog and to the activity of sessions, which are known as a whole: what they ask is answered, and not how.
enum KnownQuery: CaseIterable {
    case versions, requirement, relations, types, foreignKeys, foreignKeysAmong, constantDefaults, hungWriters
    case lockWait, locksOnTables, blockers, activity, refused, mayDelete, mayMakeTemporary, tableStates

    init?(_ sql: String) {
        guard let known = Self.allCases.first(where: { sql.hasPrefix($0.beginning) && sql.contains($0.middle) }) else {
            return nil
        }
        self = known
    }

    private var beginning: String {
        switch self {
        case .versions: "SELECT coalesce(string_agg(concat_ws('/', a.attrelid, a.attnum, a.xmin)"
        case .requirement: "SELECT 1 / CASE WHEN array_to_string(ARRAY("
        case .relations: "WITH named AS ("
        case .types: "SELECT json_build_object(\n    'oid', t.oid::bigint"
        case .foreignKeys: "SELECT k.conrelid::bigint, json_build_object("
        case .foreignKeysAmong: "WITH tree AS ("
        case .constantDefaults: "EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT "
        case .hungWriters: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        case .lockWait: "WITH own AS ("
        case .locksOnTables: "WITH named AS ("
        case .blockers: "SELECT p, pg_blocking_pids(p)::text FROM unnest($1::int[]) p"
        case .activity: "SELECT pid, coalesce(nullif(application_name, ''), backend_type, '')"
        case .refused: "SELECT nullif(r.e->>0, '')"
        case .mayDelete: "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'DELETE')"
        case .mayMakeTemporary: "SELECT has_database_privilege(current_database(), 'TEMPORARY'), current_database()"
        case .tableStates: "SELECT c.oid::bigint, row_security_active(c.oid), c.relpersistence = 'u'"
        }
    }

    /// What tells it from others that begin so.
    private var middle: String {
        switch self {
        case .relations: "'numericHasInfinity'"
        case .locksOnTables: "pg_catalog.pg_inherits"
        case .lockWait: "pg_blocking_pids"
        case .foreignKeysAmong: "k.conname"
        default: " "
        }
    }

    func answer(_ session: Session, _ parameters: [SQLValue]) throws -> (columns: [String], rows: [[SQLValue]]) {
        let catalog = CatalogAnswers(session: session)
        func numbers(_ place: Int) -> [Int64] {
            guard parameters.indices.contains(place), case .array(let items) = parameters[place] else { return [] }
            return items.compactMap(\.asInt)
        }
        let rows: [[SQLValue]]
        switch self {
        case .versions: rows = try catalog.tables(parameters).map { [.text(catalog.version($0)), .text("[]")] }
        case .requirement:
            try catalog.require(parameters)
            rows = [[.int(1)]]
        case .relations: rows = try catalog.relations(parameters)
        case .types:
            rows = try zip(numbers(0), numbers(1)).map { [.text(try catalog.type(UInt32($0), Int($1)))] }
        case .foreignKeys: rows = catalog.foreignKeys(numbers(0))
        case .foreignKeysAmong: rows = catalog.foreignKeys(among: numbers(0))
        case .constantDefaults: throw SQLFailure.unknown("EXPLAIN without its statement")
        case .hungWriters: rows = endHungWriters(session, parameters)
        case .lockWait: rows = lockWait(session, parameters)
        case .locksOnTables: rows = []
        case .blockers:
            rows = numbers(0).map { pid in
                let holders = session.database.sessions.first { Int64($0.pid) == pid }.map(Self.blockers) ?? []
                return [.int(pid), .text("{\(holders.map { "\($0)" }.joined(separator: ","))}")]
            }
        case .activity:
            let time = session.database.time
            rows = session.database.sessions.filter { numbers(0).contains(Int64($0.pid)) }.map { other in
                let state = other.isInStatement ? "active" : other.status == .idle ? "idle" : "idle in transaction"
                let age = other.transaction.map { SQLValue.int((time - $0.began) / 1_000_000) } ?? .null
                return [
                    .int(Int64(other.pid)), .text(other.name), .text("sim"), .text(state), age,
                    other.isBlocked ? .text("Lock") : .text("Client"),
                ]
            }
        case .refused: rows = session.transaction?.refused ?? []
        case .mayDelete: rows = [[.bool(true)]]
        case .mayMakeTemporary: rows = [[.bool(true), .text("sim")]]
        case .tableStates: rows = numbers(0).map { [.int($0), .bool(false), .bool(false)] }
        }
        return ((0..<(rows.first?.count ?? 1)).map { "\($0)" }, rows)
    }

    private static func blockers(_ session: Session) -> [Int32] {
        var pids: [Int32] = []
        for pid in session.blockers.map(\.session.pid) where !pids.contains(pid) { pids.append(pid) }
        return pids
    }

    private func lockWait(_ session: Session, _ parameters: [SQLValue]) -> [[SQLValue]] {
        let own = session.database.sessions.filter { $0.name == parameters.first?.text && $0 !== session }
        let exact = own.filter { Int64($0.pid) == parameters.last?.asInt }
        guard let waiting = (exact.isEmpty ? own : exact).first(where: \.isBlocked) else { return [] }
        let pids = Self.blockers(waiting).map { "\($0)" }.joined(separator: ",")
        return [[.int(Int64(waiting.pid)), .bool(true), .null, .text("{\(pids)}"), .null]]
    }

    private func endHungWriters(_ session: Session, _ parameters: [SQLValue]) -> [[SQLValue]] {
        var prefix = session.name
        if prefix.hasSuffix("ledger") {
            prefix.removeLast("ledger".count)
        } else if let range = prefix.ranges(of: "writer ").last, prefix[range.upperBound...].allSatisfy(\.isNumber) {
            prefix.removeSubrange(range.lowerBound...)
        }
        let most = (parameters.first?.asInt ?? 0) * 1000
        let hung = session.database.sessions.filter { other in
            other !== session && other.name.hasPrefix(prefix) && other.isInCopy
                && (other.statementBegan ?? .max) < session.database.time - most
        }
        for other in hung {
            other.fail(SQLFailure("57P01", "terminating connection due to administrator command").fatal)
        }
        return hung.map { _ in [.bool(true)] }
    }
}
