/// One statement on its way: it may have to wait for locks, and then goes on where it was.
final class StatementRun {
    private enum Kind {
        case one(SQLStatement, key: String)
        /// More or fewer than one, or none that is known.
        case text(String)
        case commit
    }

    private let session: Session
    private let parameters: [SQLValue]
    private var kind: Kind
    private var execution: Execution?
    private var hasBegun = false

    /// - Parameter sql: of one statement.
    init(_ sql: String, _ parameters: [SQLValue], _ session: Session) {
        (self.session, self.parameters, kind) = (session, parameters, .text(sql))
    }

    init(_ statement: SQLStatement, key: String, _ session: Session) {
        (self.session, parameters, kind) = (session, [], .one(statement, key: key))
    }

    init(committing session: Session) { (self.session, parameters, kind) = (session, [], .commit) }

    private var database: SimulatedDatabase { session.database }

    func advance() throws -> Session.Response {
        if case .text(let sql) = kind {
            let statements = try database.statements(sql)
            guard statements.count == 1 else { throw SQLFailure.unknown("not one statement: \(sql)") }
            kind = .one(statements[0], key: sql)
        }
        guard case .one(let statement, let key) = kind else {
            try commit()
            return Self.done
        }
        if !hasBegun {
            hasBegun = true
            if statement.mayFail, let failure = session.interception?() { throw failure }
            try checkState(statement)
            if session.transaction == nil { session.transaction = database.begin(session) }
            session.transaction?.statement += 1
        }
        return try carryOut(statement, key)
    }

    private static var done: Session.Response { .result(columns: [], rows: [], isOfRows: false, count: nil) }

    private func checkState(_ statement: SQLStatement) throws(SQLFailure) {
        guard session.transaction?.hasFailed ?? false else { return }
        switch statement {
        case .rollback, .commit, .rollbackTo: return
        default:
            throw SQLFailure(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block")
        }
    }

    private func carryOut(_ statement: SQLStatement, _ key: String) throws -> Session.Response {
        guard let transaction = session.transaction else { throw SQLFailure.unknown("a statement outside of all") }
        switch statement {
        case .query, .insert, .update, .delete: return try changeOrAsk(statement, key, transaction)
        case .begin(let writes):
            guard !(database.isStandby && writes) else {
                throw SQLFailure("0A000", "cannot set transaction read-write mode during recovery")
            }
            transaction.isExplicit = true
        case .commit:
            // A failed one is rolled back instead.
            if transaction.hasFailed { session.leave(committed: false) } else { try commit() }
        case .rollback: session.leave(committed: false)
        case .savepoint(let name):
            transaction.levels.append(Subtransaction(of: transaction, in: transaction.current, name: name))
        case .rollbackTo(let name): try transaction.rollBack(to: name, session)
        case .release(let name): try transaction.release(name)
        case .setConstraints(let immediate):
            let run = try running(transaction)
            run.rewind()
            try run.step {
                transaction.defersAll = !immediate
                return .nothing
            }
            if immediate { try run.checkReferences() }
        case .set(let name, let value, let isLocal): try session.set(name, value, isLocal: isLocal)
        case .lock(let name): try transaction.lock(session.table(name), .accessExclusive)
        case .truncate(let name): try truncate(session.table(name), transaction)
        case .createTemporary(let definition): try create(definition, transaction)
        case .createIndex(let name): _ = try session.table(name)
        case .block(let text):
            let run = try running(transaction)
            run.rewind()
            try RowByRowBlock(text, run).run()
        case .known(let query):
            let rows = try query.answer(session, parameters)
            return .result(columns: rows.columns, rows: rows.rows, isOfRows: true, count: rows.rows.count)
        case .copy: throw SQLFailure.unknown("COPY by the extended protocol")
        }
        return Self.done
    }

    private func running(_ transaction: Transaction) throws -> Execution {
        if let execution { return execution }
        let new = Execution(session, transaction, parameters)
        execution = new
        return new
    }

    private func changeOrAsk(
        _ statement: SQLStatement, _ key: String, _ transaction: Transaction
    ) throws -> Session.Response {
        let prepared = try database.prepared(statement, key, session)
        if execution == nil {
            // Before it looks at anything.
            for (place, table) in prepared.tables.enumerated() {
                let mode = prepared.writes.contains(place) ? TableLock.rowExclusive : .accessShare
                try transaction.lock(session.table(table.name), mode)
            }
        }
        let run = try running(transaction)
        run.rewind()
        run.tables = try prepared.tables.map { try session.table($0.name) }
        let answer = try prepared.plan.run(run)
        try run.checkReferences()
        return .result(
            columns: prepared.plan.columns, rows: answer.rows, isOfRows: prepared.plan.returns, count: answer.count)
    }

    private func commit() throws {
        guard let transaction = session.transaction else { return }
        let run = try running(transaction)
        run.rewind()
        do {
            try run.checkReferences(all: true)
        } catch let failure as SQLFailure {
            // A COMMIT that fails has ended the transaction all the same.
            session.leave(committed: false)
            throw failure
        }
        session.leave(committed: true)
    }

    private func truncate(_ table: SimulatedTable, _ transaction: Transaction) throws {
        if !table.isTemporary { try transaction.lock(table, .accessExclusive) }
        guard table.referredBy.isEmpty else {
            throw SQLFailure("0A000", "cannot truncate a table referenced in a foreign key constraint")
        }
        for version in table.rows where !(version.ended.map { !$0.isAborted } ?? false) {
            version.ended = transaction.current
            version.endedBy = transaction.statement
            version.next = nil
        }
    }

    private func create(_ definition: SQLTemporary, _ transaction: Transaction) throws {
        guard session.temporary[definition.name] == nil else {
            throw SQLFailure("42P07", "relation \"\(definition.name)\" already exists")
        }
        var columns: [TableDefinition.Column] = []
        if let own = definition.columns {
            columns = own
        } else if let query = definition.query {
            columns = try self.columns(of: query)
        }
        let table = TableDefinition("pg_temp", definition.name, columns)
        session.temporary[definition.name] = try database.make(table, isTemporary: true)
        transaction.temporary.append(definition.name)
    }

    /// Of `SELECT … FROM one WITH NO DATA`: columns as they are or cast, and constants.
    private func columns(of query: SQLQuery) throws -> [TableDefinition.Column] {
        guard query.selects.count == 1, case .table(let name, _)? = query.selects[0].sources.first else {
            throw SQLFailure.unknown("a temporary table of \(query)")
        }
        let source = try session.table(name)
        return try query.selects[0].items.map { item in
            switch item.value {
            case .column(nil, let column):
                guard let place = source.place(column) else {
                    throw SQLFailure("42703", "column \"\(column)\" does not exist")
                }
                let known = source.definition.columns[place]
                return TableDefinition.Column(item.alias ?? column, known.type, limit: known.limit)
            case .cast(_, let type): return TableDefinition.Column(item.alias ?? "?column?", type)
            default: throw SQLFailure.unknown("a temporary table's column \(item.value)")
            }
        }
    }
}

extension Transaction {
    func lock(_ table: SimulatedTable, _ mode: TableLock) throws {
        guard !table.isTemporary else { return }
        let others = table.locks.filter { $0.by !== self && mode.conflicts(with: $0.mode) }
        guard others.isEmpty else { throw Blocked(on: others.map(\.by)) }
        guard !table.locks.contains(where: { $0.by === self && $0.mode == mode }) else { return }
        table.locks.append((self, mode))
        if !lockedTables.contains(where: { $0 === table }) { lockedTables.append(table) }
    }

    func rollBack(to name: String, _ session: Session) throws(SQLFailure) {
        let level = try place(of: name)
        let savepoint = levels[level]
        for undone in levels[level...] { undone.wasRolledBack = true }
        (pending, defersAll) = (savepoint.pendingBefore, savepoint.defersAllBefore)
        for setting in settings[savepoint.settingsBefore...].reversed() {
            session.settings[setting.name] = setting.before
        }
        settings.removeSubrange(savepoint.settingsBefore...)
        for name in temporary[savepoint.temporaryBefore...] { session.temporary[name] = nil }
        temporary.removeSubrange(savepoint.temporaryBefore...)
        levels.removeSubrange(level...)
        levels.append(Subtransaction(of: self, in: current, name: name))
        hasFailed = false
        session.database.wake()
    }

    func release(_ name: String) throws(SQLFailure) { levels.removeSubrange(try place(of: name)...) }

    private func place(of name: String) throws(SQLFailure) -> Int {
        // The outermost is no savepoint.
        guard let level = levels.lastIndex(where: { $0.name == name }), level > 0 else {
            throw SQLFailure("3B001", "savepoint \"\(name)\" does not exist")
        }
        return level
    }
}
