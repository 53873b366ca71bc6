import Postgres
import Testing

@testable import Loading

@Suite("Evidence")
struct EvidenceTests {
    private static func error(_ state: String, raised: Bool = false) -> PostgresError {
        PostgresError(.server, sqlState: SQLState(rawValue: state), message: "", isRaisedByFunction: raised)
    }

    /// What input functions, triggers, defaults and CHECKs can end with, one of each class that means something else
    /// elsewhere, and what a row's failure alone proves.
    static let suspicions: [(String, Suspicion)] = [
        ("22P02", .row), ("23514", .row), ("42601", .row), ("42P01", .row), ("42501", .row), ("3F000", .row),
        ("0A000", .row), ("25006", .row), ("XX000", .row), ("P0001", .row), ("2F003", .row), ("38000", .row),
        ("39004", .row), ("54000", .row), ("55000", .row), ("F0000", .row), ("HV000", .row), ("28000", .row),
        ("3D000", .row), ("08P01", .row), ("MY001", .row),
        ("08001", .perhaps), ("40001", .perhaps), ("40P01", .perhaps), ("53200", .perhaps), ("53400", .perhaps),
        ("57014", .perhaps), ("58030", .perhaps), ("XX001", .perhaps),
        ("53100", .server), ("53300", .server), ("55P03", .server), ("57P01", .server), ("57P03", .server),
    ]

    @Test("the code decides no more than how much it proves that a row fails alone", arguments: suspicions)
    func suspicion(_ state: String, _ expected: Suspicion) {
        #expect(Suspicion(Self.error(state)) == expected)
        // Whoever raises it in a function does so because of the row.
        #expect(Suspicion(Self.error(state, raised: true)) == .row)
        var lost = Self.error(state)
        lost.code = .connectionLost
        #expect(Suspicion(lost) == .server)
    }

    private func remedy(
        _ state: String, raised: Bool = false, messages: Int = 100, rows: Bool = true, careful: Bool = false,
        conflicts: Int = 0, alone: Int = 0, others: Bool = false
    ) -> Remedy {
        Evidence(
            messages: messages, withRows: rows, isCareful: careful, conflicts: conflicts, alone: alone,
            othersWentIn: others
        ).remedy(Self.error(state, raised: raised))
    }

    @Test("what came with rows has rows tried, whatever class its code is of")
    func rowsAreTried() {
        for state in ["42601", "3F000", "0A000", "XX000", "22P02", "25006", "28P01"] {
            #expect(remedy(state) == .carefully, "\(state)")
        }
        for state in ["08006", "53200", "57P01", "58030", "40001", "55P03"] {
            #expect(remedy(state, raised: true) == .carefully, "\(state)")
        }
    }

    @Test("only what fails without rows is the setup, or an outage")
    func withoutRows() {
        for state in ["42501", "42P01", "3F000", "25006", "XX000"] {
            #expect(remedy(state, rows: false) == .rereadCatalog, "\(state)")
        }
        for state in ["08006", "57P01", "58030", "53300", "53100", "55P03"] {
            #expect(remedy(state, rows: false) == .wait, "\(state)")
        }
        #expect(remedy("P0001", raised: true, rows: false) == .rereadCatalog)
    }

    @Test("what is too much for one transaction is tried with less, down to one message, and only that is judged")
    func tooMuch() {
        for state in ["57014", "53200", "53400", "58030", "XX001", "08001"] {
            #expect(remedy(state) == .less, "\(state)")
            #expect(remedy(state, careful: true) == .less, "\(state)")
            #expect(remedy(state, messages: 1, alone: 1, others: true) == .wait, "\(state)")
            #expect(remedy(state, messages: 1, alone: 3, others: true) == .judge, "\(state)")
            #expect(remedy(state, messages: 1, alone: 3) == .wait, "\(state)")
            #expect(remedy(state, messages: 1, alone: 12) == .judge, "\(state)")
        }
        #expect(remedy("57014", rows: false) == .less)
        #expect(remedy("57014", messages: 1, rows: false) == .wait)
    }

    @Test("a conflict is tried again at once, then after a pause, and only one that stays is searched for")
    func conflicts() {
        #expect(remedy("40P01", conflicts: 1) == .again(afterPause: false))
        #expect(remedy("40P01", conflicts: 3) == .again(afterPause: true))
        #expect(remedy("40P01", conflicts: 4) == .less)
        #expect(remedy("40001", rows: false, conflicts: 9) == .again(afterPause: true))
    }

    @Test("what belongs to nobody's row is waited for, however often it comes")
    func server() {
        for state in ["55P03", "53100"] {
            #expect(remedy(state, messages: 1, alone: 99, others: true) == .wait, "\(state)")
        }
    }

    @Test("a connection that ends with rows under way is tried with less, down to one message, which is set aside")
    func losses() {
        func remedy(
            _ messages: Int, losses: Int, isReduced: Bool = false, rows: Bool = true, state: String? = nil,
            others: Bool = false
        ) -> Remedy {
            let error = PostgresError(
                .connectionLost, sqlState: state.map { SQLState(rawValue: $0) }, message: "", cameWithRows: rows)
            return Evidence(
                messages: messages, withRows: false, isCareful: false, othersWentIn: others, losses: losses,
                isReduced: isReduced
            ).remedy(error)
        }
        #expect(remedy(100, losses: 1) == .wait)
        #expect(remedy(100, losses: 2) == .less)
        #expect(remedy(50, losses: 1, isReduced: true) == .less)
        #expect(remedy(1, losses: 2, isReduced: true) == .wait)
        // A network that drops now and then meets one message several times in a row, too.
        #expect(remedy(1, losses: 5, others: true) == .wait)
        #expect(remedy(1, losses: 6, others: true) == .setAside)
        #expect(remedy(1, losses: 7) == .wait)
        #expect(remedy(1, losses: 8) == .setAside)
        // Without rows, or where the server says why it ends the session, it is none of the rows' doing.
        #expect(remedy(1, losses: 9, rows: false) == .wait)
        for state in ["57P01", "57P02", "57P03", "25P03"] {
            #expect(remedy(1, losses: 9, state: state) == .wait, "\(state)")
        }
    }

    @Test("what only COMMIT says, with care, ends: with less, and then with a stop")
    func onlyTogether() {
        #expect(remedy("P0001", careful: true) == .less)
        #expect(remedy("P0001", messages: 1, careful: true) == .stop)
    }
}

@Suite("Transaction size")
struct TransactionSizeTests {
    /// Loads messages where `fits` says whether a stretch goes in.
    private func load(_ count: Int, _ size: inout TransactionSize, _ fits: (Range<Int>) -> Bool) -> (
        good: Int, bad: Int
    ) {
        var at = 0
        var (good, bad) = (0, 0)
        while at < count {
            let part = at..<min(count, at + (size.limit ?? count))
            if fits(part) {
                good += 1
                at = part.upperBound
                _ = size.loaded(part.count, whole: count)
            } else {
                bad += 1
                #expect(part.count > 1)
                _ = size.tooMuch(part.count)
            }
        }
        return (good, bad)
    }

    @Test("one message that is too much by itself is found in a few tries, and whole batches go again")
    func oneMessage() {
        for guilty in [0, 1, 777, 25_000, 49_999] {
            var size = TransactionSize()
            var tries = 0
            // Alone it goes, as a dead letter does.
            let (good, bad) = load(50_000, &size) { part in
                tries += 1
                return part.count == 1 || !part.contains(guilty)
            }
            #expect(bad <= 40 && good <= 100, "\(guilty): \(good) and \(bad)")
            for _ in 0..<100 { _ = load(50_000, &size) { _ in true } }
            #expect(size.limit == nil)
        }
    }

    @Test("a limit that stays is met less and less often")
    func lastingLimit() {
        var size = TransactionSize()
        let (good, bad) = load(1_000_000, &size) { $0.count <= 3000 }
        #expect(bad < 30, "\(bad) of \(good + bad)")
        #expect(good < 1_000_000 / 1500 + 100)
    }
}

@Suite("Parts of a batch")
struct BatchPartTests {
    @Test("parts cover all messages in order, move each position once, and the last takes along what is behind")
    func parts() {
        let batch = Batch()
        let ranges = (0..<3).map {
            batch.addRange(of: .init(topic: "t", partition: Int32($0)), expected: Int64($0) * 100)
        }
        for index in 0..<10 {
            let range = ranges[index % 2]
            let offset = Int64(index % 2) * 100 + Int64(index)
            _ = batch.append(
                .init(
                    partition: range, offset: offset, timestamp: 0, start: 0, valueCount: 0, keyCount: 0,
                    headersCount: 0))
            batch.advance(range, past: offset)
        }
        // A control record at the end of one, and nothing but one in another.
        batch.advance(ranges[0], past: 20)
        batch.advance(ranges[2], past: 205)
        let whole = batch.part()
        #expect(whole.messages == 0..<10 && whole.partitions == batch.partitions)
        #expect(batch.part(upTo: 10).partitions == batch.partitions)
        var positions = [0, 100, 200] as [Int64]
        var messages: [Int] = []
        while !batch.isLoaded {
            let part = batch.part(upTo: 3)
            messages += part.messages
            for range in part.partitions {
                let index = Int(range.partition.partition)
                #expect(range.expected == positions[index] && range.next > range.expected)
                positions[index] = range.next
            }
            batch.loaded(part)
        }
        #expect(messages == Array(0..<10))
        #expect(positions == batch.partitions.map(\.next))
        batch.removeAll(keepingAtMost: 0)
        #expect(batch.loadedMessages == 0)
    }
}
