import Foundation
import Kafka
import Postgres
import TestSupport

/// Loaders are asked to end at random moments: while they join, load, wait for a database or brokers that are away.
struct Signals: FaultCase {
    let name = "signals"
    let summary =
        "SIGTERM and SIGINT at random moments, with all well and with PostgreSQL or the brokers away or silent"

    private enum Lane: String, CaseIterable {
        case undisturbed = "with all well"
        case databaseAway = "PostgreSQL away"
        case databaseSilent = "PostgreSQL silent"
        case brokersAway = "brokers away"
    }

    private static func lanes(_ scale: FaultScale) -> [(lane: Lane, signals: Int)] {
        switch scale {
        case .full:
            [
                (.undisturbed, 9), (.databaseAway, 9), (.databaseSilent, 9), (.brokersAway, 9), (.undisturbed, 9),
                (.undisturbed, 9),
            ]
        case .slice: [(.undisturbed, 3), (.databaseAway, 2), (.databaseSilent, 2), (.brokersAway, 2)]
        }
    }

    func least(_ scale: FaultScale) -> FaultCounts {
        var least = FaultCounts()
        for (lane, signals) in Self.lanes(scale) { least.kinds[lane.rawValue, default: 0] += signals }
        least.midRun = scale == .full ? 40 : 5
        return least
    }

    /// What a stop may take.
    private static let timeout = 10

    func run(_ context: FaultContext) async throws -> FaultReport {
        let shared = try context.startDatabase()
        let mock = try FaultCluster.mock(brokers: 1)
        return try await context.sideBySide(Self.lanes(context.scale), limit: 6) { index, part in
            let server = part.lane == .databaseAway ? try context.startDatabase() : shared
            let broker = part.lane == .brokersAway ? try Broker(mockBrokers: 1) : mock
            return try await Landing.with(broker: broker, server: server, partitions: 4) { landing in
                var report = try await run(
                    part.lane, part.signals, landing, context.generator(index), context)
                try await context.finish(landing)
                try await report.add(landing)
                return report
            }
        }
    }

    private func run(
        _ lane: Lane, _ signals: Int, _ landing: Landing, _ generator: SeededGenerator, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = generator
        var report = FaultReport()
        _ = try Throttle(landing, seconds: 0.02)
        let proxy = try TCPProxy(to: landing.server)
        var settings = ["LOADER_SHUTDOWN_TIMEOUT": "\(Self.timeout)s"]
        if lane == .databaseSilent { settings["DATABASE_URL"] = proxy.url(landing.schema.url) }
        // What no loader has been able to load yet is written before each, so that there is always a backlog.
        var written = 0
        for _ in 0..<signals {
            try landing.produce(written..<written + 20_000)
            written += 20_000
            let loader = try context.start(landing, settings)
            try await eventually("the loader says something") { !loader.output.isEmpty }
            // A group takes 3 s to form on the mock, so this is about as often before the first batch as behind it.
            if lane == .undisturbed {
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<6000, using: &generator)))
            } else {
                try await loader.waitForLog(#""message":"loading""#)
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<800, using: &generator)))
            }
            switch lane {
            case .undisturbed: break
            case .databaseAway: try landing.server.stop(.immediate)
            case .databaseSilent: proxy.isStalled = true
            case .brokersAway: try landing.broker.mock?.setDown()
            }
            // The outage may be noticed by then or not.
            if lane != .undisturbed {
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<2000, using: &generator)))
            }
            let began = ContinuousClock.now
            loader.kill(Bool.random(using: &generator) ? SIGTERM : SIGINT)
            let end = try await loader.waitForEnd(within: .seconds(Self.timeout + 20))
            let seconds = began.age
            report.recoveries.append(seconds)
            report.expect(end == .exit(0), "\(lane.rawValue): ended with \(end): \(loader.log.path())")
            report.expect(
                seconds < Double(Self.timeout) + 1,
                "\(lane.rawValue): took \(seconds) s, with shutdown_timeout \(Self.timeout) s: \(loader.log.path())")
            switch lane {
            case .undisturbed: break
            case .databaseAway: try landing.server.start()
            case .databaseSilent: proxy.isStalled = false
            case .brokersAway: try landing.broker.mock?.setUp()
            }
            let isLeft = try landing.loadedCount(on: landing.schema.connect()) < written
            report.faults.count(lane.rawValue, midRun: isLeft)
        }
        report.notes.append("recovery is the time from the signal to the end of the process; shutdown_timeout is 10 s")
        return report
    }
}
