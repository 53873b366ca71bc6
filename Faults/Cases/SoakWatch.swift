import Foundation
import Postgres
import TestSupport

extension Soak {
    /// Samples the survivor's memory, descriptors and connections.
    struct Watch {
        private static let sampling = Duration.seconds(10)

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
                try await Task.sleep(for: Self.sampling)
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
                let (before, after) = (Self.median(counts.prefix(third)), Self.median(counts.suffix(third)))
                report.notes.append(
                    "\(what) of that loader: median \(before) in the first third, \(after) in the last, "
                        + "at most \(counts.max() ?? 0)")
                report.expect(after <= before + 1, "the survivor's \(what) have grown from \(before) to \(after)")
            }
            return report
        }

        private static func median(_ counts: ArraySlice<Int>) -> Int {
            let sorted = counts.sorted()
            return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }
    }
}
