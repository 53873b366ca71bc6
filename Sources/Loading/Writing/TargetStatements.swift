import Postgres

/// The SQL for one section of a target. All of it works behind a pooler in transaction mode: nothing outlives the
/// transaction.
struct TargetStatements {
    private let target: Target
    private let columns: [Target.Column]
    private let kind: Batch.Section.Kind
    let stage: String

    private static let ordinal = quoteIdentifier("loader ordinal")

    init(_ target: Target, _ section: Int, _ kind: Batch.Section.Kind) {
        self.target = target
        self.kind = kind
        stage = quoteIdentifier("loader_stage_\(section)")
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

    /// From the stage into the table: rows by their mode, tombstones as deletions.
    var merge: String {
        switch kind {
        case .tombstones:
            let equal = target.keyColumns.map {
                "t.\(quoteIdentifier($0.name)) = s.\(quoteIdentifier($0.name))"
            }.joined(separator: " AND ")
            return "DELETE FROM \(target.name.quoted) AS t USING pg_temp.\(stage) AS s WHERE \(equal)"
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
