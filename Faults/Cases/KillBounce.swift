import Foundation
import Kafka
import Synchronization
import TestSupport

/// Two loaders work through a backlog and are killed again and again.
struct KillBounce: FaultCase {
    let name = "kill-bounce"
    let summary =
        "2 loaders on 64 partitions; SIGKILL up to 3 s after a loader's first batch, while joining, twice with no pause"

    func least(_ scale: FaultScale) -> FaultCounts {
        switch scale {
        case .full:
            FaultCounts(
                kinds: ["kills while loading": 40, "kills while joining": 6, "kills with no pause": 6], midRun: 40)
        case .slice: FaultCounts(kinds: ["kills while loading": 4], midRun: 3)
        }
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let kills = context.figure(66, slice: 8)
        let server = try context.startDatabase()
        let broker = try FaultCluster.real()
        let partitions = context.figure(64, slice: 16)
        return try await Landing.with(broker: broker, server: server, partitions: partitions) { landing in
            let backlog = Backlog(landing, ahead: context.figure(1_000_000, slice: 120_000))
            try await backlog.replenish()
            context.say("\(await backlog.written) messages are written")
            let throttle = try Throttle(landing, seconds: context.scale == .full ? 0.04 : 0.08)
            let left = Atomic<Int>(kills)
            var report = try await context.sideBySide([0, 1], limit: 2) { slot, _ in
                try await bounce(slot, landing, backlog, left, context)
            }
            context.say("\(report.faults.total) kills, \(try landing.rowCount()) rows are in")
            try throttle.set(0)
            let count = await backlog.written
            let last = try (0..<2).map { try context.start(landing, Self.member($0, landing)) }
            let connection = try landing.schema.connect()
            try await eventually("everything is in", within: .seconds(300)) {
                try landing.loadedCount(on: connection) >= count
            }
            for loader in last { report.add(failure: try await context.stop(loader)) }
            try await report.add(landing)
            return report
        }
    }

    /// With its own id a loader that comes again takes the place of the one that was killed, at once.
    private static func member(_ slot: Int, _ landing: Landing) -> [String: String] {
        ["LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID": "\(landing.group)-\(slot)"]
    }

    /// Messages that are not loaded yet, so many that no kill finds the topic at its end, however fast this machine loads.
    private actor Backlog {
        private let landing: Landing
        private let ahead: Int
        private(set) var written = 0

        init(_ landing: Landing, ahead: Int) {
            self.landing = landing
            self.ahead = ahead
        }

        /// Writes as many as have been loaded since.
        func replenish() throws {
            let loaded = try landing.loadedCount(on: landing.schema.connect())
            guard written < loaded + ahead else { return }
            try landing.produce(written..<loaded + ahead)
            written = loaded + ahead
        }
    }

    private enum Moment { case loading, joining, noPause }

    /// Starts and kills the loaders of one slot until no kill is left.
    private func bounce(
        _ slot: Int, _ landing: Landing, _ backlog: Backlog, _ left: borrowing Atomic<Int>, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = context.generator(slot)
        var report = FaultReport()
        let connection = try landing.schema.connect()
        var lastKill: ContinuousClock.Instant?
        var next = Moment.loading
        var loads = 0
        while left.subtract(1, ordering: .relaxed).newValue >= 0 {
            try await backlog.replenish()
            let loader = try context.start(landing, Self.member(slot, landing))
            let moment = next
            switch moment {
            case .loading:
                try await loader.waitForFirstBatch()
                if let lastKill { report.recoveries.append(lastKill.age) }
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<3000, using: &generator)))
            case .joining:
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<300, using: &generator)))
            case .noPause: break
            }
            try await loader.killAndWait()
            lastKill = .now
            let kind =
                switch moment {
                case .loading: "kills while loading"
                case .joining: "kills while joining"
                case .noPause: "kills with no pause"
                }
            let isLeft = try await landing.loadedCount(on: connection) < backlog.written
            report.faults.count(kind, midRun: moment == .loading && isLeft)
            // What would be recovered from is a member that had loaded.
            if moment != .loading { lastKill = nil }
            // Of seven kills in a row five come while loading; the others follow such a kill at once.
            if moment == .loading { loads += 1 }
            next = moment != .loading ? .loading : loads % 5 == 2 ? .joining : loads % 5 == 4 ? .noPause : .loading
        }
        return report
    }
}
