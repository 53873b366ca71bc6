import Foundation
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
        snapshot.outagesSince = [.database: Date(), .brokers: Date()]
        #expect(ServiceStatus(snapshot, at: start).obstacles == ["the database is away", "the brokers are away"])
        #expect(ServiceStatus(snapshot, at: start).isLive)
    }

    @Test("how long a turn may take is what the group bears")
    func maxPollInterval() {
        var options = LoadingOptions(brokers: "", group: "", routes: [])
        #expect(options.maxPollInterval == .seconds(300))
        options.properties["max.poll.interval.ms"] = "20000"
        var snapshot = LoadingStatistics.Snapshot()
        snapshot.lastTurn = start
        func isLive(after seconds: Int) -> Bool {
            ServiceStatus(snapshot, maxPollInterval: options.maxPollInterval, at: start + .seconds(seconds)).isLive
        }
        #expect(isLive(after: 19))
        #expect(!isLive(after: 21))
    }

    @Test("the condition names what matters most")
    func condition() {
        let partition = TopicPartition(topic: "t", partition: 0)
        var snapshot = LoadingStatistics.Snapshot()
        func condition(after seconds: Int = 0) -> ServiceStatus.Condition {
            ServiceStatus(snapshot, maxPollInterval: .seconds(300), at: start + .seconds(seconds)).condition
        }
        #expect(condition() == .starting)
        (snapshot.isAssigned, snapshot.phase) = (true, .running)
        #expect(condition() == .standby)
        snapshot.partitions = [partition: .init(position: 0, end: 1000)]
        snapshot.look(maxDelay: .seconds(1), at: start)
        #expect(condition() == .catchingUp(.init(share: 0, secondsLeft: nil)))
        #expect(condition(after: 90) == .stalled(seconds: 90))
        let since = Date()
        snapshot.outagesSince = [.brokers: since, .database: since + 5]
        #expect(condition(after: 90) == .waiting([.database, .brokers], since: since))
        snapshot.phase = .stopping("it was asked to stop")
        #expect(condition() == .stopping("it was asked to stop"))
        snapshot.lastTurn = start
        #expect(condition(after: 301) == .stuck)
        snapshot = .init()
        (snapshot.isAssigned, snapshot.phase) = (true, .running)
        snapshot.partitions = [partition: .init(position: 1000, end: 1000)]
        snapshot.look(maxDelay: .seconds(1), at: start)
        #expect(condition(after: 90) == .well)
    }
}
