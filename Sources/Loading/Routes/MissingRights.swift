import Postgres

/// The rights that a route lacks on its table, as one mistake with one GRANT.
package struct MissingRights {
    /// Columns that may not be inserted or updated.
    var insert: [String] = []
    var update: [String] = []
    var select = false
    var delete = false
    /// The deletions are also of rows that a condition does not let through.
    var deletesFiltered = false
    /// The rows of elements are replaced as sets, which nothing but DELETE does.
    var deletesMissing = false
    /// DELETE as well, for emptying the table.
    var deleteAll = false

    var isEmpty: Bool { insert.isEmpty && update.isEmpty && !select && !delete && !deleteAll }

    /// - Parameter role: the one that is connected; nil where it is not known.
    func problem(at place: String, table: Table, mode: Route.Mode, role: String?) -> SetupProblem {
        // A right that none of the columns has is the table's.
        func words(_ right: String, _ columns: [String], of all: Int) -> String? {
            if columns.isEmpty { return nil }
            if columns.count == all { return right }
            let shown = columns.prefix(5).joined(separator: ", ")
            return "\(right) (\(shown)\(columns.count > 5 ? " and \(columns.count - 5) more" : ""))"
        }
        let insertable = table.columns.filter { !$0.isGenerated && $0.identity != .always }.count
        let missing = [
            words("INSERT", insert, of: insertable), words("UPDATE", update, of: insertable),
            select ? "SELECT" : nil, delete || deleteAll ? "DELETE" : nil,
        ].compactMap(\.self)
        var grants: [String] = []
        let grantee = Self.grantee(role)
        if !table.mayUseSchema, let schema = table.name.schema {
            grants.append("GRANT USAGE ON SCHEMA \(quoteIdentifier(schema)) TO \(grantee);")
        }
        let names = [
            insert.isEmpty ? nil : "INSERT", update.isEmpty ? nil : "UPDATE", select ? "SELECT" : nil,
            delete || deleteAll ? "DELETE" : nil,
        ].compactMap(\.self)
        grants.append("GRANT \(names.joined(separator: ", ")) ON \(table.name.quoted) TO \(grantee);")
        let mayDoWithout = delete && !deleteAll && !deletesMissing
        return SetupProblem(
            .missingRight, at: place,
            "no right to \(missing.joined(separator: ", ")) on \(table.name), which "
                + (deleteAll && !delete ? "emptying it needs" : "mode \(mode.rawValue) needs"),
            mend: .routing(
                .grant(grants, isOfDelete: mayDoWithout ? (deletesFiltered ? .filtered : .tombstones) : nil)))
    }

    /// For the end of a GRANT.
    package static func grantee(_ role: String?) -> String { role.map(quoteIdentifier) ?? "the loader's role" }
}
