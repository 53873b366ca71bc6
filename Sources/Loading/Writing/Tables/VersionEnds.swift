import Postgres
import Records

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
        let columns = validity.touched
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
        for statement in endings(validity) { try connection.run(statement) }
    }

    private func create(_ validity: Target.Validity) -> String {
        "CREATE TEMP TABLE \(touched.newName) ON COMMIT DROP AS SELECT \(target.quoted(validity.touched)) "
            + "FROM \(target.name.quoted) WITH NO DATA"
    }

    private var table: String { target.name.quoted }

    func endings(_ validity: Target.Validity) -> [String] {
        guard let truncation = validity.truncation else { return [ending(validity)] }
        return [ending(validity), ending(validity, byTruncations: truncation)]
    }

    /// What begins no earlier than the version before the first that was touched, of each key: a row with many versions costs no more
    /// for it.
    private func around(_ validity: Target.Validity) -> String {
        let (keys, from) = (target.quoted(validity.key), target.quoted(validity.from))
        let before =
            "coalesce((SELECT max(p.\(from)) FROM \(table) AS p WHERE \(same("p", "k", validity.key)) "
            + "AND p.\(from) < k.\(from)), k.\(from))"
        return "(SELECT \(keys), min(\(from)) AS \(from) FROM \(touched.name) GROUP BY \(keys)) AS k "
            + "JOIN \(table) AS v ON \(same("v", "k", validity.key)) AND v.\(from) >= \(before)"
    }

    private func ending(_ validity: Target.Validity) -> String {
        let next =
            "lead(v.\(target.quoted(validity.from))) OVER (PARTITION BY \(list(validity.key, of: "v")) "
            + "ORDER BY \(list([validity.from] + places, of: "v")))"
        guard let truncation = validity.truncation else {
            return setting(
                validity, "SELECT \(list(places, of: "v")), \(next) AS until FROM \(around(validity))")
        }
        // Truncations among the versions: what comes first ends one.
        let all = validity.key + [validity.from] + places
        let events =
            "SELECT \(list(all, of: "v")), false AS cuts FROM \(around(validity)) UNION ALL "
            + "SELECT \(list(all, of: "x")), true FROM \(table) AS x WHERE \(isTruncation("x", validity, truncation))"
        let ends =
            "SELECT \(list(places, of: "v")), v.cuts, \(next) AS next, \(nextCut(validity)) AS cut FROM (\(events)) AS v"
        return setting(
            validity,
            "SELECT \(list(places, of: "e")), least(e.next, e.cut) AS until FROM (\(ends)) AS e WHERE NOT e.cuts")
    }

    /// All versions that hold longer than until a truncation that was touched.
    private func ending(_ validity: Target.Validity, byTruncations truncation: Int) -> String {
        let (from, until) = (target.quoted(validity.from), quoteIdentifier(validity.to))
        let touching = "FROM \(touched.name) AS k WHERE \(isTruncation("k", validity, truncation))"
        let hasKey = validity.key.map { "x.\(target.quoted($0)) IS NOT NULL" }.joined(separator: " AND ")
        let all = [validity.from] + places
        let events =
            "SELECT \(list(all, of: "x")), x.\(until) AS until, false AS cuts FROM \(table) AS x WHERE \(hasKey) "
            + "AND x.\(from) <= (SELECT max(k.\(from)) \(touching)) "
            + "AND (x.\(until) IS NULL OR x.\(until) > (SELECT min(k.\(from)) \(touching))) UNION ALL "
            + "SELECT \(list(all, of: "x")), NULL, true FROM \(table) AS x WHERE \(isTruncation("x", validity, truncation))"
        let ends = "SELECT \(list(places, of: "v")), v.until, v.cuts, \(nextCut(validity)) AS cut FROM (\(events)) AS v"
        // Where none was touched, which is mostly so, nothing of the table is read.
        return setting(
            validity,
            "SELECT \(list(places, of: "e")), least(e.until, e.cut) AS until FROM (\(ends)) AS e "
                + "WHERE NOT e.cuts AND EXISTS (SELECT \(touching))")
    }

    /// When the next truncation was, of what is called `v`.
    private func nextCut(_ validity: Target.Validity) -> String {
        let order = ([validity.from] + places).map { "v.\(target.quoted($0)) DESC" }.joined(separator: ", ")
        return "min(CASE WHEN v.cuts THEN v.\(target.quoted(validity.from)) END) OVER (ORDER BY \(order))"
    }

    private func isTruncation(_ row: String, _ validity: Target.Validity, _ truncation: Int) -> String {
        (validity.key.map { "\(row).\(target.quoted($0)) IS NULL" } + [
            "\(row).\(target.quoted(truncation))::text = '\(ChangeOperation.truncate.rawValue)'"
        ]).joined(separator: " AND ")
    }

    /// - Parameter ends: selects what tells a row from others, and its end.
    private func setting(_ validity: Target.Validity, _ ends: String) -> String {
        let until = quoteIdentifier(validity.to)
        return "UPDATE \(table) AS t SET \(until) = w.until FROM (\(ends)) AS w "
            + "WHERE \(same("t", "w", places)) AND t.\(until) IS DISTINCT FROM w.until"
    }

    /// The columns that tell which message a row is of.
    private var places: [Int] { Array(0..<target.keyCount) }

    private func list(_ columns: [Int], of row: String) -> String {
        columns.map { "\(row).\(target.quoted($0))" }.joined(separator: ", ")
    }

    private func same(_ one: String, _ other: String, _ columns: [Int]) -> String {
        columns.map { "\(one).\(target.quoted($0)) = \(other).\(target.quoted($0))" }.joined(separator: " AND ")
    }
}

extension Target.Validity {
    /// What is looked at of rows that come.
    fileprivate var touched: [Int] { key + [from] + [truncation].compactMap(\.self) }
}
