import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Append")
struct AppendTests {
    @Test("every message of a topic becomes one row, and the group's offsets follow with the ledger's mark")
    func everyMessageBecomesOneRow() async throws {
        let broker = try Broker.sharedMock()
        let server = try TestDatabase.shared()
        try await server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE events (id int, name text)")
            try await broker.withTopic(partitions: 3) { topic in
                try await broker.withGroup { group in
                    let messages = (0..<1000).map { id in
                        TestMessage(partition: Int32(id % 3), key: nil, value: #"{"id": \#(id), "name": "n\#(id)"}"#)
                    }
                    try broker.produce(messages, to: topic)
                    let options = LoadingOptions(
                        brokers: broker.bootstrapServers, group: group, properties: broker.clientProperties,
                        database: .init(url: schema.url),
                        routes: [
                            Route(topics: [.name(topic)], table: TableName(schema: nil, name: "events"))
                        ])
                    let first = try await LoaderRun.toTheEnd(options)
                    #expect(first.messages == 1000)
                    #expect(first.rows == 1000)
                    let again = try await LoaderRun.toTheEnd(options)
                    #expect(again.messages == 0)
                    let counted = try connection.query("SELECT count(*), count(DISTINCT id), sum(id) FROM events")
                    #expect(counted.int(0, 0) == 1000)
                    #expect(counted.int(0, 1) == 1000)
                    #expect(counted.int(0, 2) == 499_500)
                    let offsets = try broker.committedOffsets(ofGroup: group, topic: topic)
                    #expect(offsets.map(\.offset) == [334, 333, 333])
                    #expect(offsets.allSatisfy { $0.metadata.hasPrefix("loader/1 ") })
                }
            }
        }
    }
}
