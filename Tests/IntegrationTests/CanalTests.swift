import Kafka
import Loading
import Postgres
import Records
import TestSupport
import Testing

@Suite("Canal's messages")
struct CanalTests {
    private func route(_ topic: String) -> Route {
        var route = Route(topic, "orders", mode: .upsert)
        route.envelopeOptions.form = .canal
        return route
    }

    private func messages(_ values: [String]) -> [TestMessage] {
        values.map { TestMessage(key: nil, bytes: Array($0.utf8)) }
    }

    @Test(
        "statements that change several rows and their keys at random, some of them told again, end as their source",
        arguments: 1...5)
    func random(seed: Int) async throws {
        try await Scenario.with("CREATE TABLE orders (\(CanalStream.columns))") { scenario in
            var stream = CanalStream(seed: UInt64(seed))
            var told: [String] = []
            while told.count < 1500 {
                guard let message = stream.next() else { continue }
                told.append(message)
                // What restarts tells the last of what it has told once more.
                if told.count % 100 == 0 { told += told.suffix(told.count / 20) }
            }
            let topic = try scenario.topic(messages(told))
            try await scenario.load([route(topic)]) { $0.batch.maxRows = 10 + 40 * seed }
            #expect(try scenario.deadLetters().map(\.message) == [])
            try scenario.connection.execute(
                "CREATE TABLE source (LIKE orders);" + stream.inserts(into: "source"))
            #expect(try scenario.rows("TABLE source EXCEPT TABLE orders") == [])
            #expect(try scenario.rows("TABLE orders EXCEPT TABLE source") == [])
            #expect(try scenario.rows("SELECT count(*) > 10 FROM source") == ["t"])
        }
    }

    @Test("a row that the server refuses takes the others of its message along, and what was deleted for it")
    func refused() async throws {
        try await Scenario.with(
            "CREATE TABLE orders (id int PRIMARY KEY, amount int CHECK (amount > 0))"
        ) { scenario in
            func event(_ type: String, _ data: String, old: String = "null") -> String {
                #"{"type":"\#(type)","isDdl":false,"data":\#(data),"old":\#(old)}"#
            }
            let topic = try scenario.topic(
                messages([
                    event("INSERT", #"[{"id":"1","amount":"1"},{"id":"2","amount":"2"}]"#),
                    event("INSERT", #"[{"id":"3","amount":"3"},{"id":"4","amount":"-4"}]"#),
                    event("UPDATE", #"[{"id":"9","amount":"-1"}]"#, old: #"[{"id":"1"}]"#),
                    event("UPDATE", #"[{"id":"8","amount":"5"}]"#, old: #"[{"id":"2"}]"#),
                ]))
            let snapshot = try await scenario.load([route(topic)]) { $0.deadLetters.maxShare = 1 }
            #expect(try scenario.rows("TABLE orders ORDER BY id") == ["1|1", "8|5"])
            #expect(try scenario.deadLetters().map(\.offset) == [1, 2])
            #expect(snapshot.routes.first?.operations[.row] == 3)
            #expect(snapshot.routes.first?.operations[.deletion] == 1)
        }
    }

    @Test("one topic of many tables goes to the table that stands beside the rows")
    func tables() async throws {
        try await Scenario.with(
            "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE notes (id int PRIMARY KEY)"
        ) { scenario in
            func event(_ type: String, _ table: String, _ data: String, old: String = "null") -> String {
                #"{"type":"\#(type)","table":"\#(table)","isDdl":false,"data":\#(data),"old":\#(old)}"#
            }
            let topic = try scenario.topic(
                messages([
                    event("INSERT", "orders", #"[{"id":"1"},{"id":"2"}]"#),
                    event("INSERT", "notes", #"[{"id":"1"},{"id":"2"}]"#),
                    event("DELETE", "notes", #"[{"id":"1"}]"#),
                    event("UPDATE", "orders", #"[{"id":"7"}]"#, old: #"[{"id":"2"}]"#),
                    event("INSERT", "other", #"[{"id":"1"}]"#),
                ]))
            var route = route(topic)
            let part = try #require(TableTemplate.part("$source.table"))
            route.template = TableTemplate(schema: nil, parts: [part], text: "${$source.table}")
            route.tables = TableList(["orders", "notes"])
            try await scenario.load([route]) { $0.deadLetters.maxShare = 1 }
            #expect(try scenario.rows("TABLE orders ORDER BY id") == ["1", "7"])
            #expect(try scenario.rows("TABLE notes ORDER BY id") == ["2"])
            #expect(try scenario.deadLetters().map(\.reason) == ["no_table"])
        }
    }

    @Test("a history has a row of each row of a statement, and one of a truncation, which ends all versions")
    func history() async throws {
        try await Scenario.with(
            """
            CREATE TABLE history (id int, amount int, op text, at timestamptz, until timestamptz, p int, o bigint, i int, PRIMARY KEY (p, o, i));
            CREATE INDEX ON history (id, at)
            """
        ) { scenario in
            func event(_ type: String, _ data: String, old: String = "null") -> TestMessage {
                TestMessage(
                    key: nil,
                    value: #"{"type":"\#(type)","isDdl":\#(type == "TRUNCATE"),"data":\#(data),"old":\#(old)}"#)
            }
            let messages = [
                event("INSERT", #"[{"id":"1","amount":"1"},{"id":"2","amount":"2"}]"#),
                event("UPDATE", #"[{"id":"1","amount":"3"}]"#, old: #"[{"amount":"1"}]"#),
                event("TRUNCATE", "null"), event("INSERT", #"[{"id":"1","amount":"4"}]"#),
                event("DELETE", #"[{"id":"1","amount":"4"}]"#),
            ]
            // Each at a time of its own, by which versions end.
            let topic = try scenario.topic(
                messages.enumerated().map { place, message in
                    var message = message
                    message.timestamp = 1_767_225_600_000 + Int64(place) * 1000
                    return message
                })
            var route = Route(topic, "history", mode: .history)
            (route.envelopeOptions.form, route.onTruncate) = (.canal, .truncate)
            route.columns = [
                Route.Column("op", "$op"), Route.Column("at", "$timestamp"), Route.Column("p", "$partition"),
                Route.Column("o", "$offset"), Route.Column("i", "$index"),
            ]
            (route.validity.key, route.validity.from, route.validity.to) = (["id"], "at", "until")
            let snapshot = try await scenario.load([route])
            #expect(try scenario.deadLetters().map(\.message) == [])
            // Until when a version holds: the offset of what ends it.
            let found = """
                SELECT h.o, h.i, h.op, h.id, h.amount, (SELECT min(e.o) FROM history AS e WHERE e.at = h.until AND e.o > h.o) FROM history AS h
                ORDER BY h.o, h.i
                """
            #expect(
                try scenario.rows(found) == [
                    "0|0|c|1|1|1", "0|1|c|2|2|2", "1|0|u|1|3|2", "2|0|t|∅|∅|∅", "3|0|c|1|4|4", "4|0|d|1|4|∅",
                ])
            #expect(snapshot.routes.first?.operations[.row] == 6)
            #expect(snapshot.routes.first?.operations[.truncation, default: 0] == 0)
        }
    }
}
