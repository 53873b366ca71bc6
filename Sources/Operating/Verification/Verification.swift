import Foundation
import Kafka
import Loading
import Postgres

/// Proves that tables hold what their topics say, while both run.
///
/// The messages are read up to the ledger's positions, and the loader's own code makes of them, in tables of the session, what the
/// tables should be. In a snapshot of the database that also has the positions, the server compares. It is taken only once all
/// but the last messages are read, so it is not held for long, and nothing but ACCESS SHARE is locked.
public final class Verification {
    /// How far it is.
    public struct Progress: Sendable, Equatable {
        public enum Step: Sendable, Equatable { case reading, comparing, explaining }

        public var step: Step
        /// Of this step.
        public var messages: Int
        /// Offsets that this step has to get through; messages are at most as many.
        public var all: Int64
    }

    let options: LoadingOptions
    let scope: VerificationScope
    let connection: Connection
    let reader: PartitionReader
    private let ledger: Ledger
    let tell: (Progress) -> Void
    /// In the order of their indices; those of routes that are not asked for take no topic.
    private(set) var targets: [Target] = []
    private(set) var tables: [ExpectedTable] = []
    private var hasLetters = false
    /// What was left out as a dead letter.
    private var left: [StoredLetters.Place: Set<String>] = [:]
    private var messages = 0
    /// Messages that were read, by partition.
    var counts: [TopicPartition: Int64] = [:]
    /// Topics that may have lost messages between those that were read.
    private(set) var compacted: Set<String> = []

    /// Offsets that may be read while the snapshot is held, and how often it is tried to get there before.
    private static let (smallRest, rounds): (Int64, Int) = (20_000, 8)
    private static let patience = Duration.seconds(60)

    /// - Parameter tell: called now and then.
    public init(
        _ options: LoadingOptions, _ scope: VerificationScope, tell: @escaping (Progress) -> Void
    ) throws {
        guard options.delivery == .exactlyOnce else {
            throw VerificationRefusal(
                .noLedger,
                "without the ledger (delivery: at_least_once) no position is that of the tables, so nothing can be proven",
                mend: "set delivery: exactly_once")
        }
        self.options = options
        self.scope = scope
        self.tell = tell
        ledger = Ledger(group: options.group)
        connection = try Connection(options.connectionOptions("verify", statements: .seconds(86_400)))
        reader = try PartitionReader(
            properties: options.consumerProperties, patience: .each(Self.patience), mayBeGone: false)
    }

    /// - Throws: `VerificationRefusal`, `LoadingError`, `PostgresError` or `KafkaError`.
    public func run() throws -> VerificationReport {
        defer { connection.close() }
        let began = ContinuousClock.now
        var report = VerificationReport(group: options.group, share: scope.share)
        try connection.execute(Self.settings)
        targets = try readTargets()
        var span = try VerifiedSpan(of: try readPositions(), scope, reader, options)
        try makeTables()
        var reading = LogReading(
            reader: reader, builders: RowBuilders(forCommand: targets), mostMessages: scope.batchMessages)
        try readLog(&reading, &span)
        compacted = span.compacted(counts)
        let snapshot = ContinuousClock.now
        do {
            try connection.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE NOT DEFERRABLE; SET LOCAL jit = off")
            let compared = tables.filter { isAsked($0.target) && !$0.target.choosesTable }
            try lock(compared)
            try span.extend(to: try readPositions())
            messages += try reading.read(span.rest) { try take($0, inTransaction: true) }
            span.close()
            try connection.execute("SET TRANSACTION READ ONLY")
            tell(Progress(step: .comparing, messages: 0, all: 0))
            let replayed = try replayedMeanwhile(span)
            try fillRanges(span)
            var results = try compared.map { try compare($0, span) }
            try connection.execute("COMMIT")
            report.snapshotDuration = (.now - snapshot).inSeconds
            try explain(&results, &reading, span, replayed)
            report.tables = try results.map { try $0.finished(over: connection) }
        } catch let error as PostgresError where error.sqlState == .undefinedTable && error.isOfSession {
            throw VerificationRefusal(
                .pooler, "a table of this session is gone from one transaction to the next",
                mend: "connect to the server itself, not to a pooler that pools transactions")
        }
        report.messages = messages
        report.partitions = span.partitions
        report.duration = (.now - began).inSeconds
        return report
    }

    private static let settings =
        "SELECT "
        + (ValueSettings.written + [
            ("statement_timeout", "0"), ("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "0"),
            ("row_security", "off"), ("temp_buffers", "64MB"), ("work_mem", "64MB"),
            ("default_transaction_read_only", "off"),
        ]).map { "set_config('\($0.0)', '\($0.1)', false)" }.joined(separator: ", ")

    /// Before the snapshot, which the first query takes and this does not: a snapshot that is older than a TRUNCATE, or than a table that
    /// was written anew, sees it empty.
    private func lock(_ compared: [ExpectedTable]) throws(PostgresError) {
        guard !compared.isEmpty else { return }
        let names = Set(compared.map { $0.target.name.quoted }).sorted().joined(separator: ", ")
        try connection.execute("LOCK TABLE \(names) IN ACCESS SHARE MODE")
    }

    func isAsked(_ target: Target) -> Bool { scope.routes.map { $0.contains(target.place) } ?? true }

    // MARK: What there is

    private func readTargets() throws -> [Target] {
        if let stranger = scope.routes?.first(where: { !options.routes.indices.contains($0) }) {
            throw VerificationRefusal(
                .noRoute, "there is no route \(stranger)",
                mend: "the routes are 0 to \(options.routes.count - 1), in the order of the configuration")
        }
        let names = try RoutedNames.find(options.routes, on: connection)
        let versions = try Catalog.versions(of: names.tables, on: connection)
        let found = try Catalog.tables(Array(Set(names.tables)), on: connection)
        // Who verifies need not be who loads: the right to read is enough.
        let (targets, problems) = CompiledRoutes.compile(
            options, names, found.mapValues(\.asWritable), versions, nil)
        guard problems.isEmpty else { throw LoadingError(problems: problems) }
        let asked = Set(targets.filter { isAsked($0) && !$0.choosesTable }.map(\.table.name))
        try checkRights(found.values.filter { asked.contains($0.name) })
        return targets.map { target in
            var target = target
            if !isAsked(target) { target.route.topics = [] }
            return target
        }
    }

    /// Reading is enough: the tables, the ledger and the dead letters.
    private func checkRights(_ tables: [Table]) throws {
        let known = try connection.query(
            "SELECT quote_ident(current_user), quote_ident(current_database()), "
                + "has_database_privilege(current_database(), 'TEMPORARY')")
        let (role, database) = (known.string(0, 0) ?? "", known.string(0, 1) ?? "")
        var schemas = Set(tables.filter { !$0.mayUseSchema }.compactMap(\.name.schema))
        var names = Set(tables.filter { !$0.maySelect }.map(\.name.quoted))
        let own = [TableName(schema: "loader", name: "positions")] + [options.deadLetters.table].compactMap(\.self)
        let found = try connection.query(
            """
            SELECT n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT')
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN unnest($1::text[], $2::text[]) AS v (schema, name) ON n.nspname = v.schema AND c.relname = v.name
            """, [.array(own.map { $0.schema ?? "public" }), .array(own.map(\.name))])
        for row in 0..<found.rowCount {
            let name = TableName(schema: found.string(row, 0), name: found.string(row, 1) ?? "")
            if found.bool(row, 2) != true { schemas.insert(name.schema ?? "") }
            if found.bool(row, 3) != true { names.insert(name.quoted) }
        }
        var grants: [String] = []
        if known.bool(0, 2) != true { grants.append("GRANT TEMPORARY ON DATABASE \(database) TO \(role);") }
        grants += schemas.sorted().map { "GRANT USAGE ON SCHEMA \(quoteIdentifier($0)) TO \(role);" }
        grants += names.sorted().map { "GRANT SELECT ON \($0) TO \(role);" }
        guard !grants.isEmpty else { return }
        throw VerificationRefusal(
            .noRight, "\(role) may not read all that is to be compared, or make no temporary tables",
            mend: grants.joined(separator: " "))
    }

    /// The ledger's positions of the topics that are asked for.
    private func readPositions() throws -> [TopicPartition: Ledger.Position] {
        let asked = targets.filter { isAsked($0) && $0.routePlace == nil }
        let topics = try ledger.loadedTopics(on: connection).filter { topic in
            asked.contains { $0.route.topics.contains { $0.matches(topic) } }
        }
        return try ledger.states(of: topics, on: connection)
    }

    private func makeTables() throws {
        tables = targets.map { ExpectedTable($0, scope) }
        try connection.execute(
            "CREATE TEMP TABLE \(DifferenceQuery.rangesName) (topic text, partition int, start bigint, stop bigint)"
        )
        for table in tables where isAsked(table.target) {
            for statement in table.query?.creation ?? [] { try connection.execute(statement) }
        }
        guard let letters = options.deadLetters.table else { return }
        hasLetters =
            try connection.query(
                "SELECT EXISTS (SELECT FROM \(letters.quoted) WHERE consumer_group = $1)", [.text(options.group)]
            ).bool(0, 0) ?? false
    }

    // MARK: Reading

    /// Reads up to where the ledger stands, until little is left.
    private func readLog(_ reading: inout LogReading, _ span: inout VerifiedSpan) throws {
        for _ in 0..<Self.rounds {
            let all = Int64(messages) + span.rest.reduce(0) { $0 + $1.end - $1.start }
            messages += try reading.read(span.rest) { batch in
                try take(batch, inTransaction: false)
                tell(Progress(step: .reading, messages: batch.messages.count, all: all))
            }
            span.close()
            for table in tables where isAsked(table.target) {
                if let query = table.query { try connection.execute("ANALYZE \(query.twin.quoted)") }
            }
            try span.extend(to: try readPositions())
            if span.rest.reduce(0, { $0 + $1.end - $1.start }) <= Self.smallRest { return }
        }
    }

    private func take(_ batch: Batch, inTransaction: Bool) throws {
        if !inTransaction { try connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE") }
        let letters = try letters(of: batch)
        for table in tables where isAsked(table.target) {
            let names = table.target.letterNames(targets)
            try table.take(
                batch, isLetter: { letters.contains(batch.letterPlace(of: $0), for: names) }, over: connection)
            note(table, batch, letters, names)
        }
        for message in batch.messages.indices { counts[batch.letterPlace(of: message).partition, default: 0] += 1 }
        for (place, tables) in letters.tables { left[place, default: []].formUnion(tables) }
        try connection.execute(inTransaction ? try dropScratch() : "COMMIT")
    }

    /// What the loader's own statements have made, which a transaction makes once.
    private func dropScratch() throws(PostgresError) -> String {
        let found = try connection.query(
            """
            SELECT 'pg_temp.' || quote_ident(relname) FROM pg_catalog.pg_class
            WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' AND relname LIKE 'loader\\_%'
            """)
        let names = (0..<found.rowCount).compactMap { found.string($0, 0) }
        return names.isEmpty ? "SELECT" : "DROP TABLE \(names.joined(separator: ", "))"
    }

    private func note(_ table: ExpectedTable, _ batch: Batch, _ letters: StoredLetters, _ names: [String]) {
        var gone = 0
        for letter in batch.deadLetters where letter.target == table.target.index {
            if !letters.contains(batch.letterPlace(of: letter.message), for: names) { gone += 1 }
        }
        let stored = letters.isEmpty ? 0 : letters.tables.keys.count { letters.contains($0, for: names) }
        table.note(deadLetters: stored, gone: options.deadLetters.table == nil ? 0 : gone)
    }

    /// The dead letters among a batch's messages.
    func letters(of batch: Batch) throws(PostgresError) -> StoredLetters {
        guard let table = options.deadLetters.table, hasLetters || !batch.deadLetters.isEmpty else { return .none }
        var stretches: [TopicPartition: PartitionReader.Stretch] = [:]
        for message in batch.messages.indices {
            let place = batch.letterPlace(of: message)
            var stretch =
                stretches[place.partition] ?? .init(partition: place.partition, start: place.offset, end: place.offset)
            stretch.end = place.offset + 1
            stretches[place.partition] = stretch
        }
        return try StoredLetters(table, of: options.group, Array(stretches.values), on: connection)
    }

    /// Messages that were dead letters when they were read, and are none in the snapshot: somebody has replayed them meanwhile.
    private func replayedMeanwhile(_ span: VerifiedSpan) throws -> Set<StoredLetters.Place> {
        guard let table = options.deadLetters.table, !left.isEmpty else { return [] }
        let now = try StoredLetters(table, of: options.group, span.all, on: connection)
        return Set(left.filter { !$0.value.isSubset(of: now.tables[$0.key] ?? []) }.keys)
    }
}

extension Batch {
    func letterPlace(of message: Int) -> StoredLetters.Place {
        let (partition, offset) = coordinates(of: message)
        return StoredLetters.Place(partition: partition, offset: offset)
    }
}

extension Table {
    /// The same table for somebody who may write it.
    fileprivate var asWritable: Table {
        var table = self
        (table.maySelect, table.mayDelete, table.mayTruncate, table.mayUseSchema) = (true, true, true, true)
        table.mayMakeTemporary = true
        for index in table.columns.indices {
            (table.columns[index].mayInsert, table.columns[index].mayUpdate) = (true, true)
        }
        return table
    }
}

extension PostgresError {
    /// It names one of the verification's own tables.
    fileprivate var isOfSession: Bool { message.contains("loader ") }
}
