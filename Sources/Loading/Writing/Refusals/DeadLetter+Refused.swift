import Postgres

extension DeadLetter {
    /// Of a row that the server refuses.
    ///
    /// - Parameter column: where the error itself does not name it.
    init(refused error: PostgresError, _ row: RowReference, _ target: Target, column: String? = nil) {
        if error.sqlState == .rowIsMissing {
            self.init(
                message: Int(row.message), target: target.index, reason: .unavailable, column: nil,
                explanation:
                    "\(target.name): the message lacks values that its source has not sent, to be kept by the row "
                    + "that is there, and none of its key is")
            return
        }
        self.init(
            message: Int(row.message), target: target.index, reason: target.wait.includes(error) ? .waiting : .refused,
            column: error.column ?? column ?? error.copyColumn(among: target.columns.map(\.name)),
            explanation: "\(target.name): \(error)",
            serverMessage: "\(target.name): \(error.codeAndPlace): \(error.everything)", sqlState: error.sqlState)
    }

    /// Of a row that ends the connection whenever it is sent.
    init(losing error: PostgresError, _ row: RowReference, _ target: Target) {
        let words =
            "\(target.name): the connection ends whenever this message's rows are sent: see the server's log for a crash"
        self.init(
            message: Int(row.message), target: target.index, reason: .refused, column: nil, explanation: words,
            serverMessage: "\(words); the client says: \(error.message)", sqlState: nil)
    }
}
