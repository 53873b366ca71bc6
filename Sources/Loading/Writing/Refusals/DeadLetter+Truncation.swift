import Postgres

extension DeadLetter {
    /// Of a truncation that the server does not let be carried out.
    init(refused error: PostgresError, truncation message: Int, _ target: Target) {
        let words: String
        if error.sqlState == .foreignKeyViolation, !error.isRaisedByFunction, let table = error.table {
            let name = TableName(schema: error.schema, name: table)
            let key = error.constraint.map { " (\($0))" } ?? ""
            words = "\(target.name) cannot be emptied: rows of \(name) refer to its rows\(key)"
        } else {
            words = "\(target.name) cannot be emptied: \(error)"
        }
        self.init(
            message: message, target: target.index, reason: .truncation, explanation: words,
            serverMessage: "\(words); \(error.codeAndPlace): \(error.everything)", sqlState: error.sqlState)
    }

    /// Of one that is loaded again: what its table has by now may be newer than it.
    init(lateTruncation event: Batch.Truncation, _ target: Target) {
        self.init(
            message: Int(event.message), target: target.index, reason: .truncation,
            explanation: "\(target.name) is not emptied by a truncation that is loaded again: its rows may be newer")
    }

    /// Of one that ends the connection whenever it is tried.
    init(losing error: PostgresError, _ event: Batch.Truncation, _ target: Target) {
        let words =
            "\(target.name): the connection ends whenever the table is emptied: see the server's log for a crash"
        self.init(
            message: Int(event.message), target: target.index, reason: .truncation, explanation: words,
            serverMessage: "\(words); the client says: \(error.message)", sqlState: nil)
    }
}
