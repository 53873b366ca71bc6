import Loading
import Postgres

/// What a group that is new to the ledger would load into tables that another group has loaded it into already.
///
/// In a mode that only appends every row would be there twice, and all that leads there is a mistyped name. The ledger is
/// asked, not Kafka: what counts is what has come into this database.
struct OtherGroups: Equatable {
    /// A row of the ledger, of whichever group.
    struct Row {
        var group: String
        var topic: String
        /// How far its partitions have come, together.
        var next: Int64
        /// When it was last moved, as text.
        var movedAt: String
    }

    /// A table and what is to be loaded into it.
    struct Appended {
        var topics: [Route.TopicPattern]
        var table: TableName
    }

    /// Another group and what it has loaded.
    struct Found: Equatable {
        var group: String
        var topic: String
        var table: TableName
        var movedAt: String
        /// It is known to have loaded this table; a group of an older loader is only known to have loaded the topic.
        var isTableKnown: Bool
    }

    /// Those that have loaded what this group is new to.
    static func find(_ appended: [Appended], group: String, _ rows: [Row]) -> [Found] {
        var loaded: [String: [String: Row]] = [:]
        var tables: [String: [String: Set<String>]] = [:]
        for row in rows {
            if let note = LedgerMemory.loaded(row.topic) {
                tables[row.group, default: [:]][note.topic, default: []].insert(note.table)
            } else if !LedgerMemory.isMemory(row.topic) {
                loaded[row.group, default: [:]][row.topic] = row
            }
        }
        let mine = tables[group] ?? [:]
        var found: [Found] = []
        for one in appended {
            let table = one.table.quoted
            for (other, topics) in loaded.sorted(by: { $0.key < $1.key }) where other != group {
                for (topic, row) in topics.sorted(by: { $0.key < $1.key }) where row.next > 0 {
                    guard one.topics.contains(where: { $0.matches(topic) }), mine[topic]?.contains(table) != true
                    else { continue }
                    let isTableKnown = tables[other]?[topic]?.contains(table)
                    // What of one or the other an older loader has not noted may be the same table, unless the group has
                    // loaded the topic before: then it was this one, for all that anybody knows.
                    let knowsTopic = loaded[group]?[topic] != nil
                    guard knowsTopic ? mine[topic] != nil && isTableKnown == true : isTableKnown != false
                    else { continue }
                    found.append(
                        Found(
                            group: other, topic: topic, table: one.table, movedAt: row.movedAt,
                            isTableKnown: isTableKnown == true))
                }
            }
        }
        return found
    }

    /// - Returns: a mistake for each other group.
    static func problems(
        _ targets: [Target], group: String, on connection: Connection
    ) throws(PostgresError) -> [SetupProblem] {
        let appended = targets.filter { !$0.isReplaySafe && !$0.choosesTable }.map {
            Appended(topics: $0.route.topics, table: $0.name)
        }
        guard !appended.isEmpty else { return [] }
        let result = try connection.query(
            """
            SELECT consumer_group, topic, sum(next_offset)::bigint,
              to_char(max(updated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')
            FROM loader.positions GROUP BY 1, 2
            """)
        let rows = (0..<result.rowCount).map { row in
            Row(
                group: result.string(row, 0) ?? "", topic: result.string(row, 1) ?? "", next: result.int(row, 2) ?? 0,
                movedAt: result.string(row, 3) ?? "")
        }
        var found = find(appended, group: group, rows)
        for table in Set(found.map(\.table)) where try isEmpty(table, on: connection) {
            found.removeAll { $0.table == table }
        }
        return Dictionary(grouping: found, by: \.group).sorted { $0.key < $1.key }.compactMap {
            problem(group, $0.value)
        }
    }

    /// Whether a table has no row that could be there twice: it was emptied or made anew. One that cannot be looked into
    /// counts as filled.
    private static func isEmpty(_ table: TableName, on connection: Connection) throws(PostgresError) -> Bool {
        let mayRead = try connection.query(
            "SELECT coalesce(has_table_privilege(to_regclass($1), 'SELECT'), false)", [.text(table.quoted)])
        guard mayRead.bool(0, 0) == true else { return false }
        return try connection.query("SELECT NOT EXISTS (SELECT FROM \(table.quoted))").bool(0, 0) == true
    }

    private static func problem(_ group: String, _ found: [Found]) -> SetupProblem? {
        guard let first = found.first, let last = found.map(\.movedAt).max() else { return nil }
        let more = found.count > 1 ? " (and \(found.count - 1) more)" : ""
        let what =
            first.isTableKnown
            ? "has loaded \(first.topic) into \(first.table)\(more)"
            : "has loaded \(first.topic)\(more), perhaps into \(first.table): it was not noted by then"
        return SetupProblem(
            .group, at: "kafka.group",
            "the group \(group) is new here, and the group \(first.group) \(what), last at \(last): \(first.table) only grows, "
                + "so all of it would be there twice",
            mend:
                "use the name \(first.group) (kafka.group, group_prefix, group_suffix), which goes on where it stands; or, if "
                + "those rows are to come again or are gone: `loader run --new-group`")
    }
}
