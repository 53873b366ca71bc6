import Foundation
import Kafka
import Loading
import Logging
import Operating
import Postgres
import Records
import TestSupport
import Testing

@testable import Loader

/// Tables by name together with all else that a route can say.
@Suite("Tables by name, with change events, elements, filters and histories")
struct ChosenTablesTests {
    private func choosing(
        _ topic: String, _ table: String, _ tables: String, mode: Route.Mode = .upsert, place: Int = 0,
        _ configure: (inout Route) throws -> Void = { _ in }
    ) throws -> Route {
        var route = Route(topic, "t", mode: mode, label: "routes[\(place)]")
        route.routedTable = try parseRoutedTable(table)
        route.tables = TableList([tables])
        try configure(&route)
        return route
    }

    private func json(_ key: String?, _ value: String?) -> TestMessage {
        TestMessage(key: key.map { Array($0.utf8) }, bytes: value.map { Array($0.utf8) })
    }

    private func replay(_ options: LoadingOptions) async throws -> DeadLetterReplay.Outcome {
        try await onThread {
            let logger = Logger(label: "replay") { _ in SwiftLogNoOpLogHandler() }
            var filter = DeadLetterFilter()
            filter.group = options.group
            return try DeadLetterReplay(options, logger: logger).run(filter)
        }
    }

    /// What a topic of several tables' events comes to.
    private struct Source {
        var tables: [String: [Int: String]] = ["a": [:], "b": [:], "c": [:]]
        /// Rows of the history, by table.
        var changes = ["a": 0, "b": 0, "c": 0]

        /// Makes up what happens next.
        mutating func events(_ number: Int, using random: inout SeededGenerator) -> [(key: String?, value: String?)] {
            let table = ["a", "b", "c"][Int.random(in: 0..<3, using: &random)]
            let id = Int.random(in: 1...12, using: &random)
            let (source, key) = ("\"source\":{\"table\":\"\(table)\",\"lsn\":\(number)}", "{\"id\":\(id)}")
            func event(_ before: String, _ after: String, _ operation: String) -> String {
                "{\"before\":\(before),\"after\":\(after),\(source),\"op\":\"\(operation)\"}"
            }
            changes[table]? += 1
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                tables[table] = [:]
                return [(nil, event("null", "null", "t"))]
            case 1...4:
                tables[table]?[id] = nil
                return [(key, event(key, "null", "d")), (key, nil)]
            default:
                let isThere = tables[table]?[id] != nil
                tables[table]?[id] = "\(number)"
                return [(key, event("null", "{\"id\":\(id),\"v\":\"\(number)\"}", isThere ? "u" : "c"))]
            }
        }
    }

    @Test(
        "a topic of several tables' change events becomes a replica of each, and a history beside it, truncations included",
        arguments: [100_000, 11])
    func replica(batchRows: Int) async throws {
        var random = SeededGenerator.random(for: "a topic of several tables")
        // Not alike: one has a column more, one its columns in another order.
        let tables = """
            CREATE TABLE r_a (id int PRIMARY KEY, v text); CREATE TABLE r_b (v text, id int PRIMARY KEY, lsn bigint);
            CREATE TABLE r_c (id int PRIMARY KEY, v text, more text DEFAULT 'm');
            """
            + ["a", "b", "c"].map {
                "CREATE TABLE h_\($0) (id int, v text, op text, at bigint, until bigint, p int, o bigint, PRIMARY KEY (p, o));"
                    + "CREATE INDEX ON h_\($0) (id, at);"
            }.joined()
        try await Scenario.with(tables) { scenario in
            var source = Source()
            let topic = try scenario.topic(
                (1...500).flatMap { source.events($0, using: &random) }.map { json($0.key, $0.value) })
            let routes = [
                try choosing(topic, "r_${$source.table}", "r_*") { route in
                    route.envelopeOptions.form = .debezium
                    route.onTruncate = .truncate
                },
                try choosing(topic, "h_${$source.table}", "h_*", mode: .history, place: 1) { route in
                    route.envelopeOptions.form = .debezium
                    route.onTruncate = .truncate
                    route.columns = [
                        Route.Column("op", "$op"), Route.Column("at", "$source.lsn"), Route.Column("p", "$partition"),
                        Route.Column("o", "$offset"),
                    ]
                    (route.validity.key, route.validity.from, route.validity.to) = (["id"], "at", "until")
                },
            ]
            for attempt in 0..<2 {
                var run = scenario
                if attempt > 0 { run.group = Broker.randomName("group") }
                try await run.load(routes) { $0.batch.maxRows = batchRows }
                #expect(try run.deadLetters().map(\.message) == [], "seed \(random.seed)")
                for (name, rows) in source.tables {
                    let found = try scenario.rows("SELECT id, v FROM r_\(name) ORDER BY id")
                    #expect(
                        found == rows.sorted { $0.key < $1.key }.map { "\($0.key)|\($0.value)" }, "seed \(random.seed)")
                    // What holds now is what the replica has.
                    let holding = "SELECT id, v FROM h_\(name) WHERE until IS NULL AND op NOT IN ('d', 't') ORDER BY id"
                    #expect(try scenario.rows(holding) == found, "seed \(random.seed)")
                    #expect(try scenario.rows("SELECT count(*) FROM h_\(name)") == ["\(source.changes[name] ?? -1)"])
                }
            }
        }
    }

    @Test("a letter of one of the tables keeps no other from loading, names its table, and is replayed into it")
    func letters() async throws {
        let tables = """
            CREATE TABLE r_a (id int PRIMARY KEY, v text); CREATE TABLE r_b (id int PRIMARY KEY, v text NOT NULL CHECK (v <> 'no'));
            """
        try await Scenario.with(tables) { scenario in
            func event(_ table: String, _ id: Int, _ v: String) -> TestMessage {
                json(
                    #"{"id":\#(id)}"#,
                    #"{"before":null,"after":{"id":\#(id),"v":\#(v)},"source":{"table":"\#(table)"},"op":"c"}"#)
            }
            let topic = try scenario.topic([
                event("a", 1, "null"), event("b", 1, "null"), event("b", 2, #""no""#), event("b", 3, #""yes""#),
                event("c", 1, #""x""#), event("a", 2, #""x""#),
            ])
            let route = try choosing(topic, "r_${$source.table}", "r_*") { $0.envelopeOptions.form = .debezium }
            try await scenario.load([route]) { $0.deadLetters.maxShare = 1 }
            #expect(try scenario.rows("SELECT id, v FROM r_a ORDER BY id") == ["1|∅", "2|x"])
            #expect(try scenario.rows("SELECT id, v FROM r_b ORDER BY id") == ["3|yes"])
            let letters = try scenario.deadLetters()
            #expect(
                letters.map { "\($0.offset) \($0.reason)" } == [
                    "1 null_in_not_null", "2 refused_by_server", "4 no_table",
                ])
            #expect(letters.prefix(2).allSatisfy { $0.table == "r_b" } && letters[2].message.hasSuffix("r_*: r_c"))
            try scenario.connection.execute(
                "ALTER TABLE r_b ALTER v DROP NOT NULL, DROP CONSTRAINT r_b_v_check; CREATE TABLE r_c (id int PRIMARY KEY, v text)"
            )
            let outcome = try await replay(scenario.options([route]))
            #expect(outcome.failed == 0 && outcome.loaded == 3)
            #expect(try scenario.rows("SELECT id, v FROM r_b ORDER BY id") == ["1|∅", "2|no", "3|yes"])
            #expect(try scenario.rows("SELECT id, v FROM r_c") == ["1|x"])
        }
    }

    @Test(
        "orders of several shops, their items and a filter: each shop's tables are what its last messages say",
        arguments: [100_000, 9])
    func elements(batchRows: Int) async throws {
        var random = SeededGenerator.random(for: "orders of several shops")
        let tables =
            ["x", "y"].map {
                """
                CREATE TABLE \($0)_orders (id int PRIMARY KEY, status text);
                CREATE TABLE \($0)_items (order_id int REFERENCES \($0)_orders, sku text, line int, PRIMARY KEY (order_id, sku));
                """
            }.joined() + "CREATE TABLE every (id int PRIMARY KEY, body jsonb);"
        try await Scenario.with(tables) { scenario in
            let messages = (0..<500).map { _ in
                let id = Int.random(in: 1...30, using: &random)
                let shop = id % 2 == 0 ? "x" : "y"
                let isDeletion = Int.random(in: 0..<12, using: &random) == 0
                let status = Int.random(in: 0..<4, using: &random) == 0 ? "void" : "paid"
                let items = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    "{\"sku\":\"\(Int.random(in: 0..<5, using: &random))\"}"
                }
                let value = "{\"id\":\(id),\"status\":\"\(status)\",\"items\":[\(items.joined(separator: ","))]}"
                return TestMessage(
                    key: "\(id)", value: isDeletion ? nil : value, headers: [Header("shop", shop)])
            }
            let topic = try scenario.topic(messages)
            var routes = [
                Route(topic, "every", mode: .upsert, columns: [Route.Column("body", "$value")]),
                try choosing(topic, "${headers.shop}_orders", "*_orders", place: 1),
                try choosing(topic, "${headers.shop}_items", "*_items", place: 2) { route in
                    route.columns = [Route.Column("order_id", "$parent.id"), Route.Column("line", "$index")]
                    route.each = ElementPath(parsing: "items")
                },
            ]
            for place in 1...2 { routes[place].condition = try RouteCondition("status != 'void'") }
            try await scenario.load(routes) { $0.batch.maxRows = batchRows }
            #expect(try scenario.deadLetters().map(\.message) == [], "seed \(random.seed)")
            for (shop, rest) in [("x", 0), ("y", 1)] {
                let bodies = "every WHERE body->>'status' <> 'void' AND id % 2 = \(rest)"
                #expect(
                    try scenario.rows("SELECT id, status FROM \(shop)_orders ORDER BY id")
                        == scenario.rows("SELECT id, body->>'status' FROM \(bodies) ORDER BY id"), "seed \(random.seed)"
                )
                let expected = try scenario.rows(
                    """
                    SELECT DISTINCT ON (1, 2) id, e->>'sku', n - 1
                    FROM (SELECT * FROM \(bodies)) AS b, jsonb_array_elements(body->'items') WITH ORDINALITY AS t (e, n)
                    ORDER BY 1, 2, n DESC
                    """)
                #expect(!expected.isEmpty)
                #expect(
                    try scenario.rows("SELECT order_id, sku, line FROM \(shop)_items ORDER BY 1, 2") == expected,
                    "seed \(random.seed)")
            }
        }
    }

    @Test(
        "change events of several tables whose rows hold lists: each table and that of its elements are as the source",
        arguments: [100_000, 7])
    func elementsOfEvents(batchRows: Int) async throws {
        var random = SeededGenerator.random(for: "change events with lists")
        let tables = ["x", "y"].map {
            """
            CREATE TABLE \($0)_orders (id int PRIMARY KEY, status text);
            CREATE TABLE \($0)_items (order_id int REFERENCES \($0)_orders, sku text, PRIMARY KEY (order_id, sku));
            """
        }
        try await Scenario.with(tables.joined()) { scenario in
            var source: [String: [Int: (status: String, skus: Set<Int>)]] = ["x": [:], "y": [:]]
            var messages: [TestMessage] = []
            for number in 0..<500 {
                let table = Bool.random(using: &random) ? "x" : "y"
                let id = Int.random(in: 1...12, using: &random)
                let (place, key) = ("\"source\":{\"table\":\"\(table)\"}", "{\"id\":\(id)}")
                switch Int.random(in: 0..<24, using: &random) {
                case 0:
                    source[table] = [:]
                    messages.append(json(nil, "{\"before\":null,\"after\":null,\(place),\"op\":\"t\"}"))
                case 1...4:
                    source[table]?[id] = nil
                    messages.append(json(key, "{\"before\":\(key),\"after\":null,\(place),\"op\":\"d\"}"))
                    messages.append(json(key, nil))
                default:
                    let status = Int.random(in: 0..<4, using: &random) == 0 ? "void" : "\(number)"
                    let skus = Set(
                        (0..<Int.random(in: 0...3, using: &random)).map { _ in Int.random(in: 0..<5, using: &random) })
                    source[table]?[id] = status == "void" ? nil : (status, skus)
                    let items = skus.map { "{\"sku\":\"\($0)\"}" }.joined(separator: ",")
                    let row = "{\"id\":\(id),\"status\":\"\(status)\",\"items\":[\(items)]}"
                    messages.append(json(key, "{\"before\":null,\"after\":\(row),\(place),\"op\":\"u\"}"))
                }
            }
            let topic = try scenario.topic(messages)
            var routes = [
                try choosing(topic, "${$source.table}_items", "*_items") { route in
                    route.columns = [Route.Column("order_id", "$parent.id")]
                    route.each = ElementPath(parsing: "items")
                }, try choosing(topic, "${$source.table}_orders", "*_orders", place: 1),
            ]
            for place in routes.indices {
                (routes[place].envelopeOptions.form, routes[place].onTruncate) = (.debezium, .truncate)
                routes[place].condition = try RouteCondition("status != 'void'")
            }
            try await scenario.load(routes) { $0.batch.maxRows = batchRows }
            #expect(try scenario.deadLetters().map(\.message) == [], "seed \(random.seed)")
            for (table, orders) in source.mapValues({ $0.sorted { $0.key < $1.key } }) {
                #expect(
                    try scenario.rows("SELECT id, status FROM \(table)_orders ORDER BY id")
                        == orders.map { "\($0.key)|\($0.value.status)" }, "seed \(random.seed)")
                #expect(
                    try scenario.rows("SELECT order_id, sku FROM \(table)_items ORDER BY 1, 2")
                        == orders.flatMap { order in order.value.skus.sorted().map { "\(order.key)|\($0)" } },
                    "seed \(random.seed)")
            }
        }
    }

    @Test(
        "a later table that does not fit keeps no other from being found and stops nothing: it is named, and found once it is mended"
    )
    func unfit() async throws {
        try await Scenario.with("CREATE TABLE ev_a (id int PRIMARY KEY)") { scenario in
            func message(_ id: Int, _ type: String) -> TestMessage {
                TestMessage(key: nil, value: #"{"id":\#(id)}"#, headers: [Header("type", type)])
            }
            let topic = try scenario.topic([message(1, "a")])
            let route = try choosing(topic, "ev_${headers.type}", "ev_*")
            let run = try LoaderRun(scenario.options([route]))
            try await eventually("the first is in", within: .seconds(60)) {
                try scenario.rows("SELECT count(*) FROM ev_a") == ["1"]
            }
            try scenario.connection.execute("CREATE TABLE ev_bad (id int)")
            try await eventually("it is named", within: .seconds(60)) {
                try scenario.produce([message(2, "bad"), message(3, "a")], to: topic)
                return run.statistics.snapshot.routes[0].notes.contains { note in
                    note.kind == "unfit_table" && note.over == nil && note.text.contains("ev_bad")
                        && note.text.contains("needs a key")
                }
            }
            let line = "a table that a route's pattern takes does not fit it; messages for it are dead letters"
            #expect(run.log.count(of: line) == 1)
            try scenario.connection.execute("CREATE TABLE ev_good (id int PRIMARY KEY)")
            try await eventually("the other new one has rows", within: .seconds(60)) {
                try scenario.produce([message(4, "good"), message(2, "bad")], to: topic)
                return try scenario.rows("SELECT count(*) FROM ev_good") == ["1"]
            }
            // A change of a table that is loaded has the catalog read again, and the misfit is no mistake then either.
            try scenario.connection.execute("ALTER TABLE ev_a ADD more text DEFAULT 'm'")
            try scenario.produce([message(5, "a")], to: topic)
            try await eventually("the changed table goes on", within: .seconds(60)) {
                try scenario.rows("SELECT more FROM ev_a WHERE id = 5") == ["m"]
            }
            #expect(try Set(scenario.deadLetters().map(\.reason)) == ["no_table"])
            try scenario.connection.execute("ALTER TABLE ev_bad ADD PRIMARY KEY (id)")
            try await eventually("the mended one has rows", within: .seconds(60)) {
                try scenario.produce([message(2, "bad")], to: topic)
                return try scenario.rows("SELECT count(*) FROM ev_bad") == ["1"]
            }
            #expect(run.statistics.snapshot.routes[0].notes.allSatisfy { $0.kind != "unfit_table" || $0.over != nil })
            try await run.finish()
            let outcome = try await replay(scenario.options([route]))
            #expect(outcome.failed == 0)
            #expect(try scenario.deadLetters().isEmpty)
        }
    }
}
