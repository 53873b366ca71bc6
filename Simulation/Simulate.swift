import ArgumentParser
import Foundation

/// Runs the shipped loader among simulated brokers and databases, one seed after another.
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the loader in a simulated world, and holds what came of it against what should have.",
        subcommands: [
            RunSeeds.self, Mutants.self, KernelCheck.self, BrokersCheck.self, ServerCheck.self, ShrinkingCheck.self,
            CoverageReport.self,
        ])

    static func main() {
        beginAgainWithoutChance()
        main(nil)
    }

    /// The order of a dictionary must be the same each time, which Swift's runtime has to be told before it begins.
    private static func beginAgainWithoutChance() {
        let name = "SWIFT_DETERMINISTIC_HASHING"
        guard getenv(name) == nil, setenv(name, "1", 1) == 0 else { return }
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", arguments)
    }
}
