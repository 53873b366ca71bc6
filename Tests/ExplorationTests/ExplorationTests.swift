import Foundation
import Testing

@testable import Loading

@Suite("Every interleaving")
struct ExplorationTests {
    /// How long all scenarios may take, in seconds.
    static let seconds = Double(ProcessInfo.processInfo.environment["EXPLORATION_SECONDS"] ?? "") ?? 60

    /// Those to be tried: all, or those in whose names the words are.
    static let scenarios = {
        let words = ProcessInfo.processInfo.environment["EXPLORATION_SCENARIOS"] ?? ""
        return words.isEmpty ? Scenario.all : Scenario.all.filter { $0.name.contains(words) }
    }()

    @Test("there is a scenario in whose name the words are")
    func chosen() { #expect(!Self.scenarios.isEmpty) }

    @Test("nothing is lost or doubled or stuck, whatever meets whatever", arguments: scenarios)
    func holds(scenario: Scenario) {
        let began = ContinuousClock.now
        let share = Duration.seconds(Self.seconds / Double(Self.scenarios.count))
        let result = Explorer.explore(scenario, bound: .init(deadline: began + share))
        print("explored \(scenario.name): \(result.summary), \((ContinuousClock.now - began).inSeconds) s")
        #expect(result.counterexample == nil, "\(result.counterexample.map(String.init(describing:)) ?? "")")
        #expect(result.states > 100)
    }
}
