import Postgres

/// A refusal, with the row that the server named, if it named one.
package struct Refusal: Error {
    package var error: PostgresError
    /// In `RowSelection.rows`.
    package var row: RowReference?

    /// - Parameter withRows: rows were there that the server's words may quote.
    init(error: PostgresError, withRows: Bool, row: RowReference? = nil) {
        self.error = error
        self.error.cameWithRows = withRows
        self.row = row
    }
}
