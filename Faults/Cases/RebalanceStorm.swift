import Foundation
import Kafka
import Postgres
import TestSupport

/// Members come and go every two seconds while messages arrive.
struct RebalanceStorm: FaultCase {
    let name = "rebalance-storm"
    let summary =
        "up to 4 members join and leave every 2 s, by SIGTERM and SIGKILL, dynamic and static, in each protocol"

    /// A broker and the kind of members on it.
    private enum Lane: String, CaseIterable {
        /// The broker keeps members that were killed for ever, so they all leave in good order.
        case dynamic
        /// Members with ids of their own, which come back as who they were.
        case `static`
        /// The mock, which expires the killed.
        case expiring
        /// Only what moves is handed over.
        case cooperative
        case cooperativeExpiring = "cooperative, expiring"
        /// The brokers share the partitions out (KIP-848).
        case consumer = "consumer protocol"

        var properties: [(String, String)] {
            switch self {
            case .dynamic, .static, .expiring: []
            case .cooperative, .cooperativeExpiring: [("partition.assignment.strategy", "cooperative-sticky")]
            case .consumer: [("group.protocol", "consumer")]
            }
        }

        var isOnMock: Bool { self == .expiring || self == .cooperativeExpiring }
        /// Whether a killed member comes back as who it was, or is missed.
        var mayKill: Bool { self == .static || isOnMock }
    }

    /// Why a lane cannot be tried with this librdkafka, or on these brokers; nil if it can.
    private static func reason(against lane: Lane) -> String? {
        let version = "librdkafka \(KafkaLibrary.versionString)"
        switch lane {
        case .dynamic, .static, .expiring: return nil
        case .cooperative, .cooperativeExpiring:
            return KafkaLibrary.version >= 0x0206_01ff ? nil : "\(version): the loader refuses it before 2.6.1"
        case .consumer:
            if KafkaLibrary.version < 0x020c_00ff { return "\(version): the loader refuses it before 2.12.0" }
            return FaultCluster.brokers == nil ? "it needs Apache Kafka 4.0; KAFKA_BROKERS names a cluster" : nil
        }
    }

    private static var lanes: [Lane] { Lane.allCases.filter { reason(against: $0) == nil } }

    func least(_ scale: FaultScale) -> FaultCounts {
        // Every 2 s for 2 minutes, but for those that take longer than that to leave.
        let each = scale == .full ? 40 : 5
        var least = FaultCounts()
        for lane in Self.lanes { least.kinds["\(lane.rawValue) joins and leaves"] = each }
        least.midRun = each
        return least
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        let real = try FaultCluster.real()
        let mock = try FaultCluster.mock(brokers: 3)
        var report = try await context.sideBySide(Self.lanes, limit: 4) { index, lane in
            let broker = lane.isOnMock ? mock : real
            return try await Landing.with(broker: broker, server: server, partitions: 12) { landing in
                try await storm(lane, landing, context.generator(index), context)
            }
        }
        for lane in Lane.allCases {
            if let reason = Self.reason(against: lane) { report.notes.append("no \(lane.rawValue) lane: \(reason)") }
        }
        return report
    }

    private func storm(
        _ lane: Lane, _ landing: Landing, _ generator: SeededGenerator, _ context: FaultContext
    ) async throws -> FaultReport {
        var generator = generator
        var report = FaultReport()
        let traffic = try Traffic(landing, rate: 1000, generator: generator)
        let gaps = try LoadingGaps(landing)
        var members: [Int: LoaderProcess] = [:]
        let connection = try landing.schema.connect()
        let end = ContinuousClock.now + .seconds(context.figure(120, slice: 20))
        while ContinuousClock.now < end {
            let next = ContinuousClock.now + .seconds(2)
            let absent = (0..<4).filter { members[$0] == nil }
            // At least one is there all the time, or nothing can be loaded.
            let joins = members.count < 2 || (!absent.isEmpty && Bool.random(using: &generator))
            if joins, let slot = absent.randomElement(using: &generator) {
                members[slot] = try context.start(settings(lane, slot, landing), command: ["run"])
                report.faults.count("\(lane.rawValue) joins and leaves")
            } else if let slot = members.keys.sorted().randomElement(using: &generator),
                let leaver = members.removeValue(forKey: slot)
            {
                let isLeft = try landing.loadedCount(on: connection) < traffic.written
                // Members that are expected back, or that expire, may also be killed.
                if lane.mayKill, Int.random(in: 0..<4, using: &generator) == 0 {
                    try await leaver.killAndWait()
                    report.faults.count("\(lane.rawValue) kills")
                } else {
                    report.add(failure: try await context.stop(leaver))
                }
                report.faults.count("\(lane.rawValue) joins and leaves", midRun: isLeft)
            }
            try await Task.sleep(until: next)
        }
        let written = try await traffic.stop()
        // Static members that are away keep their partitions, so all come back for the rest.
        for slot in 0..<4 where members[slot] == nil && lane == .static {
            members[slot] = try context.start(settings(lane, slot, landing), command: ["run"])
        }
        if members.isEmpty { members[0] = try context.start(settings(lane, 0, landing), command: ["run"]) }
        try await landing.waitForLoaded(written)
        report.recoveries += gaps.stop()
        report.notes.append(
            "recovery is the longest time of each lane in which no batch was committed although messages waited")
        for member in members.values { report.add(failure: try await context.stop(member)) }
        try await report.add(landing, comparingGroup: false)
        return report
    }

    private func settings(_ lane: Lane, _ slot: Int, _ landing: Landing) -> [String: String] {
        var properties = lane.properties
        if lane == .static {
            properties += [
                ("group.instance.id", "\(landing.group)-\(slot)"),
                // A broker waits so long for a member that it still counts on before it goes on without it.
                ("max.poll.interval.ms", "45000"),
            ]
        }
        func variable(_ property: String) -> String {
            "LOADER_KAFKA_PROPERTIES_" + property.uppercased().replacing(".", with: "_")
        }
        var environment = landing.environment
        // The brokers' to say, in the group's own configuration.
        if lane == .consumer {
            for name in ["session.timeout.ms", "heartbeat.interval.ms"] { environment[variable(name)] = nil }
        }
        for (name, value) in properties { environment[variable(name)] = value }
        return environment
    }
}
