/// What the simulated server answers instead of a result, with the fields of libpq's `PG_DIAG_*`.
package struct SQLFailure: Error {
    package var state: String
    package var message: String
    package var severity = "ERROR"
    package var detail: String?
    package var hint: String?
    package var context: String?
    package var schema: String?
    package var table: String?
    package var column: String?
    package var dataType: String?
    package var constraint: String?

    package init(_ state: String, _ message: String) {
        self.state = state
        self.message = message
    }

    /// Ends the session.
    package var isFatal: Bool { severity != "ERROR" }

    /// The same, as the end of a session.
    package var fatal: SQLFailure {
        var failure = self
        failure.severity = "FATAL"
        return failure
    }

    package func with(_ change: (inout SQLFailure) -> Void) -> SQLFailure {
        var failure = self
        change(&failure)
        return failure
    }

    /// The simulation's own: the loader does something of which nobody has said here what comes of it. Ends the run.
    package static func unknown(_ what: String) -> SQLFailure { SQLFailure(unknownState, what) }

    package static let unknownState = "?????"
}
