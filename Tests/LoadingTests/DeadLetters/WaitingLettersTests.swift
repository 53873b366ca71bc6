import Foundation
import Testing

@testable import Loading
@testable import Postgres

@Suite("Letters that wait")
struct WaitingLettersTests {
    @Test("a letter is tried after longer and longer pauses, and for the last time when its time is over")
    func ages() {
        #expect(
            WaitingLetters.ages([.seconds(60)]) == [1, 2, 4, 8, 16, 32, 60].map { .seconds($0) })
        #expect(WaitingLetters.ages([.seconds(60), .seconds(3)]) == [1, 2, 3, 4, 8, 16, 32, 60].map { .seconds($0) })
        #expect(WaitingLetters.ages([.zero]).isEmpty)
    }

    @Test("what is given up counts by what has come in within minutes, and not by the lot it comes in")
    func share() {
        let start = ContinuousClock.now
        var share = GivenUpShare()
        // One in a hundred for ever, in lots of twenty seconds.
        for second in 0..<600 {
            share.add(messages: 100_000, at: start + .seconds(second))
            if second % 20 == 0, second > 60 { share.add(letters: 20_000, at: start + .seconds(second)) }
            #expect(share.share < 0.05)
        }
        // And then all of them.
        share.add(letters: 10_000_000, at: start + .seconds(600))
        #expect(share.share > 0.5)
    }

    @Test("of few messages, some that are given up are not most of them")
    func few() {
        var share = GivenUpShare()
        share.add(letters: 100)
        #expect(share.share == 0.01)
    }

    @Test(
        "it is waited for what a route brings; for other foreign keys, and what a function says, only where a route asks"
    )
    func keys() {
        let error = PostgresError(
            .server, sqlState: .foreignKeyViolation, message: "", schema: "s", table: "c", constraint: "c_p_fkey")
        let name = ForeignKey.Name(table: TableName(schema: "s", name: "c"), constraint: "c_p_fkey")
        let known = ParentWait(patience: .seconds(1), keys: [name])
        #expect(known.includes(error))
        #expect(!ParentWait(patience: .zero, keys: [name]).includes(error))
        #expect(!ParentWait(patience: .seconds(1), keys: []).includes(error))
        #expect(ParentWait(patience: .seconds(1), keys: nil).includes(error))
        var raised = error
        raised.isRaisedByFunction = true
        #expect(!known.includes(raised))
        #expect(ParentWait(patience: .seconds(1), keys: nil).includes(raised))
        var other = error
        other.sqlState = .uniqueViolation
        #expect(!known.includes(other) && !ParentWait(patience: .seconds(1), keys: nil).includes(other))
    }
}
