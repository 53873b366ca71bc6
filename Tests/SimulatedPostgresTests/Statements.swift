import TestSupport

@testable import SimulatedPostgres

/// Requests as a loader makes them, drawn from a seed: into tables with a key, without one, with references and CHECKs.
struct Statements {
    var generator: SeededGenerator
    /// The next offset of each partition, as this side believes.
    private var positions: [Int64: Int64] = [:]
    private var hasStage = false

    init(_ seed: UInt64) { generator = SeededGenerator(seed: seed) }

    static let tables = [
        TableDefinition("s", "owners", [.init("id", .int4), .init("name", .text)], key: ["id"]),
        TableDefinition(
            "s", "t",
            [
                .init("id", .int8), .init("v", .text, default: "'none'"), .init("n", .int4, notNull: true),
                .init("owner", .int4), .init("code", .varchar, limit: 5), .init("uniq", .int4),
                .init("at", .timestamptz), .init("data", .bytea),
            ], key: ["id"], uniques: [["uniq"]], checks: [.init(name: "small", condition: "n < 100")],
            references: [.init(name: "t_owner", columns: ["owner"], parent: "owners", parentColumns: ["id"])]),
        TableDefinition(
            "s", "late", [.init("id", .int4), .init("owner", .int4)], key: ["id"],
            references: [
                .init(
                    name: "late_owner", columns: ["owner"], parent: "owners", parentColumns: ["id"], isDeferrable: true,
                    isDeferred: true)
            ]),
        TableDefinition("s", "log", [.init("id", .int8), .init("v", .text)]),
        TableDefinition(
            "s", "history",
            [.init("p", .int4), .init("o", .int8), .init("id", .int4), .init("since", .int8), .init("until", .int8)],
            key: ["p", "o"]),
    ]

    mutating func draw(_ count: Int) -> Int { Int(generator.next() % UInt64(count)) }

    private mutating func id() -> Int { draw(6) }

    // MARK: COPY

    static func binaryForStage(_ rows: [[[UInt8]?]]) -> [UInt8] { binary(rows) }

    mutating func rowForStage(_ id: Int) -> [[UInt8]?] { row(of: id) }

    private static func binary(_ rows: [[[UInt8]?]]) -> [UInt8] {
        var bytes: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)
        for row in rows {
            bytes += number(Int16(row.count))
            for field in row {
                bytes += number(Int32(field?.count ?? -1)) + (field ?? [])
            }
        }
        return bytes + number(Int16(-1))
    }

    private static func number(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    private mutating func row(of id: Int) -> [[UInt8]?] {
        [
            Self.number(Int64(id)), draw(5) == 0 ? nil : Array("v\(draw(9))".utf8),
            draw(12) == 0 ? nil : Self.number(Int32(draw(12) == 0 ? 100 : draw(99))),
            draw(3) == 0 ? nil : Self.number(Int32(draw(6))),
            Array(String(repeating: "x", count: draw(24) == 0 ? 6 : 2).utf8),
            draw(4) == 0 ? Self.number(Int32(draw(5))) : nil, nil, draw(2) == 0 ? nil : [1, UInt8(draw(250))],
        ]
    }

    static let columns = "\"id\", \"v\", \"n\", \"owner\", \"code\", \"uniq\", \"at\", \"data\""

    private mutating func ids() -> [Int] {
        var ids: [Int] = []
        for id in 0..<6 where draw(2) == 0 { ids.append(id) }
        return ids
    }

    // MARK: Requests

    /// - Parameter status: that of the session.
    mutating func next(_ status: Session.Status) -> Request {
        if status == .failed {
            return draw(2) == 0 ? .simple("ROLLBACK TO SAVEPOINT one") : .simple("ROLLBACK")
        }
        if status == .idle {
            hasStage = false
            if draw(4) > 0 {
                return .simple(
                    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE; SELECT set_config('jit', 'off', true)"
                )
            }
        }
        switch draw(26) {
        case 0: return .simple("COMMIT")
        case 1: return .simple(draw(2) == 0 ? "COMMIT" : "ROLLBACK")
        case 2: return .simple(status == .idle ? "COMMIT" : "SAVEPOINT one")
        case 3: return .simple(status == .idle ? "ROLLBACK" : "SAVEPOINT one; SET CONSTRAINTS ALL IMMEDIATE")
        case 4:
            return .simple(
                "INSERT INTO \"s\".\"owners\" AS t (\"id\", \"name\") VALUES (\(draw(6)), 'o') ON CONFLICT (\"id\") DO NOTHING"
            )
        case 5: return .simple("DELETE FROM \"s\".\"owners\" AS t WHERE t.\"id\" = \(draw(6))")
        case 6, 7: return fence()
        case 8: return begin()
        case 9: return straight()
        case 10: return late()
        case 11: return status == .idle ? look() : letters()
        case 12: return waiting()
        case 13: return .simple("SET CONSTRAINTS ALL \(draw(2) == 0 ? "IMMEDIATE" : "DEFERRED")")
        case 14, 15: return look()
        case 16, 17: return history()
        default: return status == .idle ? look() : staged()
        }
    }

    private mutating func fence() -> Request {
        let partition = Int64(draw(3))
        let expected = Int64(draw(3))
        let advance = """
            UPDATE loader.positions AS p SET next_offset = v.next_offset, updated_at = now(), lost_offset = NULL,
              last_message = CASE WHEN v.last_offset >= 0
                THEN ARRAY[v.next_offset, v.last_offset, nullif(v.last_offset, -1)] END
            FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS v (topic, partition, expected, next_offset, last_offset)
            WHERE p.consumer_group = $1 AND p.topic = v.topic AND p.partition = v.partition
              AND p.next_offset = v.expected
            """
        let parameters: [Request.Parameter] = [
            .text("g"), .texts(["a"]), .int4s([partition]), .ints([expected]), .ints([Int64(draw(3))]),
            .ints([Int64(draw(3)) - 1]),
        ]
        guard draw(2) == 0 else { return .query(advance, parameters) }
        return .query(
            "WITH moved AS (\(advance) RETURNING 1) SELECT 1 / CASE WHEN count(*) = 1 THEN 1 ELSE 0 END FROM moved",
            parameters)
    }

    private mutating func begin() -> Request {
        .query(
            """
            INSERT INTO loader.positions (consumer_group, topic, partition, next_offset)
            SELECT $1, v.* FROM unnest($2::text[], $3::int[], $4::bigint[]) AS v ON CONFLICT DO NOTHING
            """, [.text("g"), .texts(["a", "a"]), .int4s([0, Int64(draw(3))]), .ints([0, Int64(draw(3))])])
    }

    private mutating func straight() -> Request {
        if draw(3) == 0 {
            let rows = ids().map { [Self.number(Int64($0)), Array("l".utf8)] as [[UInt8]?] }
            return .simple(
                "COPY \"s\".\"log\" (\"id\", \"v\") FROM STDIN WITH (FORMAT binary)", copy: Self.binary(rows))
        }
        if draw(2) == 0 {
            let lines = ids().map { "\($0)\ta\\tb\(draw(9))\t\(draw(15) == 0 ? "x" : "\(draw(99))")\t\\N\n" }
            return .simple(
                "COPY \"s\".\"t\" (\"id\", \"v\", \"n\", \"owner\") FROM STDIN", copy: Array(lines.joined().utf8))
        }
        var rows: [[[UInt8]?]] = []
        for id in ids() { rows.append(row(of: id)) }
        return .simple(
            "COPY \"s\".\"t\" (\(Self.columns)) FROM STDIN WITH (FORMAT binary)", copy: Self.binary(rows))
    }

    private mutating func late() -> Request {
        let rows = ids().prefix(2).map { [Self.number(Int32($0)), Self.number(Int32(draw(6)))] as [[UInt8]?] }
        return .simple(
            "COPY \"s\".\"late\" (\"id\", \"owner\") FROM STDIN WITH (FORMAT binary)", copy: Self.binary(rows))
    }

    private mutating func letters() -> Request {
        .query(
            """
            INSERT INTO "loader"."dead_letters" AS d (consumer_group, topic, partition, "offset", "timestamp", key,
              header_names, header_values, target, reason, sqlstate, attempts)
            SELECT $1, v.topic, v.partition, v."offset", to_timestamp(v.at / 1000) + v.at % 1000 * interval '1 ms', v.key,
              v.names::text[], v.contents::bytea[], v.target, v.reason, v.sqlstate, v.attempts
            FROM (
              SELECT topic, partition, "offset", nullif(at, '\(Int64.min)'::bigint) AS at, key, names, contents, target,
                reason, sqlstate, attempts
              FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bytea[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::text[], $12::int[])
                AS u (topic, partition, "offset", at, key, names, contents, target, reason, sqlstate, attempts)) AS v
            ON CONFLICT (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')))
            DO UPDATE SET reason = CASE WHEN d.reason = 'waiting_for_parent' AND EXCLUDED.sqlstate = '23503'
                THEN d.reason ELSE EXCLUDED.reason END, sqlstate = EXCLUDED.sqlstate,
              failed_at = now(), attempts = d.attempts + EXCLUDED.attempts
            """,
            [
                .text("g"), .texts(["a"]), .int4s([0]), .ints([Int64(draw(4))]),
                .ints([draw(3) == 0 ? .min : 1_700_000_000_123]), .byteas([draw(2) == 0 ? nil : [0, 255]]),
                .texts([#"{"a b","c\"d",NULLS}"#]), .texts([#"{"\\x00ff",NULL,"\\x"}"#]), .texts(["s.t"]),
                .texts([draw(2) == 0 ? "waiting_for_parent" : "refused"]), .texts([draw(2) == 0 ? nil : "23503"]),
                .int4s([1]),
            ])
    }

    private mutating func waiting() -> Request {
        switch draw(4) {
        case 0:
            return .query(
                """
                SELECT topic, "offset" FROM "loader"."dead_letters" AS d
                WHERE consumer_group = $1 AND reason = 'waiting_for_parent'
                  AND (topic, partition) IN (SELECT * FROM unnest($2::text[], $3::int[]) AS p (topic, partition))
                ORDER BY topic, partition, "offset", coalesce("timestamp", '-infinity')
                """, [.text("g"), .texts(["a"]), .int4s([0])])
        case 1:
            return .query(
                """
                SELECT d."offset", d.attempts FROM "loader"."dead_letters" AS d
                JOIN unnest($1::bigint[], $2::int[]) AS v (id, attempts) ON v.id = d."offset" AND v.attempts = d.attempts
                ORDER BY d."offset", coalesce(d."timestamp", '-infinity') FOR UPDATE OF d SKIP LOCKED
                """, [.ints([0, 1, 2]), .int4s([1, 1, 2])])
        case 2:
            return .query(
                "DELETE FROM \"loader\".\"dead_letters\" WHERE \"offset\" = ANY ($1::bigint[])",
                [.ints([Int64(draw(4))])])
        default:
            return .query(
                """
                WITH given_up AS (
                  UPDATE "loader"."dead_letters" SET reason = 'refused', failed_at = now()
                  WHERE id IN (
                    SELECT id FROM "loader"."dead_letters" WHERE "offset" = ANY ($1::bigint[]) AND reason = 'waiting_for_parent'
                    ORDER BY id FOR UPDATE SKIP LOCKED)
                  RETURNING target, topic, partition, "offset")
                SELECT target, count(*), max(topic || '[' || partition || ']@' || "offset") FROM given_up GROUP BY 1
                """, [.ints([0, 2])])
        }
    }

    private mutating func look() -> Request {
        switch draw(6) {
        case 5: .simple("SELECT * FROM s.history ORDER BY p, o")
        case 0: .simple("SELECT \(Self.columns) FROM \"s\".\"t\" ORDER BY id")
        case 1: .simple("SELECT partition, next_offset, last_message FROM loader.positions ORDER BY 1")
        case 2: .simple("SELECT v, count(*) FROM \"s\".\"log\" GROUP BY 1")
        case 3:
            .simple(
                "SELECT \"offset\", \"timestamp\", key, header_names, header_values, reason, attempts FROM loader.dead_letters ORDER BY \"offset\", coalesce(\"timestamp\", '-infinity')"
            )
        default: .simple("SELECT id, owner FROM \"s\".\"late\" ORDER BY id")
        }
    }
}
