/// A session of the simulated server: what a client has sent, and what it is told.
package final class Session {
    package enum Message {
        /// By the simple protocol.
        case simple(String)
        /// Parse, Bind and Execute of an unnamed statement.
        case statement(String, [SQLValue])
        case sync
        case copyData([UInt8])
        case copyDone
        case copyFail(String)
    }

    package enum Response {
        /// - Parameter count: the rows touched; nil where the command has none.
        case result(columns: [String], rows: [[SQLValue]], isOfRows: Bool, count: Int?)
        case copyIn
        case failure(SQLFailure)
        case ready(Status)
        /// The session is over.
        case ended
    }

    /// As ReadyForQuery tells it.
    package enum Status { case idle, inTransaction, failed }

    package unowned let database: SimulatedDatabase
    package let pid: Int32
    package let name: String
    package var settings: [String: String] = [:]
    var transaction: Transaction?
    /// By their names.
    var temporary: [String: SimulatedTable] = [:]
    package var answer: (Response) -> Void = { _ in }
    package private(set) var isEnded = false
    var messages: [Message] = []
    var work: Work?
    /// An error in a pipeline passes over what comes before the next sync.
    var skipsToSync = false
    /// Whom it waits for.
    private(set) var blockers: [Transaction] = []
    private(set) var blockedSince: Int64?
    /// When what it does was begun.
    var statementBegan: Int64?
    /// When it became idle.
    package var idleSince: Int64
    /// Its client is gone, and it has not noticed yet.
    package var clientGoneAt: Int64?
    /// A deadlock shows once, a second after it came about.
    var hasLookedForDeadlock = false
    /// What keeps a statement with rows from being carried out.
    package var interception: (() -> SQLFailure?)?

    /// What is under way.
    enum Work {
        case simple(SimpleQuery)
        case statement(StatementRun)
        /// COMMIT of what a pipeline has begun by itself.
        case sync(StatementRun?)
    }

    init(of database: SimulatedDatabase, pid: Int32, name: String) {
        (self.database, self.pid, self.name) = (database, pid, name)
        idleSince = 0
        settings["application_name"] = name
    }

    package var isBlocked: Bool { blockedSince != nil }

    package var isInStatement: Bool { work != nil }

    /// Whether it waits for its client in the midst of a COPY.
    package var isInCopy: Bool {
        if case .simple(let query) = work { return query.copy != nil && blockedSince == nil }
        return false
    }

    package var status: Status {
        guard let transaction else { return .idle }
        return transaction.hasFailed ? .failed : .inTransaction
    }

    func table(_ name: SQLName) throws(SQLFailure) -> SimulatedTable {
        if name.schema == nil || name.schema == "pg_temp", let table = temporary[name.name] { return table }
        if let table = database.tables["\(name.schema ?? "public").\(name.name)"] { return table }
        throw SQLFailure(
            "42P01", "relation \"\(name.schema.map { $0 + "." } ?? "")\(name.name)\" does not exist")
    }

    package func send(_ message: Message) {
        guard !isEnded else { return }
        messages.append(message)
        if !isBlocked { database.makeReady(self) }
        database.settle()
    }

    // MARK: Going on

    /// Does what it can, until it has to wait for others or for its client.
    func run() {
        retry = blockedSince.map { (blockers, $0) }
        (blockers, blockedSince) = ([], nil)
        while !isEnded {
            if let current = work {
                guard advance(current) else { return }
            } else {
                guard !messages.isEmpty else { return }
                begin(messages.removeFirst())
            }
        }
    }

    /// For whom it has been waiting and since when, while it looks again.
    private var retry: (blockers: [Transaction], since: Int64)?

    private func begin(_ message: Message) {
        statementBegan = database.time
        switch message {
        case .simple(let sql): work = .simple(SimpleQuery(sql, self))
        case .statement(let sql, let parameters):
            guard !skipsToSync else { return }
            work = .statement(StatementRun(sql, parameters, self))
        case .sync:
            skipsToSync = false
            work = .sync(transaction.map { _ in StatementRun(committing: self) })
        // What is left of a COPY that has failed.
        case .copyData, .copyDone, .copyFail: break
        }
    }

    /// - Returns: false where it has to wait.
    private func advance(_ current: Work) -> Bool {
        do {
            switch current {
            case .simple(let query):
                guard try query.advance() else { return false }
                finish(true)
            case .statement(let run):
                answer(try run.advance())
                work = nil
                statementBegan = nil
            case .sync(let run):
                if let run, let transaction, !transaction.isExplicit { _ = try run.advance() }
                finish(true)
            }
        } catch let blocked as Blocked {
            blockers = blocked.on
            hasLookedForDeadlock = false
            // For somebody else it waits anew.
            let isSame = retry.map { known in blocked.on.allSatisfy { one in known.blockers.contains { $0 === one } } }
            blockedSince = isSame ?? false ? retry?.since : database.time
            return false
        } catch {
            fail((error as? SQLFailure) ?? .unknown("\(error)"))
        }
        retry = nil
        return true
    }

    private func finish(_ isReady: Bool) {
        work = nil
        statementBegan = nil
        idleSince = database.time
        if isReady { answer(.ready(status)) }
    }

    /// Ends what is under way by an error.
    package func fail(_ failure: SQLFailure) {
        if failure.state == SQLFailure.unknownState { database.isAtItsEnd?(failure.message) }
        (blockers, blockedSince, retry) = ([], nil, nil)
        answer(.failure(failure))
        if failure.isFatal {
            end()
            return
        }
        abort()
        switch work {
        case .simple: finish(true)
        // The answer to the sync has not been given.
        case .sync: finish(true)
        case .statement:
            work = nil
            statementBegan = nil
            skipsToSync = true
        case nil: break
        }
    }

    /// Takes back what the transaction, or what is behind its last savepoint, has done.
    private func abort() {
        guard let transaction else { return }
        guard transaction.isExplicit else {
            leave(committed: false)
            return
        }
        transaction.hasFailed = true
        if transaction.levels.count == 1 {
            database.end(transaction, committed: false)
        } else {
            transaction.current.wasRolledBack = true
            database.wake()
        }
    }

    /// Ends the transaction.
    func leave(committed: Bool) {
        guard let transaction else { return }
        for name in transaction.temporary { temporary[name] = nil }
        for setting in transaction.settings.reversed() where setting.isLocal || !committed {
            settings[setting.name] = setting.before
        }
        self.transaction = nil
        database.end(transaction, committed: committed)
    }

    /// The session ends, and with it what is not committed.
    package func end() {
        guard !isEnded else { return }
        isEnded = true
        work = nil
        (blockers, blockedSince) = ([], nil)
        leave(committed: false)
        database.forget(self)
        answer(.ended)
    }

    func set(_ name: String, _ value: String, isLocal: Bool) throws(SQLFailure) {
        transaction?.settings.append((name, settings[name], isLocal))
        settings[name] = value
    }
}
