import Foundation
import Kafka
import Postgres
import Synchronization
import TestSupport

/// Everything at once, for long, at a steady rate; and one loader that survives all of it is watched for leaks.
struct Soak: FaultCase {
    let name = "soak"
    let summary =
        "5,000 messages/s; the faults of the other cases at once, but for those that move positions; a survivor's memory"
    let isLong = true

    func least(_ scale: FaultScale) -> FaultCounts {
        // In ten minutes; `run` asks for so many in each ten.
        var least = FaultCounts(
            kinds: [
                "terminated connections": 100, "PostgreSQL restarts": 1, "broker troubles": 5,
                "joins and leaves in storms": 6,
            ], midRun: 8)
        for end in Life.allCases { least.kinds[end.rawValue] = end == .kill ? 6 : 1 }
        for refusal in Refusal.allCases { least.kinds[refusal.rawValue] = 2 }
        return least
    }

    static let partitions = 16
    /// Messages written before the first loader starts: several full batches, so that these have their size from the
    /// start, and what an outage's backlog takes later is no growth.
    private static let backlog = 300_000

    var need: ClusterNeed { .mock }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        let broker = try Broker(mockBrokers: 3)
        return try await Landing.with(broker: broker, server: server, partitions: Self.partitions) { landing in
            try landing.schema.connect().execute(
                """
                CREATE TABLE filler (v text);
                CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                  IF EXISTS (SELECT FROM filler) THEN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END IF;
                  RETURN NULL;
                END $$;
                CREATE TRIGGER fill BEFORE INSERT ON landed FOR EACH STATEMENT EXECUTE FUNCTION fill()
                """)
            let traffic = try Traffic(
                landing, rate: 5000, badOneIn: 10_000, linger: 100, generator: context.generator())
            let follower = try TopicFollower(landing)
            try await eventually("a backlog", within: .seconds(180)) { traffic.written >= Self.backlog }
            let duration = Duration.seconds(context.minutes * 60)
            let end = ContinuousClock.now + duration
            let survivor = try start(landing, context)
            let watch = Watch(
                landing: landing, survivor: survivor, warmUp: min(.seconds(600), duration / 4),
                samples: context.directory.appending(path: "memory.csv"))
            let audit = Audit(landing: landing, follower: follower)
            var report = try await withThrowingTaskGroup(of: FaultReport.self) { group in
                for lane in 0..<2 {
                    group.addTask { try await bounce(landing, lane, until: end, context) }
                }
                group.addTask { try await storm(landing, until: end, context) }
                group.addTask { try await refuse(landing, until: end, context.generator(5)) }
                group.addTask { try await terminate(landing, until: end, context.generator(2)) }
                group.addTask { try await restart(landing, until: end, context.generator(3)) }
                group.addTask { try await troubleBrokers(landing, until: end, context.generator(4)) }
                group.addTask { try await watch.run(until: end) }
                group.addTask { try await audit.run(until: end, context) }
                var report = FaultReport()
                for try await part in group { report.add(part) }
                return report
            }
            let written = try await traffic.stop()
            context.say("\(written) messages were written")
            // What the topic has, which may be less than what the mock has acknowledged while it was broken.
            let count = try landing.endCount()
            try await landing.waitForLoaded(count, within: .seconds(300))
            try await eventually("the follower has read everything", within: .seconds(60)) {
                follower.ends.reduce(0, +) >= Int64(count)
            }
            report.add(try audit.compare(), of: "the rest")
            var least = least(context.scale)
            least.kinds = least.kinds.mapValues { $0 * context.minutes / 10 }
            report.failures += report.faults.shortfalls(of: least)
            report.expect(survivor.isRunning, "the survivor ended by itself: \(survivor.log.path())")
            report.add(failure: try await context.stop(survivor))
            try await follower.stop()
            return report
        }
    }

    // MARK: Faults

    private func start(
        _ landing: Landing, _ context: FaultContext, _ settings: [String: String] = [:]
    ) throws -> LoaderProcess {
        try context.start(landing, ["LOADER_POSTGRES_LOCK_TIMEOUT": "200ms"].merging(settings) { $1 })
    }

    /// How a loader beside the survivor ends, or what it goes through.
    private enum Life: String, CaseIterable {
        case kill = "kills"
        case stop = "SIGTERMs"
        case sleep = "sleeps past the session"
        case crash = "failpoint crashes"
        case error = "failpoint errors"
        case unknownCommit = "COMMITs or answers lost"

        /// Kills most of all.
        static let rounds = allCases + [.kill, .kill]
    }

    private static let points = [
        "before-begin", "after-fence", "mid-copy", "before-commit", "before-group-commit", "revoke",
    ]

    /// One loader after the other, each with a life of its own.
    private func bounce(
        _ landing: Landing, _ lane: Int, until end: ContinuousClock.Instant, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = context.generator(10 + lane)
        var report = FaultReport()
        while true {
            for life in Life.rounds.shuffled(using: &generator) {
                guard ContinuousClock.now < end else { return report }
                report.add(try await live(life, landing, &generator, context))
            }
        }
    }

    /// At a steady rate there is always something to load, so each of these faults is one in mid-run.
    private func live(
        _ life: Life, _ landing: Landing, _ generator: inout SeededGenerator, _ context: FaultContext
    ) async throws -> FaultReport {
        var report = FaultReport()
        let span = Duration.milliseconds(Int.random(in: 15_000..<45_000, using: &generator))
        switch life {
        case .kill:
            let loader = try start(landing, context)
            try await Task.sleep(for: span)
            try await loader.killAndWait()
            report.faults.count(life.rawValue, midRun: true)
        case .stop:
            let loader = try start(landing, context)
            try await Task.sleep(for: span)
            report.add(failure: try await context.stop(loader))
            report.faults.count(life.rawValue, midRun: true)
        case .sleep:
            let loader = try start(landing, context)
            try await Task.sleep(for: span / 2)
            loader.kill(SIGSTOP)
            // The session is one of 6 seconds.
            try await Task.sleep(for: .milliseconds(Int.random(in: 7000..<15_000, using: &generator)))
            loader.kill(SIGCONT)
            try await Task.sleep(for: span / 2)
            report.add(failure: try await context.stop(loader))
            report.faults.count(life.rawValue, midRun: true)
        case .crash, .error:
            let point = Self.points.randomElement(using: &generator) ?? "mid-copy"
            let action = life == .crash ? "crash" : "error"
            let passing = Int.random(in: 1...40, using: &generator)
            let loader = try start(landing, context, ["LOADER_FAILPOINTS": "\(point)=\(action)@\(passing)"])
            try await Task.sleep(for: span)
            // One that was given no partitions has not come by.
            if loader.output.contains("failpoint \(point): \(action)") {
                report.faults.count(life.rawValue, midRun: true)
            }
            if life == .error {
                report.add(failure: try await context.stop(loader))
            } else if loader.isRunning {
                try await loader.killAndWait()
            }
        case .unknownCommit:
            let proxy = try TCPProxy(to: landing.server)
            defer { withExtendedLifetime(proxy) {} }
            let loader = try start(landing, context, ["DATABASE_URL": proxy.url(landing.schema.url)])
            for _ in 0..<4 {
                try await Task.sleep(for: span / 4)
                proxy.breakCommits(with: [Bool.random(using: &generator) ? .swallowAnswer : .swallowCommit])
            }
            report.add(failure: try await context.stop(loader))
            for _ in 0..<proxy.firedCount { report.faults.count(life.rawValue, midRun: true) }
        }
        return report
    }

    /// Now and then members that join and leave within seconds.
    private func storm(
        _ landing: Landing, until end: ContinuousClock.Instant, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = context.generator(6)
        var report = FaultReport()
        while true {
            let next = ContinuousClock.now + .seconds(Int.random(in: 90..<180, using: &generator))
            guard next < end else { return report }
            try await Task.sleep(until: next)
            for _ in 0..<3 {
                let member = try start(landing, context)
                try await Task.sleep(for: .seconds(2))
                report.add(failure: try await context.stop(member))
                report.faults.count("joins and leaves in storms")
            }
        }
    }

    /// What PostgreSQL refuses a batch for.
    private enum Refusal: String, CaseIterable {
        case lock = "locks past lock_timeout (55P03)"
        case fullDisk = "disks said to be full (53100)"
    }

    private func refuse(
        _ landing: Landing, until end: ContinuousClock.Instant, _ generator: SeededGenerator
    ) async throws -> FaultReport {
        var generator = generator
        var report = FaultReport()
        while true {
            for refusal in Refusal.allCases.shuffled(using: &generator) {
                let next = ContinuousClock.now + .seconds(Int.random(in: 20..<60, using: &generator))
                guard next < end else { return report }
                try await Task.sleep(until: next)
                let pause = Duration.milliseconds(Int.random(in: 500..<3000, using: &generator))
                do {
                    try await refuse(refusal, for: pause, landing)
                    report.faults.count(refusal.rawValue)
                } catch is PostgresError {}  // The server was restarted in between.
            }
        }
    }

    private func refuse(_ refusal: Refusal, for pause: Duration, _ landing: Landing) async throws {
        let connection = try landing.schema.connect()
        switch refusal {
        case .lock:
            try connection.execute("BEGIN; LOCK TABLE landed IN SHARE MODE")
            try await Task.sleep(for: pause)
            try connection.execute("ROLLBACK")
        case .fullDisk:
            try connection.execute("INSERT INTO filler VALUES ('full')")
            try await Task.sleep(for: pause)
            try await insist(landing, "DELETE FROM filler")
        }
    }

    /// Undoes a fault, whatever the other faults do meanwhile.
    private func insist(_ landing: Landing, _ sql: String) async throws {
        try await eventually(sql, within: .seconds(120)) { (try? landing.schema.connect().execute(sql)) != nil }
    }

    private func terminate(
        _ landing: Landing, until end: ContinuousClock.Instant, _ generator: SeededGenerator
    ) async throws -> FaultReport {
        var generator = generator
        var report = FaultReport()
        while ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(Int.random(in: 500..<4000, using: &generator)))
            // The server may be about to restart.
            let terminated = try? landing.server.connect().query(
                """
                SELECT count(pg_terminate_backend(pid)) FROM
                  (SELECT pid FROM pg_stat_activity WHERE application_name LIKE $1 ORDER BY random() LIMIT 1) AS one
                """, [.text("loader \(landing.group) %")])
            for _ in 0..<(terminated?.int(0, 0) ?? 0) { report.faults.count("terminated connections") }
        }
        return report
    }

    private func restart(
        _ landing: Landing, until end: ContinuousClock.Instant, _ generator: SeededGenerator
    ) async throws -> FaultReport {
        var generator = generator
        var report = FaultReport()
        while true {
            let next = ContinuousClock.now + .seconds(Int.random(in: 180..<360, using: &generator))
            guard next < end else { return report }
            try await Task.sleep(until: next)
            try landing.server.stop(.immediate)
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<10_000, using: &generator)))
            let began = ContinuousClock.now
            try landing.server.start()
            let connection = try landing.schema.connect()
            let count = try landing.loadedCount(on: connection)
            try await eventually("rows go in again behind a restart of PostgreSQL", within: .seconds(180)) {
                // Another fault may take this connection.
                (try? landing.loadedCount(on: landing.schema.connect()) > count) ?? false
            }
            report.recoveries.append(began.age)
            report.faults.count("PostgreSQL restarts")
        }
    }

    private func troubleBrokers(
        _ landing: Landing, until end: ContinuousClock.Instant, _ generator: SeededGenerator
    ) async throws -> FaultReport {
        guard let mock = landing.broker.mock else { return FaultReport() }
        var generator = generator
        var report = FaultReport()
        while true {
            let next = ContinuousClock.now + .seconds(Int.random(in: 30..<90, using: &generator))
            guard next < end else { return report }
            try await Task.sleep(until: next)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0:
                for partition in 0..<Int32(Self.partitions) {
                    try mock.setLeader(
                        Int32.random(in: 1...3, using: &generator),
                        of: TopicPartition(topic: landing.topic, partition: partition))
                }
            case 1: try mock.setCoordinator(Int32.random(in: 1...3, using: &generator), ofGroup: landing.group)
            case 2:
                mock.fail(.offsetCommit, with: [.notCoordinator, .illegalGeneration, .rebalanceInProgress, .timedOut])
                mock.fail(.heartbeat, with: [.notCoordinator])
                mock.fail(.fetch, with: [KafkaErrorCode(rawValue: 6), .transport])
            case 3:
                try mock.setRoundTripTime(.milliseconds(500))
                try await Task.sleep(for: .seconds(10))
                try mock.setRoundTripTime(.zero)
            default:
                try mock.setDown()
                try await Task.sleep(for: .milliseconds(Int.random(in: 1000..<15_000, using: &generator)))
                try mock.setUp()
            }
            report.faults.count("broker troubles")
        }
    }
}
