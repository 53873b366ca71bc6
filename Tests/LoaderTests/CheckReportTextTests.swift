import Loading
import Testing

@testable import Loader
@testable import Operating

@Suite("Check report")
struct CheckReportTextTests {
    private var report: CheckReport {
        var route = CheckReport.Route(
            route: "routes[0]", topics: ["orders"], table: "public.orders", mode: "upsert", onTombstone: "delete",
            copy: "binary", isReplaySafe: true, unread: 12345, partitions: 3,
            sample: .init(messages: 300, objects: 298, rows: 297, deletions: 2, deadLetters: 1, wasReadByServer: true),
            columns: [
                .init(
                    name: "order_id", type: "text", source: "order_id", isKey: true, isNotNull: true, filled: 298,
                    null: 0, absent: 0, example: "O-1"),
                .init(
                    name: "note", type: "text", source: "note", isKey: false, isNotNull: false, filled: 1, null: 60,
                    absent: 237, example: "first\nsecond\u{1B}[31m" + String(repeating: "x", count: 300)),
            ])
        route.deadLetters = [
            .init(reason: "wrong_type", column: "note", explanation: "e", count: 1, places: ["orders[0]@17"])
        ]
        route.unusedFields = [.init(path: "extra", count: 298)]
        var report = CheckReport(areas: [.init(name: "database", summary: "PostgreSQL")], routes: [route])
        report.add(
            SetupProblem(.sample, at: "routes[0]", "few values", mend: "look", isWarning: true), to: "topics")
        return report
    }

    @Test("what is well takes a line, the route shows where each field lands, and each problem has its mend")
    func text() {
        let lines = CheckReportText(report: report, width: 100, isColored: false).lines
        #expect(lines.contains("ok      database  PostgreSQL"))
        #expect(lines.contains("warn    routes[0]  orders → public.orders"))
        #expect(lines.contains { $0.contains("300 messages of 3 partitions sampled; 12,345 unread: 297 rows") })
        #expect(lines.contains { $0.contains("order_id") && $0.contains("text, key") && $0.contains("100%") })
        #expect(lines.contains { $0.contains("note") && $0.contains("1%, 20% null") }, "what is neither is missing")
        #expect(!lines.contains { $0.contains("order_id") && $0.contains("null") })
        #expect(lines.contains { $0.contains("orders[0]@17") })
        #expect(lines.contains("        Fields that land nowhere: extra 100%"))
        #expect(lines.contains("warn    few values"))
        #expect(lines.contains("          → look"))
        #expect(lines.last == "1 warning. It can be loaded.")
    }

    @Test("where messages have a schema, each column says of which of its types it is")
    func schema() {
        var report = report
        report.routes[0].columns[0].schemaType = "string"
        let lines = CheckReportText(report: report, width: 100, isColored: false).lines
        #expect(lines.contains { $0.contains("in the schema") })
        #expect(lines.contains { $0.contains("order_id  string") && $0.contains("100%") })
    }

    @Test("a value cannot control the terminal, and no line of the table is wider than it")
    func harmless() {
        for line in CheckReportText(report: report, width: 80, isColored: false).lines {
            #expect(!line.contains("\u{1B}") && !line.contains("\n"))
            #expect(line.count < 80 || !line.contains("note"))
        }
    }

    @Test("the marks are words, and colours only paint them")
    func colors() {
        let plain = CheckReportText(report: report, width: 80, isColored: false).lines.joined(separator: "\n")
        let painted = CheckReportText(report: report, width: 80, isColored: true).lines.joined(separator: "\n")
        #expect(painted != plain)
        #expect(painted.replacing(/\u{1B}\[[0-9;]*m/, with: "") == plain)
    }

    @Test("--no-values leaves every value of the messages out, and nothing else")
    func noValues() throws {
        let bare = report.withoutValues
        #expect(try !bare.json.contains("O-1"))
        #expect(bare.routes[0].columns.map(\.filled) == report.routes[0].columns.map(\.filled))
    }

    @Test("the JSON says first how it stands, and has every problem with its mend")
    func json() throws {
        let json = try report.json
        for part in [
            #""status" : "warning""#, #""errors" : 0"#, #""warnings" : 1"#, #""is_replay_safe" : true"#,
            #""mend" : "look""#, #""dead_letters" : ["#, #""unread" : 12345"#,
        ] { #expect(json.contains(part), "\(part)") }
    }
}
