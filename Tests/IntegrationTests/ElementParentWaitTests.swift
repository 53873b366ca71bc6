import Foundation
import Kafka
import Loading
import Postgres
import Records
import TestSupport
import Testing

/// Elements that come before what they refer to, in other topics and beside the route of their message.
@Suite("Elements that come before what they refer to")
struct ElementParentWaitTests {
    private static let tables = """
        CREATE TABLE orders (id int PRIMARY KEY, note text); CREATE TABLE products (sku text PRIMARY KEY, name text);
        CREATE TABLE items (order_id int REFERENCES orders, sku text REFERENCES products, qty int, PRIMARY KEY (order_id, sku));
        """

    /// - Parameter lines: `a`, or `a*3` with a quantity.
    private func order(_ id: Int, _ lines: [String]?) -> TestMessage {
        let items = (lines ?? []).map { line in
            let parts = line.split(separator: "*")
            return "{\"sku\":\"\(parts[0])\",\"qty\":\(parts.count > 1 ? parts[1] : "1")}"
        }
        let value = "{\"id\":\(id),\"note\":\"n\",\"items\":[\(items.joined(separator: ","))]}"
        return TestMessage(key: "{\"id\":\(id)}", value: lines == nil ? nil : value)
    }

    private func product(_ sku: String) -> TestMessage {
        TestMessage(key: nil, value: "{\"sku\":\"\(sku)\",\"name\":\"p\"}")
    }

    private func items(_ topic: String, mode: Route.Mode = .upsert, place: Int) -> Route {
        var route = Route(
            topic, "items", mode: mode, onTombstone: mode == .upsert ? nil : .skip,
            columns: [Route.Column("order_id", "$parent.id")], label: "routes[\(place)]")
        route.each = ElementPath(parsing: "items")
        return route
    }

    /// Loads the items of one topic, orders of another or the same, and products, until told to finish.
    private func start(
        _ scenario: Scenario, items topic: String, orders: String, products: String, mode: Route.Mode = .upsert,
        _ configure: (inout LoadingOptions) -> Void = { _ in }
    ) throws -> LoaderRun {
        var options = scenario.options([
            items(topic, mode: mode, place: 0), Route(orders, "orders", mode: .upsert, label: "routes[1]"),
            Route(products, "products", mode: .upsert, label: "routes[2]"),
        ])
        options.batch.maxDelay = .milliseconds(50)
        // A busy machine must not make rows of those that are given up.
        options.deadLetters.waitForParent = .seconds(3600)
        configure(&options)
        return try LoaderRun(options)
    }

    private func waiting(_ scenario: Scenario) throws -> [Int64] {
        try scenario.deadLetters().filter { $0.reason == "waiting_for_parent" }.map(\.offset)
    }

    private let rows = "SELECT order_id, sku, qty FROM items ORDER BY 1, 2"

    @Test(
        "a message waits whole where some of its elements' parents are missing, also behind a restart, and is in with the last of them",
        arguments: [Route.Mode.upsert, .ignore])
    func someMissing(mode: Route.Mode) async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (orders, products) = (try scenario.topic(), try scenario.topic([product("a")]))
            let children = try scenario.topic([order(1, ["a", "b", "c"]), order(2, ["a"])])
            let first = try start(scenario, items: children, orders: orders, products: products, mode: mode)
            try await eventually("both wait for their orders") { try waiting(scenario) == [0, 1] }
            #expect(try scenario.rows(rows) == [])
            try scenario.produce([order(1, []), order(2, [])], to: orders)
            try await eventually("the one that has all is in") { try scenario.rows(rows) == ["2|a|1"] }
            #expect(try waiting(scenario) == [0], "half an order is worse than none")
            try await first.finish()
            #expect(try waiting(scenario) == [0], "a stop does not wait, and decides nothing")
            let second = try start(scenario, items: children, orders: orders, products: products, mode: mode)
            try await eventually("it is known") { second.statistics.snapshot.parentWaits.waiting == 1 }
            try scenario.produce([product("b")], to: products)
            try await eventually("one product more is there") {
                try scenario.rows("SELECT count(*) FROM products") == ["2"]
            }
            try scenario.produce([product("c")], to: products)
            try await eventually("the rest is in") {
                try scenario.rows(rows) == ["1|a|1", "1|b|1", "1|c|1", "2|a|1"]
            }
            try await eventually("none waits") { try scenario.deadLetters().isEmpty }
            try await second.finish()
            #expect(second.statistics.snapshot.deadLetterCount == 0)
        }
    }

    @Test("beside its parent's route the order is in at once, and its items once all that they refer to is there")
    func besideParent() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (topic, products) = (try scenario.topic([order(1, ["a", "b*2"])]), try scenario.topic())
            let run = try start(scenario, items: topic, orders: topic, products: products)
            try await eventually("the items wait") { try waiting(scenario) == [0] }
            #expect(try scenario.rows("SELECT id FROM orders") == ["1"] && scenario.rows(rows) == [])
            try scenario.produce([product("a"), product("b")], to: products)
            try await eventually("they are in") { try scenario.rows(rows) == ["1|a|1", "1|b|2"] }
            try await eventually("none waits") { try scenario.deadLetters().isEmpty }
            try await run.finish()
            #expect(run.statistics.snapshot.parentWaits.loaded == 1)
        }
    }

    @Test(
        "what waited sets no later message of its order back: not its items, not that there are none, not its deletion")
    func overtaken() async throws {
        // An order that is gone would be waited for as well.
        let tables = Self.tables.replacing("order_id int REFERENCES orders", with: "order_id int")
        try await Scenario.with(tables + "INSERT INTO products VALUES ('a')") { scenario in
            let products = try scenario.topic()
            let topic = try scenario.topic([
                order(1, ["a*5", "z"]), order(2, ["z"]), order(3, ["z", "a"]), order(4, ["z*4", "a"]),
            ])
            let run = try start(scenario, items: topic, orders: topic, products: products)
            try await eventually("all wait") { try waiting(scenario) == [0, 1, 2, 3] }
            try scenario.produce([order(1, ["a*6"]), order(2, []), order(3, nil), order(5, ["a"])], to: topic)
            try await eventually("the later ones are in") { try scenario.rows(rows) == ["1|a|6", "5|a|1"] }
            try scenario.produce([product("z")], to: products)
            try await eventually("all are decided") { try scenario.deadLetters().isEmpty }
            try await eventually("they are counted") { run.statistics.snapshot.parentWaits.overtaken == 3 }
            try await run.finish()
            #expect(try scenario.rows(rows) == ["1|a|6", "4|a|1", "4|z|4", "5|a|1"])
            #expect(try scenario.rows("SELECT id FROM orders ORDER BY id") == ["1", "2", "4", "5"])
        }
    }

    @Test("a message whose elements refer to what never comes is one dead letter after its time, whole")
    func neverComes() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (topic, products) = (try scenario.topic([order(1, ["a", "b"])]), try scenario.topic([product("a")]))
            let run = try start(scenario, items: topic, orders: topic, products: products) {
                $0.deadLetters.waitForParent = .seconds(2)
            }
            try await eventually("it is given up", within: .seconds(60)) {
                try scenario.deadLetters().map { "\($0.table) \($0.reason) \($0.sqlState ?? "")" } == [
                    "items refused_by_server 23503"
                ]
            }
            try scenario.produce([order(2, ["a"])], to: topic)
            try await eventually("the next one is in") { try scenario.rows(rows) == ["2|a|1"] }
            try await run.finish()
            #expect(run.statistics.snapshot.parentWaits.givenUp == 1)
        }
    }
}
