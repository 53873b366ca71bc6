import Foundation
import Kafka
import Loading
import Logging
import Operating
import Postgres
import Records
import TestSupport
import Testing

@Suite("Elements of messages") struct ElementsTests {
    /// Orders, their items and the items' options: children before what they refer to, which the loader has to mind.
    static func routes(_ topic: String) throws -> [Route] {
        var options = Route(
            topic, "options", mode: .upsert,
            columns: [
                Route.Column("order_id", "$parent.$parent.id"), Route.Column("sku", "$parent.sku"),
                Route.Column("code", "code"), Route.Column("price", "price"),
            ], label: "routes[0]")
        options.each = ElementPath(parsing: "items.options")
        var items = Route(
            topic, "items", mode: .upsert,
            columns: [
                Route.Column("order_id", "$parent.id"), Route.Column("sku", "sku"), Route.Column("qty", "qty"),
                Route.Column("line", "$index"),
            ], label: "routes[1]")
        items.rest = .none
        items.each = ElementPath(parsing: "items")
        return [options, items, Route(topic, "orders", mode: .upsert, label: "routes[2]")]
    }

    @Test(
        "child tables are what jsonb_array_elements makes of each parent's last message, beside a parent with foreign keys",
        arguments: [100_000, 40, 3])
    func sets(batchRows: Int) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        try await Scenario.with(OrderModel.tables + "ALTER TABLE orders ADD UNIQUE (note)") { scenario in
            var model = OrderModel()
            let messages = (0..<400).map { model.message($0, orders: 12, using: &random) }
            let topic = try scenario.topic(messages, partitions: 3)
            let routes = try Self.routes(topic)
            let result = try await scenario.load(routes) { $0.batch.maxRows = batchRows }
            #expect(result.messages == 400, "seed \(seed)")
            #expect(try scenario.deadLetters().map(\.message) == [], "seed \(seed)")
            #expect(try model.differences(scenario.connection) == [], "seed \(seed)")
            // The same once more leaves the same.
            var again = scenario
            again.group = Broker.randomName("group")
            try await again.load(routes) { $0.batch.maxRows = 50 }
            #expect(try model.differences(scenario.connection) == [], "again, seed \(seed)")
        }
    }

    @Test("an element that the server refuses makes its message a dead letter, whole, and what was there stays")
    func refused() async throws {
        let table = """
            CREATE TABLE items (order_id int, line int, qty int CHECK (qty < 100), PRIMARY KEY (order_id, line));
            CREATE TABLE skipping (order_id int, line int, qty int CHECK (qty < 100), PRIMARY KEY (order_id, line));
            CREATE TABLE appended (order_id int, line int, qty int CHECK (qty < 100));
            """
        try await Scenario.with(table) { scenario in
            func message(_ id: Int, _ quantities: [Int]) -> TestMessage {
                let items = quantities.map { #"{"qty":\#($0)}"# }.joined(separator: ",")
                return TestMessage(key: "\(id)", value: #"{"id":\#(id),"items":[\#(items)]}"#)
            }
            let topic = try scenario.topic([
                message(1, [1, 2, 3]), message(2, [4]), message(1, [5, 100, 6]), message(3, [7, 8]), message(2, []),
                message(3, [300]),
            ])
            let columns = [
                Route.Column("order_id", "$parent.id"), Route.Column("line", "$index"), Route.Column("qty", "qty"),
            ]
            var routes = [
                Route(topic, "items", mode: .upsert, columns: columns, label: "routes[0]"),
                Route(topic, "skipping", mode: .upsert, columns: columns, label: "routes[1]"),
                Route(topic, "appended", columns: columns, label: "routes[2]"),
            ]
            for index in routes.indices { routes[index].each = ElementPath(parsing: "items") }
            routes[1].onBadElement = .skip
            let result = try await scenario.load(routes) { $0.deadLetters.maxShare = 1 }
            let letters = try scenario.deadLetters()
            #expect(
                letters.map { "\($0.table)@\($0.offset) \($0.reason)" } == [
                    "appended@2 refused_by_server", "items@2 refused_by_server", "appended@5 refused_by_server",
                    "items@5 refused_by_server",
                ])
            #expect(
                try scenario.rows("SELECT order_id, line, qty FROM items ORDER BY 1, 2") == [
                    "1|0|1", "1|1|2", "1|2|3", "3|0|7", "3|1|8",
                ])
            #expect(
                try scenario.rows("SELECT order_id, line, qty FROM skipping ORDER BY 1, 2") == [
                    "1|0|5", "1|2|6",
                ])
            #expect(
                try scenario.rows("SELECT order_id, line, qty FROM appended ORDER BY 1, 2, 3") == [
                    "1|0|1", "1|1|2", "1|2|3", "2|0|4", "3|0|7", "3|1|8",
                ])
            #expect(result.routes[1].operations[.skippedElement] == 2)
            #expect(result.routes[0].operations[.row] == 6)
        }
    }

    @Test("a tombstone takes all rows of its message away, and keep leaves what the last one does not have")
    func tombstonesAndKeeping() async throws {
        let table = """
            CREATE TABLE replaced (order_id int, sku text, note text DEFAULT 'new', PRIMARY KEY (order_id, sku));
            CREATE TABLE kept (order_id int, sku text, note text DEFAULT 'new', PRIMARY KEY (order_id, sku));
            """
        try await Scenario.with(table) { scenario in
            let topic = try scenario.topic([
                TestMessage(key: "1", value: #"{"id":1,"items":[{"sku":"a","note":"x"},{"sku":"b"}]}"#),
                TestMessage(key: "2", value: #"{"id":2,"items":[{"sku":"a","note":"x"}]}"#),
                TestMessage(key: "1", value: #"{"id":1,"items":[{"sku":"b","note":"y"}]}"#),
                TestMessage(key: "2", value: nil),
                TestMessage(key: "1", value: #"{"id":1,"items":[{"sku":"a"},{"sku":"b"}]}"#),
            ])
            for batchRows in [1, 100] {
                var group = scenario
                group.group = Broker.randomName("group")
                var routes = ["replaced", "kept"].enumerated().map { index, table in
                    Route(
                        topic, table, mode: .upsert,
                        columns: [Route.Column("order_id", "$parent.id"), Route.Column("sku", "sku")],
                        label: "routes[\(index)]")
                }
                for index in routes.indices { routes[index].each = ElementPath(parsing: "items") }
                routes[1].onMissing = .keep
                try scenario.connection.execute("TRUNCATE replaced, kept")
                try await group.load(routes) { $0.batch.maxRows = batchRows }
                // `a` came anew, and `b` says nothing of its note the second time.
                #expect(
                    try scenario.rows("SELECT * FROM replaced ORDER BY 1, 2") == ["1|a|new", "1|b|y"], "\(batchRows)")
                #expect(try scenario.rows("SELECT * FROM kept ORDER BY 1, 2") == ["1|a|x", "1|b|y"], "\(batchRows)")
            }
        }
    }

    @Test(
        "a unique value passes from a deleted order to a new one, and an item from a deleted order to another, in one batch"
    )
    func handingOver() async throws {
        let table = """
            CREATE TABLE orders (id int PRIMARY KEY, note text UNIQUE);
            CREATE TABLE parts (serial text PRIMARY KEY, order_id int NOT NULL REFERENCES orders);
            """
        try await Scenario.with(table) { scenario in
            func message(_ id: Int, _ note: String?, _ parts: [String]) -> TestMessage {
                let list = parts.map { #"{"serial":"\#($0)"}"# }.joined(separator: ",")
                return TestMessage(
                    key: "\(id)",
                    value: note.map { #"{"id":\#(id),"note":"\#($0)","parts":[\#(list)]}"# })
            }
            let topic = try scenario.topic([message(1, "a", ["x", "y"]), message(2, "b", ["z"])])
            var parts = Route(
                topic, "parts", mode: .upsert,
                columns: [Route.Column("serial", "serial"), Route.Column("order_id", "$parent.id")], label: "routes[0]")
            parts.each = ElementPath(parsing: "parts")
            parts.onTombstone = .skip
            let routes = [parts, Route(topic, "orders", mode: .upsert, label: "routes[1]")]
            try await scenario.load(routes)
            try scenario.produce([message(3, "c", ["x", "y"]), message(1, nil, []), message(4, "d", [])], to: topic)
            try await scenario.load(routes)
            #expect(try scenario.deadLetters().isEmpty)
            #expect(try scenario.rows("SELECT * FROM parts ORDER BY 1") == ["x|3", "y|3", "z|2"])
            try scenario.produce([message(4, nil, []), message(5, "d", [])], to: topic)
            try await scenario.load(routes)
            #expect(try scenario.deadLetters().isEmpty)
            #expect(try scenario.rows("SELECT * FROM orders ORDER BY 1") == ["2|b", "3|c", "5|d"])
        }
    }

    @Test(
        "a missing index is told at the start with the statement that makes it, and so is a key that has nothing of the parent"
    )
    func setup() async throws {
        let table = "CREATE TABLE items (sku text, order_id int, PRIMARY KEY (sku, order_id))"
        try await Scenario.with(table) { scenario in
            var route = Route(
                "t", "items", mode: .upsert,
                columns: [Route.Column("order_id", "$parent.id"), Route.Column("sku", "sku")])
            route.each = ElementPath(parsing: "items")
            func problems(_ route: Route) -> [SetupProblem] {
                do {
                    _ = try Preflight.check(scenario.options([route]), on: scenario.connection)
                    return []
                } catch { return (error as? LoadingError)?.problems ?? [] }
            }
            let missing = problems(route)
            #expect(missing.map(\.code) == [.missingIndex])
            try scenario.connection.execute(try #require(missing.first).mend.words)
            #expect(problems(route) == [])
            route.columns = [Route.Column("order_id", "order"), Route.Column("sku", "sku")]
            #expect(problems(route) == [])
            route.onMissing = .delete
            #expect(problems(route).map(\.code) == [.badOption])
            (route.onMissing, route.onTombstone) = (nil, .delete)
            #expect(problems(route).map(\.code) == [.badOption])
        }
    }

    @Test("a replayed letter does not set a parent's rows back")
    func replay() async throws {
        let table =
            "CREATE TABLE items (order_id int, line int, qty int CHECK (qty < 100), PRIMARY KEY (order_id, line))"
        try await Scenario.with(table) { scenario in
            func message(_ id: Int, _ quantities: [Int]) -> TestMessage {
                let items = quantities.map { #"{"qty":\#($0)}"# }.joined(separator: ",")
                return TestMessage(key: "\(id)", value: #"{"id":\#(id),"items":[\#(items)]}"#)
            }
            let topic = try scenario.topic([
                message(1, [100, 2]), message(2, [3, 200]), message(1, [5]), message(3, [400]), message(3, []),
            ])
            var route = Route(
                topic, "items", mode: .upsert,
                columns: [
                    Route.Column("order_id", "$parent.id"), Route.Column("line", "$index"), Route.Column("qty", "qty"),
                ])
            route.each = ElementPath(parsing: "items")
            try await scenario.load([route]) { $0.deadLetters.maxShare = 1 }
            // What a later message of its parent stands in for may not even be tried.
            let letters = try scenario.deadLetters().map(\.offset)
            #expect(letters.contains(1) && Set(letters).isSubset(of: [0, 1, 3]))
            try scenario.connection.execute("ALTER TABLE items DROP CONSTRAINT items_qty_check")
            let (options, group) = (scenario.options([route]), scenario.group)
            let outcome = try await onThread {
                var filter = DeadLetterFilter()
                filter.group = group
                return try DeadLetterReplay(options, logger: .init(label: "test")).run(filter)
            }
            #expect((outcome.loaded, outcome.overtaken) == (1, letters.count - 1))
            #expect(try scenario.rows("SELECT * FROM items ORDER BY 1, 2") == ["1|0|5", "2|0|3", "2|1|200"])
        }
    }
}
