import Foundation
import Kafka
import Postgres
import TestSupport

/// A table changes at random, and two loaders that are killed again and again make a replica of it from the messages of its
/// changes. At the end both tables have the same rows.
struct ReplicaFaults: FaultCase {
    enum Kind: String, CaseIterable {
        /// Debezium's events, in all modes of the connector.
        case events = "replica"
        /// Debezium's events in any partition and any order, told apart by their positions in the database's log.
        case scattered = "replica-newer"
        /// Plain messages that have only what has changed.
        case patches = "replica-patches"
        /// A row for each of Debezium's events, which are loaded once more on the way.
        case history = "replica-history"
    }

    let kind: Kind

    var name: String { kind.rawValue }
    var summary: String {
        switch kind {
        case .events:
            "change events of a random table, in all modes of the connector, through 2 loaders with SIGKILL; source and replica compared by EXCEPT both ways"
        case .scattered: "the same with the events in any partition and order, `newer` and `on_tombstone: mark`"
        case .patches: "the same with messages that have only what has changed, and `absent: keep`"
        case .history: "the same with `mode: history`, and positions that go back to the beginning on the way"
        }
    }

    func least(_ scale: FaultScale) -> FaultCounts {
        switch (scale, kind) {
        case (.full, .events):
            FaultCounts(kinds: ["kills while loading": 200, "changes": 2_000_000], midRun: 150)
        case (.full, _): FaultCounts(kinds: ["kills while loading": 60, "changes": 600_000], midRun: 40)
        case (.slice, _): FaultCounts(kinds: ["kills while loading": 4, "changes": 4000], midRun: 1)
        }
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        let broker = try FaultCluster.real()
        let runs = context.figure(kind == .events ? 20 : 6, slice: 2)
        return try await context.sideBySide(Array(0..<runs), limit: 2) { run, _ in
            var generator = context.generator(run)
            // A slice has few runs, and not always the same ones.
            let modes = modes(context.scale == .full ? run : Int(context.seed % 60) + run, &generator)
            // An order of truncations and other changes there is in one partition alone.
            let partitions = modes.hasTruncates ? 1 : 6
            var table = SourceTable(
                width: 5...14, of: kind == .patches ? PatchWriter.types : ReplicaScope.types, using: &generator)
            if kind == .scattered || kind == .history { table = table.loose }
            return try await Landing.with(broker: broker, server: server, partitions: partitions) { landing in
                try await Replica.with(landing, table, modes, definition: definition(table)) { replica in
                    try await replicate(replica, generator, context)
                }
            }
        }
    }

    // MARK: The ways

    private func modes(_ run: Int, _ generator: inout SeededGenerator) -> ChangeModes {
        guard kind == .events else {
            var modes = ChangeModes()
            modes.encoding = kind == .scattered ? .avro : kind == .history ? .connect : .json
            modes.isIdentityFull = true
            modes.hasOtherEvents = kind == .scattered
            // What has no position could not be told from what is newer.
            modes.hasTombstones = false
            return modes
        }
        return ReplicaScope.modes(run, &generator)
    }

    private func definition(_ table: SourceTable) -> String {
        switch kind {
        case .events, .patches: table.definition("replica")
        case .scattered: table.definition("replica", more: ["version bigint", "gone boolean"])
        case .history:
            table.definition(
                "replica", more: ["operation text", "partition int", "\"offset\" bigint"],
                constraint: "PRIMARY KEY (partition, \"offset\")")
        }
    }

    /// The rows of the replica that are the source's.
    private func rows(_ table: SourceTable) -> String {
        switch kind {
        case .events, .patches: return "replica"
        case .scattered: return "replica WHERE gone IS NOT TRUE"
        case .history:
            let key = table.keyNames.joined(separator: ", ")
            let aged = "SELECT *, row_number() OVER (PARTITION BY \(key) ORDER BY \"offset\" DESC) AS age FROM replica"
            return "(\(aged)) AS aged WHERE age = 1 AND operation <> 'd'"
        }
    }

    private var settings: [String: String] {
        switch kind {
        case .events: [:]
        case .scattered:
            [
                "LOADER_ROUTES_0_NEWER": "version", "LOADER_ROUTES_0_COLUMNS_VERSION": "$source.lsn",
                "LOADER_ROUTES_0_ON_TOMBSTONE": "mark", "LOADER_ROUTES_0_MARK": "gone",
            ]
        case .patches: ["LOADER_ROUTES_0_ENVELOPE": "none", "LOADER_ROUTES_0_ABSENT": "keep"]
        case .history:
            [
                "LOADER_ROUTES_0_MODE": "history", "LOADER_ROUTES_0_COLUMNS_OPERATION": "$op",
                "LOADER_ROUTES_0_COLUMNS_PARTITION": "$partition", "LOADER_ROUTES_0_COLUMNS_OFFSET": "$offset",
            ]
        }
    }

    private func way(_ generator: SeededGenerator) -> ChangeProducer.Way {
        switch kind {
        case .events, .history: .inOrder
        case .scattered: .scattered(generator)
        case .patches: .patches
        }
    }

    // MARK: A run

    private func replicate(
        _ replica: Replica, _ generator: SeededGenerator, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = generator
        var report = FaultReport()
        let landing = replica.landing
        let kills = context.figure(10, slice: 2)
        let changes = context.figure(100_000, slice: 2000)
        let throttle = try Throttle(landing, table: "replica", seconds: 0.02)
        let stream = ChangeStream(replica.table, replica.modes, generator: generator)
        var producer = try ChangeProducer(replica, stream, way(generator))
        var loaders = try (0..<2).map { try start($0, replica, context) }
        let connection = try landing.schema.connect()
        for kill in 1...kills {
            try producer.write(changes: changes * kill / kills)
            let before = try landing.loadedCount(on: connection)
            let end = producer.count
            try await eventually("rows go in") {
                let loaded = try landing.loadedCount(on: connection)
                return loaded > before || loaded >= end || loaders.contains { !$0.isRunning }
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<200, using: &generator)))
            let isLeft = try landing.loadedCount(on: connection) < end
            let slot = Int.random(in: 0..<2, using: &generator)
            try await loaders[slot].killAndWait()
            report.faults.count("kills while loading", midRun: isLeft)
            if kind == .history, kill == kills / 2 {
                try await loaders[1 - slot].killAndWait()
                // As of a database that was restored from before the first batch, but for its rows.
                _ = try connection.query(
                    "UPDATE loader.positions SET next_offset = 0 WHERE consumer_group = $1", [.text(landing.group)])
                loaders[1 - slot] = try start(1 - slot, replica, context)
            }
            loaders[slot] = try start(slot, replica, context)
        }
        try throttle.set(0)
        let count = producer.count
        try await eventually("everything is in", within: .seconds(600)) {
            try landing.loadedCount(on: connection) >= count || loaders.contains { !$0.isRunning }
        }
        for loader in loaders { report.add(failure: try await context.stop(loader)) }
        // What a member commits while it leaves may be refused, if others are joining. Each comes again to what it had, for the
        // group keeps that for it.
        for last in try (0..<2).map({ try start($0, replica, context, ["--until-end"]) }) {
            report.expect(try await last.waitForExit() == 0, "the last loader failed: \(last.output.suffix(500))")
        }
        report.faults.kinds["changes"] = producer.stream.changes
        report.messages = count
        let comparison = try replica.compare(
            producer.stream.rows.values, excused: producer.excused, with: rows(replica.table))
        report.rows = comparison.rows
        report.wrong = comparison.differences.count
        (report.deadLettersExpected, report.deadLettersFound) = (comparison.deadLetters, comparison.deadLetters)
        for difference in comparison.differences {
            report.failures.append("\(difference); \(replica.modes); \(replica.table)")
        }
        if kind == .history {
            let found = try connection.query("SELECT count(*) FROM replica").int(0, 0).map(Int.init)
            report.expect(found == producer.changeCount, "\(found ?? 0) rows of \(producer.changeCount) changes")
        }
        report.add(failure: try await landing.groupDifference())
        return report
    }

    private func start(
        _ slot: Int, _ replica: Replica, _ context: FaultContext, _ arguments: [String] = []
    ) throws -> LoaderProcess {
        // With its own id a member that comes again takes the place of the one that was killed, at once.
        let member = ["LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID": "\(replica.landing.group)-\(slot)"]
        var all = replica.environment.merging(settings) { $1 }.merging(member) { $1 }
        if kind == .patches {
            // How a connector writes is nothing to messages that none has written.
            for name in ["LOADER_ROUTES_0_TEMPORAL", "LOADER_ROUTES_0_DECIMALS"] { all[name] = nil }
        }
        return try context.start(all, command: ["run"] + arguments)
    }
}
