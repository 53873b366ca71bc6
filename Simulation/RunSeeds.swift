import ArgumentParser
import CSimulation
import Foundation

/// Tries seeds, each in a process of its own.
struct RunSeeds: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Tries seeds, and says of each that fails how to see it again.")

    @Option(help: "How many seeds.")
    var seeds = 1000
    @Option(help: "The first seed.")
    var from: UInt64 = 1
    @Option(help: "How many at a time.")
    var jobs = 2
    @Flag(help: "Shows what happened, line by line.")
    var verbose = false
    @Option(help: "Breaks a rule on purpose; `simulate mutants` tries all.")
    var mutant: String?
    @Flag(help: "Tries each twice, and holds that it is the same.")
    var twice = false

    func run() throws {
        _ = WorldStory.tell(.max, keepsLog: verbose)
        if let mutant {
            Mutant.current = Mutant.allCases.first { "\($0)" == mutant }
            guard Mutant.current != nil else { throw ValidationError("there is no mutant \(mutant)") }
        }
        var total = Total()
        var next = from
        let end = from + UInt64(seeds)
        var under: [(seed: UInt64, process: SeedProcess)] = []
        while next < end || !under.isEmpty {
            while next < end, under.count < jobs {
                under.append((next, try Self.begin(next, verbose)))
                next += 1
            }
            let (seed, process) = under.removeFirst()
            let outcome = Self.outcome(of: process)
            total.add(outcome)
            for line in outcome.log { print(line) }
            if twice, outcome != Self.outcome(of: try Self.begin(seed, verbose)) {
                print("seed \(seed) is not the same twice")
                total.failed += 1
            }
            guard !outcome.complaints.isEmpty else { continue }
            print("seed \(seed) (\(String(outcome.trace, radix: 16))): \(outcome.complaints.joined(separator: "; "))")
            print("  simulate run --seeds 1 --from \(seed) --verbose shows it")
        }
        total.report(seeds)
        if total.failed > 0 { throw ExitCode(1) }
    }

    private static func begin(_ seed: UInt64, _ keepsLog: Bool) throws -> SeedProcess {
        try SeedProcess { Array((try? JSONEncoder().encode(WorldStory.tell(seed, keepsLog: keepsLog))) ?? Data()) }
    }

    private static func outcome(of process: SeedProcess) -> WorldStory.Outcome {
        do {
            return try JSONDecoder().decode(WorldStory.Outcome.self, from: Data(try process.answer()))
        } catch {
            return WorldStory.Outcome(complaints: ["the process \(error)"])
        }
    }

    private struct Total {
        var failed = 0
        var messages = 0
        var seconds = 0.0
        var met: [String: Int] = [:]

        mutating func add(_ outcome: WorldStory.Outcome) {
            if !outcome.complaints.isEmpty { failed += 1 }
            messages += outcome.messages
            seconds += outcome.seconds
            for (name, count) in outcome.met { met[name, default: 0] += count }
        }

        func report(_ seeds: Int) {
            for (name, count) in met.sorted(by: { $0.key < $1.key }) { print("  \(count)  \(name)") }
            print("\(seeds) seeds, \(messages) messages, \(Int(seconds)) simulated seconds, \(failed) failed")
        }
    }
}
