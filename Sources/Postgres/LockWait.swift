/// A lock that sessions want and do not get, and who keeps them waiting.
///
/// Read from the lock manager and the activity of sessions: that waits for no relation, and shows no statement, which could
/// hold values.
public struct LockWait: Sendable, Equatable {
    /// A session, or a prepared transaction, that is in the way.
    public struct Holder: Sendable, Hashable {
        /// 0 for a prepared transaction, which is no session's any more.
        public var pid: Int32
        public var application: String
        public var user: String
        /// `active`, `idle in transaction`, …; nil where the role may not see it.
        public var state: String?
        /// Seconds since its transaction began; nil where the role may not see it.
        public var age: Int?
        /// What it waits for itself, as `pg_stat_activity` names it: `Lock`, `Client`, `IO`, …
        public var waitsFor: String?
        /// The identifier of a prepared transaction, and its database.
        public var prepared: (gid: String, database: String)?

        public static func == (left: Holder, right: Holder) -> Bool {
            (left.pid, left.application, left.user, left.prepared?.gid)
                == (right.pid, right.application, right.user, right.prepared?.gid)
        }

        public func hash(into hasher: inout Hasher) {
            hasher.combine(pid)
            hasher.combine(prepared?.gid)
        }
    }

    /// `schema.table`; nil where it is not known whose row it is.
    public var table: String?
    /// One row is locked, and not the table.
    public var isOfRow = false
    /// Those that keep it waiting.
    public var holders: [Holder] = []
    /// Those that keep these waiting, and wait for nobody themselves. The same as `holders`, mostly.
    public var roots: [Holder] = []

    /// `public.orders`, `a row of public.orders`.
    public var place: String {
        switch (table, isOfRow) {
        case (let table?, false): table
        case (let table?, true): "a row of \(table)"
        case (nil, _): "a row"
        }
    }

    /// `pid 4711 (psql, alice, idle in transaction for 3 min)`, and behind whom that one waits.
    public var who: String {
        let first = holders.map(\.description).joined(separator: ", ")
        let last = roots.filter { !holders.contains($0) }.map(\.description).joined(separator: ", ")
        if first.isEmpty { return last.isEmpty ? "a session that is gone by now" : last }
        return last.isEmpty ? first : "\(first), which waits behind \(last)"
    }
}

extension LockWait.Holder: CustomStringConvertible {
    public var description: String {
        if let prepared {
            return "the prepared transaction '\(prepared.gid)' (\(user)\(since.map { ", " + $0 } ?? ""))"
        }
        let known = [
            application.isEmpty ? nil : application, user.isEmpty ? nil : user,
            [state, since].compactMap(\.self).joined(separator: " ").nonEmpty,
        ].compactMap(\.self)
        return known.isEmpty ? "pid \(pid)" : "pid \(pid) (\(known.joined(separator: ", ")))"
    }

    private var since: String? {
        age.map { age in
            switch age {
            case ..<120: "for \(age) s"
            case ..<7200: "for \(age / 60) min"
            default: "for \(age / 3600) h"
            }
        }
    }
}

extension String {
    fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}

// MARK: - Asking

extension LockWait {
    /// What a session waits for.
    ///
    /// - Parameters:
    ///   - session: asked by its name, since behind a pooler libpq does not know the server's process.
    ///   - connection: another one, of the same role.
    /// - Returns: nil if it waits for no lock.
    public static func of(
        _ session: SessionName, on connection: Connection
    ) throws(PostgresError) -> LockWait? {
        let found = try connection.query(
            """
            WITH own AS (
              SELECT pid FROM pg_catalog.pg_stat_activity
              WHERE datname = current_database() AND usename = current_user AND application_name = $1
                AND pid <> pg_backend_pid()
            ), exact AS (SELECT pid FROM own WHERE pid = $2),
            -- Read once, so that all of it is of one moment.
            locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks),
            waits AS MATERIALIZED (
              SELECT w.*, pg_blocking_pids(w.pid) AS blockers FROM locks w
              WHERE NOT w.granted
                AND w.pid IN (SELECT pid FROM exact UNION SELECT pid FROM own WHERE NOT EXISTS (SELECT FROM exact))
              ORDER BY w.pid LIMIT 1
            )
            SELECT l.pid, l.locktype <> 'relation',
              (SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE c.oid = coalesce(l.relation, (
                 SELECT t.relation FROM locks t WHERE t.pid = l.pid AND t.locktype = 'tuple' AND t.granted LIMIT 1))),
              l.blockers::text,
              (SELECT n.nspname || '.' || c.relname FROM locks mine
               JOIN locks theirs ON theirs.relation = mine.relation AND theirs.mode = mine.mode
                 AND theirs.granted AND theirs.pid = ANY (l.blockers)
               JOIN pg_catalog.pg_class c ON c.oid = mine.relation AND c.relkind IN ('r', 'p')
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE mine.pid = l.pid AND mine.granted AND mine.mode = 'RowExclusiveLock'
                 AND n.nspname NOT LIKE 'pg\\_%' AND c.relpersistence <> 't'
               ORDER BY n.nspname = 'loader', 1 LIMIT 1)
            FROM waits l
            """, [.text(session.application), .int32(session.pid)])
        guard found.rowCount > 0 else { return nil }
        var wait = LockWait()
        wait.isOfRow = found.bool(0, 1) == true
        wait.table = found.string(0, 2) ?? found.string(0, 4)
        let pids = pids(found.string(0, 3))
        // They have let go meanwhile.
        guard !pids.isEmpty else { return nil }
        try wait.find(pids, on: connection)
        if pids.contains(0) {
            let prepared = try preparedHolders(blocking: Int32(found.int(0, 0) ?? 0), on: connection)
            wait.holders = wait.holders.filter { $0.pid != 0 } + prepared
            wait.roots = wait.roots.filter { $0.pid != 0 } + prepared
        }
        return wait
    }

    /// Locks on tables, or their partitions, that somebody holds or stands in the queue for, and with which nothing can be
    /// loaded into them.
    ///
    /// - Parameter reading: only those with which nothing can be read either.
    public static func on(
        _ tables: [TableName], reading: Bool = false, on connection: Connection
    ) throws(PostgresError) -> [LockWait] {
        guard !tables.isEmpty else { return [] }
        let modes = ["AccessExclusiveLock"] + (reading ? [] : ["ExclusiveLock", "ShareRowExclusiveLock", "ShareLock"])
        let found = try connection.query(
            """
            WITH named AS (
              SELECT CASE WHEN schema IS NULL THEN to_regclass(quote_ident(name))::oid
                          ELSE (SELECT c.oid FROM pg_catalog.pg_class c
                                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                                WHERE n.nspname = schema AND c.relname = name) END AS oid
              FROM unnest($1::text[], $2::text[]) AS w (schema, name)
            ), parts AS (
              SELECT oid, oid AS root FROM named
              UNION SELECT i.inhrelid, named.oid FROM named JOIN pg_catalog.pg_inherits i ON i.inhparent = named.oid
            )
            SELECT n.nspname || '.' || c.relname,
              array_agg(DISTINCT l.pid) FILTER (WHERE l.pid IS NOT NULL)::text,
              array_agg(DISTINCT l.virtualtransaction) FILTER (WHERE l.pid IS NULL)::text
            FROM parts
            JOIN pg_catalog.pg_locks l ON l.relation = parts.oid
            JOIN pg_catalog.pg_class c ON c.oid = parts.root
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE l.locktype = 'relation' AND l.mode = ANY ($3::text[])
              AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
              AND l.pid IS DISTINCT FROM pg_backend_pid()
            GROUP BY 1 ORDER BY 1
            """,
            [
                .array(tables.map(\.schema)), .array(tables.map { $0.name as String? }),
                .array(modes.map { $0 as String? }),
            ])
        var waits: [LockWait] = []
        for row in 0..<found.rowCount {
            var wait = LockWait(table: found.string(row, 0))
            try wait.find(pids(found.string(row, 1)), on: connection)
            let prepared = try preparedHolders(virtual: found.string(row, 2), on: connection)
            wait.holders += prepared
            wait.roots += prepared
            // Whoever has let go meanwhile holds nobody up.
            if !wait.holders.isEmpty { waits.append(wait) }
        }
        return waits
    }

    /// Fills in who these are, and who stands before them.
    private mutating func find(_ pids: [Int32], on connection: Connection) throws(PostgresError) {
        var edges: [Int32: [Int32]] = [:]
        var level = Set(pids).subtracting([0])
        // A cycle would be a deadlock, which the server ends itself.
        for _ in 0..<5 where !level.isEmpty {
            let found = try connection.query(
                "SELECT p, pg_blocking_pids(p)::text FROM unnest($1::int[]) p", [.array(Array(level))])
            for row in 0..<found.rowCount {
                edges[Int32(found.int(row, 0) ?? 0)] = Self.pids(found.string(row, 1)).filter { $0 != 0 }
            }
            level = Set(level.flatMap { edges[$0] ?? [] }).subtracting(edges.keys)
        }
        let known = try Self.sessions(Set(edges.keys).union(edges.values.joined()).sorted(), on: connection)
        holders = pids.compactMap { known[$0] }
        let ends = edges.filter { $0.value.isEmpty }.keys.sorted()
        roots = ends.compactMap { known[$0] }
    }

    private static func sessions(_ pids: [Int32], on connection: Connection) throws(PostgresError) -> [Int32: Holder] {
        let found = try connection.query(
            """
            SELECT pid, coalesce(nullif(application_name, ''), backend_type, ''), coalesce(usename, ''), state,
              extract(epoch FROM clock_timestamp() - xact_start)::bigint, wait_event_type
            FROM pg_catalog.pg_stat_activity WHERE pid = ANY ($1::int[])
            """, [.array(pids)])
        var sessions: [Int32: Holder] = [:]
        for row in 0..<found.rowCount {
            let pid = Int32(found.int(row, 0) ?? 0)
            sessions[pid] = Holder(
                pid: pid, application: found.string(row, 1) ?? "", user: found.string(row, 2) ?? "",
                state: found.string(row, 3), age: found.int(row, 4).map { Int(max(0, $0)) },
                waitsFor: found.string(row, 5))
        }
        return sessions
    }

    /// Prepared transactions that hold what a session waits for.
    private static func preparedHolders(blocking pid: Int32, on connection: Connection) throws(PostgresError)
        -> [Holder]
    {
        let found = try connection.query(
            """
            SELECT array_agg(DISTINCT held.virtualtransaction)::text
            FROM pg_catalog.pg_locks wanted JOIN pg_catalog.pg_locks held ON held.granted AND held.pid IS NULL
              AND held.locktype = wanted.locktype
              AND (held.database, held.relation, held.transactionid) IS NOT DISTINCT FROM
                  (wanted.database, wanted.relation, wanted.transactionid)
            WHERE wanted.pid = $1 AND NOT wanted.granted
            """, [.int32(pid)])
        return try preparedHolders(virtual: found.string(0, 0), on: connection)
    }

    /// - Parameter virtual: an array's text, of the virtual transactions under which their locks stand. Each holds the lock
    ///   of its transaction's own number under the same.
    private static func preparedHolders(
        virtual: String?, on connection: Connection
    ) throws(PostgresError) -> [Holder] {
        guard let virtual else { return [] }
        let found = try connection.query(
            """
            SELECT gid, owner, database, extract(epoch FROM clock_timestamp() - prepared)::bigint
            FROM pg_catalog.pg_prepared_xacts p
            WHERE EXISTS (
              SELECT FROM pg_catalog.pg_locks l
              WHERE l.locktype = 'transactionid' AND l.transactionid = p.transaction AND l.granted AND l.pid IS NULL
                AND l.virtualtransaction = ANY ($1::text[]))
            ORDER BY gid
            """, [.text(virtual)])
        return (0..<found.rowCount).map { row in
            Holder(
                pid: 0, application: "", user: found.string(row, 1) ?? "", state: nil,
                age: found.int(row, 3).map { Int(max(0, $0)) }, waitsFor: nil,
                prepared: (found.string(row, 0) ?? "", found.string(row, 2) ?? ""))
        }
    }

    /// The numbers of an array's text, `{1,2}`.
    private static func pids(_ text: String?) -> [Int32] {
        (text ?? "").split { !$0.isNumber }.compactMap { Int64($0).map { Int32(truncatingIfNeeded: $0) } }
    }
}

/// A session as the server lists it.
public struct SessionName: Sendable, Equatable {
    public var application: String
    /// What libpq takes for the server's process; behind a pooler it is none.
    public var pid: Int32

    public init(application: String, pid: Int32) {
        self.application = application
        self.pid = pid
    }
}
