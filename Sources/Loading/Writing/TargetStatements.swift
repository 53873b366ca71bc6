import Postgres

/// The SQL for one section of a target. All of it works behind a pooler in transaction mode: nothing outlives the
/// transaction.
struct TargetStatements {
    private let target: Target
    private let columns: [Target.Column]
    private let kind: Batch.Section.Kind
    let stage: String
    private let keys: String

    private static let ordinal = quoteIdentifier("loader ordinal")

    init(_ target: Target, _ section: Int, _ kind: Batch.Section.Kind) {
        self.target = target
        self.kind = kind
        stage = quoteIdentifier("loader_stage_\(section)")
        keys = quoteIdentifier("loader_keys_\(section)")
        switch kind {
        case .tombstones: columns = Array(target.keyColumns)
        case .rows(let omitted):
            columns = target.columns.filter { column in
                column.omissionBit.map { omitted & (1 << Omission($0)) == 0 } ?? true
            }
        }
    }

    private var names: String { columns.map { quoteIdentifier($0.name) }.joined(separator: ", ") }
    private var key: String { target.keyColumns.map { quoteIdentifier($0.name) }.joined(separator: ", ") }
    private var format: String { target.format == .binary ? " WITH (FORMAT binary)" : "" }

    /// COPY straight into the table.
    var copy: String { "COPY \(target.name.quoted) (\(names)) FROM STDIN\(format)" }

    var createStage: String {
        "CREATE TEMP TABLE \(stage) ON COMMIT DROP AS SELECT \(names)"
            + (target.hasOrdinal ? ", 0::bigint AS \(Self.ordinal)" : "") + " FROM \(target.name.quoted) WITH NO DATA"
    }

    var copyStage: String {
        "COPY pg_temp.\(stage) FROM STDIN\(format)"
    }

    var emptyStage: String { "TRUNCATE pg_temp.\(stage)" }

    /// For the keys of rows that may be new, each with its place among the rows.
    var createKeys: String {
        "CREATE TEMP TABLE \(keys) ON COMMIT DROP AS SELECT \(key), 0::int4 AS \(Self.ordinal) "
            + "FROM \(target.name.quoted) WITH NO DATA"
    }

    var copyKeys: String { "COPY pg_temp.\(keys) FROM STDIN WITH (FORMAT binary)" }

    /// The places of the keys that the table has. A subquery, because it goes by the index whatever the planner thinks of
    /// a table without statistics; LIMIT, because a table that inherits may have a key twice.
    var foundKeys: String {
        "SELECT s.\(Self.ordinal) FROM pg_temp.\(keys) AS s "
            + "WHERE (SELECT true FROM \(target.name.quoted) AS t WHERE \(hasSameKey) LIMIT 1)"
    }

    private var hasSameKey: String {
        target.keyColumns.map { "t.\(quoteIdentifier($0.name)) = s.\(quoteIdentifier($0.name))" }
            .joined(separator: " AND ")
    }

    /// From the stage into the table: rows by their mode, tombstones as deletions.
    var merge: String {
        switch kind {
        case .tombstones:
            return "DELETE FROM \(target.name.quoted) AS t USING pg_temp.\(stage) AS s WHERE \(hasSameKey)"
        case .rows:
            var select = "SELECT \(names) FROM pg_temp.\(stage)"
            if target.hasOrdinal {
                let order = target.mode == .upsert ? "DESC" : "ASC"
                select =
                    "SELECT DISTINCT ON (\(key)) \(names) FROM pg_temp.\(stage) ORDER BY \(key), \(Self.ordinal) \(order)"
            }
            let updates = columns.dropFirst(target.keyCount).map {
                "\(quoteIdentifier($0.name)) = EXCLUDED.\(quoteIdentifier($0.name))"
            }.joined(separator: ", ")
            let arbiter = key.isEmpty ? "" : " (\(key))"
            let action = target.mode == .upsert && !updates.isEmpty ? "DO UPDATE SET \(updates)" : "DO NOTHING"
            return "INSERT INTO \(target.name.quoted) (\(names)) \(select) ON CONFLICT\(arbiter) \(action)"
        }
    }
}
