import Kafka
import Loading
import Postgres

/// The start-up check: every mistake of the configuration and of the target, all at once, before the first message.
public struct Preflight: Sendable {
    /// The routes that could be compiled.
    package let targets: [Target]
    package let mark: LedgerMark?
    /// What stops the start.
    public let problems: [SetupProblem]
    /// What does not.
    public let warnings: [SetupProblem]

    /// The oldest server the loader is made for.
    static let oldestServer = 130_000

    /// Checks what can be checked without any server.
    public static func problems(_ options: LoadingOptions) -> [SetupProblem] {
        var problems = KafkaLibrary.problems(in: options.properties).map {
            SetupProblem(.kafka, at: "kafka.properties", "\($0)", mend: "see librdkafka's CONFIGURATION.md")
        }
        for route in options.routes {
            for topic in route.topics where !topic.isValid {
                problems.append(
                    SetupProblem(
                        .badOption, at: route.label, "`\(topic.subscription)` is no regular expression",
                        mend: "use a POSIX extended expression that begins with ^"))
            }
        }
        return problems
    }

    /// Checks the options against the database, for a start.
    ///
    /// - Throws: `LoadingError` with all mistakes, or `PostgresError` if the database cannot be asked.
    public static func check(_ options: LoadingOptions, on connection: Connection) throws -> Preflight {
        let preflight = try inspect(options, on: connection)
        guard preflight.problems.isEmpty else { throw LoadingError(problems: preflight.problems) }
        return preflight
    }

    /// Checks the options against the database, for somebody who wants to hear of everything.
    ///
    /// - Throws: if the database cannot be asked.
    public static func inspect(
        _ options: LoadingOptions, on connection: Connection
    ) throws(PostgresError) -> Preflight {
        var problems = problems(options)
        var warnings: [SetupProblem] = []
        let role = connection.parameter("session_authorization")
        problems += serverProblems(connection)
        // Read before the tables: a change in between then shows as one.
        let names = try RoutedNames.find(options.routes, on: connection)
        let versions = try Catalog.versions(of: names.tables, on: connection)
        let tables = try Catalog.tables(Array(Set(names.tables).union(ledgerTables(options))), on: connection)
        var (targets, found) = CompiledRoutes.compile(options, names, tables, versions, role)
        if try Target.findParents(&targets, options, on: connection) {
            warnings.append(.staying(inLetters: options.deadLetters.table, role))
        }
        problems += found
        let ledgerProblems = ledgerProblems(options, tables, role)
        problems += ledgerProblems
        problems += deadLetterProblems(options, tables, role)
        // Where one stands for all that a route may choose, it would be told of twice.
        let loaded = targets.filter { !$0.choosesTable }
        let (hidden, unsafe) = try tableTraits(loaded, options, on: connection)
        problems += hidden
        warnings += unsafe
        problems += try temporaryTableProblems(options, role, on: connection)
        warnings += otherIndexWarnings(loaded)
        problems += try fixedValueProblems(loaded, on: connection)
        warnings += timeoutWarnings(options)
        warnings += try searchPathWarnings(role, on: connection)
        var mark: LedgerMark?
        if options.delivery == .exactlyOnce, ledgerProblems.isEmpty {
            mark = try Ledger.mark(on: connection)
            problems += try groupProblems(options, targets, mark, on: connection)
        }
        return Preflight(targets: targets, mark: mark, problems: problems, warnings: warnings)
    }

    private static func serverProblems(_ connection: Connection) -> [SetupProblem] {
        var problems: [SetupProblem] = []
        if connection.serverVersion < oldestServer {
            problems.append(
                SetupProblem(
                    .database, at: "postgres.url", "PostgreSQL \(connection.serverVersion / 10_000) is too old",
                    mend: "use PostgreSQL 13 or newer"))
        }
        if let encoding = connection.parameter("server_encoding"), encoding != "UTF8" {
            problems.append(
                SetupProblem(
                    .badEncoding, at: "postgres.url", "the database's encoding is \(encoding)",
                    mend: "create a database with ENCODING 'UTF8'"))
        }
        return problems
    }

    private static func temporaryTableProblems(
        _ options: LoadingOptions, _ role: String?, on connection: Connection
    ) throws(PostgresError) -> [SetupProblem] {
        guard options.routes.contains(where: { $0.mode != .insert }) else { return [] }
        let may = try connection.query(
            "SELECT has_database_privilege(current_database(), 'TEMPORARY'), current_database()")
        guard may.bool(0, 0) == false else { return [] }
        return [
            SetupProblem(
                .missingRight, at: "postgres.url",
                "no right to create temporary tables, which ignore and upsert need",
                mend: "GRANT TEMPORARY ON DATABASE \(quoteIdentifier(may.string(0, 1) ?? "")) TO "
                    + "\(MissingRights.grantee(role));")
        ]
    }

    private static func otherIndexWarnings(_ targets: [Target]) -> [SetupProblem] {
        targets.filter { $0.mode == .upsert }.flatMap { target in
            let key = Set(target.keyColumns.map { $0.name })
            return target.table.uniqueIndexes.filter { Set($0.columns) != key }.map { index in
                SetupProblem(
                    .missingIndex, at: target.route.label,
                    "\(target.name) has another unique index, \(index.name): a row that breaks it is a dead letter",
                    mend: "nothing, if that is what you want", isWarning: true)
            }
        }
    }

    /// Whether this group may begin, and whether the ledger knows which database it is in.
    private static func groupProblems(
        _ options: LoadingOptions, _ targets: [Target], _ mark: LedgerMark?, on connection: Connection
    ) throws(PostgresError) -> [SetupProblem] {
        var problems: [SetupProblem] = []
        if !options.isNewGroup {
            problems += try OtherGroups.problems(targets, group: options.group, on: connection)
        }
        if mark == nil {
            let topics = try Ledger(group: options.group).loadedTopics(on: connection)
            problems.append(
                SetupProblem(
                    .ledger, at: "loader.ledger", "the table has no row, so this database has no identity",
                    mend: .position(.identify(topics: topics))))
        }
        return problems
    }

    /// What the catalog says of tables beyond their columns: row-level security, which refuses COPY, and tables that a
    /// crash of the server empties.
    private static func tableTraits(
        _ targets: [Target], _ options: LoadingOptions, on connection: Connection
    ) throws(PostgresError) -> (problems: [SetupProblem], warnings: [SetupProblem]) {
        guard !targets.isEmpty else { return ([], []) }
        let found = try connection.query(
            """
            SELECT c.oid::bigint, row_security_active(c.oid), c.relpersistence = 'u'
            FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::bigint[]::oid[])
            """, [.array(targets.map { Int64($0.table.oid) })])
        var secured: Set<Int64> = []
        var unlogged: Set<Int64> = []
        for row in 0..<found.rowCount {
            guard let oid = found.int(row, 0) else { continue }
            if found.bool(row, 1) == true { secured.insert(oid) }
            if found.bool(row, 2) == true { unlogged.insert(oid) }
        }
        var problems: [SetupProblem] = []
        var warnings: [SetupProblem] = []
        for target in targets {
            if target.mode == .insert, secured.contains(Int64(target.table.oid)) {
                problems.append(
                    SetupProblem(
                        .missingRight, at: target.route.label,
                        "row-level security of \(target.name) applies to this role, and COPY refuses that",
                        mend: "load as the table's owner, or as a role with BYPASSRLS"))
            }
            if options.delivery == .exactlyOnce, unlogged.contains(Int64(target.table.oid)) {
                warnings.append(
                    SetupProblem(
                        .wrongRelation, at: target.route.label,
                        "\(target.name) is unlogged: a crash of the server empties it, and the ledger goes on as if not",
                        mend: "ALTER TABLE \(target.name.quoted) SET LOGGED;", isWarning: true))
            }
        }
        return (problems, warnings)
    }

    /// Defaults and constants that the server cannot read: what it alone knows are the labels of enums, the checks of
    /// domains, and types without an encoder.
    private static func fixedValueProblems(
        _ targets: [Target], on connection: Connection
    ) throws(PostgresError) -> [SetupProblem] {
        var problems: [SetupProblem] = []
        for target in targets {
            for column in target.columns {
                guard let input = column.fixedInput else { continue }
                do throws(PostgresError) {
                    _ = try connection.query("SELECT $1::text::\(column.type.formatted)", [.text(input)])
                } catch {
                    guard let state = error.sqlState, FailureClass(error) != .away, FailureClass(error) != .busy
                    else { throw error }
                    let option = column.source == .constant ? "constant" : "default"
                    problems.append(
                        SetupProblem(
                            .badOption, at: target.route.label,
                            "\(option) of \(target.name).\(column.name) is none that \(column.type.formatted) takes "
                                + "(\(state.rawValue)): \(error.message)",
                            mend: "write one that `SELECT '…'::\(column.type.formatted)` takes"))
                }
            }
        }
        return problems
    }

    // MARK: Locks

    /// Whoever reads what a start needs waits no longer for a lock on it: it is told in place of waiting.
    public static let lockPatience = Duration.seconds(1)

    /// The tables that other sessions keep locked so that a loader would wait for them, each with who that is. It waits for
    /// none itself.
    public static func locks(_ options: LoadingOptions, on connection: Connection) throws(PostgresError) -> [LockWait] {
        let names = try RoutedNames.find(options.routes, on: connection)
        return try LockWait.on(
            Array(Set(names.tables).union(ledgerTables(options))).sorted { "\($0)" < "\($1)" },
            on: connection)
    }

    /// The same as warnings: a start waits, and goes on by itself.
    public static func warning(_ lock: LockWait) -> SetupProblem {
        SetupProblem(
            .locked, at: lock.place, "locked by \(lock.who): a loader waits until it is free", mend: lock.mend,
            isWarning: true)
    }

    // MARK: The loader's own tables

    private static let positions = TableName(schema: "loader", name: "positions")
    private static let ledger = TableName(schema: "loader", name: "ledger")

    private static func ledgerTables(_ options: LoadingOptions) -> [TableName] {
        (options.delivery == .exactlyOnce ? [positions, ledger] : []) + (options.deadLetters.table.map { [$0] } ?? [])
    }

    private static func ledgerProblems(
        _ options: LoadingOptions, _ tables: [TableName: Table], _ role: String?
    ) -> [SetupProblem] {
        guard options.delivery == .exactlyOnce else { return [] }
        let missing = [positions, ledger].filter { tables[$0] == nil }
        if !missing.isEmpty {
            let names = missing.map(\.description).joined(separator: ", ")
            return [
                SetupProblem(
                    .ledger, at: names,
                    "missing, and exactly-once rests on it",
                    mend: "run `loader migrate up`, or set delivery: at_least_once")
            ]
        }
        let absent = Ledger.laterColumns.filter { tables[positions]?.column(named: $0) == nil }
        if !absent.isEmpty {
            return [
                SetupProblem(
                    .ledger, at: positions.description,
                    "it lacks \(absent.joined(separator: " and ")), by which a topic is known again",
                    mend: "run `loader migrate up`; loaders of the version before go on working")
            ]
        }
        return [positions, ledger].compactMap { name in
            guard let table = tables[name] else { return nil }
            return missingRights(name, table, role, writes: name == positions ? table.columns : [])
        }
    }

    /// - Parameter writes: the columns that are inserted and updated.
    private static func missingRights(
        _ name: TableName, _ table: Table, _ role: String?, writes: [Table.Column]
    ) -> SetupProblem? {
        var rights: [String] = []
        if !table.maySelect { rights.append("SELECT") }
        if !writes.allSatisfy(\.mayInsert) { rights.append("INSERT") }
        if !writes.allSatisfy(\.mayUpdate) { rights.append("UPDATE") }
        guard !rights.isEmpty else { return nil }
        let names = rights.joined(separator: ", ")
        let grantee = MissingRights.grantee(role)
        let usage =
            table.mayUseSchema
            ? "" : "GRANT USAGE ON SCHEMA \(quoteIdentifier(table.name.schema ?? "")) TO \(grantee); "
        return SetupProblem(
            .missingRight, at: name.description, "no right to \(names)",
            mend: usage + "GRANT \(names) ON \(table.name.quoted) TO \(grantee);")
    }

    private static func deadLetterProblems(
        _ options: LoadingOptions, _ tables: [TableName: Table], _ role: String?
    ) -> [SetupProblem] {
        guard let name = options.deadLetters.table else { return [] }
        guard let table = tables[name] else {
            return [
                SetupProblem(
                    .missingTable, at: "dead_letters.table", "there is no table \(name)",
                    mend: "run `loader migrate up`, which makes loader.dead_letters, or set dead_letters.topic instead")
            ]
        }
        let missing = DeadLetterSink.columns.filter { table.column(named: $0) == nil }
        if !missing.isEmpty {
            return [
                SetupProblem(
                    .missingColumn, at: "dead_letters.table", "\(name) lacks \(missing.joined(separator: ", "))",
                    mend: "make it LIKE loader.dead_letters INCLUDING ALL")
            ]
        }
        let written = table.columns.filter { DeadLetterSink.columns.contains($0.name) }
        return [missingRights(name, table, role, writes: written)].compactMap(\.self)
    }

    /// A role that is called as the ledger's schema has it first in its search path (`"$user"`): what is created without
    /// a schema lands there, and is dropped along with it.
    private static func searchPathWarnings(
        _ role: String?, on connection: Connection
    ) throws(PostgresError) -> [SetupProblem] {
        let schema = positions.schema ?? ""
        guard try connection.query("SELECT current_schema()").string(0, 0) == schema else { return [] }
        return [
            SetupProblem(
                .database, at: "postgres.url",
                "tables that are created without a schema land in the ledger's own, \(schema), which is first in the search path",
                mend:
                    "ALTER ROLE \(MissingRights.grantee(role)) SET search_path = public; or load as a role of another name",
                isWarning: true)
        ]
    }

    /// Times that do not go together. A statement that may take longer than the group waits would cost the membership.
    private static func timeoutWarnings(_ options: LoadingOptions) -> [SetupProblem] {
        let limit = options.properties["max.poll.interval.ms"].flatMap { Int64($0) } ?? 300_000
        let statement = options.database.statementTimeout.inMilliseconds
        let lock = options.database.lockTimeout.inMilliseconds
        var warnings: [SetupProblem] = []
        func warn(_ key: String, _ problem: String, _ mend: String) {
            warnings.append(SetupProblem(.timeout, at: key, problem, mend: mend, isWarning: true))
        }
        if statement + lock > limit {
            warn(
                "postgres.statement_timeout",
                "with lock_timeout it is longer than max.poll.interval.ms (\(limit) ms): a rebalance may have to wait for it",
                "shorten them, or raise max.poll.interval.ms in kafka.properties")
        }
        if lock >= statement {
            warn(
                "postgres.lock_timeout",
                "it is no shorter than statement_timeout (\(statement) ms), which so ends the wait for a lock first",
                "make it shorter than postgres.statement_timeout")
        }
        if options.shutdownTimeout.inMilliseconds > limit {
            warn(
                "shutdown_timeout",
                "it is longer than max.poll.interval.ms (\(limit) ms): the group would give the partitions away before the "
                    + "stop is over", "shorten it, or raise max.poll.interval.ms in kafka.properties")
        }
        return warnings
    }
}

/// How a route lands in its table, for whoever looks before loading.
public struct RouteSummary: Sendable, Equatable {
    public struct Column: Sendable, Equatable {
        public var name: String
        /// As the configuration writes it: `customer.name`, `$offset`.
        public var source: String
        public var type: String
        public var isKey: Bool
        public var isNotNull: Bool
    }

    public var label: String
    public var topics: [String]
    public var table: String
    public var mode: Route.Mode
    public var onTombstone: Route.OnTombstone
    public var isBinary: Bool
    public var columns: [Column]
    /// Whether messages may be loaded again without doubling rows.
    public var isReplaySafe: Bool
}

extension Preflight {
    public var routes: [RouteSummary] {
        targets.filter { $0.routePlace == nil }.map { target in
            RouteSummary(
                label: target.route.label, topics: target.route.topics.map(\.subscription),
                table: target.name.description, mode: target.route.mode, onTombstone: target.onTombstone,
                isBinary: target.format == .binary,
                columns: target.columns.enumerated().map { index, column in
                    RouteSummary.Column(
                        name: column.name, source: column.source.expression, type: column.type.formatted,
                        isKey: index < target.keyCount, isNotNull: column.isNotNull)
                },
                isReplaySafe: target.isReplaySafe)
        }
    }
}

extension Preflight {
    /// The UUID of the database's ledger; nil without one.
    public var ledgerID: String? { mark?.ledger }
}

extension SetupProblem {
    fileprivate static func staying(inLetters table: TableName?, _ role: String?) -> SetupProblem {
        let name = table?.quoted ?? ""
        return SetupProblem(
            .missingRight, at: "dead_letters.wait_for_parent",
            "without the right to DELETE from the dead letters, rows that come before those they refer to stay there",
            mend:
                "GRANT DELETE ON \(name) TO \(MissingRights.grantee(role)); or set dead_letters.wait_for_parent: 0s",
            isWarning: true)
    }
}
