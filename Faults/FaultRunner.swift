import Foundation
import TestSupport

/// Runs cases side by side and judges their reports.
struct FaultRunner: Sendable {
    let seed: UInt64
    let scale: FaultScale
    let minutes: Int
    let loader: URL
    /// Logs, by case. Removed if nothing failed.
    let directory: URL

    /// What came of a case, with what was missing added to its failures.
    struct Outcome: Sendable, Codable {
        var name: String
        var summary: String
        var seconds: Double
        var report: FaultReport

        var hasPassed: Bool { report.failures.isEmpty }
    }

    /// - Parameter limit: how many at once.
    func run(_ cases: [any FaultCase], limit: Int) async -> [Outcome] {
        await withTaskGroup(of: (Int, Outcome).self) { group in
            var outcomes: [Int: Outcome] = [:]
            for (index, faultCase) in cases.enumerated() {
                if index >= limit, let (done, outcome) = await group.next() { outcomes[done] = outcome }
                group.addTask { (index, await run(faultCase)) }
            }
            for await (done, outcome) in group { outcomes[done] = outcome }
            return outcomes.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    /// The command that makes the same choices again.
    func command(_ name: String) -> String {
        "scripts/faults --seed \(seed) --case \(name)" + (scale == .slice ? " --slice" : "")
    }

    private func run(_ faultCase: any FaultCase) async -> Outcome {
        let logs = directory.appending(path: faultCase.name)
        let context = FaultContext(
            caseName: faultCase.name, scale: scale, minutes: minutes, seed: seed ^ Self.hash(faultCase.name),
            loader: loader, directory: logs)
        let began = ContinuousClock.now
        context.say("begins; \(command(faultCase.name)) repeats it")
        var report = FaultReport()
        do {
            try FileManager.default.createDirectory(at: logs, withIntermediateDirectories: true)
            report = try await faultCase.run(context)
            report.failures += report.faults.shortfalls(of: faultCase.least(scale))
        } catch {
            report.failures.append("it could not be carried out to the end: \(error)")
        }
        let outcome = Outcome(
            name: faultCase.name, summary: faultCase.summary, seconds: began.age, report: report)
        if outcome.hasPassed {
            try? FileManager.default.removeItem(at: logs)
            context.say("passed in \(Int(outcome.seconds)) s: \(FaultTable.faults(report))")
        } else {
            for failure in report.failures { context.say("FAILED: \(failure)") }
            context.say("the loaders' logs are in \(logs.path())")
            context.say("repeat it: \(command(faultCase.name))")
        }
        return outcome
    }

    /// FNV-1a: the same in every process, unlike Swift's own.
    private static func hash(_ name: String) -> UInt64 {
        name.utf8.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
    }
}
