import Postgres

/// Whose fault an error may be that came with rows, while the server answers. The SQLSTATE does not decide it: an input
/// function, a trigger, a default or a CHECK can end with any code, so rows are tried, and what is left to say here is how
/// much a row's failure *alone* proves.
enum Suspicion: Equatable {
    /// Nothing but the row explains that it fails by itself, once the same statements go through without rows.
    case row
    /// A row can bring it about (a trigger that takes too long, a value that takes too much memory), and so can a bad
    /// moment of the server's. Rows are not searched for within the transaction, for what was too much in it stays too
    /// much: the transaction is made smaller until one message is left, and that one is tried several times.
    case perhaps
    /// Another session's doing, or the server's own state, whichever row met it first.
    case server

    init(_ error: PostgresError) {
        guard !error.isConnectionLoss, let state = error.sqlState else {
            self = .server
            return
        }
        // A function that says so itself does it because of the row, whatever code it chose.
        if error.isRaisedByFunction {
            self = .row
            return
        }
        let code = state.rawValue
        if Self.rowCodes.contains(code) {
            self = .row
        } else if Self.serverCodes.contains(code) {
            self = .server
        } else if Self.openCodes.contains(code) || Self.openClasses.contains(state.classCode) {
            self = .perhaps
        } else {
            self = Self.serverClasses.contains(state.classCode) ? .server : .row
        }
    }

    /// What a type's receive function says of a field with too few bytes.
    private static let rowCodes = ["08P01"]
    /// A lock that somebody holds, a full disk, no connection left.
    private static let serverCodes = ["55P03", "53100", "53300"]
    private static let serverClasses = ["57"]
    /// Corrupted data and indexes are met by the row that touches them.
    private static let openCodes = ["XX001", "XX002", "57014"]
    /// 08 and 58 with a living connection come from what a trigger or a foreign table talks to.
    private static let openClasses = ["08", "40", "53", "58"]

    /// The same as a condition in SQL: that a code by itself proves a row's fault.
    ///
    /// - Parameter state: the SQLSTATE's name in the condition.
    static func isRow(_ state: String) -> String {
        func list(_ codes: [String]) -> String { codes.map { "'\($0)'" }.joined(separator: ", ") }
        return "(\(state) IN (\(list(rowCodes))) OR \(state) NOT IN (\(list(serverCodes + openCodes))) "
            + "AND left(\(state), 2) NOT IN (\(list(serverClasses + openClasses))))"
    }
}
