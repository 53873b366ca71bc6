import Foundation
import Kafka
import Postgres
import TestSupport

/// A loader falls asleep in the midst of a batch, another takes over, the first wakes up and believes that all is as it was.
struct Zombie: FaultCase {
    let name = "zombie"
    let summary = "SIGSTOP mid-batch past the session timeout, takeover by a second loader, SIGCONT"

    func least(_ scale: FaultScale) -> FaultCounts {
        let count = scale == .full ? 20 : 2
        return FaultCounts(kinds: ["zombies": count], midRun: count * 9 / 10)
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        // Unlike the other broker, the mock expires members that are silent.
        let broker = try FaultCluster.mock(brokers: 3)
        // Each group has a topic and loaders of its own, so that several sessions run out side by side.
        let groups = context.figure(7, slice: 2)
        let rounds = context.figure(3, slice: 1)
        return try await context.sideBySide(Array(0..<groups), limit: groups) { group, _ in
            try await Landing.with(broker: broker, server: server, partitions: 8) { landing in
                try await haunt(landing, rounds: rounds, context.generator(group), context)
            }
        }
    }

    private func haunt(
        _ landing: Landing, rounds: Int, _ generator: SeededGenerator, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = generator
        var report = FaultReport()
        _ = try Throttle(landing, seconds: 0.05)
        let traffic = try Traffic(landing, rate: 500, generator: generator)
        var loaders = [try context.start(landing), try context.start(landing)]
        for loader in loaders { try await loader.waitForLog(#""message":"loading""#) }
        let connection = try landing.schema.connect()
        for _ in 0..<rounds {
            let zombie = loaders.removeFirst()
            loaders.append(zombie)
            try await fallAsleep(zombie, landing, connection, &generator)
            let began = ContinuousClock.now
            let asleep = try landing.positions()
            // All partitions are the heir's once each of them has moved after the zombie fell asleep.
            try await eventually("the heir loads every partition", within: .seconds(90)) {
                let now = try landing.positions()
                return asleep.allSatisfy { now[$0.key] ?? 0 > $0.value + 50 }
            }
            report.recoveries.append(began.age)
            let isLeft = try landing.loadedCount(on: connection) < traffic.written
            let lines = zombie.output.utf8.count
            zombie.kill(SIGCONT)
            try await eventually("the zombie notices") {
                let said = String(decoding: zombie.output.utf8.dropFirst(lines), as: UTF8.self)
                return said.contains("taken over") || said.contains("taken partitions away")
            }
            report.faults.count("zombies", midRun: isLeft)
            // It must be back among the members, or the next one to fall asleep has no heir.
            try await eventually("the zombie is a member again", within: .seconds(60)) {
                let said = String(decoding: zombie.output.utf8.dropFirst(lines), as: UTF8.self)
                return said.contains(#""message":"loading""#)
            }
        }
        let written = try await traffic.stop()
        try await landing.waitForLoaded(written)
        for loader in loaders { report.add(failure: try await context.stop(loader)) }
        try await context.finish(landing)
        try await report.add(landing)
        return report
    }

    /// Stops a loader while its writer is in a transaction.
    private func fallAsleep(
        _ loader: LoaderProcess, _ landing: Landing, _ connection: Connection, _ generator: inout SeededGenerator
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<100, using: &generator)))
            loader.kill(SIGSTOP)
            // What it had sent before is carried out; what is still open then is a transaction without its client.
            let isMidBatch =
                try connection.query(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE application_name LIKE $1 AND client_port = ANY ($2::int[]) AND xact_start IS NOT NULL
                    """,
                    [.text("loader \(landing.group) writer %"), .array(loader.localPorts.map { Int32($0) })]
                ).int(0, 0) ?? 0 > 0
            if isMidBatch { return }
            loader.kill(SIGCONT)
        }
        throw TimedOut(what: "a loader is stopped in the midst of a batch")
    }
}
