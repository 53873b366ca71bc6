import Postgres

/// How an upsert goes in, and whatever else COPY alone cannot do: COPY into a stage, which is a temporary table with the
/// target's columns, and one statement from there into the table.
struct StageMerge {
    let target: Target
    let stage: ScratchTable

    init(_ target: Target) {
        self.target = target
        stage = ScratchTable("stage", of: target)
    }

    /// Makes the stage where it is not there yet.
    func make(on connection: Connection) throws(PostgresError) { try stage.make(create, on: connection) }

    /// - Parameter isNumbered: it is to be told of each row whether it has changed anything.
    /// - Returns: what has changed nothing because the table had what is as new.
    @discardableResult
    func load(
        _ group: RowGroup, _ source: RowSource, isNumbered: Bool = false, over connection: RowConnection
    ) throws(Refusal) -> Unchanged {
        try fill(group, source, isNumbered: isNumbered, over: connection)
        return try bringIn(group, isNumbered: isNumbered, over: connection)
    }

    /// Brings the rows of a stage that was filled into the table.
    @discardableResult
    func bringIn(
        _ group: RowGroup, isNumbered: Bool = false, over connection: RowConnection
    ) throws(Refusal) -> Unchanged {
        var changed = 0
        var unchanged = Unchanged.count(0)
        if target.versionCount > 0 {
            unchanged = try bringInNewer(group, isNumbered: isNumbered, over: connection)
            changed = group.rows.count - unchanged.count
        } else {
            for statement in emptying(group) { changed = try connection.run(statement) }
        }
        // Those that a trigger has left alone are there as well; and what is older needs nothing.
        guard group.needsRows, changed < group.rows.count else { return unchanged }
        let lacking = try connection.query(rowsLacking(group)).int(0, 0) ?? 0
        guard lacking > 0 else { return unchanged }
        throw Refusal(
            error: .rowIsMissing, withRows: true, row: group.rows.count == 1 ? group.rows.first : nil)
    }

    /// Has the rows in the stage, and nothing else.
    func fill(
        _ group: RowGroup, _ source: RowSource, isNumbered: Bool = false, over connection: RowConnection
    ) throws(Refusal) {
        let numbers = isNumbered ? (0..<group.rows.count).map { Int32(truncatingIfNeeded: $0) } : nil
        try connection.clear(stage, create)
        try connection.copy(copy(group, isNumbered: isNumbered), naming: group.rows, takesAll: true) {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            try source.send(group, numbers: numbers, to: stream)
        }
    }

    /// What brings the rows of a stage that was filled into the table.
    func emptying(_ group: RowGroup) -> [String] { (index(group).map { [$0] } ?? []) + merges(group) }

    private var table: String { target.name.quoted }

    private func name(_ column: Int) -> String { target.quoted(column) }

    private func names(_ columns: [Int]) -> String { target.quoted(columns) }

    // MARK: The stage

    /// With all of the target's columns, whatever a row leaves out, and with words for the nulls that are given, unless the
    /// table is too wide for them.
    var create: String {
        let numbers = target.versionCount > 0 ? [(name: Self.number, type: "int4")] : []
        return Self.create(stage, target, more: (0..<target.nullWords).map { (nullWord($0), "bigint") } + numbers)
    }

    /// - Parameters:
    ///   - staged: in what columns stand that are not as in every stage.
    ///   - more: columns behind the target's own.
    static func create(
        _ stage: ScratchTable, _ target: Target, _ staged: StagedColumns? = nil, more: [(name: String, type: String)]
    ) -> String {
        let types = target.columns.indices.map { staged?[$0] ?? target.columns[$0].stageType.formatted }
        // From the table, so that the columns have its collations; but to insert nobody needs the right to read.
        guard target.mode != .insert else {
            let columns = zip(target.columns, types).map { "\(quoteIdentifier($0.name)) \($1)" }
            return
                "CREATE TEMP TABLE \(stage.newName) "
                + "(\((columns + more.map { "\($0.name) \($0.type)" }).joined(separator: ", "))) ON COMMIT DROP"
        }
        let columns = zip(target.columns, types).map { column, type in
            let name = quoteIdentifier(column.name)
            return type == column.type.formatted ? name : "\(name)::\(type) AS \(name)"
        }
        let all = (columns + more.map { "0::\($0.type) AS \($0.name)" }).joined(separator: ", ")
        return
            "CREATE TEMP TABLE \(stage.newName) ON COMMIT DROP AS SELECT \(all) FROM \(target.name.quoted) WITH NO DATA"
    }

    var empty: String { stage.empty }

    func copy(_ group: RowGroup, isNumbered: Bool = false) -> String {
        let words = target.nullWords(of: group).map { ", " + nullWord($0) }.joined()
        let number = isNumbered ? ", " + Self.number : ""
        return "COPY \(stage.name) (\(names(group.columns))\(words)\(number)) FROM STDIN\(target.copyOptions)"
    }

    /// A row's place in its group, where that is asked for.
    static let number = RowByRow.number

    private func nullWord(_ word: Int) -> String { quoteIdentifier("loader nulls \(word)") }

    // MARK: From the stage into the table

    /// What rows come from, called `s` in the statements.
    struct Origin {
        var name: String
        /// In what its columns stand, where that is not as in every stage.
        var columns: StagedColumns?
        /// Which of its rows are meant; nil: all.
        var condition: String?

        /// Behind the statement's own conditions.
        fileprivate func conditions(_ own: String?) -> String {
            let all = [own, condition].compactMap(\.self)
            return all.isEmpty ? "" : " WHERE " + all.joined(separator: " AND ")
        }
    }

    /// By the route's mode; in mode `insert` for what COPY cannot do: defaults for some of the rows.
    ///
    /// - Parameter other: what stands in for the stage, whose rows all give the group's columns then.
    func merges(_ group: RowGroup, from other: Origin? = nil) -> [String] {
        let origin = other ?? Origin(name: stage.name)
        if target.versionCount > 0 {
            let (changes, again) = newerChanges(group, from: origin)
            guard let again, let first = changes.first, let last = changes.last else { return changes }
            return ["WITH updated AS (\(first) RETURNING 1) \(last)", again]
        }
        let updated = target.mode == .upsert ? updatedColumns(group) : []
        if group.needsRows { return updated.isEmpty ? [] : [update(group, updated, origin)] }
        guard target.mode == .upsert, target.updatesFirst || !group.mixed.isEmpty && !updated.isEmpty else {
            return [insert(group, origin, nil) + plainConflict(group, updated)]
        }
        let conflict = group.mixed.isEmpty ? plainConflict(group, updated) : onConflict(group, updated)
        // Where a trigger may change rows before they are inserted, what it makes of them is what an update takes, too.
        if target.table.hasInsertTriggers, !target.updatesFirst { return [insert(group, origin, nil) + conflict] }
        // ON CONFLICT does not tell which columns a row left out, and to look it up costs more than the update; and a row that
        // gives only some columns may be none that can be inserted. So rows that are there are updated first, and for the
        // others somebody else may be faster with.
        if updated.isEmpty { return [insert(group, origin, "NOT EXISTS (\(rowOfKey))") + conflict] }
        return [
            "WITH known AS (\(update(group, updated, origin)) RETURNING s.ctid::text AS place) "
                + insert(group, origin, "s.ctid::text NOT IN (SELECT place FROM known)") + conflict
        ]
    }

    /// The same where only what is newer changes a row: the statements that do, of one moment, and what then follows by itself.
    func newerChanges(_ group: RowGroup, from origin: Origin) -> (changes: [String], again: String?) {
        let updated = updatedColumns(group)
        if group.needsRows { return ([update(group, updated, origin)], nil) }
        guard target.updatesFirst || !group.mixed.isEmpty else {
            return ([insert(group, origin, nil) + plainConflict(group, updated)], nil)
        }
        let conflict = group.mixed.isEmpty ? plainConflict(group, updated) : onConflict(group, updated)
        if target.table.hasInsertTriggers, !target.updatesFirst {
            return ([insert(group, origin, nil) + conflict], nil)
        }
        // What was not updated may be there, and newer. It is all one statement, for a row that somebody else inserts between two looks
        // at the table would be neither updated nor inserted, however old it is; and what was deleted meanwhile goes in behind it.
        let insertion = insert(group, origin, "NOT EXISTS (\(rowOfKey))") + conflict
        return ([update(group, updated, origin), insertion], insertion)
    }

    func merge(_ group: RowGroup) -> String { merges(group).joined(separator: "; ") }

    /// How many rows of a stage have none of their key in the table.
    func rowsLacking(_ group: RowGroup) -> String {
        "SELECT count(*) FROM \(stage.name) AS s WHERE NOT EXISTS (\(rowOfKey))"
    }

    /// ON CONFLICT sees no row of tables that inherit from this one.
    private var only: String { target.table.kind == .table ? "ONLY " : "" }

    /// The row of a staged row's key.
    var rowOfKey: String { "SELECT FROM \(only)\(table) AS t WHERE \(target.hasSameKey("t", "s"))" }

    private func plainConflict(_ group: RowGroup, _ updated: [Int]) -> String {
        guard target.mode != .insert else { return "" }
        if updated.isEmpty { return " ON CONFLICT\(target.arbiter) DO NOTHING" }
        let updates = updated.map { "\(name($0)) = EXCLUDED.\(name($0))" }.joined(separator: ", ")
        return " ON CONFLICT\(target.arbiter) DO UPDATE SET \(updates)" + ifNewer("EXCLUDED", " WHERE ")
    }

    private func ifNewer(_ row: String, _ before: String) -> String {
        target.versionCount == 0 ? "" : before + target.isNewer(row, than: "t")
    }

    /// Makes the look-up of a row in the stage by its key cheap; needed where `merge` may look up each.
    func index(_ group: RowGroup) -> String? {
        guard target.mode == .upsert, !group.mixed.isEmpty, target.table.hasInsertTriggers else { return nil }
        return "CREATE INDEX ON \(stage.name) (\(target.keyNames))"
    }

    private func updatedColumns(_ group: RowGroup) -> [Int] {
        group.columns.filter { $0 >= target.keyCount && !target.columns[$0].isAlwaysIdentity }
    }

    private func insert(_ group: RowGroup, _ origin: Origin, _ condition: String?) -> String {
        let values = group.columns.map { index in
            let column = target.columns[index]
            guard group.mixed.contains(index), let expression = column.defaultExpression else {
                return value(index, origin)
            }
            // Cast, because a default may be of any type that can be assigned to the column's.
            let value = "(\(expression))::\(column.type.withoutDomain.formatted)"
            return ifGiven(index, group, "s.\(name(index))", else: value)
        }.joined(separator: ", ")
        let overriding =
            group.columns.contains { target.columns[$0].isAlwaysIdentity } ? " OVERRIDING SYSTEM VALUE" : ""
        return
            "INSERT INTO \(table) AS t (\(names(group.columns)))\(overriding) SELECT \(values) FROM "
            + "\(origin.name) AS s" + origin.conditions(condition)
    }

    private func value(_ column: Int, _ origin: Origin) -> String {
        origin.columns?.value(column, of: target) ?? "s.\(name(column))"
    }

    private func update(_ group: RowGroup, _ updated: [Int], _ origin: Origin) -> String {
        let updates = updated.map { index in
            group.mixed.contains(index)
                ? "\(name(index)) = \(ifGiven(index, group, "s.\(name(index))", else: "t.\(name(index))"))"
                : "\(name(index)) = \(value(index, origin))"
        }.joined(separator: ", ")
        return "UPDATE \(only)\(table) AS t SET \(updates) FROM \(origin.name) AS s"
            + origin.conditions(target.hasSameKey("t", "s") + ifNewer("s", " AND "))
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
            "(\(names(mixed))) = (SELECT \(values) FROM (SELECT) AS one LEFT JOIN \(stage.name) AS s "
            + "ON \(target.hasSameKey("EXCLUDED", "s")) WHERE 1 / CASE WHEN s.\(name(0)) IS NOT DISTINCT FROM NULL "
            + "THEN 0 ELSE 1 END = 1)"
        return " ON CONFLICT\(target.arbiter) DO UPDATE SET \((plain + [lookUp]).joined(separator: ", "))"
            + ifNewer("EXCLUDED", " WHERE ")
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
    var stageType: PostgresType { omissionBit == nil ? type : type.withoutDomain }
}
