/// What comes by the simple protocol: statements that are one transaction unless they say otherwise, and COPY.
final class SimpleQuery {
    private let session: Session
    private let sql: String
    private var statements: [SQLStatement]?
    private var position = 0
    private var run: StatementRun?
    private(set) var copy: CopyRun?
    private var last: Session.Response?

    init(_ sql: String, _ session: Session) { (self.sql, self.session) = (sql, session) }

    /// - Returns: false where it waits for its client.
    func advance() throws -> Bool {
        if statements == nil { statements = try session.database.statements(sql) }
        let all = statements ?? []
        while position < all.count {
            if case .copy(let statement) = all[position] {
                let copy = try self.copy ?? begin(statement)
                self.copy = copy
                guard let count = try copy.advance() else { return false }
                tell(.result(columns: [], rows: [], isOfRows: false, count: count), isLast: position == all.count - 1)
                self.copy = nil
            } else {
                let run = self.run ?? StatementRun(all[position], key: "\(position) of \(sql)", session)
                self.run = run
                tell(try run.advance(), isLast: position == all.count - 1)
                self.run = nil
            }
            position += 1
        }
        // What has no block of its own ends here.
        if let transaction = session.transaction, !transaction.isExplicit {
            let run = self.run ?? StatementRun(committing: session)
            self.run = run
            _ = try run.advance()
        }
        if let last { session.answer(last) }
        return true
    }

    /// Of the last statement nothing is said before its transaction has ended.
    private func tell(_ response: Session.Response, isLast: Bool) {
        if isLast { last = response } else { session.answer(response) }
    }

    private func begin(_ statement: SQLCopy) throws -> CopyRun {
        if let failure = session.interception?() { throw failure }
        if session.transaction?.hasFailed ?? false {
            throw SQLFailure(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block")
        }
        let transaction = session.transaction ?? session.database.begin(session)
        session.transaction = transaction
        return try CopyRun(statement, session, transaction)
    }
}
