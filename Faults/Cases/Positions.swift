import Foundation
import Kafka
import Postgres
import TestSupport

/// Every row of the table in `docs/delivery.md`, "Where a partition begins", brought about with the servers' own means.
struct Positions: FaultCase {
    let name = "position"
    let summary =
        "group deleted, reset back, forward and mid-batch by another client, another database's, database restored from a "
        + "dump, position lost, topic recreated, retention past the position"

    func least(_ scale: FaultScale) -> FaultCounts {
        let each = scale == .full ? 3 : 1
        var least = FaultCounts()
        for row in Self.rows { least.kinds[row.name] = each }
        return least
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        let broker = try FaultCluster.real()
        let rounds = context.figure(3, slice: 1)
        let parts = (0..<rounds).flatMap { _ in Self.rows }
        return try await context.sideBySide(parts, limit: 3) { index, row in
            let broker = row.needsExpiry ? try FaultCluster.mock(brokers: 1) : broker
            return try await Bench.with(broker, server, row, context, context.generator(index)) { bench in
                try await row.body(&bench)
                bench.report.faults.count(row.name)
                return bench.report
            }
        }
    }

    struct Row: Sendable {
        let name: String
        /// Rows are known by a key and replaced, so loading again is allowed.
        var hasKey = false
        /// On a cluster that gives up members that are silent.
        var needsExpiry = false
        let body: @Sendable (inout Bench) async throws -> Void
    }

    static let rows: [Row] = [
        Row(name: "no position, earliest") { (bench: inout Bench) in
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
        },
        Row(name: "no position, latest") { (bench: inout Bench) in
            try bench.produce()
            let end = bench.written
            try await bench.load(["LOADER_KAFKA_AUTO_OFFSET_RESET": "latest"], expecting: 0..<0)
            try bench.produce()
            try await bench.load(["LOADER_KAFKA_AUTO_OFFSET_RESET": "latest"], expecting: end..<bench.written)
        },
        Row(name: "no position, error") { (bench: inout Bench) in
            try bench.produce()
            try await bench.refuse(
                ["LOADER_KAFKA_AUTO_OFFSET_RESET": "error"], saying: ["\(bench.place)", "auto_offset_reset"])
        },
        Row(name: "another consumer's group adopted") { (bench: inout Bench) in
            try bench.produce()
            let start = bench.random()
            try bench.landing.broker.commitAsPlainConsumer(
                Int64(start), of: bench.place, group: bench.landing.group)
            try await bench.load(expecting: start..<bench.written)
        },
        Row(name: "group deleted (as when it expired)") { (bench: inout Bench) in
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
            try bench.landing.broker.withAdmin { admin in
                try admin.deleteGroups([bench.landing.group], timeout: .seconds(30))
            }
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
        },
        Row(name: "group behind the ledger (crash between the commits)") { (bench: inout Bench) in
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
            try bench.setGroup(bench.random(), metadata: try bench.mark)
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
        },
        Row(name: "database restored from an older dump") { (bench: inout Bench) in try await bench.restore() },
        Row(name: "group reset back, keyed table", hasKey: true) { (bench: inout Bench) in
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
            let start = bench.random()
            try bench.landing.broker.commitAsPlainConsumer(
                Int64(start), of: bench.place, group: bench.landing.group)
            // What is loaded again is put back.
            try bench.landing.schema.connect().execute("DELETE FROM landed WHERE \"offset\" >= \(start)")
            try await bench.load(expecting: 0..<bench.written)
        },
        Row(name: "group reset back, append-only table") { (bench: inout Bench) in
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
            let start = bench.random()
            try bench.landing.broker.commitAsPlainConsumer(
                Int64(start), of: bench.place, group: bench.landing.group)
            try await bench.refuse(
                saying: [
                    "\(bench.place)@\(bench.written)", "@\(start)", "\(bench.written - start) messages",
                    "--allow-duplicates",
                ])
            try await bench.load(
                arguments: ["--allow-duplicates"], expecting: 0..<bench.written, start..<bench.written)
        },
        Row(name: "group reset forward") { (bench: inout Bench) in
            try bench.produce()
            let end = bench.written
            try await bench.load(expecting: 0..<end)
            try bench.produce()
            let start = bench.random(from: end)
            try bench.landing.broker.commitAsPlainConsumer(
                Int64(start), of: bench.place, group: bench.landing.group)
            try await bench.load(expecting: 0..<end, start..<bench.written)
        },
        Row(name: "group reset while its loader sleeps mid-batch", hasKey: true, needsExpiry: true) {
            (bench: inout Bench) in
            try await bench.resetMidBatch(isKilled: false)
        },
        Row(name: "group reset after its loader died mid-batch", hasKey: true, needsExpiry: true) {
            (bench: inout Bench) in
            try await bench.resetMidBatch(isKilled: true)
        },
        Row(name: "group of another database") { (bench: inout Bench) in
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
            let other = "\(UUID())".lowercased()
            try bench.setGroup(bench.random(), metadata: "loader/1 \(other)")
            try await bench.refuse(
                saying: [other, String(try bench.mark.dropFirst("loader/1 ".count)), "loader backfill"])
        },
        Row(name: "position lost from the ledger") { (bench: inout Bench) in
            try bench.produce()
            try await bench.load(expecting: 0..<bench.written)
            _ = try bench.landing.schema.connect().query(
                "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(bench.landing.group)])
            try await bench.refuse(saying: ["\(bench.place)@\(bench.written)", "loader.positions"])
        },
        Row(name: "partition added, latest") { (bench: inout Bench) in
            let latest = ["LOADER_KAFKA_AUTO_OFFSET_RESET": "latest"]
            try bench.produce()
            try await bench.load(latest, expecting: 0..<0)
            let before = bench.written
            try bench.landing.broker.addPartitions(to: bench.landing.topic, upTo: 2)
            try bench.produce(to: 1)
            // Offsets of the new partition begin at 0.
            try await bench.load(latest, expecting: 0..<(bench.written - before))
        },
        Row(name: "topic recreated") { (bench: inout Bench) in
            try bench.produce()
            let end = bench.written
            try await bench.load(expecting: 0..<end)
            bench.landing.broker.deleteTopic(bench.landing.topic)
            try bench.landing.broker.createTopic(bench.landing.topic, partitions: 1)
            let count = bench.random(from: 1)
            try bench.produce(count)
            try await bench.refuse(saying: ["\(bench.place)@\(end)", "0…\(count)", "--to-earliest", "--to-latest"])
            try await bench.load(
                ["LOADER_KAFKA_ON_LOST_OFFSETS": "earliest"],
                expecting: 0..<end, 0..<count)
        },
        Row(name: "retention past the position, stop and earliest") { (bench: inout Bench) in
            try await bench.deleteUnread { (bench: inout Bench, low: Int) in
                try await bench.load(
                    ["LOADER_KAFKA_ON_LOST_OFFSETS": "earliest"],
                    expecting: 0..<bench.loadedBefore, low..<bench.written)
            }
        },
        Row(name: "retention past the position, latest") { (bench: inout Bench) in
            try await bench.deleteUnread { (bench: inout Bench, _: Int) in
                try await bench.load(
                    ["LOADER_KAFKA_ON_LOST_OFFSETS": "latest"], expecting: 0..<bench.loadedBefore)
            }
        },
    ]

    /// One partition, one group, and both hands on everything that says where they stand.
    struct Bench {
        let landing: Landing
        let context: FaultContext
        let name: String
        var generator: SeededGenerator
        var report = FaultReport()
        /// In the partition that was written to last, which may have been recreated.
        private(set) var written = 0
        private(set) var loadedBefore = 0

        static func with(
            _ broker: Broker, _ server: PostgresServer, _ row: Row, _ context: FaultContext,
            _ generator: SeededGenerator, _ body: (inout Bench) async throws -> FaultReport
        ) async throws -> FaultReport {
            try await Landing.with(broker: broker, server: server, partitions: 1) { landing in
                var bench = Bench(landing: landing, context: context, name: row.name, generator: generator)
                if row.hasKey {
                    try landing.schema.connect().execute(
                        "ALTER TABLE landed ADD PRIMARY KEY (partition, \"offset\")")
                    bench.settings["LOADER_MODE"] = "upsert"
                }
                return try await body(&bench)
            }
        }

        var place: TopicPartition { TopicPartition(topic: landing.topic, partition: 0) }

        /// What this database's ledger writes beside the group's offsets.
        var mark: String {
            get throws {
                let ledger = try landing.schema.connect().query("SELECT id FROM loader.ledger").string(0, 0)
                return "loader/1 \(ledger ?? "")"
            }
        }

        /// An offset between two that are written.
        mutating func random(from first: Int = 0) -> Int {
            Int.random(in: min(first + 1, max(first, written - 1))...max(first + 1, written - 1), using: &generator)
        }

        mutating func produce(_ count: Int? = nil, to partition: Int32 = 0) throws {
            let count = count ?? Int.random(in: 50...500, using: &generator)
            try landing.broker.produce(
                (written..<written + count).map {
                    TestMessage(partition: partition, key: nil, value: Landing.value($0))
                }, to: landing.topic)
            written += count
        }

        /// Sets the group's offset with a metadata text.
        func setGroup(_ offset: Int, metadata: String) throws {
            try landing.broker.withAdmin { admin in
                try admin.alterOffsets(
                    ofGroup: landing.group,
                    to: [CommittedOffset(partition: place, offset: Int64(offset), metadata: metadata)],
                    timeout: .seconds(30))
            }
        }

        /// What every loader of this row is started with.
        private var settings: [String: String] = [:]

        func start(_ more: [String: String] = [:], arguments: [String] = []) throws -> LoaderProcess {
            try context.start(landing, settings.merging(more) { $1 }, arguments: arguments)
        }

        /// Loads to the end, and expects these offsets in the table, each as often as it comes here, and nothing else.
        mutating func load(
            _ more: [String: String] = [:], arguments: [String] = [], expecting offsets: Range<Int>...
        ) async throws {
            let loader = try start(more, arguments: ["--until-end"] + arguments)
            let status = try await loader.waitForExit(within: .seconds(120))
            report.expect(status == 0, "\(name): ended with \(status): \(loader.output.suffix(500))")
            let found = try landing.schema.connect().query("SELECT \"offset\" FROM landed ORDER BY 1")
            let rows = (0..<found.rowCount).compactMap { found.int($0, 0).map(Int.init) }
            let expected = offsets.flatMap { Array($0) }.sorted()
            report.messages += expected.count
            report.rows += rows.count
            let missing = Self.difference(expected, rows)
            let surplus = Self.difference(rows, expected)
            report.lost += missing.count
            report.doubled += surplus.count
            report.expect(
                missing.isEmpty && surplus.isEmpty,
                "\(name): \(missing.count) offsets missing (\(missing.prefix(3))), \(surplus.count) too many "
                    + "(\(surplus.prefix(3)))")
            if let difference = try await landing.groupDifference() {
                report.failures.append("\(name): the group does not follow the ledger: \(difference)")
            }
        }

        /// What the first has that the second has not, or less often.
        private static func difference(_ left: [Int], _ right: [Int]) -> [Int] {
            var counts: [Int: Int] = [:]
            for number in right { counts[number, default: 0] += 1 }
            return left.filter { number in
                counts[number, default: 0] -= 1
                return counts[number, default: 0] < 0
            }
        }

        /// Expects the loader to stop before the first message, with everything in its message that the operator needs, and
        /// with nothing changed.
        mutating func refuse(_ more: [String: String] = [:], saying texts: [String]) async throws {
            let before = try state()
            let loader = try start(more, arguments: ["--until-end"])
            let status = try await loader.waitForExit(within: .seconds(120))
            report.expect(status == 78, "\(name): ended with \(status), not with 78")
            for text in texts where !loader.output.contains(text) {
                report.failures.append("\(name): the message does not name \(text): \(loader.output.suffix(800))")
            }
            report.expect(try state() == before, "\(name): a refused start has changed something")
        }

        private func state() throws -> String {
            let group = try landing.broker.committedOffsets(ofGroup: landing.group, topic: landing.topic)
            return "\(try landing.rowCount()) \(try landing.positions()) \(group)"
        }

        /// Some are loaded, and retention takes some that are not.
        mutating func deleteUnread(_ goOn: (inout Bench, _ low: Int) async throws -> Void) async throws {
            try produce()
            loadedBefore = written
            try await load(expecting: 0..<written)
            try produce()
            let low = random(from: loadedBefore)
            let place = place
            try landing.broker.withAdmin { admin in
                _ = try admin.deleteRecords(before: [place: Int64(low)], timeout: .seconds(30))
            }
            try await refuse(saying: [
                "\(place)@\(loadedBefore)", "\(low)…\(written)", "\(low - loadedBefore) unread messages",
                "--to-earliest",
                "--to-latest",
            ])
            try await goOn(&self, low)
        }

        /// Another member resets the group while a loader is in the midst of a batch: once the loader's session has lapsed,
        /// because it was killed or sleeps. Before, brokers let nobody.
        mutating func resetMidBatch(isKilled: Bool) async throws {
            try produce()
            let blocker = try landing.schema.connect()
            try blocker.execute("BEGIN; LOCK TABLE landed IN SHARE MODE")
            let loader = try start(["LOADER_POSTGRES_STATEMENT_TIMEOUT": "60s"])
            let (landing, place, connection) = (landing, place, try landing.schema.connect())
            try await eventually("the loader waits for the lock") {
                try connection.query(
                    """
                    SELECT FROM pg_stat_activity WHERE application_name LIKE $1 AND wait_event_type = 'Lock'
                    """, [.text("loader \(landing.group) writer%")]
                ).rowCount > 0
            }
            if isKilled { try await loader.killAndWait() } else { loader.kill(SIGSTOP) }
            let start = random()
            try landing.broker.commitAsPlainConsumer(Int64(start), of: place, group: landing.group, joins: true)
            try blocker.execute("ROLLBACK")
            guard !isKilled else {
                // Nothing of the batch is in, and the next start finds the reset.
                return try await load(expecting: start..<written)
            }
            // Awake, the loader either gets its batch in, for nobody has moved the ledger, or hears first that it has lost the
            // partition, and drops it. Either way it then joins anew and finds the reset.
            loader.kill(SIGCONT)
            try await loader.waitForLog("the group was reset")
            let says = loader.output.replacing("\"", with: "")
            report.expect(says.contains("to:\(start)"), "\(name): the loader does not begin anew at \(start)")
            let first = says.contains("from:\(self.written)") ? 0 : start
            let (written, group, topic) = (Int64(written), landing.group, place.topic)
            try await eventually("what lies behind the reset is loaded again") {
                try connection.query(
                    "SELECT next_offset FROM loader.positions WHERE consumer_group = $1 AND topic = $2",
                    [.text(group), .text(topic)]
                ).int(0, 0) == written
            }
            loader.kill(SIGTERM)
            let status = try await loader.waitForExit()
            report.expect(status == 0, "\(name): ended with \(status)")
            try await load(expecting: first..<self.written)
        }

        /// Everything goes back to what a dump had, rows and positions together, and loads again from there.
        mutating func restore() async throws {
            let (landing, context) = (landing, context)
            var bench = self
            try await landing.server.withDatabase { url in
                try TestDatabase.migrate(url, program: context.loader)
                let table = """
                    CREATE TABLE landed (
                        seq bigint GENERATED ALWAYS AS IDENTITY, partition int, "offset" bigint, n bigint)
                    """
                try Connection(ConnectionOptions(url: url)).execute(table)
                try bench.produce()
                try await bench.loadElsewhere(url)
                let dump = FileManager.default.temporaryDirectory.appending(path: "\(landing.topic).dump").path()
                defer { try? FileManager.default.removeItem(atPath: dump) }
                try PostgresServer.runTool("pg_dump", ["-Fc", "-f", dump, url])
                try bench.produce()
                try await bench.loadElsewhere(url)
                try PostgresServer.runTool("pg_restore", ["--clean", "--if-exists", "-d", url, dump])
                try bench.produce()
                try await bench.loadElsewhere(url)
            }
            self = bench
        }

        private mutating func loadElsewhere(_ url: String) async throws {
            let loader = try start(["DATABASE_URL": url], arguments: ["--until-end"])
            let status = try await loader.waitForExit(within: .seconds(120))
            report.expect(status == 0, "\(name): ended with \(status): \(loader.output.suffix(500))")
            let found = try Connection(ConnectionOptions(url: url)).query(
                "SELECT count(*), count(DISTINCT \"offset\"), max(\"offset\") FROM landed")
            let rows = found.int(0, 0).map(Int.init) ?? -1
            let distinct = found.int(0, 1).map(Int.init) ?? -1
            report.messages += written
            report.rows += rows
            report.lost += written - distinct
            report.doubled += rows - distinct
            report.expect(
                rows == written && distinct == written && found.int(0, 2) == Int64(written - 1),
                "\(name): \(rows) rows, \(distinct) offsets of \(written)")
        }
    }
}
