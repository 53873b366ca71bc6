import ArgumentParser
import CSimulation
import Foundation

/// Tries seeds, each in a process of its own.
struct RunSeeds: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Tries seeds, and says of each that fails how to see it again, as small as it gets.")

    @Option(help: "How many seeds.")
    var seeds = 1000
    @Option(help: "The first seed.")
    var from: UInt64 = 1
    @Option(help: "How many at a time.")
    var jobs = 2
    @Option(help: "Begins no more seeds after so many seconds.")
    var seconds: Int?
    @Option(help: "Keeps in this file how far it has come, and goes on from there.")
    var resume: String?
    @Flag(help: "Shows what happened, line by line.")
    var verbose = false
    @Option(help: "Breaks a rule on purpose; `simulate mutants` tries all.")
    var mutant: String?
    @Flag(help: "Tries each twice, and holds that it is the same.")
    var twice = false
    @OptionGroup var trim: TrimOptions

    /// So many failing seeds are made smaller.
    private static let mostShrunk = 2

    /// After so many seeds it is kept how far it has come.
    private static let block = 1000

    func run() throws {
        let trim = try trim.trim
        WorldStory.warmUp()
        if let mutant { Mutant.current = try Mutant.named(mutant) }
        var total = resume.flatMap(Total.init(file:)) ?? Total()
        if total.seeds > 0 { print("going on behind \(total.seeds) seeds, of which \(total.failed) failed") }
        var failing: [(seed: UInt64, kind: String)] = []
        let begin = ContinuousClock.now
        while total.seeds < seeds, seconds.map({ ContinuousClock.now - begin < .seconds($0) }) ?? true {
            let first = from + UInt64(total.seeds)
            let count = resume == nil ? seeds : min(Self.block, seeds - total.seeds)
            try run(first..<first + UInt64(count), trim, since: begin, &total, &failing)
            if let resume { try total.save(to: resume) }
            if resume == nil { break }
        }
        total.report()
        if seeds > 1 {
            for (seed, kind) in failing.prefix(Self.mostShrunk) { try shrink(seed, kind, trim) }
        }
        if total.failed > 0 { throw ExitCode(1) }
    }

    private func run(
        _ range: Range<UInt64>, _ trim: Trim, since begin: ContinuousClock.Instant, _ total: inout Total,
        _ failing: inout [(seed: UInt64, kind: String)]
    ) throws {
        let verbose = verbose
        let twice: [Bool] = twice ? [false, true] : [false]
        var before: [UInt64: WorldStory.Outcome] = [:]
        let all = range.lazy.flatMap { seed in twice.map { (seed: seed, isSecond: $0) } }
        try SeedProcesses(jobs: jobs).run(all) { one in
            Array((try? JSONEncoder().encode(WorldStory.tell(one.seed, trim, keepsLog: verbose))) ?? Data())
        } answered: { one, answer in
            let outcome = Self.outcome(answer)
            if self.twice, let other = before.removeValue(forKey: one.seed) {
                if outcome != other { total.differ(one.seed) }
                return true
            }
            if self.twice { before[one.seed] = outcome }
            total.add(outcome)
            for line in outcome.log { print(line) }
            if let kind = outcome.kind {
                print(
                    "seed \(one.seed) (\(String(outcome.trace, radix: 16))): \(outcome.complaints.joined(separator: "; "))"
                )
                print("  " + Self.command(one.seed, trim))
                failing.append((one.seed, kind))
            }
            // A block that is kept is whole.
            guard resume == nil, let seconds else { return true }
            return ContinuousClock.now - begin < .seconds(seconds)
        }
    }

    private func shrink(_ seed: UInt64, _ kind: String, _ trim: Trim) throws {
        var shrinking = Shrinking(seed, trim, kind: kind, SeedProcesses(jobs: jobs))
        try shrinking.shrink()
        print("\(kind), as small as it gets: \(WorldPlan.of(seed, shrinking.smallest).summary(shrinking.smallest))")
        print("  " + Self.command(seed, shrinking.smallest))
    }

    private static func command(_ seed: UInt64, _ trim: Trim) -> String {
        let mutant = Mutant.current.map { " --mutant \($0)" } ?? ""
        return "scripts/simulate --seed \(seed)\(trim.arguments)\(mutant)"
    }

    private static func outcome(_ answer: Result<[UInt8], SeedProcess.Failure>) -> WorldStory.Outcome {
        switch answer {
        case .success(let bytes):
            (try? JSONDecoder().decode(WorldStory.Outcome.self, from: Data(bytes)))
                ?? WorldStory.Outcome(complaints: ["the process said nothing that can be read"])
        case .failure(let failure): WorldStory.Outcome(failure)
        }
    }

    private struct Total: Codable {
        private(set) var failed = 0
        private(set) var seeds = 0
        private var messages = 0
        private var seconds = 0.0
        private var met: [String: Int] = [:]

        init() {}

        /// - Returns: nil where there is no such file yet.
        init?(file: String) {
            guard let data = FileManager.default.contents(atPath: file),
                let total = try? JSONDecoder().decode(Total.self, from: data)
            else { return nil }
            self = total
        }

        func save(to file: String) throws {
            try JSONEncoder().encode(self).write(to: URL(fileURLWithPath: file), options: .atomic)
        }

        mutating func add(_ outcome: WorldStory.Outcome) {
            seeds += 1
            if !outcome.complaints.isEmpty { failed += 1 }
            messages += outcome.messages
            seconds += outcome.seconds
            for (name, count) in outcome.met { met[name, default: 0] += count }
        }

        mutating func differ(_ seed: UInt64) {
            print("seed \(seed) is not the same twice")
            failed += 1
        }

        func report() {
            for (name, count) in met.sorted(by: { $0.key < $1.key }) { print("  \(count)  \(name)") }
            print("\(seeds) seeds, \(messages) messages, \(Int(seconds)) simulated seconds, \(failed) failed")
        }
    }
}
