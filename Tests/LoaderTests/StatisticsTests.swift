import Kafka
import Loading
import Testing

@testable import Loader

@Suite struct StatisticsTests {
    let start = ContinuousClock.now

    @Test("a loader is ready when it is assigned and nothing is away, and alive while its loop turns")
    func status() {
        var snapshot = LoadingStatistics.Snapshot()
        #expect(ServiceStatus(snapshot, at: start).isLive)
        #expect(!ServiceStatus(snapshot, at: start).isReady)
        snapshot.isAssigned = true
        snapshot.lastTurn = start
        #expect(ServiceStatus(snapshot, at: start + .seconds(10)).isReady)
        snapshot.outages = [.database, .brokers]
        #expect(ServiceStatus(snapshot, at: start).obstacles == ["the database is away", "the brokers are away"])
        #expect(ServiceStatus(snapshot, at: start).isLive)
        #expect(!ServiceStatus(snapshot, at: start + .seconds(600)).isLive)
    }

    @Test("every counter of the pipeline reaches the metrics")
    func counters() {
        var snapshot = LoadingStatistics.Snapshot()
        (snapshot.messages, snapshot.rows, snapshot.batches, snapshot.rebalances) = (1, 2, 3, 4)
        (snapshot.fences, snapshot.positionResets) = (5, 6)
        snapshot.deadLetters = ["a": 7]
        snapshot.retries = ["away": 8]
        snapshot.partitions[TopicPartition(topic: "t", partition: 3)] = .init(position: 10, end: 19)
        let status = ServiceStatus(snapshot, at: start)
        #expect(
            status.counters
                == ServiceStatus.Counters(
                    messages: 1, rows: 2, batches: 3, deadLetters: ["a": 7], rebalances: 4, retries: ["away": 8],
                    ledgerFences: 5, positionResets: 6))
        #expect(status.lags == [.init(topic: "t", partition: 3, lag: 9)])
    }

    @Test("the rate is that of the last seconds, and the total holds what was loaded and what is left")
    func meter() {
        var meter = ProgressMeter()
        var snapshot = LoadingStatistics.Snapshot()
        let first = meter.progress(snapshot, at: start)
        #expect(first.rate == 0 && first.lag == nil && first.total == nil)

        snapshot.isAssigned = true
        snapshot.messages = 1000
        snapshot.partitions[TopicPartition(topic: "t", partition: 0)] = .init(position: 1000, end: 10_000)
        let second = meter.progress(snapshot, at: start + .seconds(2))
        #expect(second.rate == 500)
        #expect(second.lag == 9000)
        #expect(second.total == 10_000)

        // Long after, only what is new counts.
        _ = meter.progress(snapshot, at: start + .seconds(60))
        snapshot.messages = 1100
        snapshot.partitions[TopicPartition(topic: "t", partition: 0)] = .init(position: 1100, end: 10_000)
        let last = meter.progress(snapshot, at: start + .seconds(70))
        #expect(last.rate == 10)
        #expect(last.total == 10_000)
    }
}
