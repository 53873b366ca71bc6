import Postgres

/// The SQL for the rows of a target. All of it works behind a pooler in transaction mode: nothing outlives the
/// transaction.
package struct TargetStatements {
    private let target: Target
    private let table: String
    private let stageName: String
    private let keysName: String

    private static let ordinal = quoteIdentifier("loader ordinal")

    /// - Parameter table: what stands in for the target's own, as SQL names it.
    package init(_ target: Target, table: String? = nil) {
        self.target = target
        self.table = table ?? target.name.quoted
        stageName = quoteIdentifier("loader_stage_\(target.index)")
        keysName = quoteIdentifier("loader_keys_\(target.index)")
    }

    private var stage: String { "pg_temp.\(stageName)" }
    private var keys: String { "pg_temp.\(keysName)" }
    private var format: String { target.format == .binary ? " WITH (FORMAT binary)" : "" }

    private func names(_ columns: some Sequence<Int>) -> String {
        columns.map { quoteIdentifier(target.columns[$0].name) }.joined(separator: ", ")
    }

    private var keyNames: String { names(0..<target.keyCount) }

    // MARK: COPY

    /// COPY straight into the table.
    package func copy(_ group: RowGroup) -> String { "COPY \(table) (\(names(group.columns))) FROM STDIN\(format)" }

    /// With all of the target's columns, whatever a row leaves out, and with words for the nulls that are given, unless the
    /// table is too wide for them.
    var createStage: String {
        let words = (0..<target.nullWords).map { nullWord($0) }
        // From the table, so that the columns have its collations; but to insert nobody needs the right to read.
        guard target.mode != .insert else {
            let columns = target.columns.map { "\(quoteIdentifier($0.name)) \($0.stageType.formatted)" }
            return
                "CREATE TEMP TABLE \(stageName) (\((columns + words.map { $0 + " bigint" }).joined(separator: ", "))) "
                + "ON COMMIT DROP"
        }
        let columns = target.columns.map { column in
            let name = quoteIdentifier(column.name)
            return column.stageType == column.type ? name : "\(name)::\(column.stageType.formatted) AS \(name)"
        }
        let all = (columns + words.map { "0::bigint AS \($0)" }).joined(separator: ", ")
        return "CREATE TEMP TABLE \(stageName) ON COMMIT DROP AS SELECT \(all) FROM \(table) WITH NO DATA"
    }

    func copyStage(_ group: RowGroup) -> String {
        let words = target.nullWords(of: group).map { ", " + nullWord($0) }.joined()
        return "COPY \(stage) (\(names(group.columns))\(words)) FROM STDIN\(format)"
    }

    var emptyStage: String { "TRUNCATE \(stage)" }

    private func nullWord(_ word: Int) -> String { quoteIdentifier("loader nulls \(word)") }

    // MARK: Keys

    /// For keys by themselves, each with its place among those that are sent.
    var createKeys: String {
        "CREATE TEMP TABLE \(keysName) ON COMMIT DROP AS SELECT \(keyNames), 0::int4 AS \(Self.ordinal) "
            + "FROM \(table) WITH NO DATA"
    }

    var copyKeys: String { "COPY \(keys) FROM STDIN\(format)" }

    var emptyKeys: String { "TRUNCATE \(keys)" }

    /// The places of the keys that the table has. A subquery, because it goes by the index whatever the planner thinks of
    /// a table without statistics; LIMIT, because a table that inherits may have a key twice.
    var foundKeys: String {
        "SELECT s.\(Self.ordinal) FROM \(keys) AS s "
            + "WHERE (SELECT true FROM \(table) AS t WHERE \(hasSameKey("t", "s")) LIMIT 1)"
    }

    /// The places of keys that are the same, as `3 17`, a row for those of one key.
    var sameKeys: String {
        if target.keyComparisons.contains(where: { $0.equality != nil }) {
            return "SELECT concat_ws(' ', a.\(Self.ordinal), b.\(Self.ordinal)) FROM \(keys) AS a, \(keys) AS b "
                + "WHERE \(hasSameKey("a", "b")) AND a.\(Self.ordinal) < b.\(Self.ordinal)"
        }
        let key = zip(target.keyColumns, target.keyComparisons).map { column, comparison in
            quoteIdentifier(column.name) + (comparison.collation.map { " COLLATE \($0)" } ?? "")
        }.joined(separator: ", ")
        return "SELECT string_agg(\(Self.ordinal)::text, ' ') FROM \(keys) GROUP BY \(key) HAVING count(*) > 1"
    }

    var deleteKeys: String { "DELETE FROM \(table) AS t USING \(keys) AS s WHERE \(hasSameKey("t", "s"))" }

    /// As the key's index compares, whatever the column says.
    private func hasSameKey(_ left: String, _ right: String) -> String {
        zip(target.keyColumns, target.keyComparisons).map { column, comparison in
            let name = quoteIdentifier(column.name)
            let collation = comparison.collation.map { " COLLATE \($0)" } ?? ""
            return "\(left).\(name)\(collation) \(comparison.equality ?? "=") \(right).\(name)"
        }.joined(separator: " AND ")
    }

    // MARK: From the stage into the table

    /// By the route's mode; in mode `insert` for what COPY cannot do: defaults for some of the rows.
    func merge(_ group: RowGroup) -> String {
        switch target.mode {
        case .insert: return insert(group)
        case .ignore: return insert(group) + " ON CONFLICT\(arbiter) DO NOTHING"
        case .upsert: break
        }
        let updated = updatedColumns(group)
        if updated.isEmpty { return insert(group) + " ON CONFLICT\(arbiter) DO NOTHING" }
        if group.mixed.isEmpty {
            let updates = updated.map { "\(name($0)) = EXCLUDED.\(name($0))" }.joined(separator: ", ")
            return insert(group) + " ON CONFLICT\(arbiter) DO UPDATE SET \(updates)"
        }
        // Where a trigger may change rows before they are inserted, what it makes of them is what an update takes, too.
        if target.table.hasInsertTriggers { return insert(group) + onConflict(group, updated) }
        // ON CONFLICT does not tell which columns a row left out, and to look it up costs more than the update. So rows that
        // are there are updated first, and for the others somebody else may be faster with.
        return "WITH known AS (\(update(group, updated)) RETURNING s.ctid::text AS place) " + insert(group)
            + " WHERE s.ctid::text NOT IN (SELECT place FROM known)" + onConflict(group, updated)
    }

    /// Makes the look-up of a row in the stage by its key cheap; needed where `merge` may look up each.
    func indexStage(_ group: RowGroup) -> String? {
        guard target.mode == .upsert, !group.mixed.isEmpty, target.table.hasInsertTriggers else { return nil }
        return "CREATE INDEX ON \(stage) (\(keyNames))"
    }

    /// A row of nothing but defaults.
    var insertDefaults: String {
        "INSERT INTO \(table) DEFAULT VALUES" + (target.mode == .insert ? "" : " ON CONFLICT\(arbiter) DO NOTHING")
    }

    private func name(_ column: Int) -> String { quoteIdentifier(target.columns[column].name) }

    private var arbiter: String { target.keyCount == 0 ? "" : " (\(keyNames))" }

    private func updatedColumns(_ group: RowGroup) -> [Int] {
        group.columns.filter { $0 >= target.keyCount && !target.columns[$0].isAlwaysIdentity }
    }

    private func insert(_ group: RowGroup) -> String {
        let values = group.columns.map { index in
            let column = target.columns[index]
            guard group.mixed.contains(index), let expression = column.defaultExpression else {
                return "s.\(name(index))"
            }
            // Cast, because a default may be of any type that can be assigned to the column's.
            let value = "(\(expression))::\(column.type.withoutDomain.formatted)"
            return ifGiven(index, group, "s.\(name(index))", else: value)
        }.joined(separator: ", ")
        let overriding =
            group.columns.contains { target.columns[$0].isAlwaysIdentity } ? " OVERRIDING SYSTEM VALUE" : ""
        return "INSERT INTO \(table) AS t (\(names(group.columns)))\(overriding) SELECT \(values) FROM \(stage) AS s"
    }

    private func update(_ group: RowGroup, _ updated: [Int]) -> String {
        let updates = updated.map { index in
            group.mixed.contains(index)
                ? "\(name(index)) = \(ifGiven(index, group, "s.\(name(index))", else: "t.\(name(index))"))"
                : "\(name(index)) = s.\(name(index))"
        }.joined(separator: ", ")
        // ON CONFLICT sees no row of tables that inherit from this one.
        let only = target.table.kind == .table ? "ONLY " : ""
        return "UPDATE \(only)\(table) AS t SET \(updates) FROM \(stage) AS s WHERE \(hasSameKey("t", "s"))"
    }

    /// For a row that is there: looks up in the stage what was left out. A trigger that has changed the key leaves nothing to
    /// be found; the division then fails, and rows go in one by one, which needs no looking up.
    private func onConflict(_ group: RowGroup, _ updated: [Int]) -> String {
        let plain = updated.filter { !group.mixed.contains($0) }.map { "\(name($0)) = EXCLUDED.\(name($0))" }
        let mixed = updated.filter { group.mixed.contains($0) }
        let values = mixed.map {
            ifGiven($0, group, "EXCLUDED.\(name($0))", else: "t.\(name($0))")
        }.joined(separator: ", ")
        let lookUp =
            "(\(names(mixed))) = (SELECT \(values) FROM (SELECT) AS one LEFT JOIN \(stage) AS s "
            + "ON \(hasSameKey("EXCLUDED", "s")) WHERE 1 / CASE WHEN s.\(name(0)) IS NOT DISTINCT FROM NULL "
            + "THEN 0 ELSE 1 END = 1)"
        return " ON CONFLICT\(arbiter) DO UPDATE SET \((plain + [lookUp]).joined(separator: ", "))"
    }

    private func ifGiven(_ index: Int, _ group: RowGroup, _ value: String, else other: String) -> String {
        // Not IS NOT NULL, which is false of a composite with a null in it.
        let isGiven = "s.\(name(index)) IS DISTINCT FROM NULL"
        guard group.nullable.contains(index), let bit = target.columns[index].omissionBit else {
            return value == "s.\(name(index))"
                ? "coalesce(\(value), \(other))" : "CASE WHEN \(isGiven) THEN \(value) ELSE \(other) END"
        }
        let mask = Int64(bitPattern: 1 << UInt64(bit & 63))
        return
            "CASE WHEN \(isGiven) OR s.\(nullWord(bit >> 6)) & '\(mask)'::bigint <> 0 THEN \(value) ELSE \(other) END"
    }
}

extension Target {
    /// PostgreSQL's limit, `MaxHeapAttributeNumber`.
    private static let mostColumns = 1600

    /// How many columns a stage has to say which nulls are given: one for 64 columns that may be left out.
    var nullWords: Int {
        let words = (columns.count { $0.omissionBit != nil } + 63) / 64
        return columns.count + words <= Self.mostColumns ? words : 0
    }

    /// Which of them a group needs.
    func nullWords(of group: RowGroup) -> [Int] {
        Set(group.nullable.compactMap { columns[$0].omissionBit.map { $0 >> 6 } }).sorted()
    }
}

extension Target.Column {
    /// Its type in a stage. A domain may refuse the null that stands for a column left out.
    fileprivate var stageType: PostgresType { omissionBit == nil ? type : type.withoutDomain }
}

extension PostgresType {
    var withoutDomain: PostgresType {
        var type = self
        while case .domain(let base) = type.shape { type = base }
        return type
    }
}
