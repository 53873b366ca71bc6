import LoadingFixtures
import Postgres
import Testing

@testable import Loading

@Suite("What becomes of columns whose fields are absent")
struct AbsenceTests {
    private static let columns: [Table.Column] = [
        .made("id", .int8), .made("plain"), .made("filled", default: "'x'"),
        .made("must", isNotNull: true, default: "'y'"),
    ]

    private static func route(
        _ mode: Route.Mode, _ absent: Route.Absent = .byDefault, _ columns: [Route.Column]? = nil
    ) -> Route {
        var route = Route.made(mode: mode, columns: columns)
        route.absent = absent
        return route
    }

    private static func column(_ name: String, _ absent: Route.Absent) -> Route.Column {
        var column = Route.Column(name: name)
        column.absent = absent
        return column
    }

    @Test("which columns a message leaves out by having no field for them")
    func leftOut() throws {
        func leftOut(_ route: Route) throws -> [String] {
            let target = try Target.made(route, .made(Self.columns, key: ["id"]))
            return target.omissible.map { target.columns[$0].name + (target.columns[$0].isKept ? "!" : "") }
        }
        #expect(try leftOut(Self.route(.upsert)) == ["filled", "must"])
        #expect(try leftOut(Self.route(.upsert, .keep)) == ["plain!", "filled", "must"])
        #expect(try leftOut(Self.route(.upsert, .null)) == ["must"])
        #expect(try leftOut(Self.route(.insert, .null)) == ["must"])
        #expect(
            try leftOut(Self.route(.upsert, .byDefault, [Self.column("plain", .keep)])) == ["plain!", "filled", "must"])
        #expect(try leftOut(Self.route(.upsert, .keep, [Self.column("plain", .byDefault)])) == ["filled", "must"])
        #expect(try leftOut(Self.route(.upsert, .keep, [Self.column("plain", .null)])) == ["filled", "must"])
        #expect(try leftOut(Self.route(.upsert, .byDefault, [Self.column("filled", .null)])) == ["must"])
    }

    static let uselessRoutes: [(route: Route, words: String)] = [
        (route(.insert, .keep), "mode insert changes no row that is there"),
        (route(.ignore, .keep), "mode ignore changes no row that is there"),
        (route(.insert, .byDefault, [column("plain", .keep)]), "mode insert changes no row that is there"),
        (route(.upsert, .byDefault, [column("id", .keep)]), "the column is part of the key"),
        (route(.upsert, .byDefault, [column("plain", .null)]), "the column has no default"),
        (route(.upsert, .byDefault, [column("must", .null)]), "the column is NOT NULL, so that NULL is a dead letter"),
    ]

    @Test("what does nothing is a mistake, and says why", arguments: uselessRoutes)
    func mistakes(route: Route, words: String) throws {
        let result = Target.compile(route, index: 0, table: .made(Self.columns, key: ["id"]))
        guard case .failure(let problems) = result else {
            Issue.record("no mistake")
            return
        }
        #expect(problems.problems.count == 1)
        #expect(problems.problems.first?.problem.contains(words) == true, "\(problems.problems)")
        let other = Self.route(.upsert, .null, nil)
        let plain = Target.compile(other, index: 0, table: .made([.made("id", .int8), .made("a")], key: ["id"]))
        guard case .failure = plain else {
            Issue.record("nothing has a default")
            return
        }
    }
}
