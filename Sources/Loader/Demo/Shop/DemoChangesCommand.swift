import ArgumentParser
import Foundation
import Kafka
import Loading
import Postgres

/// Changes the demo's shop, and writes its changes to topics.
struct DemoChangesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "changes",
        abstract: "Change a made-up shop's tables, and write the changes to topics as Debezium does.",
        discussion: """
            The tables are customers and orders in the schema shop of DATABASE_URL, which loader migrate up --dir \
            deploy/demo/migrations-cdc makes. Run again, it goes on with the shop as it is.

            EXAMPLES:
              loader demo changes --brokers localhost:9092
              loader demo changes --count 1000 --seed 2
            """)

    @Option(help: "The brokers, host:port separated by commas.")
    var brokers = ProcessInfo.processInfo.environment["KAFKA_BROKERS"] ?? "localhost:9092"

    @Option(help: "The number of partitions of a topic that is created.")
    var partitions = 6

    @Option(help: "How many changes.")
    var count = 100_000

    @Option(help: "The same seed makes the same changes of the same shop.")
    var seed: UInt64 = 1

    func validate() throws {
        guard count > 0, partitions > 0 else { throw ValidationError("--count and --partitions are at least 1.") }
    }

    func run() throws {
        let connection: ClientProperties = [("bootstrap.servers", brokers)]
        let admin = try Admin(properties: connection)
        for table in Shop.Table.allCases { try createIfMissing(table.topic, admin) }
        let url = ProcessInfo.processInfo.environment["DATABASE_URL"] ?? ""
        let tables = ShopTables(connection: try Connection(ConnectionOptions(url: url)))
        var changes = ShopChanges(
            of: try tables.read(), seed: seed, at: Int64(Date().timeIntervalSince1970 * 1_000_000))
        let producer = try Producer(properties: connection + [("compression.type", "lz4"), ("linger.ms", "20")])
        let delivery = Delivery()
        var messages = 0
        for _ in 0..<count {
            for message in changes.next() {
                messages += 1
                try producer.produce(
                    topic: message.table.topic, key: Array(message.key.utf8),
                    value: message.value.map { Array($0.utf8) },
                    headers: message.headers, in: delivery)
            }
        }
        try producer.confirm(delivery, within: .seconds(120))
        try tables.write(changes.shop)
        let counts = changes.counts
        print(
            """
            \(messages) messages: \(counts.created) rows created, \(counts.updated) updated (\(counts.withoutValues) times \
            without the value of a long text), \(counts.deleted) deleted, \(counts.movedKeys) of them to get another key; \
            the shop has \(changes.shop.customers.count) customers and \(changes.shop.orders.count) orders
            """)
    }

    private func createIfMissing(_ topic: String, _ admin: Admin) throws {
        guard try admin.partitionCounts(timeout: .seconds(30))[topic] == nil else { return }
        try admin.createTopic(topic, partitions: partitions, timeout: .seconds(30))
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        while try admin.partitionCounts(timeout: .seconds(30))[topic] != partitions {
            guard ContinuousClock.now < deadline else {
                throw KafkaError(code: .timedOut, operation: "create topic", topic: topic)
            }
            usleep(50_000)
        }
    }
}

/// Tells what the demo's replica is like.
struct DemoReplicaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replica",
        abstract: "Compare the demo's replica with the shop's own tables, and follow one row through its changes.",
        discussion: """
            EXAMPLES:
              loader demo replica --config deploy/demo/loader-cdc.yaml
              loader demo replica --config deploy/demo/loader-cdc.yaml --seconds 4.2
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Option(help: "How long the loading took.")
    var seconds: Double?

    func run() throws {
        let options = try arguments.load().loading
        let report = try ReplicaReport(
            [("bootstrap.servers", options.brokers)], group: options.group,
            Connection(options.database.connectionOptions("loader demo")))
        print(report.text(seconds: seconds))
        guard report.isEqual else { throw ExitCode.failure }
    }
}
