import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Ledger: at least once, without one")
struct AtLeastOnceTests {
    private let broker: Broker

    init() throws { broker = try Broker.sharedReal() }

    @Test("without the loader's schema the group's offsets alone say where to begin")
    func withoutSchema() async throws {
        let server = try PostgresServer.shared()
        let name = Broker.randomName("db").replacing("-", with: "_")
        try server.connect().execute("CREATE DATABASE \(name)")
        defer { _ = try? server.connect().execute("DROP DATABASE \(name) WITH (FORCE)") }
        let url = server.url(adding: ["dbname": name])
        let connection = try Connection(ConnectionOptions(url: url))
        try connection.execute("CREATE TABLE events (id int)")
        try await broker.withTopic(partitions: 1) { topic in
            try await broker.withGroup { group in
                let options = LoadingOptions(
                    brokers: broker.bootstrapServers, group: group, properties: broker.clientProperties,
                    database: .init(url: url),
                    routes: [Route(topics: [.name(topic)], table: TableName(schema: nil, name: "events"))],
                    delivery: .atLeastOnce, deadLetters: .init(table: nil))
                let messages = (0..<10).map { TestMessage(partition: 0, value: #"{"id": \#($0)}"#) }
                try broker.produce(messages, to: topic)
                #expect(try await LoaderRun.toTheEnd(options).messages == 10)
                #expect(try await LoaderRun.toTheEnd(options).messages == 0)
                let place = TopicPartition(topic: topic, partition: 0)
                #expect(
                    try broker.committedOffsets(ofGroup: group, topic: topic)
                        == [CommittedOffset(partition: place, offset: 10, metadata: "")])
                try broker.commitAsPlainConsumer(7, of: place, group: group)
                #expect(try await LoaderRun.toTheEnd(options).messages == 3)
                #expect(try connection.query("SELECT count(*) FROM events").int(0, 0) == 13)
                #expect(try connection.query("SELECT to_regnamespace('loader') IS NULL").bool(0, 0) == true)
            }
        }
    }

    @Test("a change to at_least_once and back goes on where the other left off")
    func thereAndBack() async throws {
        try await LedgerScenario.with(broker) { scenario in
            try scenario.produce(5)
            try await scenario.load()
            scenario.options.delivery = .atLeastOnce
            try scenario.produce(5)
            #expect(try await scenario.load().messages == 5)
            scenario.options.delivery = .exactlyOnce
            try scenario.produce(2)
            #expect(try await scenario.load().messages == 2)
            #expect(try scenario.ids() == Array(0..<12))
            #expect(try scenario.group() == scenario.marked(12))
        }
    }

    @Test(
        "lost offsets stop or go on as configured, also without a ledger",
        arguments: [LoadingOptions.OnLostOffsets.stop, .earliest, .latest])
    func lostOffsets(_ goOn: LoadingOptions.OnLostOffsets) async throws {
        try await LedgerScenario.with(broker) { scenario in
            scenario.options.delivery = .atLeastOnce
            scenario.options.onLostOffsets = goOn
            try scenario.produce(6)
            try scenario.setGroup(1)
            try broker.withAdmin { admin in
                _ = try admin.deleteRecords(before: [scenario.place(0): 4], timeout: .seconds(30))
            }
            switch goOn {
            case .stop: #expect(try await scenario.failure()?.code == .lostOffsets)
            case .earliest: #expect(try await scenario.load().messages == 2)
            case .latest: #expect(try await scenario.load().messages == 0)
            }
        }
    }
}
