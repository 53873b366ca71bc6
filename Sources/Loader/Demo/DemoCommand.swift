import ArgumentParser
import Foundation
import Kafka
import Loading
import Postgres
import Web

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Orders, and the changes of a shop, to try the loader with; scripts/demo puts it all together.",
        discussion: """
            EXAMPLES:
              loader demo produce --brokers localhost:9092 --topic orders
              loader demo changes --brokers localhost:9092
            """,
        subcommands: [
            DemoProduceCommand.self, DemoReportCommand.self, DemoChangesCommand.self, DemoReplicaCommand.self,
        ])
}

/// Writes the demo's order events to a topic.
struct DemoProduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce",
        abstract: "Write made-up order events to a topic: orders, updates, tombstones and some broken messages.",
        discussion: """
            EXAMPLES:
              loader demo produce --brokers localhost:9092 --topic orders
              loader demo produce --format avro --registry http://localhost:8081
            """)

    @Option(help: "The brokers, host:port separated by commas.")
    var brokers = ProcessInfo.processInfo.environment["KAFKA_BROKERS"] ?? "localhost:9092"

    @Option(help: "The topic; it is created if it is not there.")
    var topic = "orders"

    @Option(help: "The number of partitions of a topic that is created.")
    var partitions = 12

    @Option(help: "How many messages.")
    var count = 200_000

    @Option(help: "How many of them are broken.")
    var malformed = 50

    @Option(help: "The same seed gives the same messages.")
    var seed: UInt64 = 1

    @Option(help: "What the orders are written in. The broken ones are JSON in any case.")
    var format = OrderFormat.json

    @Option(
        help:
            "The schema registry that avro, protobuf and json-schema are registered with. Default: LOADER_SCHEMA_REGISTRY_URL."
    )
    var registry: String?

    private var registryURL: String? { registry ?? ProcessInfo.processInfo.environment["LOADER_SCHEMA_REGISTRY_URL"] }

    func validate() throws {
        guard count > 0, malformed >= 0, partitions > 0 else {
            throw ValidationError("--count and --partitions are at least 1, --malformed is at least 0.")
        }
        guard !format.wantsRegistry || registryURL != nil else {
            throw ValidationError("--format \(format.rawValue) wants --registry, the URL of a schema registry.")
        }
    }

    func run() throws {
        let connection: ClientProperties = [("bootstrap.servers", brokers)]
        let admin = try Admin(properties: connection)
        let partitionCount = try findOrCreateTopic(admin)
        let before = try watermarks(admin, partitionCount)

        let producer = try Producer(properties: connection + [("compression.type", "lz4"), ("linger.ms", "20")])
        let delivery = Delivery()
        let writer = OrderWriter(format, schemaID: try registeredSchema())
        var events = OrderEvents(count: count, malformed: malformed, seed: seed)
        var (orders, tombstones, broken) = (0, 0, 0)
        let start = ContinuousClock.now
        while let event = events.next() {
            switch event.kind {
            case .order: orders += 1
            case .tombstone: tombstones += 1
            case .malformed: broken += 1
            }
            try producer.produce(
                topic: topic, key: Array(event.key.utf8), value: writer.value(of: event),
                headers: [Header("source", "loader demo")], timestamp: event.timestamp, in: delivery)
        }
        try producer.confirm(delivery, within: .seconds(120))
        let seconds = (ContinuousClock.now - start) / .seconds(1)

        // The mock broker drops old messages of a full partition without a word.
        let after = try watermarks(admin, partitionCount)
        let arrived = zip(before, after).reduce(0) { $0 + $1.1.high - $1.0.high }
        let isComplete = zip(before, after).allSatisfy { $1.low <= $0.high }
        guard arrived == count, isComplete else {
            throw IncompleteTopic(topic: topic, written: count, held: arrived)
        }
        print(
            """
            \(count) messages in \(partitionCount) partitions of \(topic), in \(String(format: "%.1f", seconds)) s: \(orders) \
            orders and updates, \(tombstones) tombstones, \(broken) broken; they leave \(events.liveOrders) orders
            """)
    }

    /// The number that the registry has for the schema of the topic's values; nil where the format has none.
    private func registeredSchema() throws -> Int32? {
        guard let schema = format.schema, let registry = registryURL else { return nil }
        let base = registry.hasSuffix("/") ? String(registry.dropLast()) : registry
        let body = try JSONSerialization.data(withJSONObject: ["schema": schema.text, "schemaType": schema.type])
        let answer = try HTTPClient(HTTPOptions(userAgent: "loader demo")).send(
            HTTPRequest(
                .post(Array(body)), "\(base)/subjects/\(topic)-value/versions",
                headers: [("Content-Type", "application/vnd.schemaregistry.v1+json")]))
        let told = try? JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        guard answer.status == 200, let id = told?["id"] as? Int else {
            throw ValidationError("\(registry) does not register the schema: status \(answer.status).")
        }
        return Int32(id)
    }

    /// The topic does not hold what was written to it.
    private struct IncompleteTopic: Error, CustomStringConvertible {
        let topic: String
        let written: Int
        let held: Int64

        var description: String {
            "\(written) messages were written to \(topic), but it does not hold them all (offsets went up by \(held)); "
                + "take a topic with more partitions, or more retention"
        }
    }

    private func findOrCreateTopic(_ admin: Admin) throws -> Int {
        if let count = try admin.partitionCounts(timeout: .seconds(30))[topic] { return count }
        try admin.createTopic(topic, partitions: partitions, timeout: .seconds(30))
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        while ContinuousClock.now < deadline {
            if let count = try admin.partitionCounts(timeout: .seconds(30))[topic], count == partitions { return count }
            usleep(50_000)
        }
        throw KafkaError(code: .timedOut, operation: "create topic", topic: topic)
    }

    private func watermarks(_ admin: Admin, _ partitionCount: Int) throws -> [Watermarks] {
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        return try (0..<Int32(partitionCount)).map { partition in
            let place = TopicPartition(topic: topic, partition: partition)
            var found = Result { () throws(KafkaError) in try admin.watermarks(of: place, timeout: .seconds(30)) }
            // A partition that was just made has no leader for a moment.
            while case .failure(let error) = found, error.isRetriable, ContinuousClock.now < deadline {
                usleep(50_000)
                found = Result { () throws(KafkaError) in try admin.watermarks(of: place, timeout: .seconds(30)) }
            }
            return try found.get()
        }
    }
}

/// Tells what the demo has loaded.
struct DemoReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Show what the demo has loaded, and what it has not and why.",
        discussion: """
            EXAMPLES:
              loader demo report --config deploy/demo/loader.yaml
              loader demo report --config deploy/demo/loader.yaml --seconds 4.2
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Option(help: "How long the loading took.")
    var seconds: Double?

    func run() throws {
        let options = try arguments.load().loading
        let database = try Connection(options.database.connectionOptions("loader demo"))
        let admin = try Admin(properties: [("bootstrap.servers", options.brokers)])
        let report = try DemoReport(admin, database, group: options.group, topics: topics(of: options.routes))
        print(report.text(seconds: seconds))
        guard report.lag == 0 else { throw ExitCode.failure }
    }

    private func topics(of routes: [Route]) -> [String] {
        routes.flatMap(\.topics).compactMap { if case .name(let name) = $0 { name } else { nil } }
    }
}
