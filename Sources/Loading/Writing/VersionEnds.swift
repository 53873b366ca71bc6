import Postgres

/// Gives each version of a history its end: the beginning of the next one, in whichever order they came.
struct VersionEnds {
    private let target: Target
    private let touched: ScratchTable

    init(_ target: Target) {
        self.target = target
        touched = ScratchTable("touched", of: target)
    }

    /// Makes the table of what was touched where it is not there yet.
    func make(on connection: Connection) throws(PostgresError) {
        guard let validity = target.validity else { return }
        try touched.make(create(validity), on: connection)
    }

    /// Ends the versions around these rows, which are in the table.
    func end(_ rows: [RowReference], _ sections: [Batch.Section], over connection: RowConnection) throws(Refusal) {
        guard let validity = target.validity else { return }
        let columns = validity.key + [validity.from]
        try connection.clear(touched, create(validity))
        let copy = "COPY \(touched.name) FROM STDIN\(target.copyOptions)"
        try connection.copy(copy, naming: rows, takesAll: true) {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try stream.send(rows: rows.count, fields: columns.count, target.format) { position, scratch in
                let section = sections[Int(rows[position].section)]
                for (place, column) in columns.enumerated() {
                    let field = section.field(column, of: Int(rows[position].row), target)
                    scratch.append(field: field, isFirst: place == 0, target.format)
                }
            }
        }
        try connection.run(ending(validity))
    }

    private func create(_ validity: Target.Validity) -> String {
        "CREATE TEMP TABLE \(touched.newName) ON COMMIT DROP AS SELECT \(target.quoted(validity.key + [validity.from])) "
            + "FROM \(target.name.quoted) WITH NO DATA"
    }

    /// Looks at what begins no earlier than the version before the first that was touched: a row with many versions costs no more
    /// for it.
    func ending(_ validity: Target.Validity) -> String {
        let (table, keys, from) = (target.name.quoted, target.quoted(validity.key), target.quoted(validity.from))
        func same(_ one: String, _ other: String, _ columns: [Int]) -> String {
            columns.map { "\(one).\(target.quoted($0)) = \(other).\(target.quoted($0))" }.joined(separator: " AND ")
        }
        let places = Array(0..<target.keyCount)
        let before =
            "coalesce((SELECT max(p.\(from)) FROM \(table) AS p WHERE \(same("p", "k", validity.key)) "
            + "AND p.\(from) < k.\(from)), k.\(from))"
        let window = validity.key.map { "v.\(target.quoted($0))" }.joined(separator: ", ")
        let order = ([validity.from] + places).map { "v.\(target.quoted($0))" }.joined(separator: ", ")
        let until = quoteIdentifier(validity.to)
        let versions = places.map { "v.\(target.quoted($0))" }.joined(separator: ", ")
        return "UPDATE \(table) AS t SET \(until) = w.until FROM ("
            + "SELECT \(versions), lead(v.\(from)) OVER (PARTITION BY \(window) ORDER BY \(order)) AS until "
            + "FROM (SELECT \(keys), min(\(from)) AS \(from) FROM \(touched.name) GROUP BY \(keys)) AS k "
            + "JOIN \(table) AS v ON \(same("v", "k", validity.key)) AND v.\(from) >= \(before)) AS w "
            + "WHERE \(same("t", "w", places)) AND t.\(until) IS DISTINCT FROM w.until"
    }
}
