import Foundation
import Kafka
import Loading
import TestSupport
import Testing

@Suite("Stalled partitions", .serialized)
struct StalledPartitionTests {
    /// librdkafka forgets the partition in some of these moves, not in each: so it is moved until one stands still, for a
    /// while.
    @Test("a partition that librdkafka goes on asking of a broker that no longer leads it is loaded all the same")
    func leadersToAndFro() async throws {
        let broker = try Broker(mockBrokers: 3)
        let mock = try #require(broker.mock)
        let count: Int32 = 64
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: Int(count)) { landing in
            let run = try LoaderRun(landing.options())
            var written = 0
            var isStalled = false
            for _ in 0..<8 where !isStalled {
                for _ in 0..<20 {
                    for partition in 0..<count {
                        let place = TopicPartition(topic: landing.topic, partition: partition)
                        try mock.setLeader(Int32.random(in: mock.brokers), of: place)
                    }
                    try await Task.sleep(for: .milliseconds(Int.random(in: 1...300)))
                }
                try landing.produce(written..<written + 6400)
                written += 6400
                let settled: Void? = try? await eventually("all is in", within: .seconds(10)) {
                    try landing.rowCount() == written
                }
                isStalled = settled == nil
            }
            try await landing.waitForRows(written)
            try await run.finish()
            let clients = 1 + run.log.lines.filter { $0.message.hasSuffix("it is replaced") }.count
            print("a partition stood still: \(isStalled); clients: \(clients)")
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }
}
