import Foundation
import Kafka
import Postgres
import TestSupport

/// Everything that PostgreSQL does to a loader, directly and behind PgBouncer in transaction mode.
struct DatabaseFaults: FaultCase {
    let name = "database"
    let summary =
        "connections terminated twice a second, immediate restarts, a full disk (53100), a failover by way of a read-only "
        + "standby, a lock past lock_timeout (55P03), deadlocks (40P01); each also behind PgBouncer"

    private enum Part: String, CaseIterable {
        case terminations = "terminations"
        case restarts = "immediate restarts"
        case fullDisk = "full disks (53100)"
        case failover = "failovers to a standby"
        case locks = "locks past lock_timeout (55P03)"
        case deadlocks = "deadlocks (40P01)"

        /// Half of the published figure: each part runs once directly and once behind PgBouncer.
        func figure(_ scale: FaultScale) -> Int {
            switch (self, scale) {
            case (.terminations, .full): 250
            case (.terminations, .slice): 20
            case (.restarts, .full): 10
            case (.restarts, .slice): 2
            case (.failover, .full): 2
            case (_, .full): 5
            case (_, .slice): 1
            }
        }
    }

    func least(_ scale: FaultScale) -> FaultCounts {
        var least = FaultCounts()
        for part in Part.allCases {
            for suffix in ["", Self.behind] { least.kinds[part.rawValue + suffix] = part.figure(scale) }
        }
        // A loader that has just caught up is met at rest now and then.
        least.midRun = least.total * 9 / 10
        return least
    }

    private static let behind = " behind PgBouncer"

    func run(_ context: FaultContext) async throws -> FaultReport {
        let parts: [(part: Part, isPooled: Bool)] = Part.allCases.flatMap { [($0, false), ($0, true)] }
        return try await context.sideBySide(parts, limit: 3) { index, chosen in
            let (part, isPooled) = chosen
            let server = try context.startDatabase(settings: ["deadlock_timeout": "50ms"])
            let broker = try FaultCluster.mock(brokers: 1)
            return try await Landing.with(broker: broker, server: server, partitions: 16) { landing in
                var stage = Stage(
                    landing: landing, context: context, generator: context.generator(index), isPooled: isPooled,
                    kind: part.rawValue + (isPooled ? Self.behind : ""), count: part.figure(context.scale))
                switch part {
                case .terminations: try await stage.terminate()
                case .restarts: try await stage.restart()
                case .fullDisk: try await stage.fillDisk()
                case .failover: try await stage.failOver()
                case .locks: try await stage.lock()
                case .deadlocks: try await stage.deadlock()
                }
                return stage.report
            }
        }
    }

    /// One kind of fault on a server of its own.
    private struct Stage {
        let landing: Landing
        let context: FaultContext
        var generator: SeededGenerator
        let isPooled: Bool
        let kind: String
        let count: Int
        var report = FaultReport()

        var application: String { "loader \(landing.group)" }

        /// A pause that leaves the loaders at any stage of a batch.
        mutating func pause(upTo milliseconds: Int) async throws {
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<milliseconds, using: &generator)))
        }

        /// The loaders at work under traffic, for as long as `body` runs; then everything must be in.
        ///
        /// - Parameters:
        ///   - loaders: the settings of each.
        ///   - end: the landing to compare, if it has moved.
        mutating func load(
            _ loaders: [[String: String]], by proxy: TCPProxy? = nil,
            _ body: (inout Stage, LoadingProgress, Traffic) async throws -> Landing?
        ) async throws {
            let bouncer = isPooled ? try PgBouncer(to: landing.server, by: proxy) : nil
            defer { withExtendedLifetime((bouncer, proxy)) {} }
            var settings = bouncer.map { landing.settings(behind: $0) } ?? [:]
            if bouncer == nil, let proxy { settings["DATABASE_URL"] = proxy.url(landing.schema.url) }
            let traffic = try Traffic(landing, rate: 2000, generator: generator)
            let running = try loaders.map { try context.start(landing, settings.merging($0) { $1 }) }
            for loader in running { try await loader.waitForFirstBatch() }
            let moved = try await body(&self, LoadingProgress(landing), traffic) ?? landing
            try await moved.waitForRows(try await traffic.stop(), within: .seconds(180))
            for loader in running { loader.kill(SIGTERM) }
            for loader in running {
                let status = try await loader.waitForExit()
                report.expect(status == 0, "\(kind): a loader ended with \(status): \(loader.log.path())")
            }
            // What a member commits while another leaves may be refused; the next start puts that right.
            if running.count > 1 { try await context.finish(moved, settings) }
            try await report.add(moved)
        }

        mutating func terminate() async throws {
            let four = ["LOADER_WRITERS": "4"]
            try await load([four, four]) { stage, progress, traffic in
                let administrator = try stage.landing.server.connect()
                var terminated = 0
                while terminated < stage.count {
                    try await stage.pause(upTo: 500)
                    let before = try await progress.answer()
                    let isMidRun = before < traffic.written
                    let found =
                        try administrator.query(
                            """
                            SELECT count(*) FROM (SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
                                                  WHERE application_name LIKE $1) AS backends WHERE ended
                            """, [.text("\(stage.application) %")]
                        ).int(0, 0).map(Int.init) ?? 0
                    for _ in 0..<found { stage.report.faults.count(stage.kind, midRun: isMidRun) }
                    terminated += found
                    if found > 0 { stage.report.recoveries.append(try await progress.wait(forMoreThan: before)) }
                }
                return nil
            }
        }

        mutating func restart() async throws {
            try await load([[:]]) { stage, progress, traffic in
                for _ in 0..<stage.count {
                    try await stage.pause(upTo: 1000)
                    let before = try await progress.answer()
                    stage.report.faults.count(stage.kind, midRun: before < traffic.written)
                    try stage.landing.server.stop(.immediate)
                    try await stage.pause(upTo: 1500)
                    try stage.landing.server.start()
                    let after = try await progress.answer()
                    stage.report.recoveries.append(try await progress.wait(forMoreThan: after))
                }
                return nil
            }
        }

        /// Waits until the server has refused the loader once more with a code.
        private func see(_ code: String, beyond before: Int, on server: PostgresServer? = nil) async throws {
            let (server, application) = (server ?? landing.server, application)
            try await eventually("the server answers \(code)", within: .seconds(120)) {
                try server.errorCount(SQLState(rawValue: code), of: application) > before
            }
        }

        private func refusals(_ code: String) throws -> Int {
            try landing.server.errorCount(SQLState(rawValue: code), of: application)
        }

        mutating func fillDisk() async throws {
            let disk = try SmallDisk(megabytes: 24)
            defer { withExtendedLifetime(disk) {} }
            let connection = try landing.schema.connect()
            if let disk {
                try connection.execute("CREATE TABLESPACE small LOCATION '\(disk.path)'")
                try connection.execute(
                    """
                    ALTER TABLE landed SET TABLESPACE small
                    """)
            } else {
                report.notes.append("nothing may be mounted here, so a trigger raised 53100 in place of a full disk")
                try connection.execute(
                    """
                    CREATE TABLE filler (v text);
                    CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                      IF EXISTS (SELECT FROM filler) THEN
                        RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full';
                      END IF;
                      RETURN NULL;
                    END $$;
                    CREATE TRIGGER fill BEFORE INSERT ON landed FOR EACH STATEMENT EXECUTE FUNCTION fill()
                    """)
            }
            try await load([[:]]) { stage, progress, traffic in
                for _ in 0..<stage.count {
                    try await stage.pause(upTo: 500)
                    let before = try stage.refusals("53100")
                    if disk != nil {
                        try Self.fill(connection)
                    } else {
                        try connection.execute("INSERT INTO filler VALUES ('full')")
                    }
                    try await stage.see("53100", beyond: before)
                    let loaded = try await progress.answer()
                    stage.report.faults.count(stage.kind, midRun: loaded < traffic.written)
                    try await stage.pause(upTo: 2000)
                    // TRUNCATE would want room for an empty file first.
                    try connection.execute(disk != nil ? "DROP TABLE filler" : "TRUNCATE filler")
                    stage.report.recoveries.append(try await progress.wait(forMoreThan: loaded))
                }
                return nil
            }
            if disk != nil {
                try connection.execute("DROP TABLE landed")
                try connection.execute("DROP TABLESPACE small")
            }
        }

        /// Takes all the room there is, to the last page.
        private static func fill(_ connection: Connection) throws {
            try connection.execute(
                """
                CREATE TABLE filler (v text) TABLESPACE small; ALTER TABLE filler ALTER v SET STORAGE PLAIN
                """)
            for rows in [500, 100, 20, 5, 1] {
                while try hasRoom(for: rows, connection) {}
            }
        }

        private static func hasRoom(for rows: Int, _ connection: Connection) throws -> Bool {
            do {
                try connection.execute("INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, \(rows))")
                return true
            } catch {
                guard error.sqlState?.rawValue == "53100" else { throw error }
                return false
            }
        }

        /// The primary goes, its standby answers reads and refuses writes, and is promoted after a while.
        mutating func failOver() async throws {
            let proxy = try TCPProxy(to: landing.server)
            var servers: [PostgresServer] = [landing.server]
            try await load([[:]], by: proxy) { stage, _, traffic in
                var current = stage.landing
                for _ in 0..<stage.count {
                    let standby = try PostgresServer(standbyOf: current.server)
                    servers.append(standby)
                    let before = try await LoadingProgress(current).answer()
                    try await LoadingProgress(current).wait(forMoreThan: before)
                    let loaded = try await LoadingProgress(current).answer()
                    // A fast stop sends everything to the standby first, as an orderly failover does.
                    try current.server.stop(.fast)
                    try proxy.lead(to: standby)
                    // What a server in recovery says to a transaction that means to write.
                    try await stage.see("0A000", beyond: 0, on: standby)
                    stage.report.faults.count(stage.kind, midRun: loaded < traffic.written)
                    try await stage.pause(upTo: 2000)
                    try standby.promote()
                    current = current.moved(to: standby)
                    let after = try await LoadingProgress(current).answer()
                    stage.report.recoveries.append(try await LoadingProgress(current).wait(forMoreThan: after))
                }
                return current
            }
            // The first one, so that what was made on it can be taken away.
            try servers[0].start()
        }

        mutating func lock() async throws {
            try await load([["LOADER_POSTGRES_LOCK_TIMEOUT": "200ms"]]) { stage, progress, traffic in
                let connection = try stage.landing.schema.connect()
                for _ in 0..<stage.count {
                    try await stage.pause(upTo: 500)
                    let before = try stage.refusals("55P03")
                    try connection.execute("BEGIN; LOCK TABLE landed IN SHARE MODE")
                    try await stage.see("55P03", beyond: before)
                    let loaded = try await progress.answer()
                    stage.report.faults.count(stage.kind, midRun: loaded < traffic.written)
                    try await stage.pause(upTo: 1000)
                    try connection.execute("ROLLBACK")
                    stage.report.recoveries.append(try await progress.wait(forMoreThan: loaded))
                }
                return nil
            }
        }

        /// A second writer locks the same rows in another order. The loader is the one that the server refuses, because it
        /// looks for deadlocks sooner.
        mutating func deadlock() async throws {
            let (keys, partitions) = (2000, 16)
            let connection = try landing.schema.connect()
            try connection.execute(
                """
                DROP TABLE landed;
                CREATE TABLE landed (k int PRIMARY KEY, "offset" bigint, n bigint);
                CREATE TABLE taken_back (k int);
                CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN INSERT INTO \(landing.schema.name).taken_back VALUES (NEW.k); RETURN NEW; END $$;
                CREATE TRIGGER watch BEFORE UPDATE ON landed FOR EACH ROW
                  WHEN (NEW."offset" <= OLD."offset") EXECUTE FUNCTION watch()
                """)
            let bouncer = isPooled ? try PgBouncer(to: landing.server) : nil
            defer { withExtendedLifetime(bouncer) {} }
            let settings = (bouncer.map { landing.settings(behind: $0) } ?? [:]).merging([
                "LOADER_MODE": "upsert", "LOADER_ROUTES_0_COLUMNS_K": "k",
            ]) { $1 }
            var environment = landing.environment.merging(settings) { $1 }
            environment["LOADER_ROUTES_0_COLUMNS_PARTITION"] = nil
            let loader = try context.start(environment, command: ["run"])
            var written = try produce(from: 0, keys: keys, partitions: partitions)
            try await loader.waitForFirstBatch()
            let progress = LoadingProgress(landing)
            try connection.execute("SET deadlock_timeout = '60s'; SET lock_timeout = '60s'")
            for _ in 0..<count {
                let before = try refusals("40P01")
                let deadline = ContinuousClock.now + .seconds(120)
                var loaded = 0
                while try refusals("40P01") == before {
                    guard ContinuousClock.now < deadline else { throw TimedOut(what: "a deadlock") }
                    if try await progress.answer() == written {
                        written = try produce(from: written, keys: keys, partitions: partitions)
                    }
                    // Keys of one partition, so that a batch has them all, the last one first: by the time it wants the
                    // first ones, the loader has them.
                    let first = Int.random(in: 0..<partitions, using: &generator)
                    try connection.execute("BEGIN")
                    for key in stride(from: first, to: keys, by: partitions * 20).reversed() {
                        _ = try connection.query("SELECT FROM landed WHERE k = $1 FOR UPDATE", [.int32(Int32(key))])
                        try await Task.sleep(for: .milliseconds(20))
                    }
                    loaded = try await progress.answer()
                    try connection.execute("ROLLBACK")
                }
                report.faults.count(kind, midRun: loaded < written)
                if loaded < written { report.recoveries.append(try await progress.wait(forMoreThan: loaded)) }
            }
            try await progress.wait(forMoreThan: written - 1)
            loader.kill(SIGTERM)
            let status = try await loader.waitForExit()
            report.expect(status == 0, "\(kind): the loader ended with \(status): \(loader.log.path())")
            try compare(keys: keys, written: written)
            if let difference = try await landing.groupDifference() {
                report.failures.append("\(kind): the group does not follow the ledger: \(difference)")
            }
        }

        /// Writes each key twice.
        ///
        /// - Returns: how many messages there are then.
        private func produce(from first: Int, keys: Int, partitions: Int) throws -> Int {
            let end = first + keys * 2
            try landing.broker.produce(
                (first..<end).map { number in
                    let key = number % keys
                    return TestMessage(
                        partition: Int32(key % partitions), key: nil, value: #"{"n":\#(number),"k":\#(key)}"#)
                }, to: landing.topic)
            return end
        }

        /// Of each key the last message must be in, and none ever behind a later one.
        private mutating func compare(keys: Int, written: Int) throws {
            let connection = try landing.schema.connect()
            let rows = try connection.query("SELECT k, n FROM landed")
            let takenBack = try connection.query("SELECT count(*) FROM taken_back").int(0, 0).map(Int.init) ?? -1
            report.messages += written
            report.rows += rows.rowCount
            let missing = keys - rows.rowCount
            let last = { (key: Int) in written - keys + key }
            let wrong = (0..<rows.rowCount).count { row in
                rows.int(row, 0).map { rows.int(row, 1) != Int64(last(Int($0))) } ?? true
            }
            report.lost += missing
            report.wrong += wrong
            report.outOfOrder += takenBack
            report.expect(
                missing == 0 && wrong == 0 && takenBack == 0,
                "\(kind): \(missing) keys missing, \(wrong) not at their last message, \(takenBack) set back")
        }
    }
}
