import ArgumentParser
import Foundation
import TestSupport

@main
struct Faults: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "faults",
        abstract: "Tries to make the loader lose or double something, and compares each table with its topic.",
        discussion: """
            Every run prints its seed, checks that its faults fired and that they met rows still to load, and ends with a \
            table of what was found. The status is 1 if any case failed; the logs of its loaders are kept.

            KAFKA_BROKERS names a cluster to run on instead of servers of its own, with topics and groups of random names; \
            KAFKA_RESTART_COMMAND is what restarts it. What such a cluster cannot do is left out; --list says what each needs.

            EXAMPLES:
              faults --slice
              faults --seed 42 --case kill-bounce --case zombie
              faults --soak --minutes 10
              KAFKA_BROKERS=localhost:9092 KAFKA_RESTART_COMMAND='docker restart -t 30 kafka' faults --slice
            """)

    /// Every case, the longest first so that those that run side by side end together.
    static let cases: [any FaultCase] =
        [
            DatabaseFaults(), BrokerFaults(), RebalanceStorm(), KillBounce(), NamedPoints(), UnknownCommit(), Signals(),
            Zombie(), Poison(), Positions(), ElementSets(), Rotation(), Soak(),
        ] + ReplicaFaults.Kind.allCases.map { ReplicaFaults(kind: $0) }

    @Option(help: "Makes the same choices again. Default: a new one.")
    var seed: UInt64?

    @Option(name: .customLong("case"), help: ArgumentHelp("Only this one. May be repeated.", valueName: "name"))
    var names: [String] = []

    @Flag(help: "All cases with small figures, in a few minutes.")
    var slice = false

    @Flag(help: "The soak, and nothing else.")
    var soak = false

    @Option(help: "How long the soak lasts.")
    var minutes = 60

    @Flag(help: "Show the cases and what each must reach.")
    var list = false

    @Option(help: ArgumentHelp("Write the reports to a file as well.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("The program under test. Default: the one beside this one.", valueName: "path"))
    var loader: String?

    @Option(help: "How many cases run at once.")
    var parallel = 2

    func validate() throws {
        let known = Set(Self.cases.map(\.name))
        if let stranger = names.first(where: { !known.contains($0) }) {
            throw ValidationError("There is no case \(stranger). --list shows them.")
        }
        guard parallel > 0 else { throw ValidationError("--parallel is 1 or more.") }
        // Less is over before each kind of fault has had its turn.
        guard minutes >= 10 else { throw ValidationError("--minutes is 10 or more.") }
    }

    func run() async throws {
        let scale: FaultScale = slice ? .slice : .full
        let chosen = Self.cases.filter { faultCase in
            names.isEmpty ? faultCase.isLong == soak : names.contains(faultCase.name)
        }
        if list {
            for faultCase in names.isEmpty ? Self.cases : chosen {
                let least = faultCase.least(scale)
                let kinds = least.kinds.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
                print("\(faultCase.name): \(faultCase.summary)")
                print("  needs \(faultCase.need.rawValue)")
                print("  at least " + (kinds + ["\(least.midRun) mid-run"]).joined(separator: ", "))
            }
            return
        }
        let left = chosen.filter { FaultCluster.reason(against: $0.need) == nil }
        for faultCase in chosen {
            if let reason = FaultCluster.reason(against: faultCase.need) {
                Output.say("\(faultCase.name): left out: \(reason)")
            }
        }
        guard !left.isEmpty else { throw ValidationError("No case is left that could run on this cluster.") }
        let program = try loader.map { URL(filePath: $0) } ?? builtProgram("loader")
        let seed = seed ?? UInt64.random(in: 0 ... .max)
        let directory = FileManager.default.temporaryDirectory.appending(path: "loader-faults-\(seed)-\(getpid())")
        let runner = FaultRunner(
            seed: seed, scale: scale, minutes: minutes, loader: program, directory: directory)
        Output.say("seed \(seed), \(scale.rawValue), loader \(program.path())")
        let began = ContinuousClock.now
        let parallel = parallel
        let outcomes = await withTaskExecutorPreference(CaseExecutor()) {
            await runner.run(left, limit: parallel)
        }
        try write(outcomes, seed: seed, seconds: began.age)
        if outcomes.contains(where: { !$0.hasPassed }) { throw ExitCode.failure }
        try? FileManager.default.removeItem(at: directory)
    }

    private func write(_ outcomes: [FaultRunner.Outcome], seed: UInt64, seconds: Double) throws {
        Output.say("")
        for line in FaultTable.lines(outcomes) { Output.say(line) }
        Output.say("")
        for outcome in outcomes {
            for note in outcome.report.notes { Output.say("- `\(outcome.name)`: \(note)") }
        }
        let failed = outcomes.filter { !$0.hasPassed }.map(\.name)
        Output.say("")
        Output.say(
            "seed \(seed): \(outcomes.count) cases in \(Int(seconds)) s, "
                + (failed.isEmpty ? "all passed" : "FAILED: \(failed.joined(separator: ", "))"))
        guard let json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(outcomes).write(to: URL(filePath: json))
    }
}
