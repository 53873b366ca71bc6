import Foundation
import Kafka
import Postgres
import Synchronization
import TestSupport

/// Everything at once, for long, at a steady rate; and one loader that survives all of it is watched for leaks.
struct Soak: FaultCase {
    let name = "soak"
    let summary =
        "5,000 messages/s; kills, terminated connections, PostgreSQL restarts and broker trouble at once; a survivor's memory"
    let isLong = true

    func least(_ scale: FaultScale) -> FaultCounts {
        // In ten minutes; `run` asks for so many in each ten.
        FaultCounts(
            kinds: ["kills": 8, "terminated connections": 100, "PostgreSQL restarts": 1, "broker troubles": 5],
            midRun: 8)
    }

    private static let partitions = 16
    private static let sampling = Duration.seconds(10)
    /// Messages written before the first loader starts: several full batches, so that these have their size from the
    /// start, and what an outage's backlog takes later is no growth.
    private static let backlog = 300_000

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        let broker = try Broker(mockBrokers: 3)
        return try await Landing.with(broker: broker, server: server, partitions: Self.partitions) { landing in
            let traffic = try Traffic(landing, rate: 5000, badOneIn: 10_000, generator: context.generator())
            let follower = try TopicFollower(landing)
            try await eventually("a backlog", within: .seconds(180)) { traffic.written >= Self.backlog }
            let duration = Duration.seconds(context.minutes * 60)
            let end = ContinuousClock.now + duration
            let survivor = try context.start(landing)
            let watch = Watch(
                landing: landing, survivor: survivor, warmUp: min(.seconds(600), duration / 4),
                samples: context.directory.appending(path: "memory.csv"))
            let audit = Audit(landing: landing, follower: follower)
            var report = try await withThrowingTaskGroup(of: FaultReport.self) { group in
                group.addTask { try await kill(landing, until: end, context) }
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

    private func kill(
        _ landing: Landing, until end: ContinuousClock.Instant, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = context.generator(1)
        var report = FaultReport()
        while ContinuousClock.now < end {
            let victim = try context.start(landing)
            try await Task.sleep(for: .milliseconds(Int.random(in: 20_000..<60_000, using: &generator)))
            // At a steady rate there is always something to load.
            try await victim.killAndWait()
            report.faults.count("kills", midRun: true)
        }
        return report
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
            try await eventually("rows go in again behind a restart of PostgreSQL", within: .seconds(90)) {
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

    // MARK: What is watched

    /// Samples the survivor's memory, descriptors and connections.
    private struct Watch {
        let landing: Landing
        let survivor: LoaderProcess
        let warmUp: Duration
        /// Where the samples go, to be looked at if the memory has grown.
        let samples: URL

        func run(until end: ContinuousClock.Instant) async throws -> FaultReport {
            let began = ContinuousClock.now
            var memory: [(x: Double, y: Double)] = []
            var descriptors: [Int] = []
            var connections: [Int] = []
            while ContinuousClock.now < end {
                try await Task.sleep(for: Soak.sampling)
                guard began.duration(to: .now) > warmUp, let bytes = survivor.residentBytes else { continue }
                memory.append((began.age / 3600, Double(bytes) / 1_048_576))
                if let count = survivor.descriptorCount { descriptors.append(count) }
                let ports = survivor.localPorts.map { Int32($0) }
                let found = try? landing.server.connect().query(
                    "SELECT count(*) FROM pg_stat_activity WHERE client_port = ANY ($1::int[])", [.array(ports)])
                if let count = found?.int(0, 0) { connections.append(Int(count)) }
            }
            let lines = memory.map { String(format: "%.4f,%.2f\n", $0.x, $0.y) }
            try Data(("hours,mebibytes\n" + lines.joined()).utf8).write(to: samples)
            return report(memory, descriptors, connections)
        }

        private func report(
            _ memory: [(x: Double, y: Double)], _ descriptors: [Int], _ connections: [Int]
        ) -> FaultReport {
            var report = FaultReport()
            guard let fit = MedianSlope(memory), let first = memory.first, let last = memory.last else {
                report.failures.append("too few samples of the survivor's memory: \(memory.count)")
                return report
            }
            let sizes = memory.map(\.y).sorted()
            report.notes.append(
                String(
                    format:
                        "resident memory of a loader that survives it all: median %.1f MiB, %.1f at the first sample, "
                        + "%.1f at the last, at most %.1f; slope %+.2f MiB/h (Theil–Sen over %d samples, one each 10 s, "
                        + "behind %d s of warm-up, begun with a backlog; quartiles %+.2f and %+.2f)",
                    sizes[sizes.count / 2], first.y, last.y, sizes[sizes.count - 1], fit.slope, memory.count,
                    warmUp.components.seconds, fit.quartiles.lower, fit.quartiles.upper))
            // Less than the allocator's own coming and going is no growth.
            let grown = fit.slope * (last.x - first.x)
            report.expect(grown < 2, String(format: "the survivor's memory has grown by %.1f MiB", grown))
            for (what, counts) in [("descriptors", descriptors), ("connections", connections)] {
                let third = counts.count / 3
                let (before, after) = (Soak.median(counts.prefix(third)), Soak.median(counts.suffix(third)))
                report.notes.append(
                    "\(what) of that loader: median \(before) in the first third, \(after) in the last, "
                        + "at most \(counts.max() ?? 0)")
                report.expect(after <= before + 1, "the survivor's \(what) have grown from \(before) to \(after)")
            }
            return report
        }
    }

    private static func median(_ counts: ArraySlice<Int>) -> Int {
        let sorted = counts.sorted()
        return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    }

    /// Compares what is loaded with what was written, piece by piece, and takes it away: neither can be kept for an hour.
    private struct Audit {
        let landing: Landing
        let follower: TopicFollower

        func run(until end: ContinuousClock.Instant, _ context: FaultContext) async throws -> FaultReport {
            var report = FaultReport()
            var said = ContinuousClock.now
            while ContinuousClock.now < end {
                try await Task.sleep(for: .seconds(20))
                do {
                    report.add(try compare(), of: "behind \(report.messages) messages")
                } catch is PostgresError {
                    continue  // Restarted in between; the same piece is compared next time.
                }
                if said.age > 300 {
                    said = .now
                    context.say("\(report.messages) messages, \(report.failures.count) failures so far")
                }
            }
            return report
        }

        /// Compares everything that is both loaded and read by the follower.
        func compare() throws -> TableComparison {
            let connection = try landing.schema.connect()
            let positions = try landing.positions()
            let cuts = follower.ends.enumerated().map { min($1, positions[Int32($0)] ?? 0) }
            let rows = try take(
                "DELETE FROM landed AS t USING unnest($1::bigint[]) WITH ORDINALITY AS c (cut, number) "
                    + "WHERE t.partition = c.number - 1 AND t.\"offset\" < c.cut "
                    + "RETURNING t.partition, t.\"offset\", t.n, t.seq", [.array(cuts)], on: connection)
            let letters = try take(
                "DELETE FROM loader.dead_letters AS t USING unnest($1::bigint[]) WITH ORDINALITY AS c (cut, number) "
                    + "WHERE t.partition = c.number - 1 AND t.\"offset\" < c.cut AND t.consumer_group = $2 "
                    + "RETURNING t.partition, t.\"offset\", NULL::bigint, 0", [.array(cuts), .text(landing.group)],
                on: connection)
            return TableComparison(
                topic: follower.take(before: cuts), table: rows, deadLetters: letters.map { $0.map(\.offset) })
        }

        /// Takes rows out, by partition and in the order in which they went in.
        private func take(
            _ sql: String, _ parameters: [QueryParameter], on connection: Connection
        ) throws -> [[TableComparison.Entry]] {
            let taken = try connection.query(
                "WITH taken (partition, at, n, seq) AS (\(sql)) SELECT partition, at, n FROM taken ORDER BY seq",
                parameters)
            var partitions: [[TableComparison.Entry]] = Array(repeating: [], count: Soak.partitions)
            for row in 0..<taken.rowCount {
                guard let partition = taken.int(row, 0), let offset = taken.int(row, 1) else { continue }
                partitions[Int(partition)].append(.init(offset: offset, number: taken.int(row, 2)))
            }
            return partitions
        }
    }
}
