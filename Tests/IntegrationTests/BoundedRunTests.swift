import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Bounded runs")
struct BoundedRunTests {
    @Test("a bounded run that loses its partitions on the way waits for the next, and ends only with all loaded")
    func losesItsPartitions() async throws {
        try await TestDatabase.shared().withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (id int)")
            let broker = try Broker(mockBrokers: 1)
            let mock = try #require(broker.mock)
            try broker.createTopic("t", partitions: 2)
            try broker.produce(
                (0..<100).map { TestMessage(partition: $0 % 2, key: nil, value: #"{"id": \#($0)}"#) }, to: "t")
            var options = LoadingOptions(
                brokers: broker.bootstrapServers, group: Broker.randomName("group"),
                properties: broker.clientProperties, database: .init(url: schema.url),
                routes: [Route("t", "t")])
            options.untilEnd = true
            // The batch waits for this lock, and so is still under way when the group speaks.
            try connection.execute("BEGIN; LOCK TABLE t")
            let run = try LoaderRun(options)
            try await eventually("partitions are assigned") { run.statistics.snapshot.isAssigned }
            mock.fail(.heartbeat, with: [.unknownMember])
            try await eventually("the partitions are lost") { run.statistics.snapshot.rebalances >= 2 }
            try connection.execute("COMMIT")
            try await run.waitForEnd()
            #expect(try connection.query("SELECT count(*), count(DISTINCT id) FROM t").int(0, 1) == 100)
            #expect(try connection.query("SELECT count(*) FROM t").int(0, 0) == 100)
            #expect(run.statistics.snapshot.rebalances >= 3)
        }
    }
}
