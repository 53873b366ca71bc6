import Foundation

/// Makes a failing seed's plan smaller as long as it fails in the same way: faults left out, halves of them first, then of each measure
/// less.
///
/// What is left out changes all that is drawn behind it, so each smaller plan is tried in several orders.
struct Shrinking {
    let seed: UInt64
    let kind: String
    let processes: SeedProcesses
    /// How many orders of a plan are tried before it counts as one that does not fail.
    var orders = 12
    /// Stories that may still be told.
    private(set) var left: Int
    private(set) var smallest: Trim

    init(_ seed: UInt64, _ trim: Trim, kind: String, _ processes: SeedProcesses, most: Int = 1500) {
        (self.seed, self.kind, self.processes, smallest, left) = (seed, kind, processes, trim, most)
    }

    mutating func shrink() throws {
        var before: Trim?
        while before != smallest, left > 0 {
            before = smallest
            try leaveOutFaults()
            for measure in Trim.Measure.allCases { try lessen(measure) }
        }
    }

    // MARK: Steps

    private mutating func leaveOutFaults() throws {
        var size = WorldPlan.of(seed, smallest).faultNames.count
        while size > 0 {
            var place = 0
            while true {
                let names = names()
                guard place < names.count else { break }
                var trim = smallest
                trim.without.formUnion(names[place..<min(place + size, names.count)])
                if try !take(trim) { place += size }
            }
            size /= 2
        }
    }

    /// Of what is still there.
    private func names() -> [String] {
        WorldPlan.of(seed, smallest).faultNames.filter { !smallest.without.contains($0) }
    }

    private mutating func lessen(_ measure: Trim.Measure) throws {
        while true {
            let amount = WorldPlan.of(seed, smallest).amount(of: measure)
            var isLess = false
            for less in [1, amount / 2, amount * 3 / 4, amount - 1] where less >= 1 && less < amount {
                var trim = smallest
                trim.most[measure] = less
                isLess = try take(trim)
                if isLess { break }
            }
            guard isLess else { return }
        }
    }

    // MARK: Tries

    /// Takes a smaller plan, if it fails in the same way in any order.
    private mutating func take(_ trim: Trim) throws -> Bool {
        guard left > 0 else { return false }
        let others = (0..<orders).filter { $0 != trim.order }
        var failing: Int?
        var told = 0
        try processes.run([trim.order] + others) { order in
            var trim = trim
            trim.order = order
            return Array((WorldStory.tell(seed, trim, keepsLog: false).kind ?? "").utf8)
        } answered: { order, answer in
            told += 1
            // What has ended in another way, as by a signal, is no complaint of the same kind unless that was one.
            if WorldStory.kind(of: answer) == kind { failing = min(failing ?? order, order) }
            return failing == nil
        }
        left -= told
        guard let failing else { return false }
        smallest = trim
        smallest.order = failing
        return true
    }
}

extension WorldStory {
    /// What a process has answered that tells the kind of its complaint; nil: none.
    static func kind(of answer: Result<[UInt8], SeedProcess.Failure>) -> String? {
        switch answer {
        case .success(let bytes): bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
        case .failure(let failure): Outcome(failure).kind
        }
    }
}

extension WorldStory.Outcome {
    /// Of a seed whose process has not come to its end.
    init(_ failure: SeedProcess.Failure) { self.init(complaints: ["the process \(failure)"]) }
}
