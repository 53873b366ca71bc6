import Postgres

extension PostgresError {
    /// What rows are refused with that can only change one that is there, and find none. Counts as the row's own fault.
    static var rowIsMissing: PostgresError {
        PostgresError(.server, sqlState: .rowIsMissing, message: "no row is there to keep what was not sent")
    }
}

extension SQLState {
    /// The loader's own: no class of the server's begins like this.
    static let rowIsMissing = SQLState(rawValue: "LOADM")
}
