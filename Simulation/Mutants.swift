import ArgumentParser
import Foundation

/// Breaks each rule of delivery on purpose, and says how many seeds it took to be noticed.
struct Mutants: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Breaks rules of delivery on purpose, one after the other: each must be noticed.")

    @Option(help: "How many seeds one may need to be noticed.")
    var seeds = 2000
    @Option(help: "How many seeds one is tried with that the loader has to bear.")
    var borne = 300
    @Option(help: "How many at a time.")
    var jobs = 2

    func run() throws {
        WorldStory.warmUp()
        var wrong = 0
        print("| Broken on purpose | Seeds until it was noticed | By |")
        print("|---|---:|---|")
        for mutant in Mutant.allCases {
            Mutant.current = mutant
            let most = mutant.isBorne ? borne : seeds
            let found = try firstComplaint(most)
            if (found == nil) != mutant.isBorne { wrong += 1 }
            let told =
                found.map { "\($0.seed) | \($0.kind)" }
                ?? "none of \(most) | \(mutant.isBorne ? "the loader bears it" : "")"
            print("| \(mutant.rawValue) | \(told) |")
        }
        if wrong > 0 {
            print("\(wrong) are not as they should be")
            throw ExitCode(1)
        }
    }

    private func firstComplaint(_ most: Int) throws -> (seed: UInt64, kind: String)? {
        var first: (seed: UInt64, kind: String)?
        try SeedProcesses(jobs: jobs).run(1...UInt64(max(1, most))) { seed in
            Array((WorldStory.tell(seed, keepsLog: false).kind ?? "").utf8)
        } answered: { seed, answer in
            // Seeds before it may still be under way.
            if let kind = WorldStory.kind(of: answer), seed < first?.seed ?? .max { first = (seed, kind) }
            return first == nil
        }
        return first
    }
}
