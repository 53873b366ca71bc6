import Foundation
import Kafka
import TestSupport

/// Orders whose items and options go into tables of their own, by loaders that are killed again and again: in the end each child
/// table is what its parents' last messages say.
struct ElementSets: FaultCase {
    let name = "element-sets"
    let summary =
        "2 loaders; orders, their items and the items' options with foreign keys between the tables; SIGKILL while loading"

    private static let kills = "kills while loading"

    func least(_ scale: FaultScale) -> FaultCounts {
        scale == .full
            ? FaultCounts(kinds: [Self.kills: 60], midRun: 20) : FaultCounts(kinds: [Self.kills: 2], midRun: 1)
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        let broker = try FaultCluster.real()
        let seeds = Array(0..<context.figure(20, slice: 1))
        return try await context.sideBySide(seeds, limit: 1) { _, seed in
            try await Landing.with(broker: broker, server: server, partitions: 3) { landing in
                try await round(landing, seed, context)
            }
        }
    }

    private func round(_ landing: Landing, _ seed: Int, _ context: FaultContext) async throws -> FaultReport {
        var random = context.generator(1000 + seed)
        let connection = try landing.schema.connect()
        try connection.execute(OrderModel.tables)
        var model = OrderModel()
        let count = context.figure(20_000, slice: 6000)
        let messages = (0..<count).map { model.message($0, orders: 200, using: &random) }
        try landing.broker.produce(messages, to: landing.topic)
        var report = FaultReport()
        report.messages = count
        for _ in 0..<context.figure(3, slice: 2) {
            let loaders = try (0..<2).map { slot in
                try context.start(Self.environment(landing, slot), command: ["run"])
            }
            try await loaders[0].waitForFirstBatch()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<400, using: &random)))
            for loader in loaders { try await loader.killAndWait() }
            report.faults.count(Self.kills, midRun: try landing.loadedCount(on: connection) < count)
        }
        // Both, because the partitions of one that was killed are kept for it.
        let last = try (0..<2).map { slot in
            try context.start(Self.environment(landing, slot), command: ["run", "--until-end"])
        }
        for loader in last {
            let status = try await loader.waitForExit(within: .seconds(300))
            if status != 0 {
                report.add(failure: "a loader without any fault ended with \(status): \(loader.log.path())")
            }
        }
        for difference in try model.differences(connection) { report.add(failure: difference) }
        let letters = try connection.query(
            "SELECT count(*) FROM loader.dead_letters WHERE consumer_group = $1", [.text(landing.group)])
        if letters.int(0, 0) != 0 { report.add(failure: "\(letters.int(0, 0) ?? -1) dead letters of none") }
        return report
    }

    /// Children before what they refer to, which the loader has to mind.
    private static func environment(_ landing: Landing, _ slot: Int) -> [String: String] {
        var settings = landing.environment.filter { name, _ in
            !name.hasPrefix("LOADER_ROUTES") && name != "LOADER_TABLE" && name != "KAFKA_TOPIC"
        }
        let routes: [[String: String]] = [
            [
                "TABLE": "options", "EACH": "items.options", "COLUMNS_ORDER_ID": "$parent.$parent.id",
                "COLUMNS_SKU": "$parent.sku",
            ],
            [
                "TABLE": "items", "EACH": "items", "COLUMNS_ORDER_ID": "$parent.id", "COLUMNS_LINE": "$index",
                "COLUMNS_SKU": "sku", "COLUMNS_QTY": "qty", "REST": "none",
            ],
            ["TABLE": "orders"],
        ]
        for (index, route) in routes.enumerated() {
            settings["LOADER_ROUTES_\(index)_TOPIC"] = landing.topic
            settings["LOADER_ROUTES_\(index)_MODE"] = "upsert"
            for (key, value) in route { settings["LOADER_ROUTES_\(index)_\(key)"] = value }
        }
        // So small that each kill meets messages that are still to be loaded.
        settings["LOADER_BATCH_MAX_ROWS"] = "100"
        // With its own id a member that comes again takes the place of the one that was killed, at once.
        settings["LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID"] = "\(landing.group)-\(slot)"
        return settings
    }
}
