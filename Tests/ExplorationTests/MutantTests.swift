import Testing

@testable import Loading

@Suite("A rule of delivery that is broken")
struct MutantTests {
    /// Where each is to be found, and by what.
    private static let places: [(mutant: Mutant, scenario: Scenario, rule: World.Rule)] = [
        (.fenceOff, .oneByOne, .once),
        (.markNotWritten, .operators, .resets),
        (.groupBeforeCommit, .oneByOne, .group),
        (.groupBeatsLedger, .operators, .resets),
        (.resetIgnored, .resets, .resets),
        (.markBeforeLedger, .operators, .resets),
        (.resetNotMarked, .operators, .resets),
        (.unknownTakenForDone, .oneByOne, .group),
        (.unknownTakenForFailed, .oneByOne, .once),
        (.youngerFirst, .withoutLedger, .group),
        (.headStartCommits, .oneByOne, .once),
        (.revokedAtOnce, .oneByOne, .given),
        (.lossIgnored, .oneByOne, .given),
        (.retentionUnnoticed, .operators, .once),
        (.otherLedgerTakenForOurs, .operators, .foreign),
        (.dumpNotLoadedAgain, .restored, .resets),
        (.newPartitionAtEnd, .newPartition, .once),
        (.repetitionTaken, .repeated, .order),
        (.positionNotReadAgain, .repeated, .progress),
        (.commitsOvertake, .oneByOne, .group),
        (.adoptionOvertaken, .resets, .resets),
        (.versionIgnored, .zombies, .resets),
        (.stopNotVerified, .oneByOne, .stops),
        (.failureUnheard, .refusals, .group),
        (.partMovesAll, .parts, .once),
        (.headStartUnfenced, .headStarts, .once),
        (.detourForgotten, .oneBackfill, .resets),
        (.resumedEarly, .backfills, .resets),
        (.topicNotCompared, .topicAnew, .once),
        (.replacedAtOnce, .renewals, .given),
        (.topicNotWatched, .topicReplaced, .progress),
        (.provenNotKept, .oneTopicReplaced, .once),
        (.narrowingForgotten, .oneTopicReplaced, .once),
        (.mixedNotRemembered, .oneTopicReplaced, .once),
        (.ledgerNotWatched, .oneRestoredIdle, .progress),
        (.stallNotWatched, .oneForgotten, .progress),
    ]

    @Test("is found, and told as a story", arguments: places.map(\.mutant))
    func found(mutant: Mutant) throws {
        let place = try #require(Self.places.first { $0.mutant == mutant })
        let result = Explorer.explore(place.scenario, mutant: mutant, bound: .init(states: 100_000))
        let counterexample = try #require(result.counterexample, "\(result.summary)")
        print(
            "mutant \(mutant): \(counterexample.broken.rule.rawValue), depth \(counterexample.depth), \(result.summary)"
        )
        #expect(counterexample.broken.rule == place.rule, "\(counterexample)")
        #expect(counterexample.story.count >= counterexample.depth)
    }

    @Test("is one of those that have their place here")
    func all() { #expect(Set(Self.places.map(\.mutant)) == Set(Mutant.allCases)) }
}
