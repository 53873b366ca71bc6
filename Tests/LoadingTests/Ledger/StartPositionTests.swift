import Kafka
import Testing

@testable import Loading

@Suite("Start position")
struct StartPositionTests {
    private static let ours = LedgerMark(ledger: "11111111-1111-4111-8111-111111111111")
    private static let theirs = LedgerMark(ledger: "22222222-2222-4222-8222-222222222222")
    private static let partition = TopicPartition(topic: "orders", partition: 3)

    /// Decides with a partition that holds 10…100.
    private func decide(
        ledger: Int64? = nil, group: (offset: Int64, metadata: String)? = nil, isNew: Bool = false,
        reset: LoadingOptions.OffsetReset = .error, lost: LoadingOptions.OnLostOffsets = .stop, doubles: Bool = false,
        loss: StartPosition.Loss? = nil, logEnd: Int64? = nil, detour: Detour? = nil, hasReachedEnd: Bool = false
    ) throws(LoadingError) -> StartPosition {
        let facts = StartPosition.Facts(
            partition: Self.partition, ledger: ledger,
            group: group.map { CommittedOffset(partition: Self.partition, offset: $0.offset, metadata: $0.metadata) },
            watermarks: Watermarks(low: 10, high: 100, logEnd: logEnd), isNew: isNew, loss: loss, detour: detour,
            hasReachedEnd: hasReachedEnd)
        let rules = StartPosition.Rules(
            mark: Self.ours, offsetReset: reset, onLostOffsets: lost, replayDoubles: doubles)
        return try StartPosition.decide(facts, rules)
    }

    private func code(_ body: () throws -> StartPosition) -> LoadingError.Code? {
        #expect(throws: LoadingError.self) { try body() }?.code
    }

    // MARK: – | –

    @Test(
        "without any position `auto_offset_reset` decides",
        arguments: [(LoadingOptions.OffsetReset.earliest, Int64(10)), (.latest, 100)])
    func fresh(reset: LoadingOptions.OffsetReset, offset: Int64) throws {
        #expect(
            try decide(reset: reset) == StartPosition(offset: offset, step: .insert, needsMark: false))
    }

    @Test("without any position `auto_offset_reset: error` stops")
    func freshRefused() { #expect(code { try decide(reset: .error) } == .noPosition) }

    @Test(
        "a new partition of a known topic begins at its beginning, whatever `auto_offset_reset` says",
        arguments: LoadingOptions.OffsetReset.allCases)
    func newPartition(reset: LoadingOptions.OffsetReset) throws {
        #expect(
            try decide(isNew: true, reset: reset) == StartPosition(offset: 10, step: .insert, needsMark: false))
    }

    // MARK: Open transactions

    @Test("a position behind an open transaction is none that is lost, up to the end of the log")
    func openTransaction() throws {
        let mark = Self.ours.metadata
        #expect(
            try decide(ledger: 105, group: (105, mark), logEnd: 105)
                == StartPosition(offset: 105, step: .none, needsMark: false))
        #expect(try decide(group: (103, ""), logEnd: 105).offset == 103)
        #expect(code { try decide(ledger: 106, group: (106, mark), logEnd: 105) } == .lostOffsets)
        #expect(code { try decide(ledger: 105, group: (105, mark)) } == .lostOffsets)
        // What is not committed yet is still to come.
        #expect(try decide(reset: .latest, logEnd: 105).offset == 100)
    }

    // MARK: – | C without a mark

    @Test(
        "an older consumer's offset is adopted, and gets our mark",
        arguments: ["", "whatever a consumer wrote", "loader/1", "loader/1 a b"])
    func adoption(metadata: String) throws {
        #expect(
            try decide(group: (42, metadata)) == StartPosition(offset: 42, step: .insert, needsMark: true))
    }

    @Test("an older consumer's offset is adopted for a new partition and an append-only route too")
    func adoptionOfNewPartition() throws {
        #expect(
            try decide(group: (42, ""), isNew: true, doubles: true)
                == StartPosition(offset: 42, step: .insert, needsMark: true))
    }

    // MARK: P | –

    @Test("the ledger alone is enough: the group may expire or be deleted")
    func groupGone() throws {
        #expect(
            try decide(ledger: 42, reset: .latest, doubles: true)
                == StartPosition(offset: 42, step: .none, needsMark: false))
    }

    // MARK: P | C with our mark

    @Test(
        "against our own mark the ledger always wins", arguments: [Int64(10), 41, 42, 43, 100, 1000],
        [true, false])
    func ownMark(group: Int64, doubles: Bool) throws {
        #expect(
            try decide(ledger: 42, group: (group, Self.ours.metadata), doubles: doubles)
                == StartPosition(offset: 42, step: .none, needsMark: false))
    }

    // MARK: P | C without a mark

    @Test("a reset of the group moves the ledger, back and forth", arguments: [Int64(10), 30, 42, 60, 100])
    func reset(group: Int64) throws {
        #expect(
            try decide(ledger: 42, group: (group, ""))
                == StartPosition(offset: group, step: .reset(from: 42), needsMark: true))
    }

    @Test("a reset backwards is refused where it would append rows twice, and names both positions")
    func unsafeReset() throws {
        let error = #expect(throws: LoadingError.self) {
            try decide(ledger: 42, group: (30, ""), doubles: true)
        }
        #expect(error?.code == .unsafeReplay)
        #expect(error?.description.contains("orders[3]@42") == true)
        #expect(error?.description.contains("@30") == true)
        #expect(error?.description.contains("12 messages") == true)
        #expect(error?.mend == .position(.takeBack(Self.partition, to: 42, nil)))
    }

    @Test("a reset forwards doubles nothing, so append-only routes take it; so is its repetition", arguments: [42, 60])
    func safeReset(group: Int64) throws {
        #expect(
            try decide(ledger: 42, group: (group, ""), doubles: true)
                == StartPosition(offset: group, step: .reset(from: 42), needsMark: true))
    }

    // MARK: any | C with another mark; – | C with our mark

    @Test("the mark of another ledger stops, with or without a position of our own", arguments: [nil, Int64(42)])
    func otherLedger(ledger: Int64?) {
        let error = #expect(throws: LoadingError.self) {
            try decide(ledger: ledger, group: (42, Self.theirs.metadata), reset: .earliest)
        }
        #expect(error?.code == .otherLedger)
        #expect(error?.description.contains(Self.ours.ledger) == true)
        #expect(error?.description.contains(Self.theirs.ledger) == true)
        #expect(error?.mend == .position(.takeOver(topic: "orders", isKnown: ledger != nil)))
    }

    @Test("our own mark without a position stops, even where the partition looks new", arguments: [true, false])
    func lostPosition(isNew: Bool) {
        let error = #expect(throws: LoadingError.self) {
            try decide(group: (42, Self.ours.metadata), isNew: isNew, reset: .earliest, lost: .earliest)
        }
        #expect(error?.code == .lostPosition)
        #expect(error?.description.contains("orders[3]@42") == true)
        #expect(error?.mend == .position(.restore(Self.partition, group: 42)))
    }

    // MARK: Gone offsets

    @Test(
        "a position that is another log's, or was found lost before, stops wherever it lies by now",
        arguments: [StartPosition.Loss.anotherLog, .remembered], [nil, Int64(42)])
    func lostWithin(loss: StartPosition.Loss, group: Int64?) throws {
        let committed = group.map { ($0, Self.ours.metadata) }
        let error = #expect(throws: LoadingError.self) { try decide(ledger: 42, group: committed, loss: loss) }
        #expect(error?.code == .lostOffsets)
        #expect(error?.message.contains("orders[3]@42") == true && error?.message.contains("10…100") == true)
        #expect(error?.mend == .position(.choose(Self.partition)))
        for (lost, offset) in [(LoadingOptions.OnLostOffsets.earliest, Int64(10)), (.latest, 100)] {
            #expect(
                try decide(ledger: 42, group: committed, lost: lost, loss: loss)
                    == StartPosition(offset: offset, step: .skip(from: 42), needsMark: true))
        }
    }

    @Test("a reset of the group is a decision about a lost position, and what it loads is not loaded twice")
    func lostAndReset() throws {
        for offset: Int64 in [10, 42, 60] {
            #expect(
                try decide(ledger: 42, group: (offset, ""), doubles: true, loss: .remembered)
                    == StartPosition(offset: offset, step: .reset(from: 42), needsMark: true))
        }
    }

    @Test("positions at the watermarks themselves are not lost", arguments: [Int64(10), 100])
    func atTheWatermarks(ledger: Int64) throws {
        #expect(try decide(ledger: ledger) == StartPosition(offset: ledger, step: .none, needsMark: false))
    }

    struct Lost: Sendable, CustomTestStringConvertible {
        var ledger: Int64?
        var group: Int64?
        var mark = ""
        var name: String
        var testDescription: String { name }
        /// What the position is written over.
        var isInsert: Bool { ledger == nil }
    }

    static let lost = [
        Lost(ledger: 9, name: "the ledger's, deleted by retention"),
        Lost(ledger: 101, name: "the ledger's, beyond the end"),
        Lost(ledger: 9, group: 9, mark: ours.metadata, name: "both, deleted by retention"),
        Lost(ledger: 101, group: 101, mark: ours.metadata, name: "both, beyond the end"),
        Lost(ledger: 42, group: 9, name: "a reset to what is deleted"),
        Lost(ledger: 42, group: 101, name: "a reset beyond the end"),
        Lost(group: 9, name: "an older consumer's, deleted by retention"),
        Lost(group: 101, name: "an older consumer's, beyond the end"),
    ]

    @Test("a position outside the partition stops by default, with the figures and both ways on", arguments: lost)
    func lostStops(_ lost: Lost) throws {
        let error = #expect(throws: LoadingError.self) {
            try decide(ledger: lost.ledger, group: lost.group.map { ($0, lost.mark) })
        }
        #expect(error?.code == .lostOffsets)
        #expect(error?.message.contains("10…100") == true)
        let offset = lost.group ?? lost.ledger ?? 0
        #expect(error?.message.contains("orders[3]@\(offset)") == true)
        #expect(error?.message.contains(offset < 10 ? "1 unread messages are gone" : "ends before it") == true)
        #expect(error?.mend == .position(.choose(Self.partition)))
    }

    @Test(
        "a position outside the partition goes on where `on_lost_offsets` says, and the ledger follows",
        arguments: lost, [(LoadingOptions.OnLostOffsets.earliest, Int64(10)), (.latest, 100)])
    func lostGoesOn(_ lost: Lost, _ goOn: (at: LoadingOptions.OnLostOffsets, offset: Int64)) throws {
        let start = try decide(ledger: lost.ledger, group: lost.group.map { ($0, lost.mark) }, lost: goOn.at)
        let step: StartPosition.Step = lost.ledger.map { .skip(from: $0) } ?? .insert
        #expect(start == StartPosition(offset: goOn.offset, step: step, needsMark: true))
    }

    // MARK: A log that became another one while it was loaded

    /// Of the log as it is now nothing below 40 is loaded, and some of what lies between there and the position.
    private static let mixed = Detour(until: 40, resume: 50)

    @Test(
        "where the log became another one while it was loaded, what may double is named, and so is the way that doubles nothing",
        arguments: [StartPosition.Loss.anotherLog, .remembered], [false, true])
    func mixed(loss: StartPosition.Loss, doubles: Bool) throws {
        let error = #expect(throws: LoadingError.self) {
            try decide(ledger: 50, doubles: doubles, loss: loss, detour: Self.mixed)
        }
        #expect(error?.code == .lostOffsets)
        #expect(error?.message.contains("@39 no longer holds") == true)
        #expect(error?.message.contains("10…100, and of a new topic nothing before @40 is loaded") == true)
        #expect(error?.message.contains("to @49") == true)
        #expect(error?.mend == .position(doubles ? .loadBefore(Self.partition, 40) : .choose(Self.partition)))
    }

    @Test("on_lost_offsets goes on by itself only where that doubles nothing")
    func mixedGoesOn() throws {
        for loss in [StartPosition.Loss.anotherLog, .remembered] {
            #expect(
                try decide(ledger: 50, lost: .earliest, loss: loss, detour: Self.mixed)
                    == StartPosition(offset: 10, step: .skip(from: 50), needsMark: true))
            #expect(
                try decide(ledger: 50, lost: .latest, doubles: true, loss: loss, detour: Self.mixed)
                    == StartPosition(offset: 100, step: .skip(from: 50), needsMark: true))
            #expect(
                code { try decide(ledger: 50, lost: .earliest, doubles: true, loss: loss, detour: Self.mixed) }
                    == .lostOffsets)
            // Nothing of the log as it is now was taken.
            #expect(
                try decide(
                    ledger: 50, lost: .earliest, doubles: true, loss: loss, detour: Detour(until: 50, resume: 50)
                ).offset == 10)
        }
    }

    @Test("where all that the partition holds may be loaded, it goes on where it stands")
    func mixedBelowTheLowWatermark() {
        let error = #expect(throws: LoadingError.self) {
            try decide(ledger: 50, doubles: true, loss: .remembered, detour: Detour(until: 10, resume: 50))
        }
        #expect(error?.mend == .position(.stay(Self.partition, at: 50)))
    }

    @Test(
        "a reset of the group that would double what may be loaded is refused, and names the way that doubles nothing")
    func mixedReset() throws {
        for (offset, repeated) in [(Int64(10), Int64(10)), (42, 8), (50, 0)] {
            let error = try refusal(
                ofResetFrom: 50, to: offset, loss: .remembered, detour: Self.mixed, repeated: repeated)
            guard repeated > 0 else { continue }
            #expect(error?.message.contains("\(repeated) messages may be loaded") == true)
            #expect(error?.mend == .position(.loadBeforeReset(Self.partition, 40)))
        }
    }

    /// Resets the group, which a route that doubles nothing takes, and expects any other to refuse it where messages would be repeated.
    private func refusal(
        ofResetFrom ledger: Int64, to offset: Int64, loss: StartPosition.Loss?, detour: Detour, repeated: Int64
    ) throws -> LoadingError? {
        func reset(doubles: Bool) throws -> StartPosition {
            try decide(ledger: ledger, group: (offset, ""), doubles: doubles, loss: loss, detour: detour)
        }
        #expect(try reset(doubles: false).offset == offset)
        guard repeated > 0 else {
            #expect(try reset(doubles: true).offset == offset)
            return nil
        }
        let error = #expect(throws: LoadingError.self) { try reset(doubles: true) }
        #expect(error?.code == .unsafeReplay)
        return error
    }

    // MARK: Back for a stretch

    @Test(
        "before the end of what is loaded again the position counts; at it, or where nothing more comes, the return does"
    )
    func detour() throws {
        let detour = Detour(until: 40, resume: 60)
        #expect(
            try decide(ledger: 20, detour: detour)
                == StartPosition(offset: 20, step: .none, needsMark: false, detour: detour))
        let back = StartPosition(offset: 60, step: .resume(from: 40), needsMark: false)
        #expect(try decide(ledger: 40, detour: detour) == back)
        #expect(
            try decide(ledger: 38, detour: detour, hasReachedEnd: true)
                == StartPosition(offset: 60, step: .resume(from: 38), needsMark: false))
    }

    @Test("what retention has left of it is loaded, and what lies behind it is not loaded twice")
    func detourLost() throws {
        #expect(code { try decide(ledger: 5, detour: Detour(until: 40, resume: 60)) } == .lostOffsets)
        let left = Detour(until: 40, resume: 60)
        #expect(
            try decide(ledger: 5, lost: .earliest, loss: .remembered, detour: left)
                == StartPosition(offset: 10, step: .skip(from: 5), needsMark: true, detour: left))
        let gone = Detour(until: 8, resume: 60)
        #expect(
            try decide(ledger: 5, lost: .earliest, detour: gone)
                == StartPosition(offset: 60, step: .skip(from: 5), needsMark: true))
        #expect(
            try decide(ledger: 20, lost: .earliest, loss: .anotherLog, detour: left)
                == StartPosition(offset: 10, step: .skip(from: 20), needsMark: true),
            "another topic holds nothing of it")
    }

    /// A way back of a log that is another by now, or shorter: all below 40 is loaded again, and it was to go on at 150.
    private static let lostWay = Detour(until: 40, resume: 150)

    @Test(
        "where a way back leads beyond the end, what it has loaded is loaded, also once a loader has stopped for it"
    )
    func wayBackLost() throws {
        for loss in [nil, StartPosition.Loss.remembered] {
            for doubles in [false, true] {
                let error = #expect(throws: LoadingError.self) {
                    try decide(ledger: 40, doubles: doubles, loss: loss, detour: Self.lostWay)
                }
                #expect(error?.code == .lostOffsets)
                #expect(error?.message.contains("up to @40") == true && error?.message.contains("at @150") == true)
                #expect(error?.mend == .position(.goOnAt(Self.partition, 40, mayDouble: doubles)))
            }
            for (offset, repeated) in [(Int64(10), Int64(90)), (40, 60), (99, 1), (100, 0)] {
                let error = try refusal(
                    ofResetFrom: 40, to: offset, loss: loss, detour: Self.lostWay, repeated: repeated)
                #expect(repeated == 0 || error?.message.contains("\(repeated) messages") == true)
            }
        }
    }

    @Test("on_lost_offsets goes on behind such a way by itself only where that doubles nothing")
    func wayBackLostGoesOn() throws {
        for loss in [nil, StartPosition.Loss.remembered] {
            func goOn(_ lost: LoadingOptions.OnLostOffsets, doubles: Bool) throws -> Int64 {
                try decide(ledger: 40, lost: lost, doubles: doubles, loss: loss, detour: Self.lostWay).offset
            }
            #expect(try goOn(.earliest, doubles: false) == 10)
            #expect(try goOn(.latest, doubles: true) == 100)
            let error = #expect(throws: LoadingError.self) { try goOn(.earliest, doubles: true) }
            #expect(error?.code == .lostOffsets)
        }
    }

    @Test("what retention has left behind a way back is loaded, and no reset of the group loads it twice")
    func wayBackRetention() throws {
        let error = #expect(throws: LoadingError.self) {
            try decide(
                ledger: 5, group: (10, ""), doubles: true, loss: .remembered, detour: Detour(until: 8, resume: 60))
        }
        #expect(error?.code == .unsafeReplay && error?.message.contains("50 messages") == true)
        #expect(
            error?.mend == .position(.goOnBehind(Self.partition, Detour(until: 8, resume: 60), hasRest: false)))
    }

    @Test("a way back says nothing of a log that is another one before it is over")
    func wayBackOfAnotherLog() throws {
        for loss in [nil, StartPosition.Loss.anotherLog] {
            let facts = StartPosition.Facts(
                partition: Self.partition, ledger: loss == nil ? 120 : 40, group: nil,
                watermarks: Watermarks(low: 10, high: 100), isNew: false, loss: loss,
                detour: Detour(until: 130, resume: 150))
            #expect(facts.loaded(from: 10) == 0 && facts.position?.detour == nil)
        }
    }

    @Test("a reset of the group among what is loaded ahead of the position doubles rows as one backwards does")
    func resetAhead() throws {
        let detour = Detour(until: 40, resume: 60)
        for (offset, repeated) in [(Int64(15), true), (30, true), (50, true), (60, false)] {
            let start = try? decide(ledger: 20, group: (offset, ""), doubles: true, detour: detour)
            #expect((start == nil) == repeated, "\(offset)")
        }
        for (position, mend) in [
            (Int64(20), Mend.Position.takeBack(Self.partition, to: 20, detour)),
            (40, .takeBack(Self.partition, to: 60, nil)),
        ] {
            let error = #expect(throws: LoadingError.self) {
                try decide(ledger: position, group: (10, ""), doubles: true, detour: detour)
            }
            #expect(error?.mend == .position(mend))
        }
    }
}
