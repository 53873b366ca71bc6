import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Columns of a route")
struct RouteColumnsTests {
    private static let date = PostgresType(oid: 1082, name: "date", formatted: "date")
    private static let time = PostgresType(oid: 1083, name: "time", formatted: "time without time zone")
    private static let timestamp = PostgresType(oid: 1114, name: "timestamp", formatted: "timestamp without time zone")
    private static let timestamptz = PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamp with time zone")
    private static let interval = PostgresType(oid: 1186, name: "interval", formatted: "interval")
    private static let bytea = PostgresType(oid: 17, name: "bytea", formatted: "bytea")
    private static let uuid = PostgresType(oid: 2950, name: "uuid", formatted: "uuid")

    private func problems(_ route: Route, _ table: Table) -> [SetupProblem] {
        switch Target.compile(route, index: 0, table: table) {
        case .success: []
        case .failure(let found): found.problems
        }
    }

    @Test("columns that the route does not name take the field of their own name, unless the rest is left out")
    func rest() throws {
        let table = Table.made(
            [.made("id", .int8), .made("total"), .made("name"), .made("sum", isGenerated: true)], key: ["id"])
        let total = Route.Column(name: "total", source: .field(FieldPath(["order", "total"])))
        let target = try Target.made(.made(mode: .upsert, columns: [total]), table)
        #expect(target.columns.map(\.name) == ["id", "total", "name"])
        #expect(target.columns.map(\.source.description) == ["id", "order.total", "name"])
        let alone = try Target.made(.made(rest: .none, columns: [total]), table)
        #expect(alone.columns.map(\.name) == ["total"])
        #expect(problems(.made(rest: .none), table).map(\.code) == [.missingColumn])
        let notNull = Table.made([.made("id", .int8, isNotNull: true), .made("total")])
        #expect(problems(.made(columns: [total]), notNull).isEmpty)
        #expect(problems(.made(rest: .none, columns: [total]), notNull).map(\.code) == [.unroutedColumn])
    }

    @Test("a column that a variable names is the table's of that name but for the case")
    func looseNames() throws {
        let table = Table.made([
            .made("Id", .int8), .made("Order total"), .made("a"), .made("A"), .made("bC"), .made("Bc"),
        ])
        func compile(_ name: String, isNameLoose: Bool = true) -> Result<Target, SetupProblems> {
            var column = Route.Column(name: name, source: .field(FieldPath(["x"])))
            column.isNameLoose = isNameLoose
            return Target.compile(.made(columns: [column]), index: 0, table: table)
        }
        for (name, meant) in [("id", "Id"), ("order_total", "Order total"), ("a", "a")] {
            let filled = try compile(name).get().columns.filter { $0.source.description == "x" }.map(\.name)
            #expect(filled == [meant])
        }
        for (name, isNameLoose, mend) in [
            ("bc", true, Mend.Routing.spellOut(["bC", "Bc"])), ("id", false, .didYouMean("Id")),
        ] {
            guard case .failure(let found) = compile(name, isNameLoose: isNameLoose) else {
                Issue.record("\(name) was found")
                continue
            }
            #expect(found.problems.map(\.code) == [.missingColumn])
            #expect(found.problems.first?.mend == .routing(mend))
        }
    }

    @Test(
        "an option that cannot change anything is a mistake that says so, and which option to take out",
        arguments: [
            (
                PostgresType.int8, Route.Column(name: "a", epochUnit: .seconds), "unit s of public.orders.a",
                .otherUnit(isAnyTaken: false)
            ),
            (
                time, Route.Column(name: "a", epochUnit: .days), "unit d of public.orders.a",
                .otherUnit(isAnyTaken: true)
            ),
            (
                timestamptz, Route.Column(name: "a", source: .timestamp, epochUnit: .seconds),
                "unit of public.orders.a", .takeOut(.unit, .column)
            ),
            (.text, Route.Column(name: "a", timeZone: "UTC"), "zone of public.orders.a", .takeOut(.zone, .column)),
            (
                timestamptz, Route.Column(name: "a", source: .now, timeZone: "UTC"), "zone of public.orders.a",
                .takeOut(.zone, .column)
            ),
            (interval, Route.Column(name: "a", timeZone: "UTC"), "zone of public.orders.a", .takeOut(.zone, .column)),
            (.int8, Route.Column(name: "a", onNul: .strip), "U+0000 in public.orders.a", .takeOut(.onNul, .column)),
            (
                .text, Route.Column(name: "a", source: .topic, onNul: .strip), "U+0000 in public.orders.a",
                .takeOut(.onNul, .column)
            ),
            (
                .int8, Route.Column(name: "a", decoding: .base64), "decoding public.orders.a as base64",
                .takeOut(.decoding, .column)
            ),
            (
                uuid, Route.Column(name: "a", decoding: .json), "decoding public.orders.a as json",
                .takeOut(.decoding, .column)
            ),
            (
                bytea, Route.Column(name: "a", decoding: .json), "decoding public.orders.a as json",
                .takeOut(.decoding, .column)
            ),
            (
                .jsonb, Route.Column(name: "a", source: .value, decoding: .json), "decoding public.orders.a as json",
                .takeOut(.decoding, .column)
            ),
            (
                .text, Route.Column(name: "a", source: .topic, decoding: .hex), "decoding public.orders.a as hex",
                .takeOut(.decoding, .column)
            ),
            (
                uuid, Route.Column(name: "a", source: .offset), "$offset does not fit public.orders.a, uuid",
                .otherType(isMoment: false)
            ),
            (
                uuid, Route.Column(name: "a", source: .timestamp), "$timestamp does not fit public.orders.a, uuid",
                .otherType(isMoment: true)
            ),
        ] as [(PostgresType, Route.Column, String, Mend.Routing)])
    func withoutEffect(type: PostgresType, column: Route.Column, words: String, mend: Mend.Routing) {
        let found = problems(.made(columns: [column]), .made([.made("a", type), .made("b")]))
        #expect(found.map(\.code) == [.badOption])
        #expect(found.first?.problem.contains(words) == true, "\(found)")
        #expect(found.first?.mend == .routing(mend))
    }

    @Test(
        "an option that can change something is none",
        arguments: [
            (date, Route.Column(name: "a", epochUnit: .days)),
            (time, Route.Column(name: "a", epochUnit: .microseconds)),
            (interval, Route.Column(name: "a", epochUnit: .days)),
            (date, Route.Column(name: "a", source: .header("h"), epochUnit: .seconds)),
            (timestamp, Route.Column(name: "a", source: .timestamp, timeZone: "Europe/Berlin")),
            (time, Route.Column(name: "a", timeZone: "+02:00")), (.text, Route.Column(name: "a", onNul: .strip)),
            (.jsonb, Route.Column(name: "a", source: .value, onNul: .replace)),
            (bytea, Route.Column(name: "a", source: .key(nil), decoding: .base64url)),
            (.jsonb, Route.Column(name: "a", decoding: .json)), (.int8, Route.Column(name: "a", decoding: .none)),
            (.text, Route.Column(name: "a", source: .offset)), (.int8, Route.Column(name: "a", source: .timestamp)),
        ] as [(PostgresType, Route.Column)])
    func withEffect(type: PostgresType, column: Route.Column) {
        #expect(problems(.made(columns: [column]), .made([.made("a", type), .made("b", .int8)])).isEmpty)
        // In an array and in a domain they are the same.
        let array = PostgresType(oid: 1, name: "_a", formatted: "a[]", shape: .array(of: type))
        let domain = PostgresType(oid: 2, name: "d", formatted: "d", shape: .domain(over: type))
        guard column.source?.description.hasPrefix("$") != true else { return }
        for type in [array, domain] {
            #expect(problems(.made(columns: [column]), .made([.made("a", type), .made("b", .int8)])).isEmpty)
        }
    }

    @Test("a route's own options without a column that would take them are mistakes")
    func routeWithoutEffect() {
        let numbers = Table.made([.made("a", .int8)])
        #expect(problems(.made(timeZone: "UTC"), numbers).map(\.code) == [.badOption])
        #expect(problems(.made(onNul: .strip), numbers).map(\.code) == [.badOption])
        #expect(problems(.made(timeZone: "UTC"), .made([.made("a", Self.timestamp)])).isEmpty)
        let overridden = Route.made(columns: [Route.Column(name: "a", timeZone: "+01:00")], timeZone: "UTC")
        #expect(problems(overridden, .made([.made("a", Self.timestamptz)])).map(\.code) == [.badOption])
        let offset = Route.Column(name: "a", source: .offset)
        #expect(problems(.made(onNoFields: .load, columns: [offset]), numbers).map(\.code) == [.badOption])
        #expect(problems(.made(names: .snakeCase, columns: [offset]), numbers).map(\.code) == [.badOption])
    }
}
