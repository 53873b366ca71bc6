import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading
@testable import Operating

@Suite("Columns that no message fills")
struct UnfilledColumnsTests {
    /// What `check` says of a sample in which these columns and fields have so many values of 10 messages.
    private func findings(
        _ route: Route, _ table: Table, filled: [String: Int] = [:], unused: [String: Int] = [:], nested: [String] = []
    ) throws -> [SetupProblem] {
        let target = try Target.made(route, table)
        var sample = RouteSample()
        (sample.messages, sample.objects, sample.rows) = (10, 10, 10)
        sample.columns = target.columns.map { RouteSample.Column(name: $0.name, filled: filled[$0.name] ?? 0) }
        sample.unusedFields = unused.sorted { $0.key < $1.key }.map { RouteSample.UnusedField(path: $0, count: $1) }
        sample.unusedPaths = Set(unused.keys).union(nested)
        let found = UnfilledColumns(target, sample).findings
        #expect(found.allSatisfy { $0.isWarning && $0.place == "routes[0]" })
        return found
    }

    private let orders = Table.made(
        [.made("id", .int8, isNotNull: true), .made("customer_name"), .made("total", .numeric), .made("notes")],
        key: ["id"])

    @Test(
        "a column that waits for a field of another spelling is told the line to type, and the option for all of them")
    func waiting() throws {
        let found = try findings(
            .made(), orders, filled: ["id": 10, "notes": 10], unused: ["customerName": 10, "Total": 9])
        #expect(found.count == 1)
        #expect(found.first?.problem == "no value for 2 columns in any of 10 messages: customer_name, total")
        let mend = found.first?.mend.words ?? ""
        #expect(mend.contains("`customer_name: customerName`, `total: Total`") && mend.contains("`names: snake_case`"))

        let typo = try findings(
            .made(), orders, filled: ["id": 10, "notes": 10, "total": 10], unused: ["custmer_name": 10])
        #expect(typo.first?.mend.words == "did you mean, under `columns`: `customer_name: custmer_name`?")
        let inner = try findings(
            .made(), orders, filled: ["id": 10, "notes": 10, "customer_name": 10], unused: ["order": 10],
            nested: ["order.total"])
        #expect(inner.first?.mend.words == "did you mean, under `columns`: `total: order.total`?")
    }

    @Test("a column with a default waits only for a field of its own name, however it is spelled")
    func defaults() throws {
        let table = Table.made(
            [.made("id", .int8, identity: .byDefault), .made("created_at", default: "now()"), .made("b")])
        let found = try findings(
            .made(), table, filled: ["b": 10], unused: ["createdAt": 10, "user": 10], nested: ["user.id"])
        #expect(found.count == 1)
        #expect(found.first?.mend.words.contains("`created_at: createdAt`") == true)
        #expect(try findings(.made(), table, filled: ["b": 10], unused: ["user": 10], nested: ["user.id"]).isEmpty)
    }

    @Test("an upsert that takes away what no message has is told, with all that `rest: none` would want to be named")
    func nulledByUpsert() throws {
        let table = Table.made(
            [
                .made("id", .int8, isNotNull: true), .made("total", .numeric), .made("note"), .made("checked_by"),
                .made("at", default: "now()"), .made("kafka_offset", .int8),
            ], key: ["id"])
        let place = Route.Column(name: "kafka_offset", source: .offset)
        let filled = ["id": 10, "total": 9, "kafka_offset": 10]
        let found = try findings(.made(mode: .upsert, columns: [place]), table, filled: filled)
        #expect(found.count == 1)
        #expect(
            found.first?.problem
                == "each upsert sets note, checked_by to NULL, whatever the row had there: no message has a field of that name"
        )
        let mend = found.first?.mend.words ?? ""
        #expect(mend.hasPrefix("nothing, if no one else fills them"))
        // Followed to the letter, nothing that messages fill is lost.
        let named = mend.matches(of: /`(\w+): (\w+)`/).map { (String($0.1), String($0.2)) }.filter { $0.0 != "rest" }
        #expect(named.map(\.0) == ["id", "total"])
        let columns = named.map { Route.Column(name: $0.0, source: ColumnSource($0.1)) } + [place]
        #expect(try findings(.made(mode: .upsert, rest: .none, columns: columns), table, filled: filled).isEmpty)
        let followed = try Target.made(.made(mode: .upsert, rest: .none, columns: columns), table)
        #expect(Set(filled.keys).isSubset(of: followed.columns.map(\.name)))

        let insert = try findings(.made(columns: [place]), table, filled: filled)
        #expect(insert.map(\.problem) == ["no value for 2 columns in any of 10 messages: note, checked_by"])
        #expect(insert.allSatisfy { !$0.mend.words.contains("rest: none") }, "that would lose the others")
    }

    @Test("a field that some messages spell otherwise is told, and what takes both spellings")
    func twoSpellings() throws {
        let found = try findings(
            .made(), orders, filled: ["id": 10, "notes": 10, "total": 10, "customer_name": 4],
            unused: ["customerName": 6])
        #expect(
            found.map(\.problem)
                == ["customer_name has a value in 4 of 10 messages, and 6 have customerName, which lands nowhere"])
        #expect(found.first?.mend.words == "`names: snake_case` on the route takes both")
        let full = ["id": 10, "notes": 10, "total": 10, "customer_name": 10]
        #expect(try findings(.made(), orders, filled: full, unused: ["customerName": 6]).isEmpty)
    }

    @Test("a column that `rest: none` leaves alone while messages have its field is told")
    func leftAlone() throws {
        let route = Route.made(rest: .none, columns: [.init(name: "id"), .init(name: "notes")])
        let found = try findings(
            route, orders, filled: ["id": 10, "notes": 10], unused: ["total": 10, "customerName": 3, "else": 1])
        #expect(found.count == 1)
        #expect(found.first?.problem.hasPrefix("`rest: none` leaves customer_name, total alone") == true)
        #expect(found.first?.mend.words.contains("`customer_name: customerName`, `total: total`") == true)
    }

    @Test("what the route itself fills is not missed")
    func filledByRoute() throws {
        let route = Route.made(
            mode: .upsert,
            columns: [.init(name: "customer_name", fallback: "nobody"), .init(name: "notes", constant: "x")])
        #expect(try findings(route, orders, filled: ["id": 10, "total": 10, "notes": 10]).isEmpty)
    }
}
