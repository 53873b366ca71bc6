import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Target")
struct TargetTests {
    private func problems(_ route: Route, _ table: Table) -> [SetupProblem] {
        switch Target.compile(route, index: 0, table: table) {
        case .success: []
        case .failure(let found): found.problems
        }
    }

    private func column(_ name: String, _ field: String? = nil) -> Route.Column {
        Route.Column(name: name, source: .field(FieldPath([field ?? name])))
    }

    // MARK: What comes of a right route

    @Test("by default each column takes the field of its own name, but for those the server fills itself")
    func defaultColumns() throws {
        let target = try Target.made(
            .made(),
            .made([
                .made("id", .int8, identity: .always), .made("name"), .made("twice", .int8, isGenerated: true),
                .made("serial", .int8, identity: .byDefault),
            ]))
        #expect(target.columns.map(\.name) == ["name", "serial"])
        #expect(target.columns.map(\.source) == [.field(FieldPath(["name"])), .field(FieldPath(["serial"]))])
    }

    @Test("the key's columns lead, in the key's order")
    func keyLeads() throws {
        let table = Table.made([.made("c"), .made("b", .int8), .made("a"), .made("d")], key: ["a", "b"])
        let target = try Target.made(.made(mode: .upsert), table)
        #expect(target.columns.map(\.name) == ["a", "b", "c", "d"])
        #expect(target.keyColumns.map(\.name) == ["a", "b"])
        #expect(try Target.made(.made(mode: .insert), table).keyCount == 0)
    }

    @Test("one column without a binary encoder makes the whole table's COPY text")
    func format() throws {
        #expect(try Target.made(.made(), .made([.made("a", .int8), .made("b", .jsonb)])).format == .binary)
        #expect(try Target.made(.made(), .made([.made("a", .int8), .made("b", .inet)])).format == .text)
    }

    @Test("a column with a default may be left out of a message, unless it is required or of the key")
    func omission() throws {
        let table = Table.made(
            [
                .made("id", .int8, isNotNull: true, default: "nextval('s')"), .made("a", default: "'x'"), .made("b"),
                .made("c", .int8, identity: .byDefault), .made("d", default: "'y'"),
            ], key: ["id"])
        let target = try Target.made(
            .made(
                mode: .upsert,
                columns: [
                    column("id"), column("a"), column("b"), column("c"),
                    Route.Column(name: "d", source: .field(FieldPath(["d"])), isRequired: true),
                ]), table)
        #expect(target.columns.map(\.omissionBit) == [nil, 0, nil, 1, nil])
    }

    @Test("any number of columns may be left out")
    func manyOmissions() throws {
        let columns = (0..<200).map { Table.Column.made("c\($0)", default: "'x'") }
        let target = try Target.made(.made(mode: .upsert), .made([.made("id", .int8)] + columns, key: ["id"]))
        #expect(target.omissible.count == 200)
        #expect(target.columns[1...].map(\.omissionBit) == (0..<200).map { $0 })
    }

    @Test("which keys the server has to compare: by type, and by the collation and operators of the key's index")
    func keyForms() throws {
        func target(_ type: PostgresType, _ comparison: Table.Comparison = .init()) throws -> Target {
            try Target.made(
                .made(mode: .upsert, key: ["id"]),
                .made(
                    [.made("id", type), .made("a")],
                    uniqueIndexes: [
                        .init(name: "i", columns: ["id"], isPrimary: false, comparisons: [comparison])
                    ]))
        }
        #expect(try target(.text).isKeyBytewise)
        #expect(try !target(.numeric).isKeyBytewise && !target(.numeric).asksForSameKeys)
        #expect(try target(.init(oid: 90_000, name: "citext", formatted: "citext")).asksForSameKeys)
        #expect(try target(.inet).asksForSameKeys)
        let domain = PostgresType(oid: 90_001, name: "sku", formatted: "sku", shape: .domain(over: .text))
        #expect(try target(domain).isKeyBytewise)
        #expect(try target(domain, .init(isDeterministic: false)).asksForSameKeys)
        #expect(try target(.text, .init(collation: #""public"."ci""#, isDeterministic: false)).asksForSameKeys)
        #expect(try target(.int8, .init(isDeterministic: false)).isKeyBytewise)
        #expect(try target(.int8, .init(equality: "OPERATOR(public.===)")).asksForSameKeys)
    }

    @Test("an identity that is always generated takes what is routed to it, and a key always is")
    func alwaysIdentity() throws {
        let table = Table.made(
            [.made("id", .int8, isNotNull: true, identity: .always), .made("a")], key: ["id"])
        let upsert = try Target.made(.made(mode: .upsert), table)
        #expect(upsert.columns.map(\.name) == ["id", "a"])
        #expect(upsert.columns[0].omissionBit == nil)
        #expect(try Target.made(.made(), table).columns.map(\.name) == ["a"])
        let routed = try Target.made(.made(columns: [column("id"), column("a")]), table)
        #expect(routed.columns.map(\.omissionBit) == [0, nil])
    }

    @Test("a key that the server generates from other columns is no key for messages")
    func generatedKey() {
        let table = Table.made([.made("id", .int8, isGenerated: true), .made("a")], key: ["id"])
        #expect(problems(.made(mode: .upsert), table).map(\.code) == [.unwritableColumn])
    }

    @Test("tombstones delete in mode upsert and are dead letters elsewhere, unless the route says otherwise")
    func tombstones() throws {
        let table = Table.made([.made("id", .int8)], key: ["id"])
        #expect(try Target.made(.made(mode: .upsert), table).onTombstone == .delete)
        #expect(try Target.made(.made(mode: .ignore), table).onTombstone == .deadLetter)
        #expect(try Target.made(.made(), table).onTombstone == .deadLetter)
        #expect(try Target.made(.made(mode: .upsert, onTombstone: .skip), table).onTombstone == .skip)
    }

    @Test("loading twice doubles rows unless a unique index of the loaded columns tells that they are the same")
    func replay() throws {
        let keyed = Table.made([.made("id", .int8), .made("a")], key: ["id"])
        #expect(try !Target.made(.made(), keyed).isReplaySafe)

        #expect(try Target.made(.made(mode: .ignore), keyed).isReplaySafe)
        #expect(try Target.made(.made(mode: .upsert), keyed).isReplaySafe)
        #expect(try !Target.made(.made(mode: .ignore), .made([.made("a")])).isReplaySafe)
        let serial = Table.UniqueIndex(name: "j", columns: ["id"], isPrimary: false)
        let numbered = Table.made([.made("id", .int8, identity: .always), .made("a")], uniqueIndexes: [serial])
        #expect(try !Target.made(.made(mode: .ignore), numbered).isReplaySafe)
        let partial = Table.UniqueIndex(name: "i", columns: ["a"], isPrimary: false, isArbiter: false)
        #expect(try !Target.made(.made(mode: .ignore), .made([.made("a")], uniqueIndexes: [partial])).isReplaySafe)
    }

    // MARK: Mistakes

    @Test("a column that is not there names the nearest that is")
    func missingColumn() {
        let found = problems(.made(columns: [column("custmer")]), .made([.made("customer"), .made("id")]))
        #expect(found.map(\.code) == [.missingColumn])
        #expect(found.first?.mend == .routing(.didYouMean("customer")))
        let far = problems(.made(columns: [column("zzzzzz")]), .made([.made("customer")]))
        #expect(far.first?.mend == .routing(.addColumnOrLeaveOut))
    }

    @Test("a column routed twice")
    func routedTwice() {
        #expect(
            problems(.made(columns: [column("a", "x"), column("a", "y")]), .made([.made("a")])).map(\.code)
                == [.badOption])
    }

    @Test("a column that the server writes itself")
    func unwritable() {
        let table = Table.made([.made("a", isGenerated: true), .made("b")])
        #expect(problems(.made(columns: [column("a"), column("b")]), table).map(\.code) == [.unwritableColumn])
    }

    @Test("a NOT NULL column that nothing fills")
    func unrouted() {
        let table = Table.made([
            .made("a"), .made("b", isNotNull: true), .made("c", isNotNull: true, default: "now()"),
            .made("d", isNotNull: true, identity: .always),
        ])
        let found = problems(.made(rest: .none, columns: [column("a")]), table)
        #expect(found.map(\.code) == [.unroutedColumn])
        #expect(found.first?.problem.contains("public.orders.b") == true)
    }

    @Test("rights: INSERT for all, UPDATE and SELECT and DELETE for what upsert does")
    func rights() {
        let table = Table.made(
            [.made("id", .int8, mayInsert: false, mayUpdate: false), .made("a", mayUpdate: false)], key: ["id"],
            maySelect: false, mayDelete: false)
        func missing(_ route: Route) -> [String] {
            problems(route, table).filter { $0.code == .missingRight }.map(\.problem)
        }
        #expect(missing(.made()) == ["no right to INSERT (id) on public.orders, which mode insert needs"])
        #expect(
            missing(.made(mode: .ignore))
                == ["no right to INSERT (id), SELECT on public.orders, which mode ignore needs"])
        // UPDATE on a alone, because id is the key.
        #expect(
            missing(.made(mode: .upsert))
                == ["no right to INSERT (id), UPDATE (a), SELECT, DELETE on public.orders, which mode upsert needs"])
        #expect(!missing(.made(mode: .upsert, onTombstone: .skip))[0].contains("DELETE"))
    }

    @Test("rights that are missing on every column are the table's, in one GRANT for the role that is connected")
    func rightsOfTheTable() throws {
        var table = Table.made((0..<20).map { .made("c\($0)", mayInsert: false, mayUpdate: false) })
        table.mayUseSchema = false
        guard case .failure(let found) = Target.compile(.made(), index: 0, table: table, role: "Lo") else {
            Issue.record("compiled")
            return
        }
        #expect(found.problems.map(\.problem) == ["no right to INSERT on public.orders, which mode insert needs"])
        #expect(
            found.problems.map(\.mend)
                == [
                    .routing(
                        .grant(
                            [
                                #"GRANT USAGE ON SCHEMA "public" TO "Lo";"#,
                                #"GRANT INSERT ON "public"."orders" TO "Lo";"#,
                            ], isOfDelete: nil))
                ])
    }

    @Test("upsert without a key, and a key without its index, with the DDL")
    func keys() {
        let keyless = Table.made([.made("id", .int8), .made("a")])
        #expect(problems(.made(mode: .upsert), keyless).map(\.code) == [.missingKey])
        #expect(problems(.made(mode: .ignore), keyless).isEmpty)
        let indexless = problems(.made(mode: .upsert, key: ["id", "a"]), keyless)
        #expect(indexless.map(\.code) == [.missingIndex])
        #expect(
            indexless.first?.mend == .routing(.makeIndex(TableName(schema: "public", name: "orders"), ["id", "a"])))
    }

    @Test("an index that ON CONFLICT cannot name is none; the columns' order does not matter")
    func arbiters() {
        let columns: [Table.Column] = [.made("id", .int8), .made("a")]
        let partial = Table.UniqueIndex(name: "i", columns: ["id"], isPrimary: false, isArbiter: false)
        let found = problems(.made(mode: .upsert, key: ["id"]), .made(columns, uniqueIndexes: [partial]))
        #expect(found.map(\.code) == [.missingIndex])
        #expect(found.allSatisfy { $0.problem.contains("; i is partial") })
        let both = Table.UniqueIndex(name: "i", columns: ["a", "id"], isPrimary: false)
        #expect(problems(.made(mode: .upsert, key: ["id", "a"]), .made(columns, uniqueIndexes: [both])).isEmpty)
    }

    @Test("a key column that no field fills")
    func unroutedKey() {
        let found = problems(
            .made(mode: .upsert, rest: .none, columns: [column("a")]),
            .made([.made("id", .int8, isNotNull: true, default: "0"), .made("a")], key: ["id"]))
        #expect(found.map(\.code) == [.missingColumn])
        #expect(found.first?.problem.contains("key column") == true)
    }

    @Test("a zone that nobody knows, on the column or on the route")
    func zone() {
        let stamp = PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamp with time zone")
        #expect(problems(.made(timeZone: "Mars/Olympus"), .made([.made("at", stamp)])).map(\.code) == [.badOption])
        #expect(problems(.made(timeZone: "+02:00"), .made([.made("at", stamp)])).isEmpty)
        let route = Route.made(columns: [
            Route.Column(name: "at", source: .field(FieldPath(["at"])), timeZone: "Europe/Nowhere")
        ])
        #expect(problems(route, .made([.made("at", stamp)])).map(\.code) == [.badOption])
    }

    @Test("deleting by tombstones needs mode upsert")
    func deletion() {
        let table = Table.made([.made("id", .int8)], key: ["id"])
        #expect(problems(.made(onTombstone: .delete), table).map(\.code) == [.badOption])
        #expect(problems(.made(mode: .ignore, onTombstone: .delete), table).map(\.code) == [.badOption])
    }

    @Test("a table without a column to load")
    func nothingToLoad() {
        #expect(problems(.made(), .made([])).map(\.code) == [.missingColumn])
        #expect(problems(.made(), .made([.made("id", identity: .always)])).map(\.code) == [.missingColumn])
    }

    @Test("all mistakes of a route come at once, each at the route's place")
    func allAtOnce() {
        let found = problems(
            .made(
                mode: .upsert, key: ["nr"], onTombstone: .delete, rest: .none, columns: [column("naem"), column("gen")]),
            .made(
                [
                    .made("nr", .int8, isNotNull: true), .made("name", mayInsert: false),
                    .made("gen", isGenerated: true), .made("needed", isNotNull: true),
                ], maySelect: false, mayDelete: false))
        #expect(
            Set(found.map(\.code))
                == [.missingIndex, .missingColumn, .unwritableColumn, .unroutedColumn, .missingRight])
        #expect(found.count >= 6)
        #expect(found.allSatisfy { $0.place == "routes[0]" && !$0.isWarning })
    }
}
