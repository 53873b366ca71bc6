import Postgres

/// COPY straight into the table: how an append goes in, and whatever else is known to be new.
package struct StraightCopy {
    private let target: Target
    private let table: String

    /// - Parameter table: what stands in for the target's own, as SQL names it.
    package init(_ target: Target, into table: String? = nil) {
        self.target = target
        self.table = table ?? target.name.quoted
    }

    /// - Parameters:
    ///   - before, after: statements around it.
    func load(
        _ group: RowGroup, _ source: RowSource, before: [String] = [], after: [String] = [],
        over connection: RowConnection
    ) throws(Refusal) {
        try connection.copy(statement(group), naming: group.rows, takesAll: false, before: before, after: after) {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try source.send(group, to: stream)
        }
    }

    package func statement(_ group: RowGroup) -> String {
        "COPY \(table) (\(target.quoted(group.columns))) FROM STDIN\(target.copyOptions)"
    }
}
