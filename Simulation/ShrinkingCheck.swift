import ArgumentParser
import Foundation

/// Holds the shrinking of failures to its promise, on rules that are broken on purpose: what is left is smaller, and fails in the same
/// way whenever it is told again.
struct ShrinkingCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shrinking", abstract: "Checks that failing seeds are made smaller, and stay what they are.")

    @Option(help: "How many at a time.")
    var jobs = 2

    func run() throws {
        WorldStory.warmUp()
        for mutant in [Mutant.messagesLost, .positionBehind] {
            Mutant.current = mutant
            guard let (seed, kind) = try firstFailure() else { throw ValidationError("\(mutant) was not noticed") }
            var shrinking = Shrinking(seed, Trim(), kind: kind, SeedProcesses(jobs: jobs), most: 600)
            try shrinking.shrink()
            let trim = shrinking.smallest
            let (whole, small) = (WorldPlan.of(seed, Trim()), WorldPlan.of(seed, trim))
            let left = small.faultNames.filter { !trim.leavesOut($0) }.count
            guard small.messages < whole.messages, left * 2 <= whole.faultNames.count else {
                throw ValidationError("seed \(seed) of \(mutant) is not smaller: \(small.summary(trim))")
            }
            // As the line says it.
            let again = try SeedProcess { Array((WorldStory.tell(seed, trim, keepsLog: false).kind ?? "").utf8) }
            guard String(decoding: try again.answer(), as: UTF8.self) == kind else {
                throw ValidationError("seed \(seed) of \(mutant), made smaller, does not fail the same way again")
            }
            print(
                "\(mutant), seed \(seed): \(kind), with \(small.summary(trim)) of \(whole.messages) messages and "
                    + "\(whole.faultNames.count) faults")
        }
    }

    private func firstFailure() throws -> (seed: UInt64, kind: String)? {
        for seed in 1...100 {
            let process = try SeedProcess { Array((WorldStory.tell(UInt64(seed), keepsLog: false).kind ?? "").utf8) }
            let answer = Result { () throws(SeedProcess.Failure) in try process.answer() }
            // The plainest worlds have nothing to leave out.
            guard WorldPlan.of(UInt64(seed), Trim()).faultNames.count >= 4, let kind = WorldStory.kind(of: answer)
            else {
                continue
            }
            return (UInt64(seed), kind)
        }
        return nil
    }
}
