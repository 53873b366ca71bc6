import Postgres

/// A temporary table of the transaction: made where it is first needed, and emptied before it is filled again.
final class ScratchTable {
    /// As the statement that makes it names it.
    let newName: String
    private var isMade = false
    /// Whether something may stand in it. A savepoint that is rolled back to may bring back what stood there.
    private var isUsed = false

    init(_ purpose: String, of target: Target) { newName = quoteIdentifier("loader_\(purpose)_\(target.index)") }

    /// As all other statements name it.
    var name: String { "pg_temp.\(newName)" }
    var empty: String { "TRUNCATE \(name)" }

    /// Makes it where it is not there: before a savepoint, so that rolling back to it leaves the table.
    func make(_ create: @autoclosure () -> String, on connection: Connection) throws(PostgresError) {
        guard !isMade else { return }
        try connection.execute(create())
        isMade = true
    }

    /// Has it there, and empty, to be filled.
    func clear(_ create: @autoclosure () -> String, on connection: Connection) throws(PostgresError) {
        if isUsed { try connection.execute(empty) } else { try make(create(), on: connection) }
        isUsed = true
    }
}
