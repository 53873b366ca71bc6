import Foundation
import Kafka
import Postgres
import TestSupport

/// A loader crashes, or what it does fails, at each of the places that have a name (`Failpoint` in `Sources/Loading`).
struct NamedPoints: FaultCase {
    let name = "named-points"
    let summary =
        "crash and error at each failpoint: around BEGIN, fence, COPY, COMMIT, group commit, stall, revoke, reset, dead letter"

    private static let batchPoints = [
        "before-begin", "after-fence", "mid-copy", "before-commit", "before-group-commit", "stalled-client",
    ]
    private static let points = batchPoints + ["revoke", "adopted-reset", "backfill", "dead-letter"]
    private static let actions = ["crash", "error"]

    func least(_ scale: FaultScale) -> FaultCounts {
        let each = scale == .full ? 10 : 1
        var least = FaultCounts()
        for point in Self.points { for action in Self.actions { least.kinds["\(point) \(action)"] = each } }
        // Most: an error may be got over before it is looked at.
        least.midRun = each * Self.points.count
        return least
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        let broker = try FaultCluster.real()
        let times = context.figure(10, slice: 1)
        // Each on a topic of its own. Firings at one point meet what the ones before have left; but on this broker members
        // that have gone with their id stay in the group, so that one can be reset, and shared out anew, only once.
        let parts = Self.points.flatMap { point in
            Self.actions.flatMap { action in
                ["revoke", "adopted-reset"].contains(point)
                    ? Array(repeating: (point, action, 1), count: times) : [(point, action, times)]
            }
        }
        return try await context.sideBySide(parts, limit: 4) { index, part in
            let (point, action, times) = part
            return try await Landing.with(broker: broker, server: server, partitions: 4) { landing in
                var part = Part(
                    point: point, landing: landing, context: context, generator: context.generator(index))
                for _ in 0..<times { try await part.fire(action) }
                try await context.finish(landing, part.settings, arguments: part.arguments)
                try await part.report.add(landing)
                if point == "dead-letter" { try part.checkLetters() }
                return part.report
            }
        }
    }

    /// The failures at one point, all on the same topic, so that each meets what the one before has left.
    private struct Part {
        let point: String
        let landing: Landing
        let context: FaultContext
        var generator: SeededGenerator
        var report = FaultReport()
        private var written = 0
        private let letters: String

        init(point: String, landing: Landing, context: FaultContext, generator: SeededGenerator) {
            self.point = point
            self.landing = landing
            self.context = context
            self.generator = generator
            letters = landing.topic + "-letters"
        }

        /// With its own id a loader that comes again takes the place of the one that crashed, at once.
        var settings: [String: String] {
            // A member with an id stays in the group when it ends, and `backfill` wants it empty.
            if point == "backfill" { return [:] }
            var settings = ["LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID": "\(landing.group)-0"]
            if point == "dead-letter" { settings["LOADER_DEAD_LETTERS_TOPIC"] = letters }
            return settings
        }

        var arguments: [String] { point == "adopted-reset" ? ["--allow-duplicates"] : [] }

        mutating func fire(_ action: String) async throws {
            switch point {
            case "revoke": try await fireAtRevoke(action)
            case "adopted-reset": try await fireAtReset(action)
            case "backfill": try await fireAtBackfill(action)
            default: try await fireAtBatch(action)
            }
        }

        private func armed(_ action: String, at passing: Int = 1) -> [String: String] {
            settings.merging(["LOADER_FAILPOINTS": "\(point)=\(action)@\(passing)"]) { $1 }
        }

        private mutating func produce() throws {
            if point == "dead-letter", written == 0 { try landing.broker.createTopic(letters, partitions: 1) }
            let isBad: (Int) -> Bool = point == "dead-letter" ? { $0 % 50 == 7 } : { _ in false }
            try landing.produce(written..<written + 4000, isBad: isBad)
            written += 4000
        }

        private mutating func count(_ action: String, _ loader: LoaderProcess, midRun: Bool) {
            report.expect(
                loader.output.contains("failpoint \(point): \(action)"),
                "\(point) \(action) did not fire: \(loader.log.path())")
            report.faults.count("\(point) \(action)", midRun: midRun)
        }

        private func isMidRun() throws -> Bool {
            try landing.loadedCount(on: landing.schema.connect()) < written
        }

        /// Waits for the crash, or for the failure to be got over and everything to be in.
        private mutating func see(_ action: String, _ loader: LoaderProcess) async throws {
            if action == "crash" {
                let end = try await loader.waitForEnd()
                report.expect(
                    end == .signal(SIGKILL), "\(point): ended with \(end), not by a crash: \(loader.log.path())")
                count(action, loader, midRun: try isMidRun())
                return
            }
            try await loader.waitForLog("failpoint \(point)")
            let began = ContinuousClock.now
            count(action, loader, midRun: try isMidRun())
            let connection = try landing.schema.connect()
            try await eventually("\(point): everything is in after the error") {
                try landing.loadedCount(on: connection) >= written
            }
            report.recoveries.append(began.age)
            try await stop(loader)
        }

        private mutating func stop(_ loader: LoaderProcess) async throws {
            report.add(failure: try await context.stop(loader))
        }

        private mutating func fireAtBatch(_ action: String) async throws {
            try produce()
            // The group is told at each start as well, so its second passing is behind a batch.
            let first = point == "before-group-commit" ? 2 : 1
            let loader = try context.start(
                landing, armed(action, at: Int.random(in: first...first + 3, using: &generator)))
            try await see(action, loader)
        }

        /// A second member joins while the first has messages in its hands.
        private mutating func fireAtRevoke(_ action: String) async throws {
            var armed = armed(action)
            // Only the handover loads what was taken.
            armed["LOADER_BATCH_MAX_ROWS"] = "1000000"
            armed["LOADER_BATCH_MAX_DELAY"] = "10m"
            try produce()
            let first = try context.start(landing, armed)
            try await first.waitForLog(#""message":"loading""#)
            let second = try context.start(
                landing, ["LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID": "\(landing.group)-1"])
            if action == "crash" {
                let end = try await first.waitForEnd()
                report.expect(
                    end == .signal(SIGKILL), "\(point): ended with \(end), not by a crash: \(first.log.path())")
                count(action, first, midRun: try isMidRun())
            } else {
                try await first.waitForLog("failpoint \(point)")
                count(action, first, midRun: try isMidRun())
                try await stop(first)
            }
            // Its partitions stay with the id that went, so only that one's next loader gets at them.
            let heir = try context.start(landing, settings)
            let began = ContinuousClock.now
            let connection = try landing.schema.connect()
            try await eventually("\(point): everything is in") { try landing.loadedCount(on: connection) >= written }
            report.recoveries.append(began.age)
            try await stop(second)
            try await stop(heir)
        }

        /// Loads everything, takes a random part of it out of the table again, and returns where each partition must begin
        /// so that the table is whole again.
        private mutating func takeBack() async throws -> [Int64] {
            try produce()
            try await context.finish(landing)
            let connection = try landing.schema.connect()
            var starts: [Int64] = []
            for (partition, position) in try landing.positions().sorted(by: { $0.key < $1.key }) {
                let start = Int64.random(in: 0..<position, using: &generator)
                _ = try connection.query(
                    "DELETE FROM landed WHERE partition = $1 AND \"offset\" >= $2", [.int32(partition), .int64(start)])
                starts.append(start)
            }
            return starts
        }

        /// Somebody resets the group, as Kafka's own tools do.
        private mutating func fireAtReset(_ action: String) async throws {
            let starts = try await takeBack()
            let offsets = starts.enumerated().map {
                CommittedOffset(
                    partition: TopicPartition(topic: landing.topic, partition: Int32($0)), offset: $1, metadata: "")
            }
            try landing.broker.withAdmin { admin in
                try admin.alterOffsets(ofGroup: landing.group, to: offsets, timeout: .seconds(30))
            }
            let loader = try context.start(landing, armed(action), arguments: arguments)
            try await see(action, loader)
            if action == "crash" { try await context.finish(landing, settings, arguments: arguments) }
        }

        /// `loader backfill` moves the group's positions.
        private mutating func fireAtBackfill(_ action: String) async throws {
            let starts = try await takeBack()
            // One offset for all partitions: that of the earliest, whose rows above it go as well.
            let start = starts.min() ?? 0
            _ = try landing.schema.connect().query("DELETE FROM landed WHERE \"offset\" >= $1", [.int64(start)])
            let command = [
                "backfill", "--topic", landing.topic, "--to-offset", String(start), "--allow-duplicates", "--yes",
            ]
            let backfill = try context.start(landing.environment.merging(armed(action)) { $1 }, command: command)
            let end = try await backfill.waitForEnd()
            if action == "crash" {
                report.expect(end == .signal(SIGKILL), "backfill: ended with \(end): \(backfill.log.path())")
            } else {
                report.expect(
                    end != .exit(0) && end != .signal(SIGKILL), "backfill: ended with \(end): \(backfill.log.path())")
            }
            count(action, backfill, midRun: try isMidRun())
            // Nothing has moved, or only the group, against which the ledger counts: so once more.
            let again = try context.start(landing.environment, command: command)
            let status = try await again.waitForExit()
            report.expect(status == 0, "backfill: the second ended with \(status): \(again.log.path())")
            try await context.finish(landing)
        }

        /// Each dead letter must have been written to the topic at least once: a retry may write it again.
        mutating func checkLetters() throws {
            let found = try Set(landing.broker.readAll(letters).compactMap(\.value))
            let planted = Set(
                (0..<written).filter { $0 % 50 == 7 }.map { Array(Landing.badValue($0).utf8) })
            report.expect(found == planted, "the dead-letter topic has \(found.count) of \(planted.count) letters")
            landing.broker.deleteTopic(letters)
        }
    }
}
