import LoadingFixtures
import Postgres
import Testing

@testable import Loading

@Suite("Ways into a table")
struct TargetLoadingTests {
    private func target(_ mode: Route.Mode, _ columns: [Table.Column], key: [String] = []) throws -> Target {
        try Target.made(.made(mode: mode), .made(columns, key: key))
    }

    private func full(_ target: Target) -> RowGroup { RowGroup(rows: [], columns: Array(target.columns.indices)) }

    private func merge(_ mode: Route.Mode, _ columns: [Table.Column], key: [String] = []) throws -> String {
        let target = try target(mode, columns, key: key)
        return StageMerge(target).merge(full(target))
    }

    @Test("insert copies straight into the table, in its format")
    func insert() throws {
        let binary = try target(.insert, [.made("id", .int8), .made(#"a"b"#)])
        #expect(
            StraightCopy(binary).statement(full(binary))
                == #"COPY "public"."orders" ("id", "a""b") FROM STDIN WITH (FORMAT binary)"#)
        let text = try target(.insert, [.made("id", .int8), .made("ip", .inet)])
        #expect(StraightCopy(text).statement(full(text)) == #"COPY "public"."orders" ("id", "ip") FROM STDIN"#)
    }

    @Test("the stage is temporary, of the transaction only, and has the target's columns")
    func stage() throws {
        let target = try target(.upsert, [.made("id", .int8), .made("a")], key: ["id"])
        let stage = StageMerge(target)
        #expect(
            stage.create
                == #"CREATE TEMP TABLE "loader_stage_0" ON COMMIT DROP AS SELECT "id", "a" FROM "public"."orders" WITH NO DATA"#
        )
        #expect(
            stage.copy(full(target))
                == #"COPY pg_temp."loader_stage_0" ("id", "a") FROM STDIN WITH (FORMAT binary)"#
        )
        #expect(stage.empty == #"TRUNCATE pg_temp."loader_stage_0""#)
    }

    @Test("a domain may refuse nulls, so the stage has its base type for a column that may be left out")
    func domain() throws {
        let domain = PostgresType(oid: 90_001, name: "sku", formatted: "sku", shape: .domain(over: .text))
        let target = try target(.upsert, [.made("id", domain), .made("a", domain, default: "'x'")], key: ["id"])
        #expect(StageMerge(target).create.contains(#"SELECT "id", "a"::text AS "a", 0::bigint AS"#))
    }

    @Test("to insert takes no right to read: the stage of mode insert is not made from the table")
    func stageOfInsert() throws {
        let target = try target(.insert, [.made("id", .int8), .made("a", default: "'x'")])
        #expect(
            StageMerge(target).create
                == #"CREATE TEMP TABLE "loader_stage_0" ("id" bigint, "a" text, "loader nulls 0" bigint) ON COMMIT DROP"#
        )
    }

    @Test("upsert updates all but the key; ignore does nothing; a table that is all key does nothing either")
    func conflict() throws {
        let columns: [Table.Column] = [.made("id", .int8), .made("a"), .made("b")]
        #expect(
            try merge(.upsert, columns, key: ["id"])
                == #"INSERT INTO "public"."orders" AS t ("id", "a", "b") SELECT s."id", s."a", s."b" FROM pg_temp."loader_stage_0" AS s ON CONFLICT ("id") DO UPDATE SET "a" = EXCLUDED."a", "b" = EXCLUDED."b""#
        )
        #expect(try merge(.ignore, columns, key: ["id"]).hasSuffix(#"ON CONFLICT ("id") DO NOTHING"#))
        #expect(try merge(.ignore, columns).hasSuffix("ON CONFLICT DO NOTHING"))
        #expect(
            try merge(.upsert, [.made("id"), .made("a")], key: ["id", "a"])
                .hasSuffix(#"ON CONFLICT ("id", "a") DO NOTHING"#))
    }

    @Test("columns that all rows leave to their default are in no statement, so an upsert leaves them alone")
    func omission() throws {
        let target = try target(
            .upsert, [.made("id", .int8), .made("a", default: "'x'"), .made("b", default: "'y'")], key: ["id"])
        let group = RowGroup(rows: [], columns: [0, 2])
        let stage = StageMerge(target)
        #expect(!stage.copy(group).contains(#""a""#))
        #expect(!stage.merge(group).contains(#""a""#))
        #expect(stage.merge(group).hasSuffix(#"ON CONFLICT ("id") DO UPDATE SET "b" = EXCLUDED."b""#))
    }

    @Test("an identity that is always generated is inserted as it is given, and never updated")
    func alwaysIdentity() throws {
        let columns: [Table.Column] = [.made("id", .int8, isNotNull: true, identity: .always), .made("a")]
        let merge = try merge(.upsert, columns, key: ["id"])
        #expect(merge.contains(#"("id", "a") OVERRIDING SYSTEM VALUE SELECT"#))
        #expect(merge.hasSuffix(#"DO UPDATE SET "a" = EXCLUDED."a""#))
    }

    @Test("keys compare as their index does, whatever collation and operator the column has")
    func comparisons() throws {
        let target = try Target.made(
            .made(mode: .upsert, key: ["id", "nr"]),
            .made(
                [.made("id"), .made("nr", .int8), .made("a")],
                uniqueIndexes: [
                    .init(
                        name: "i", columns: ["nr", "id"], isPrimary: false,
                        comparisons: [.init(), .init(collation: "public.ci", isDeterministic: false)])
                ]))
        let keys = KeyTable(target)
        #expect(
            keys.deleteKeys
                == #"DELETE FROM "public"."orders" AS t USING pg_temp."loader_keys_0" AS s WHERE t."id" COLLATE public.ci = s."id" AND t."nr" = s."nr""#
        )
        #expect(keys.sameKeys.hasSuffix(#"GROUP BY "id" COLLATE public.ci, "nr" HAVING count(*) > 1"#))
    }

    // MARK: Groups

    /// Rows of one batch by what they have in common, as `columns/mixed/nullable: offsets`.
    private func groups(_ values: [String], _ target: Target) -> [String] {
        let batch = Batch.filled(values.map { (nil, $0) }, for: target)
        #expect(batch.deadLetters.isEmpty)
        let selection = RowSelection(batch: batch, target: target)
        let groups = RowGroup.groups(
            of: selection.rows, target, batch.sections, selection.omissions, nulls: selection.nulls)
        func names(_ columns: some Sequence<Int>) -> String {
            columns.sorted().map { target.columns[$0].name }.joined(separator: ",")
        }
        return groups.map { group in
            "\(names(group.columns))/\(names(group.mixed))/\(names(group.nullable)): "
                + group.rows.map { "\($0.message)" }.joined(separator: " ")
        }
    }

    private let optional: [Table.Column] = [
        .made("id", .int8), .made("a", default: "'x'"), .made("b", default: "'y'"), .made("c", default: "'z'"),
    ]

    @Test("rows that leave out the same columns go as fast as full ones")
    func exactGroups() throws {
        let target = try target(.upsert, optional, key: ["id"])
        #expect(groups([#"{"id": 1, "a": 1}"#, #"{"id": 2, "a": 2}"#], target) == ["id,a//: 0 1"])
        #expect(
            groups([#"{"id": 1, "a": 1}"#, #"{"id": 2}"#, #"{"id": 3, "a": 2}"#], target)
                == ["id,a//: 0 2", "id//: 1"])
    }

    @Test("many sets of columns are one group, in which a null counts as given only where one may be")
    func mixedGroup() throws {
        let target = try target(.upsert, optional, key: ["id"])
        let values = [
            #"{"id": 1, "a": 1}"#, #"{"id": 2, "b": null}"#, #"{"id": 3, "a": null, "b": 2}"#, #"{"id": 4}"#,
            #"{"id": 5, "a": 1}"#,
        ]
        #expect(groups(values, target) == ["id,a,b/a,b/a,b: 0 1 2 3 4"])
        let group = RowGroup(rows: [], columns: [0, 1, 2], mixed: [1, 2], nullable: [2])
        let stage = StageMerge(target)
        #expect(stage.copy(group).contains(#"("id", "a", "b", "loader nulls 0") FROM"#))
        let merge = stage.merge(group)
        #expect(merge.contains(#"coalesce(s."a", ('x')::text)"#))
        #expect(
            merge.contains(
                #"WHEN s."b" IS DISTINCT FROM NULL OR s."loader nulls 0" & '2'::bigint <> 0 THEN s."b" ELSE ('y')::text"#
            )
        )
        #expect(merge.contains(#""a" = coalesce(s."a", t."a")"#))
    }

    private func constant(_ name: String, _ value: String) -> Table.Column {
        .made(name, default: "'\(value)'", constant: .value(text: value, binary: Array(value.utf8)))
    }

    @Test("what has a constant default tears no group apart, and an upsert of rows that are there leaves it alone")
    func constants() throws {
        let columns: [Table.Column] = [
            .made("id", .int8), constant("a", "x"), constant("b", ""), .made("c", default: "f()"),
        ]
        let values = [
            #"{"id": 1, "a": 1, "c": 1}"#, #"{"id": 2, "b": null}"#, #"{"id": 3, "a": null, "b": 2}"#, #"{"id": 4}"#,
            #"{"id": 5, "b": 1, "c": 2}"#,
        ]
        for mode in [Route.Mode.insert, .ignore] {
            let target = try target(mode, columns, key: ["id"])
            #expect(groups(values, target) == ["id,a,b,c//: 0 4", "id,a,b//: 1 2 3"])
        }
        let target = try target(.upsert, columns, key: ["id"])
        #expect(groups(values, target) == ["id,a,b,c/a,b/a,b: 0 4", "id,a,b/a,b/a,b: 1 2 3"])
        let group = RowGroup(rows: [], columns: [0, 1, 2, 3], mixed: [1, 2, 3], nullable: [2, 3]).inserting(target)
        #expect(group.filled == [1, 2] && group.mixed == [3] && group.nullable == [3])
        #expect(group.inserting(target).filled == [1, 2])
    }

    @Test("constant defaults are filled in as COPY wants them")
    func fields() {
        let tab = ConstantDefault.value(text: "a\t\\N", binary: [1, 2])
        #expect(tab.field(isBinary: true) == [0, 0, 0, 2, 1, 2])
        #expect(tab.field(isBinary: false) == Array(#"a\t\\N"#.utf8))
        #expect(ConstantDefault.null.field(isBinary: true) == [255, 255, 255, 255])
        #expect(ConstantDefault.null.field(isBinary: false) == Array(#"\N"#.utf8))
        #expect(ConstantDefault.value(text: "", binary: nil).field(isBinary: true) == nil)
        #expect(ConstantDefault.value(text: "", binary: nil).field(isBinary: false) == [])
    }

    @Test("rows with and without an identity are two groups, because no statement can take its next value")
    func identityGroups() throws {
        let target = try target(.insert, optional + [.made("n", .int8, isNotNull: true, identity: .byDefault)])
        let values = [
            #"{"id": 1, "a": 1, "n": 1}"#, #"{"id": 2, "b": 2}"#, #"{"id": 3, "c": 2, "n": 1}"#, #"{"id": 4, "c": 1}"#,
        ]
        #expect(groups(values, target) == ["id,a,c,n/a,c/: 0 2", "id,b,c/b,c/: 1 3"])
    }

    @Test("a role that may make no temporary table appends rows of one set of columns at a time")
    func noTemporaryTables() throws {
        var table = Table.made(optional)
        table.mayMakeTemporary = false
        let values = [#"{"id": 1, "a": 1}"#, #"{"id": 2}"#, #"{"id": 3, "b": 2}"#, #"{"id": 4, "c": 2}"#]
        #expect(groups(values, try Target.made(.made(), table)).count == 4)
    }

    @Test("without a key the first row that any unique index knows counts, so all stay in the order of arrival")
    func order() throws {
        let target = try target(.ignore, optional)
        #expect(groups([#"{"id": 1, "a": 1}"#, #"{"id": 1}"#], target) == ["id,a/a/: 0 1"])
    }

    @Test("a stage that has no room for more columns gets rows of one set of columns at a time")
    func widest() throws {
        let many = (0..<1600).map { Table.Column.made("c\($0)", default: $0 > 0 ? "'x'" : nil) }
        let target = try target(.insert, many)
        #expect(target.nullWords == 0)
        #expect(!StageMerge(target).create.contains("loader nulls"))
        let values = (1...5).map { #"{"c0": "a", "c\#($0)": null}"# }
        #expect(groups(values, target).count == 5)
        #expect(groups(values.map { $0.replacing("null", with: "1") }, target).count == 1)
    }
}
