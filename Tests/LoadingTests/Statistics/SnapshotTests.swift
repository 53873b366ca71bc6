import Foundation
import Kafka
import Testing

@testable import Loading

@Suite("Statistics") struct SnapshotTests {
    typealias Snapshot = LoadingStatistics.Snapshot

    @Test("an observation falls into the first bucket whose bound it does not exceed")
    func histogram() {
        var histogram = Histogram(bounds: [1, 10])
        for value in [0.5, 1, 1.5, 10, 11] { histogram.observe(value) }
        #expect(histogram.counts == [2, 2, 1])
        #expect(histogram.count == 5)
        #expect(histogram.sum == 24)
    }

    @Test("a batch is counted, with each phase that was measured")
    func counting() {
        var snapshot = Snapshot()
        let time = Date(timeIntervalSince1970: 1000)
        snapshot.count(
            BatchRecord(
                time: time, messages: 3, rows: 2, bytes: 100, deadLetters: 1, wait: 0.5, decode: 0.25, copy: 2,
                commit: 0.001),
            offsets: 4)
        // The connection died during COMMIT, so nobody knows how long it took.
        snapshot.count(BatchRecord(time: time + 1, messages: 1, rows: 1, bytes: 10), offsets: 1)
        #expect((snapshot.messages, snapshot.rows, snapshot.bytes, snapshot.batches) == (4, 3, 110, 2))
        #expect(snapshot.lastCommit == time + 1)
        #expect(snapshot.batchMessages.sum == 4)
        #expect((snapshot.wait.sum, snapshot.decode.sum) == (0.5, 0.25))
        #expect((snapshot.copy.count, snapshot.commit.count) == (1, 1))
        #expect(snapshot.recentBatches.map(\.messages) == [3, 1])
    }

    @Test("the newest twenty batches and incidents are kept")
    func rings() {
        var snapshot = Snapshot()
        for index in 0..<300 {
            snapshot.count(BatchRecord(messages: index, rows: 0), offsets: 0)
            snapshot.note(Incident(.warning, "\(index)", mend: .said("")))
        }
        #expect(snapshot.recentBatches.map(\.messages) == Array(280..<300))
        #expect(snapshot.incidents.map(\.summary) == (280..<300).map { "\($0)" })
    }

    @Test("the same incident again is counted, and the newest words are kept")
    func repeated() {
        let statistics = LoadingStatistics()
        for index in 0..<3 {
            statistics.note(Incident(.warning, "dead letters", code: "22003", at: "t[0]@\(index)", mend: .said("look")))
            statistics.note(Incident(.warning, "dead letters", code: "wrong_type", mend: .said("look")))
        }
        #expect(statistics.snapshot.incidents.map(\.count) == [3, 3])
        #expect(statistics.snapshot.incidents.first?.place == "t[0]@2")
    }

    @Test("an outage that is said again is one outage, and began when it was said first")
    func outages() throws {
        let statistics = LoadingStatistics()
        statistics.outage(.database, isOver: false)
        let since = try #require(statistics.snapshot.outagesSince[.database])
        statistics.outage(.database, isOver: false)
        #expect(statistics.snapshot.outagesSince == [.database: since])
        statistics.outage(.database, isOver: true)
        #expect(statistics.snapshot.outages.isEmpty)
        statistics.outage(.database, isOver: false)
        #expect(statistics.snapshot.outageCounts == [.database: 2])
    }

    @Test("an outage is over when the last of those who noticed it has seen its end")
    func parties() {
        let statistics = LoadingStatistics()
        statistics.outage(.database, for: "writer 0", isOver: false)
        statistics.outage(.database, for: "writer 1", isOver: false)
        statistics.outage(.database, for: "writer 0", isOver: true)
        #expect(statistics.snapshot.outages == [.database])
        statistics.outage(.database, for: "writer 2", isOver: true)
        statistics.outage(.database, for: "writer 0", isOver: true)
        #expect(statistics.snapshot.outages == [.database])
        statistics.outage(.database, for: "writer 1", isOver: true)
        #expect(statistics.snapshot.outages.isEmpty)
        #expect(statistics.snapshot.outageCounts == [.database: 1])
    }

    @Test("retries are counted by class and by the SQLSTATE's class")
    func retries() {
        let statistics = LoadingStatistics()
        statistics.retried(.away, "57")
        statistics.retried(.away, nil)
        statistics.retried(.conflict, "40")
        #expect(statistics.snapshot.retries == ["away": 2, "conflict": 1])
        #expect(statistics.snapshot.retryCauses[.init(.away, sqlStateClass: "none")] == 1)
    }
}
