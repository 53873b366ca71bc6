import ArgumentParser
import CSimulation

/// Runs the shipped loader among simulated brokers and databases, one seed after another.
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the loader in a simulated world, and holds what came of it against what should have.",
        subcommands: [KernelCheck.self, ServerCheck.self])
}
