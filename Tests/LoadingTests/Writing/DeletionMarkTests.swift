import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

@Suite("Marks of deleted rows")
struct DeletionMarkTests {
    private static func route(_ name: TableName, newer: Bool, absent: Route.Absent = .byDefault) -> Route {
        var route = Route(topics: [.name("orders")], table: name, mode: .upsert, key: ["id"], onTombstone: .mark)
        route.mark = "gone"
        route.absent = absent
        if newer {
            route.newer = ["v"]
            route.columns = [.init(name: "v", source: .key(FieldPath(["v"])))]
        }
        return route
    }

    @Test(
        "a deletion marks its row, or leaves a mark where there was none; the next change takes it away, unless it is older",
        arguments: RowWay.allCases, ["boolean", "boolean NOT NULL", "timestamptz"])
    func asIfOneByOne(way: RowWay, type: String) throws {
        for (newer, absent) in [(false, Route.Absent.byDefault), (true, .byDefault), (true, .keep), (false, .keep)] {
            try check(way, type, newer: newer, absent)
        }
    }

    private func check(_ way: RowWay, _ type: String, newer: Bool, _ absent: Route.Absent) throws {
        var random = SeededGenerator.random(for: "marks")
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int PRIMARY KEY, a text, b numeric, v int, gone \(type)); "
                    + "CREATE TABLE model (LIKE t INCLUDING ALL)")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            let target = try Target.compile(Self.route(name, newer: newer, absent: absent), index: 0, table: found)
                .get()
            let isTime = type == "timestamptz"
            let condition = newer ? " WHERE m.v IS NULL OR EXCLUDED.v > m.v" : ""
            for round in 0..<4 {
                var messages: [(key: String?, value: String?)] = []
                for number in 0..<40 {
                    let id = Int.random(in: 1...6, using: &random)
                    let version = Int.random(in: 1...9, using: &random)
                    let key = "{\"id\": \(id), \"v\": \(version)}"
                    var given: [(name: String, json: String?, sql: String)] = []
                    if newer { given.append(("v", nil, "\(version)")) }
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        messages.append((key, nil))
                        given.append(("gone", nil, isTime ? "'2025-01-01Z'" : "true"))
                    } else {
                        if Bool.random(using: &random) { given.append(("a", "\"a\(number)\"", "'a\(number)'")) }
                        if Bool.random(using: &random) { given.append(("b", "\(number)", "\(number)")) }
                        let members = given.compactMap { one in one.json.map { "\"\(one.name)\": \($0)" } }
                        messages.append((key, "{" + (["\"id\": \(id)"] + members).joined(separator: ", ") + "}"))
                        let rest = ["a", "b"] + (newer ? [] : ["v"])
                        for lacking in rest where absent == .byDefault && !given.contains(where: { $0.name == lacking })
                        {
                            given.append((lacking, nil, "NULL"))
                        }
                        given.append(("gone", nil, isTime ? "NULL" : "false"))
                    }
                    try connection.execute(
                        "INSERT INTO model AS m (\((["id"] + given.map(\.name)).joined(separator: ", "))) "
                            + "VALUES (\((["\(id)"] + given.map(\.sql)).joined(separator: ", "))) ON CONFLICT (id) DO UPDATE SET "
                            + given.map { "\($0.name) = EXCLUDED.\($0.name)" }.joined(separator: ", ") + condition)
                }
                let batch = Batch.filled(messages, for: target, timestamp: 1_735_689_600_000)
                #expect(batch.deadLetters.isEmpty)
                let loaded = try way.load(batch, target, connection)
                #expect(loaded.deadLetters.isEmpty)
                let rows = try connection.rows("TABLE t ORDER BY id")
                let model = try connection.rows("TABLE model ORDER BY id")
                #expect(rows == model, "\(type), newer \(newer), \(absent), round \(round), seed \(random.seed)")
            }
        }
    }

    @Test("what cannot be marked, or by what")
    func mistakes() throws {
        func problems(
            mark: String? = "gone", more: [Table.Column] = [], mode: Route.Mode = .upsert, newer: [String] = [],
            columns: [Route.Column]? = nil, on onTombstone: Route.OnTombstone? = .mark
        ) -> [String] {
            var route = Route.made(mode: mode, onTombstone: onTombstone, columns: columns)
            (route.mark, route.newer) = (mark, newer)
            let boolean = PostgresType(oid: 16, name: "bool", formatted: "boolean")
            let table = Table.made(
                [.made("id", .int8), .made("gone", boolean), .made("at", .int8), .made("a")] + more, key: ["id"])
            switch Target.compile(route, index: 0, table: table) {
            case .success: return []
            case .failure(let problems): return problems.problems.map(\.problem)
            }
        }
        #expect(problems() == [])
        #expect(problems(mark: nil).first?.contains("no column is named") == true)
        #expect(problems(on: .skip).first?.contains("has no effect") == true)
        #expect(problems(mark: "a").first?.contains("text cannot") == true)
        #expect(problems(mark: "nothing").first?.contains("no column \"nothing\"") == true)
        #expect(problems(mode: .ignore).first?.contains("only mode upsert") == true)
        #expect(problems(more: [.made("must", isNotNull: true)]).first?.contains("NOT NULL without a default") == true)
        #expect(problems(columns: [.init(name: "gone")]).first?.contains("to fill it as well") == true)
        #expect(problems(newer: ["at"]).first?.contains("does not say how new it is") == true)
        #expect(problems(newer: ["at"], columns: [.init(name: "at", source: .offset)]) == [])
    }
}
