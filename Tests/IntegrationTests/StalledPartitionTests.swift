import Foundation
import Kafka
import Loading
import TestSupport
import Testing

@Suite("Stalled partitions")
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
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }

    @Test(
        "a client that is replaced while batches are under way leaves nothing out and doubles nothing",
        arguments: [true, false])
    func replacement(isStatic: Bool) async throws {
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 4) { landing in
            try landing.produce(0..<20_000)
            var environment = landing.environment
            environment["LOADER_BATCH_MAX_ROWS"] = "500"
            environment["LOADER_FAILPOINTS"] = "stalled-client=error@5"
            if isStatic { environment["LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID"] = "\(landing.group)-0" }
            let loader = try LoaderProcess(environment)
            try await loader.waitForLog("failpoint stalled-client")
            try await landing.waitForRows(20_000)
            try landing.produce(20_000..<21_000)
            try await landing.waitForRows(21_000)
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            #expect(loader.output.contains("it is replaced"))
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }
}
