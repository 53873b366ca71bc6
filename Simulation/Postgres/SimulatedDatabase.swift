/// A PostgreSQL server with one database, as far as the loader can tell: tables, transactions, locks, sessions. It does no
/// I/O, knows no clock but the one it is given, and decides the same each time.
package final class SimulatedDatabase {
    /// Microseconds since 1970.
    package var clock: () -> Int64
    /// In recovery: refuses what the loader begins, and takes no writes.
    package var isStandby = false
    /// Rows that one transaction may write before the server has no memory for it; nil: any number.
    package var mostRows: Int?
    /// SQLSTATE of what is wrong beyond `mostRows`.
    package var stateBeyondMost = "53200"
    /// A row that no server takes where this says so: its disk is full, or it is out of memory.
    var refusal: ((Transaction) -> SQLFailure?)?
    /// Told of what nobody has said here what comes of it.
    package var isAtItsEnd: ((String) -> Void)?
    private(set) var tables: [String: SimulatedTable] = [:]
    /// In the order in which they connected.
    package private(set) var sessions: [Session] = []
    private var ready: [Session] = []
    private var isSettling = false
    private var nextOid: UInt32 = 16_400
    private var nextPid: Int32 = 1000
    private(set) var transactionCount = 1000
    private(set) var commitCount = 0
    private var shapes: [String: Int] = [:]
    private var plans: [String: PreparedStatement] = [:]
    private let parsed: ParsedStatements

    /// - Parameters:
    ///   - ledger: the id of the loader's ledger.
    ///   - parsed: statements that were read for another database.
    package init(
        ledger: String, parsed: ParsedStatements = ParsedStatements(), clock: @escaping () -> Int64
    ) throws {
        (self.clock, self.parsed) = (clock, parsed)
        for definition in TableDefinition.loaders { try create(definition) }
        if let table = tables["loader.ledger"] {
            let values: [SQLValue] = [.bool(true), .text(ledger), .int(1), .time(time)]
            _ = table.add(values, settled(), 0)
        }
    }

    /// Microseconds since 2000.
    package var time: Int64 { TimeText.fromUnix(clock()) }

    // MARK: Tables

    /// `schema.table`, in their order.
    package var tableNames: [String] { tables.keys.sorted() }

    package func add(_ definition: TableDefinition) throws { try create(definition) }

    /// Somebody changes a table's columns in the catalog without changing what they are.
    package func touch(_ name: String) { tables[name]?.changedBy = transactionCount + 1 }

    @discardableResult
    func create(_ definition: TableDefinition) throws -> SimulatedTable {
        let table = try make(definition)
        for reference in definition.references {
            guard let parent = tables["\(definition.schema).\(reference.parent)"],
                let link = ForeignKeyLink(reference, table, parent)
            else { throw SQLFailure.unknown("the foreign key \(reference.name)") }
            table.references.append(link)
            parent.referredBy.append(link)
        }
        tables[table.description] = table
        return table
    }

    func make(_ definition: TableDefinition, isTemporary: Bool = false) throws -> SimulatedTable {
        nextOid += 7
        var unnamed = definition
        unnamed.name = ""
        let key = "\(unnamed)"
        let shape = shapes[key] ?? shapes.count
        shapes[key] = shape
        let table = SimulatedTable(definition, oid: nextOid, shape: shape, isTemporary: isTemporary)
        var planner = Planner(Session(of: self, pid: 0, name: ""))
        for check in definition.checks {
            let scope = Scope(in: nil)
            scope.relations = [planner.relation(definition.name, table, 0)]
            let condition = try planner.bind(SQLParser.expression(check.condition), scope)
            let blank = blankExecution()
            table.checks.append(
                (
                    check.name,
                    { values in
                        let frame = Frame(blank, in: nil, sources: 1)
                        frame.rows[0] = values
                        return try condition(frame)
                    }
                ))
        }
        for column in definition.columns {
            table.defaults.append(
                try column.defaultValue.map { try planner.bind(SQLParser.expression($0), Scope(in: nil)) })
        }
        return table
    }

    private func blankExecution() -> Execution {
        let session = Session(of: self, pid: 0, name: "")
        blank.append(session)
        return Execution(session, Transaction(0, session, began: 0), [])
    }

    /// Kept alive for the conditions that look at no session.
    private var blank: [Session] = []

    func place(ofTable oid: Int64) -> SimulatedTable? {
        tables.values.filter { Int64($0.oid) == oid }.min { $0.oid < $1.oid }
    }

    /// What is committed of a table, in the order in which it came.
    package func rows(of name: String) -> [[SQLValue]] {
        let transaction = Transaction(0, Session(of: self, pid: 0, name: ""), began: 0)
        let snapshot = snapshot(of: transaction)
        return tables[name]?.rows.filter { snapshot.sees($0) }.map(\.values) ?? []
    }

    /// Puts rows in or takes them away as somebody does who is no loader, at once.
    package func replace(rowsOf name: String, with rows: [[SQLValue]]) {
        guard let table = tables[name] else { return }
        table.empty()
        for row in rows { _ = table.add(row, settled(), 0) }
    }

    private func settled() -> Subtransaction {
        let session = Session(of: self, pid: 0, name: "")
        blank.append(session)
        let transaction = Transaction(transactionCount, session, began: time)
        commitCount += 1
        (transaction.state, transaction.committedAt) = (.committed, commitCount)
        return transaction.current
    }

    // MARK: Sessions and transactions

    package func connect(_ name: String) -> Session {
        nextPid += 1
        let session = Session(of: self, pid: nextPid, name: name)
        sessions.append(session)
        return session
    }

    func forget(_ session: Session) { sessions.removeAll { $0 === session } }

    func begin(_ session: Session) -> Transaction {
        transactionCount += 1
        return Transaction(transactionCount, session, began: time)
    }

    func snapshot(of transaction: Transaction) -> Snapshot {
        Snapshot(transaction: transaction, statement: transaction.statement, committed: commitCount)
    }

    func end(_ transaction: Transaction, committed: Bool) {
        guard transaction.state == .underWay else { return }
        if committed {
            commitCount += 1
            transaction.committedAt = commitCount
        }
        transaction.state = committed ? .committed : .aborted
        for table in transaction.lockedTables { table.locks.removeAll { $0.by === transaction } }
        transaction.lockedTables = []
        wake()
    }

    /// Whoever waits may look again whether it still has to.
    func wake() {
        for session in sessions where session.isBlocked { makeReady(session) }
    }

    func makeReady(_ session: Session) {
        if !ready.contains(where: { $0 === session }) { ready.append(session) }
    }

    /// Goes on with whatever can.
    package func settle() {
        guard !isSettling else { return }
        isSettling = true
        while !ready.isEmpty { ready.removeFirst().run() }
        isSettling = false
        if sessions.allSatisfy({ !$0.isInStatement }) {
            for table in tables.values { table.vacuum() }
        }
    }

    /// Before a row is written.
    func charge(_ transaction: Transaction, _ values: [SQLValue]) throws(SQLFailure) {
        if isStandby {
            throw SQLFailure("25006", "cannot execute this statement in a read-only transaction")
        }
        transaction.written += 1
        if let mostRows, transaction.written > mostRows {
            throw SQLFailure(stateBeyondMost, "this is more than the server takes in one transaction")
        }
        if let failure = refusal?(transaction) { throw failure }
    }

    // MARK: Statements

    func statements(_ sql: String) throws(SQLFailure) -> [SQLStatement] {
        if let known = parsed.known[sql] { return known }
        let statements = try SQLParser.statements(sql)
        parsed.known[sql] = statements
        return statements
    }

    func prepared(_ statement: SQLStatement, _ key: String, _ session: Session) throws -> PreparedStatement {
        if let known = plans[key], try known.fits(session) { return known }
        var planner = Planner(session)
        let plan = try planner.statement(statement)
        let prepared = PreparedStatement(plan: plan, tables: planner.tables, writes: planner.writes)
        plans[key] = prepared
        return prepared
    }
}

/// What texts of SQL say: the same wherever they are read.
package final class ParsedStatements {
    fileprivate var known: [String: [SQLStatement]] = [:]

    package init() {}
}

struct PreparedStatement {
    var plan: StatementPlan
    var tables: [(name: SQLName, shape: Int)]
    var writes: Set<Int>

    func fits(_ session: Session) throws -> Bool {
        try tables.allSatisfy { try session.table($0.name).shape == $0.shape }
    }
}
