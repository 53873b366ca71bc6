import Loading
import Postgres

extension Sequence<LockWait.Holder> {
    /// What ends a wait for what these hold, as statements to type.
    var endingWords: String {
        let ends = map(\.end)
        guard !ends.isEmpty else { return "see pg_locks and pg_stat_activity" }
        let statements = ends.map(\.statement).joined(separator: " ")
        let hints = Set(ends.compactMap(\.hint)).sorted().joined(separator: "; ")
        return "let it end, or end it: \(statements)" + (hints.isEmpty ? "" : " (\(hints))")
    }
}

extension LockWait.Holder {
    fileprivate var end: (statement: String, hint: String?) {
        guard let prepared else {
            return ("SELECT pg_terminate_backend(\(pid));", application.hasPrefix("loader ") ? "a loader's own" : nil)
        }
        let gid = prepared.gid.replacing("'", with: "''")
        return ("ROLLBACK PREPARED '\(gid)';", "or COMMIT PREPARED, as its owner, in the database \(prepared.database)")
    }
}
