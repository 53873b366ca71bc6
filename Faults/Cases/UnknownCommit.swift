import Foundation
import Kafka
import TestSupport

/// COMMIT, or the answer to it, is lost on the way.
struct UnknownCommit: FaultCase {
    let name = "unknown-commit"
    let summary =
        "a proxy lets COMMIT through and swallows its answer, or swallows COMMIT; another loader takes over before the "
        + "first can ask what became of it"

    private static let answers = "answers swallowed"
    private static let commits = "COMMITs swallowed"
    private static let takeovers = "takeovers before the first was back"

    func least(_ scale: FaultScale) -> FaultCounts {
        switch scale {
        case .full: FaultCounts(kinds: [Self.answers: 50, Self.commits: 50, Self.takeovers: 6], midRun: 100)
        case .slice: FaultCounts(kinds: [Self.answers: 4, Self.commits: 4, Self.takeovers: 1], midRun: 8)
        }
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        return try await context.sideBySide([swallow, takeOver], limit: 2) { _, part in
            try await Landing.with(broker: FaultCluster.mock(brokers: 1), server: server, partitions: 8) { landing in
                try await part(landing, context)
            }
        }
    }

    @Sendable private func swallow(_ landing: Landing, _ context: FaultContext) async throws -> FaultReport {
        var generator = context.generator()
        var report = FaultReport()
        let proxy = try TCPProxy(to: landing.server)
        defer { withExtendedLifetime(proxy) {} }
        let traffic = try Traffic(landing, rate: 3000, generator: context.generator(1))
        let loader = try context.start(landing, ["DATABASE_URL": proxy.url(landing.schema.url)])
        try await loader.waitForFirstBatch()
        let progress = LoadingProgress(landing)
        let each = context.figure(50, slice: 4)
        let faults =
            (Array(repeating: TCPProxy.Fault.swallowAnswer, count: each)
            + Array(repeating: .swallowCommit, count: each)).shuffled(using: &generator)
        for (index, fault) in faults.enumerated() {
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<150, using: &generator)))
            proxy.breakCommits(with: [fault])
            try await eventually("a COMMIT comes by") { proxy.firedCount == index + 1 }
            let began = ContinuousClock.now
            let batches = loader.metric("loader_batches_total") ?? 0
            let isMidRun = try await progress.answer() < traffic.written
            report.faults.count(fault == .swallowAnswer ? Self.answers : Self.commits, midRun: isMidRun)
            // Its own count, not the ledger's: until then it does not know what became of the batch.
            try await eventually("the loader goes on") { loader.metric("loader_batches_total") ?? 0 > batches }
            report.recoveries.append(began.age)
        }
        try await landing.waitForRows(try await traffic.stop(), within: .seconds(120))
        // A batch whose answer was lost is in: were it tried again, the fence would have had to refuse it.
        let fences = loader.metric("loader_ledger_fences_total")
        report.expect(fences == 0, "\(fences ?? -1) batches were fenced off, though no other loader ran")
        loader.kill(SIGTERM)
        let status = try await loader.waitForExit()
        report.expect(status == 0, "the loader ended with \(status) after SIGTERM: \(loader.log.path())")
        try await report.add(landing)
        return report
    }

    /// The first loader's COMMIT goes through, but nothing comes back; it is stopped past its session, the second takes its
    /// partitions over and loads on; then the first wakes up, and asks.
    @Sendable private func takeOver(_ landing: Landing, _ context: FaultContext) async throws -> FaultReport {
        var generator = context.generator(2)
        var report = FaultReport()
        let proxy = try TCPProxy(to: landing.server)
        defer { withExtendedLifetime(proxy) {} }
        let traffic = try Traffic(landing, rate: 1000, generator: context.generator(3))
        let first = try context.start(landing, ["DATABASE_URL": proxy.url(landing.schema.url)])
        let second = try context.start(landing)
        try await first.waitForFirstBatch()
        try await second.waitForFirstBatch()
        let progress = LoadingProgress(landing)
        for round in 1...context.figure(6, slice: 1) {
            let rebalances = first.metric("loader_rebalances_total") ?? 0
            let fault = Bool.random(using: &generator) ? TCPProxy.Fault.swallowAnswer : .swallowCommit
            proxy.breakCommits(with: [fault], stalls: true)
            try await eventually("a COMMIT comes by") { proxy.firedCount == round }
            first.kill(SIGSTOP)
            let asleep = try landing.positions()
            try await eventually("the second loads every partition", within: .seconds(120)) {
                let now = try landing.positions()
                return asleep.allSatisfy { now[$0.key] ?? 0 > $0.value + 50 }
            }
            let isMidRun = try await progress.answer() < traffic.written
            report.faults.count(Self.takeovers, midRun: isMidRun)
            let began = ContinuousClock.now
            proxy.isStalled = false
            first.kill(SIGCONT)
            try await eventually("the first is given partitions again", within: .seconds(120)) {
                guard first.isRunning else {
                    throw LoaderProcess.Unexpected(what: "the zombie has ended", output: first.output)
                }
                return first.metric("loader_rebalances_total") ?? 0 > rebalances
                    && first.metric("loader_ready") == 1
            }
            let batches = first.metric("loader_batches_total") ?? 0
            try await eventually("the first loads again", within: .seconds(120)) {
                first.metric("loader_batches_total") ?? 0 > batches
            }
            report.recoveries.append(began.age)
        }
        try await landing.waitForRows(try await traffic.stop(), within: .seconds(120))
        let fences = [first, second].compactMap { $0.metric("loader_ledger_fences_total") }.reduce(0, +)
        report.notes.append("\(Int(fences)) batches of loaders that had been overtaken were refused by the fence")
        for loader in [first, second] {
            loader.kill(SIGTERM)
            let status = try await loader.waitForExit()
            report.expect(status == 0, "a loader ended with \(status) after SIGTERM: \(loader.log.path())")
        }
        // What a member commits while it leaves may be refused if others are joining; the next start puts that right.
        try await context.finish(landing)
        try await report.add(landing)
        return report
    }
}
