/// What goes by way of a stage: upserts, and deletions by keys.
extension Statements {
    private static let stage = "pg_temp.\"loader_stage_0\""
    private static let keys = "pg_temp.\"loader_keys_0\""
    private static let names = ["id", "v", "n", "owner", "code", "uniq", "at", "data"]

    /// One of the steps by itself; what it needs is made before it, behind a savepoint.
    mutating func staged() -> Request {
        let make = """
            CREATE TEMP TABLE "loader_stage_0" ON COMMIT DROP AS SELECT \(Self.columns), 0::bigint AS "loader nulls 0" \
            FROM "s"."t" WITH NO DATA; CREATE TEMP TABLE "loader_keys_0" ON COMMIT DROP AS SELECT "id", 0::int4 AS \
            "loader ordinal" FROM "s"."t" WITH NO DATA
            """
        switch draw(6) {
        case 0: return .simple("SAVEPOINT one; \(make)")
        case 1: return .simple("TRUNCATE \(Self.stage)")
        case 2:
            var rows: [[[UInt8]?]] = []
            for id in 0..<6 where draw(2) == 0 { rows.append(rowForStage(id)) }
            return .simple(
                "COPY \(Self.stage) (\(Self.columns)) FROM STDIN WITH (FORMAT binary)", copy: Self.binaryForStage(rows))
        case 3:
            return .simple(
                "TRUNCATE \(Self.keys); COPY \(Self.keys) FROM STDIN; DELETE FROM \"s\".\"t\" AS t USING \(Self.keys) AS s "
                    + "WHERE t.\"id\" = s.\"id\"", copy: Array("\(draw(6))\t0\n\(draw(6))\t1\n".utf8))
        default: return merge()
        }
    }

    private mutating func merge() -> Request {
        let stage = Self.stage
        let values = Self.names.map { "s.\"\($0)\"" }.joined(separator: ", ")
        let insert = "INSERT INTO \"s\".\"t\" AS t (\(Self.columns)) SELECT \(values) FROM \(stage) AS s"
        let updates = Self.names.dropFirst().map { "\"\($0)\" = EXCLUDED.\"\($0)\"" }.joined(separator: ", ")
        let sets = Self.names.dropFirst().map { "\"\($0)\" = s.\"\($0)\"" }.joined(separator: ", ")
        let update = "UPDATE ONLY \"s\".\"t\" AS t SET \(sets) FROM \(stage) AS s WHERE t.\"id\" = s.\"id\""
        let newer = "(t.\"n\" IS NULL OR s.\"n\" > t.\"n\")"
        let conflict = " ON CONFLICT (\"id\") DO UPDATE SET \(updates)"
        let rowOfKey = "SELECT FROM ONLY \"s\".\"t\" AS t WHERE t.\"id\" = s.\"id\""
        switch draw(10) {
        case 0: return .simple(insert + " ON CONFLICT (\"id\") DO NOTHING")
        case 1, 2: return .simple(insert + conflict)
        case 3: return .simple(update)
        case 4:
            return .simple(
                "WITH updated AS (\(update) AND \(newer) RETURNING 1) \(insert) WHERE NOT EXISTS (\(rowOfKey))\(conflict) "
                    + "WHERE (t.\"n\" IS NULL OR EXCLUDED.\"n\" > t.\"n\")")
        case 5:
            return .simple(
                "WITH known AS (\(update) RETURNING s.ctid::text AS place) \(insert) WHERE s.ctid::text NOT IN "
                    + "(SELECT place FROM known)\(conflict)")
        case 8:
            return .simple(
                "WITH c0 AS (\(update) AND \(newer) RETURNING 1), c1 AS (\(insert) WHERE NOT EXISTS (\(rowOfKey))\(conflict) "
                    + "WHERE (t.\"n\" IS NULL OR EXCLUDED.\"n\" > t.\"n\") RETURNING 1) "
                    + "SELECT (SELECT count(*) FROM c0) + (SELECT count(*) FROM c1)")
        case 9:
            return .simple(
                "WITH c0 AS (\(update) AND \(newer) RETURNING t.\"id\"), c1 AS (\(insert) WHERE NOT EXISTS (\(rowOfKey))\(conflict) "
                    + "RETURNING t.\"id\") SELECT s.\"id\" FROM \(stage) AS s WHERE NOT EXISTS (SELECT FROM c0 AS c WHERE "
                    + "c.\"id\" = s.\"id\") AND NOT EXISTS (SELECT FROM c1 AS c WHERE c.\"id\" = s.\"id\") ORDER BY 1")
        case 6: return .simple("SELECT count(*) FROM \(stage) AS s WHERE NOT EXISTS (\(rowOfKey))")
        default:
            return .simple(
                "SELECT s.\"loader ordinal\" FROM \(Self.keys) AS s WHERE (SELECT true FROM \"s\".\"t\" AS t WHERE "
                    + "t.\"id\" = s.\"id\" LIMIT 1) ORDER BY 1")
        }
    }
}
