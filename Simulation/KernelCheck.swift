import ArgumentParser
import CSimulation
import Foundation
import Kafka

/// Holds the kernel to its own promises: two runs of a seed are the same, seeds differ, who waits is woken, and the dead are silent.
struct KernelCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernel", abstract: "Checks the kernel itself: a seed is one story, and seeds differ.")

    @Option(help: "How many seeds.")
    var seeds = 50

    func run() throws {
        // What is made once, at its first use, is made before: a seed must not know how many there were before it.
        _ = Self.story(.max)
        let stories = try (0..<seeds).map { try Self.apart(UInt64($0)) }
        for (seed, story) in stories.enumerated() where try Self.apart(UInt64(seed)) != story {
            throw ValidationError("seed \(seed) is not the same twice")
        }
        guard Set(stories.map(\.trace)).count == seeds else { throw ValidationError("two seeds are the same") }
        guard Set(stories.map(\.sums)).count > seeds / 10 else { throw ValidationError("seeds decide nothing") }
        print("\(seeds) seeds, each the same twice")
    }

    private struct Story: Equatable, Codable {
        var trace: UInt64
        var sums: [Int]
    }

    private static func apart(_ seed: UInt64) throws -> Story {
        let answer = try SeedProcess { Array((try? JSONEncoder().encode(story(seed))) ?? Data()) }.answer()
        return try JSONDecoder().decode(Story.self, from: Data(answer))
    }

    /// What threads of three processes share, of which one is killed in the midst of it.
    private final class Shared: @unchecked Sendable {
        // Unchecked: touched only under the baton, of which there is one.
        var sums = [0, 0, 0, 0]
    }

    private static func story(_ seed: UInt64) -> Story {
        let shared = Shared()
        sim_begin(seed)
        for process in 1...3 {
            let opaque = Unmanaged.passRetained(shared).toOpaque()
            sim_spawn(
                Int32(process),
                { opaque in
                    guard let opaque else { return }
                    KernelCheck.work(Unmanaged<Shared>.fromOpaque(opaque).takeUnretainedValue(), Int(sim_process()))
                }, opaque)
        }
        sim_at(sim_now() + 2_000_000_000, { _ in sim_kill(2) }, nil)
        sim_run(sim_now() + 60_000_000_000)
        let trace = sim_trace()
        sim_end()
        return Story(trace: trace, sums: shared.sums)
    }

    private static func work(_ shared: Shared, _ process: Int) {
        let helper = Helper(MonotonicCondition(), shared, process)
        for _ in 0..<3 { helper.start() }
        helper.waitForAll()
    }

    private final class Helper: @unchecked Sendable {
        // Unchecked: all that changes is touched under `condition`.
        private let condition: MonotonicCondition
        private let shared: Shared
        private let process: Int
        private var left = 3

        init(_ condition: MonotonicCondition, _ shared: Shared, _ process: Int) {
            (self.condition, self.shared, self.process) = (condition, shared, process)
        }

        func start() {
            Thread { [self] in
                for turn in 1...5 {
                    Thread.sleep(forTimeInterval: .random(in: 0...2))
                    condition.withLock { shared.sums[process] = shared.sums[process] &* 31 &+ turn }
                }
                condition.withLock {
                    left -= 1
                    condition.broadcast()
                }
            }.start()
        }

        func waitForAll() {
            condition.withLock { while left > 0 { condition.wait() } }
        }
    }
}
