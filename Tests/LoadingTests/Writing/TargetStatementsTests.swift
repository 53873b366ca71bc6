import Postgres
import Testing

@testable import Loading

@Suite("Target statements")
struct TargetStatementsTests {
    private func statements(
        _ mode: Route.Mode, _ columns: [Table.Column], key: [String] = [],
        kind: Batch.Section.Kind = .rows(omitting: 0)
    ) throws -> TargetStatements {
        TargetStatements(try Target.made(.made(mode: mode), .made(columns, key: key)), 2, kind)
    }

    @Test("insert copies straight into the table, in its format")
    func insert() throws {
        #expect(
            try statements(.insert, [.made("id", .int8), .made(#"a"b"#)]).copy
                == #"COPY "public"."orders" ("id", "a""b") FROM STDIN WITH (FORMAT binary)"#)
        #expect(
            try statements(.insert, [.made("id", .int8), .made("ip", .inet)]).copy
                == #"COPY "public"."orders" ("id", "ip") FROM STDIN"#)
    }

    @Test("the stage is temporary, of the transaction only, and has the columns that are copied")
    func stage() throws {
        let upsert = try statements(.upsert, [.made("id", .int8), .made("a")], key: ["id"])
        #expect(
            upsert.createStage
                == #"CREATE TEMP TABLE "loader_stage_2" ON COMMIT DROP AS SELECT "id", "a" FROM "public"."orders" WITH NO DATA"#
        )
        #expect(upsert.copyStage == #"COPY pg_temp."loader_stage_2" FROM STDIN WITH (FORMAT binary)"#)
        #expect(upsert.emptyStage == #"TRUNCATE pg_temp."loader_stage_2""#)
    }

    @Test("upsert updates all but the key; ignore does nothing; a table that is all key does nothing either")
    func conflict() throws {
        let columns: [Table.Column] = [.made("id", .int8), .made("a"), .made("b")]
        #expect(
            try statements(.upsert, columns, key: ["id"]).merge
                == #"INSERT INTO "public"."orders" ("id", "a", "b") SELECT "id", "a", "b" FROM pg_temp."loader_stage_2" ON CONFLICT ("id") DO UPDATE SET "a" = EXCLUDED."a", "b" = EXCLUDED."b""#
        )
        #expect(try statements(.ignore, columns, key: ["id"]).merge.hasSuffix(#"ON CONFLICT ("id") DO NOTHING"#))
        #expect(try statements(.ignore, columns).merge.hasSuffix("ON CONFLICT DO NOTHING"))
        #expect(
            try statements(.upsert, [.made("id"), .made("a")], key: ["id", "a"]).merge
                .hasSuffix(#"ON CONFLICT ("id", "a") DO NOTHING"#))
    }

    @Test("columns that a message leaves to their default are in no statement, so an upsert leaves them alone")
    func omission() throws {
        let columns: [Table.Column] = [.made("id", .int8), .made("a", default: "'x'"), .made("b", default: "'y'")]
        let omitted = try statements(.upsert, columns, key: ["id"], kind: .rows(omitting: 0b01))
        #expect(!omitted.copyStage.contains(#""a""#))
        #expect(!omitted.createStage.contains(#""a""#))
        #expect(omitted.merge.hasSuffix(#"ON CONFLICT ("id") DO UPDATE SET "b" = EXCLUDED."b""#))
    }

    @Test("keys that only the server can compare: it picks the last row, or the first in mode ignore")
    func ordinal() throws {
        let columns: [Table.Column] = [.made("id", .numeric), .made("a")]
        let upsert = try statements(.upsert, columns, key: ["id"])
        #expect(upsert.createStage.contains(#"0::bigint AS "loader ordinal""#))
        #expect(
            upsert.merge.contains(
                #"SELECT DISTINCT ON ("id") "id", "a" FROM pg_temp."loader_stage_2" ORDER BY "id", "loader ordinal" DESC"#
            ))
        #expect(try statements(.ignore, columns, key: ["id"]).merge.contains(#""loader ordinal" ASC"#))
    }

    @Test("tombstones delete by the whole key")
    func tombstones() throws {
        let columns: [Table.Column] = [.made("id", .int8), .made("nr"), .made("a")]
        let deletion = try statements(.upsert, columns, key: ["id", "nr"], kind: .tombstones)
        #expect(deletion.createStage.contains(#"AS SELECT "id", "nr" FROM"#))
        #expect(
            deletion.merge
                == #"DELETE FROM "public"."orders" AS t USING pg_temp."loader_stage_2" AS s WHERE t."id" = s."id" AND t."nr" = s."nr""#
        )
    }
}
