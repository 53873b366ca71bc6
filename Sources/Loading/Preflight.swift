import Kafka
import Postgres

/// The start-up check: every mistake of the configuration and of the target, all at once, before the first message.
public struct Preflight: Sendable {
    let targets: [Target]
    let mark: LedgerMark?
    /// What does not stop the start.
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

    /// Checks the options against the database.
    ///
    /// - Throws: `LoadingError` with all mistakes, or `PostgresError` if the database cannot be asked.
    public static func check(_ options: LoadingOptions, on connection: Connection) throws -> Preflight {
        var problems = problems(options)
        var warnings: [SetupProblem] = []
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
        // Read before the tables: a change in between then shows as one.
        let versions = try Catalog.versions(of: options.routes.map(\.table), on: connection)
        let tables = try Catalog.tables(
            Array(Set(options.routes.map(\.table)).union(ledgerTables(options))), on: connection)
        let (targets, found) = compile(options, tables, versions)
        problems += found
        problems += try ledgerProblems(options, tables, on: connection)
        problems += deadLetterProblems(options, tables)
        if options.routes.contains(where: { $0.mode != .insert }) {
            let may = try connection.query("SELECT has_database_privilege(current_database(), 'TEMPORARY')")
            if may.bool(0, 0) == false {
                problems.append(
                    SetupProblem(
                        .missingRight, at: "postgres.url",
                        "no right to create temporary tables, which ignore and upsert need",
                        mend: "GRANT TEMPORARY ON DATABASE … TO the loader's role"))
            }
        }
        for target in targets where target.mode == .upsert {
            let key = Set(target.keyColumns.map { $0.name })
            for index in target.table.uniqueIndexes where Set(index.columns) != key {
                warnings.append(
                    SetupProblem(
                        .missingIndex, at: target.route.label,
                        "\(target.name) has another unique index, \(index.name): a row that breaks it is a dead letter",
                        mend: "nothing, if that is what you want", isWarning: true))
            }
        }
        warnings += timeoutWarnings(options)
        guard problems.isEmpty else { throw LoadingError(problems: problems) }
        let mark = options.delivery == .exactlyOnce ? try Ledger.mark(on: connection) : nil
        if options.delivery == .exactlyOnce, mark == nil {
            throw LoadingError(problems: [
                SetupProblem(
                    .ledger, at: "loader.ledger", "the table has no row, so this database has no identity",
                    mend: "run `loader migrate down` and `loader migrate up`, or insert its one row again")
            ])
        }
        return Preflight(targets: targets, mark: mark, warnings: warnings)
    }

    /// The routes compiled against their tables as they are now.
    ///
    /// - Throws: `LoadingError` with all mistakes, or `PostgresError`.
    static func targets(_ options: LoadingOptions, on connection: Connection) throws -> [Target] {
        let versions = try Catalog.versions(of: options.routes.map(\.table), on: connection)
        let tables = try Catalog.tables(Array(Set(options.routes.map(\.table))), on: connection)
        let (targets, problems) = compile(options, tables, versions)
        guard problems.isEmpty else { throw LoadingError(problems: problems) }
        return targets
    }

    private static func compile(
        _ options: LoadingOptions, _ tables: [TableName: Table], _ versions: [String]
    ) -> ([Target], [SetupProblem]) {
        var targets: [Target] = []
        var problems: [SetupProblem] = []
        for (index, route) in options.routes.enumerated() {
            guard let table = tables[route.table] else {
                problems.append(
                    SetupProblem(
                        .missingTable, at: route.label, "there is no table \(route.table)",
                        mend: "create it (`loader migrate up` runs the migrations), or mend `table`"))
                continue
            }
            switch table.kind {
            case .table, .partitioned: break
            case .foreign where route.mode == .insert: break
            default:
                problems.append(
                    SetupProblem(
                        .wrongRelation, at: route.label,
                        "\(route.table) is no table that mode \(route.mode.rawValue) can load",
                        mend: "name a table or a partitioned table"))
                continue
            }
            switch Target.compile(route, index: index, table: table) {
            case .success(var target):
                target.version = versions[index]
                targets.append(target)
            case .failure(let found): problems += found.problems
            }
        }
        return (targets, problems)
    }

    // MARK: The loader's own tables

    private static let positions = TableName(schema: "loader", name: "positions")
    private static let ledger = TableName(schema: "loader", name: "ledger")

    private static func ledgerTables(_ options: LoadingOptions) -> [TableName] {
        (options.delivery == .exactlyOnce ? [positions, ledger] : []) + (options.deadLetters.table.map { [$0] } ?? [])
    }

    private static func ledgerProblems(
        _ options: LoadingOptions, _ tables: [TableName: Table], on connection: Connection
    ) throws -> [SetupProblem] {
        guard options.delivery == .exactlyOnce else { return [] }
        var problems: [SetupProblem] = []
        for name in [positions, ledger] {
            guard let table = tables[name] else {
                problems.append(
                    SetupProblem(
                        .ledger, at: name.description, "the table is missing, and exactly-once rests on it",
                        mend: "run `loader migrate up`, or set delivery: at_least_once"))
                continue
            }
            if !table.maySelect {
                problems.append(missingRight("SELECT", name))
            }
            if name == positions {
                if !table.columns.allSatisfy(\.mayInsert) { problems.append(missingRight("INSERT", name)) }
                if !table.columns.allSatisfy(\.mayUpdate) { problems.append(missingRight("UPDATE", name)) }
            }
        }
        return problems
    }

    private static func missingRight(_ right: String, _ table: TableName) -> SetupProblem {
        SetupProblem(
            .missingRight, at: table.description, "no right to \(right)",
            mend: "GRANT \(right) ON \(table.quoted) TO the loader's role")
    }

    private static func deadLetterProblems(
        _ options: LoadingOptions, _ tables: [TableName: Table]
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
        var problems: [SetupProblem] = []
        if !table.columns.filter({ DeadLetterSink.columns.contains($0.name) }).allSatisfy(\.mayInsert) {
            problems.append(missingRight("INSERT", name))
        }
        if !table.columns.filter({ DeadLetterSink.columns.contains($0.name) }).allSatisfy(\.mayUpdate) {
            problems.append(missingRight("UPDATE", name))
        }
        if !table.maySelect { problems.append(missingRight("SELECT", name)) }
        return problems
    }

    /// A statement that may take longer than the group waits would cost the membership.
    private static func timeoutWarnings(_ options: LoadingOptions) -> [SetupProblem] {
        let limit = options.properties["max.poll.interval.ms"].flatMap { Int64($0) } ?? 300_000
        let longest = options.database.statementTimeout.inMilliseconds + options.database.lockTimeout.inMilliseconds
        guard longest > limit else { return [] }
        return [
            SetupProblem(
                .badOption, at: "postgres.statement_timeout",
                "with lock_timeout it is longer than max.poll.interval.ms (\(limit) ms): a rebalance may have to wait for it",
                mend: "shorten them, or raise max.poll.interval.ms in kafka.properties", isWarning: true)
        ]
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
    }

    public var label: String
    public var topics: [String]
    public var table: String
    public var mode: Route.Mode
    public var isBinary: Bool
    public var columns: [Column]
    /// Whether messages may be loaded again without doubling rows.
    public var isReplaySafe: Bool
}

extension Preflight {
    public var routes: [RouteSummary] {
        targets.map { target in
            RouteSummary(
                label: target.route.label, topics: target.route.topics.map(\.subscription),
                table: target.name.description, mode: target.mode, isBinary: target.format == .binary,
                columns: target.columns.enumerated().map { index, column in
                    RouteSummary.Column(
                        name: column.name, source: column.source.description, type: column.type.formatted,
                        isKey: index < target.keyCount)
                },
                isReplaySafe: target.isReplaySafe)
        }
    }
}
