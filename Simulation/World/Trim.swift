/// What of a seed's plan is left out: a failure is told with no more than it takes.
struct Trim: Equatable, Sendable {
    /// Kinds of faults, and single ones, as `WorldPlan.faultNames` has them.
    var without: Set<String> = []
    /// At most so many; nil: as the seed says.
    var most: [Measure: Int] = [:]
    /// Which order of the same plan: who is next, and how long things take, is drawn anew for each.
    var order = 0

    enum Measure: String, CaseIterable {
        case messages, loaders, partitions, writers, keys, seconds
    }

    func leavesOut(_ name: String) -> Bool { without.contains(name) }

    func limit(_ count: Int, _ measure: Measure) -> Int { most[measure].map { min($0, count) } ?? count }

    /// As `simulate run` and `scripts/simulate --seed` take them.
    var arguments: String {
        var parts: [String] = []
        if !without.isEmpty { parts.append("--without " + without.sorted().joined(separator: ",")) }
        for measure in Measure.allCases {
            if let most = most[measure] { parts.append("--most \(measure.rawValue)=\(most)") }
        }
        if order != 0 { parts.append("--order \(order)") }
        return parts.map { " " + $0 }.joined()
    }
}
