import LoadingFixtures
import Postgres
import TestSupport
import Testing

@testable import Loading
@testable import SimulatedPostgres

/// The block of PL/pgSQL by which rows go in one by one: the loader's own text, before a real server and the simulated one.
@Suite("Rows one by one, before a real server and the simulated one")
struct BlockTests {
    @Test(
        "rows that a table refuses are refused alike, and the others are in",
        arguments: [Route.Mode.insert, .ignore, .upsert])
    func sameRefusals(mode: Route.Mode) throws {
        try PostgresServer.shared().withDatabase { url in
            let watcher = try Connection(ConnectionOptions(url: url, applicationName: "loader tests"))
            try Comparison.prepare(watcher)
            let table = try #require(try Catalog.table(TableName(schema: "s", name: "t"), on: watcher))
            let target = try Target.made(Route.made(mode: mode, key: mode == .insert ? nil : ["id"]), table)
            try Fuzzing.rounds(20, of: "rows one by one in mode \(mode)") { generator in
                try Comparison.empty(watcher)
                return try compare(target, url, &generator)
            }
        }
    }

    private func compare(_ target: Target, _ url: String, _ generator: inout SeededGenerator) throws -> Int {
        let database = try SimulatedDatabase(
            ledger: "00000000-0000-0000-0000-000000000001", clock: { 1_767_225_600_000_000 })
        for table in Statements.tables { try database.create(table) }
        let (simulated, real) = (SimulatedSession(database), try RealSession(url))
        for request in requests(target, &generator) {
            try real.ask(request)
            let answer = try #require(simulated.ask(request))
            let other = try eventuallyValue("an answer to \(request)") { real.answer() }
            #expect(plain(other) == plain(answer), "\(request), seed \(generator.seed)")
        }
        return 1
    }

    /// Without where in the block it was.
    private func plain(_ answer: Answer) -> Answer {
        var answer = answer
        answer.parts = answer.parts.map { part in
            guard case .rows(let rows) = part, rows.first?.count == 13 else { return part }
            return .rows(
                rows.map { row in
                    var row = row
                    row[5] = nil
                    return row
                })
        }
        return answer
    }

    private func requests(_ target: Target, _ generator: inout SeededGenerator) -> [Request] {
        let each = RowByRow(target)
        let rows = (0..<Int.random(in: 1...40, using: &generator)).map { _ in members(&generator) }
        let batch = Batch.filled(
            rows.map { row in
                (
                    #"{"id": \#(row["id"] ?? "")}"#,
                    "{\(row.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", "))}"
                )
            }, for: target)
        let selection = RowSelection(batch: batch, target: target)
        let part = Array(selection.rows.indices)
        let plan = RowByRow.Plan(selection, part)
        let keys = KeyTable(target)
        let block = each.block(plan, plan.ways.map { each.statements($0, keys) }, keys)
        let names = target.columns.map(\.name)
        let lines = part.map { index in
            let row = rows[
                Int(batch.sections[Int(selection.rows[index].section)].rows[Int(selection.rows[index].row)].message)]
            let fields = names.map { name in row[name].map { $0.filter { $0 != "\"" } } ?? "\\N" }
            return (fields + ["\(index + 1)"]).joined(separator: "\t") + "\n"
        }
        return [
            .simple("INSERT INTO s.owners (id) VALUES (0)"), .simple("INSERT INTO s.owners (id) VALUES (1)"),
            .simple("INSERT INTO s.t (id, n, uniq) VALUES (1, 5, 3)"), .simple(Connection.begin),
            .simple(StageMerge.create(each.stage, target, each.columns, more: [(RowByRow.number, "int4")])),
            .simple(
                "COPY \(each.stage.name) (\(target.quoted(Array(names.indices))), \(RowByRow.number)) FROM STDIN",
                copy: Array(lines.joined().utf8)),
            .simple(block), .query(RowByRow.question), .simple("COMMIT"),
            .simple("SELECT \(Statements.columns) FROM s.t ORDER BY id"),
        ]
    }

    /// As JSON.
    private func members(_ generator: inout SeededGenerator) -> [String: String] {
        func draw(_ count: Int) -> Int { Int(generator.next() % UInt64(count)) }
        var row = ["id": "\(draw(30))", "n": draw(8) == 0 ? "\(99 + draw(3))" : "\(draw(90))"]
        row["code"] = draw(6) == 0 ? "\"toolong\"" : "\"ab\""
        if draw(3) > 0 { row["v"] = "\"w\(draw(9))\"" }
        if draw(2) == 0 { row["owner"] = "\(draw(3))" }
        if draw(4) == 0 { row["uniq"] = "\(draw(6))" }
        return row
    }
}
