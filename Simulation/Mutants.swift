import ArgumentParser
import Foundation

/// Breaks each rule of delivery on purpose, and says how many seeds it took to be noticed.
struct Mutants: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Breaks rules of delivery on purpose, one after the other: each must be noticed.")

    @Option(help: "How many seeds one may need, or is borne by.")
    var seeds = 300

    func run() throws {
        _ = WorldStory.tell(.max, keepsLog: false)
        var wrong = 0
        print("| Broken on purpose | Seeds until it was noticed | By |")
        print("|---|---:|---|")
        for mutant in Mutant.allCases {
            Mutant.current = mutant
            let found = try firstComplaint()
            if (found == nil) != mutant.isBorne { wrong += 1 }
            let told = found.map { "\($0.seed) | \($0.complaint)" } ?? "none of \(seeds) | the loader bears it"
            print("| \(mutant.rawValue) | \(told) |")
        }
        if wrong > 0 {
            print("\(wrong) are not as they should be")
            throw ExitCode(1)
        }
    }

    private func firstComplaint() throws -> (seed: UInt64, complaint: String)? {
        for seed in 1...UInt64(max(1, seeds)) {
            if let complaint = try complaint(seed) { return (seed, complaint) }
        }
        return nil
    }

    /// What was complained of first, without its figures.
    private func complaint(_ seed: UInt64) throws -> String? {
        let process = try SeedProcess {
            Array((WorldStory.tell(seed, keepsLog: false).complaints.first ?? "").utf8)
        }
        let answer: [UInt8]
        do { answer = try process.answer() } catch { return "the process \(error)" }
        let text = String(decoding: answer, as: UTF8.self)
        guard !text.isEmpty else { return nil }
        if text.hasPrefix("long after") { return "not all is loaded" }
        if text.hasPrefix("the group is told") { return "the group is told more than is loaded" }
        let isMissing = !text.hasPrefix("0 ")
        let what = text.contains("letters") ? "letters" : "rows"
        return "\(what) \(isMissing ? "missing" : "too many")"
    }
}
