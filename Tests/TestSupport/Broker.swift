import Foundation
import Kafka
import KafkaMock

/// A Kafka cluster for tests, and what they do with it besides what they test.
///
/// Tests share it, so each works with topics and groups of random names.
public final class Broker: Sendable {
    private enum Kind: Sendable {
        case mock(MockCluster)
        case noida(NoidaBroker)
        case external
    }

    private let kind: Kind
    private let admin: Admin
    public let bootstrapServers: String
    /// What its clients need besides.
    public let clientProperties: [String: String]

    private static let mockResult = Result { try Broker(.mock(MockCluster(brokers: 3))) }
    private static let realResult = Result {
        if let brokers = ProcessInfo.processInfo.environment["KAFKA_BROKERS"], !brokers.isEmpty {
            return try Broker(.external, at: brokers)
        }
        return try Broker(.noida(NoidaBroker()))
    }

    /// The mock cluster in this process, with three brokers. It starts in milliseconds, but a group takes 3 s to form, and it
    /// has no admin calls. `mock` lets a test break it, which other tests share: they should break a cluster of their own.
    public static func sharedMock() throws -> Broker { try mockResult.get() }

    /// What `KAFKA_BROKERS` names, or else a broker of the tests' own in another process, with admin calls,
    /// transactions, and data that survives its restart.
    public static func sharedReal() throws -> Broker { try realResult.get() }

    /// What clients of the cluster that `KAFKA_BROKERS` names need besides, from the file that `KAFKA_CLIENT_PROPERTIES` names, a
    /// line each, as Kafka's own tools take it: `security.protocol=SASL_SSL`.
    public static let externalProperties: [String: String] = {
        let file = ProcessInfo.processInfo.environment["KAFKA_CLIENT_PROPERTIES"] ?? ""
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return [:] }
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("#") && $0.contains("=") }
        let pairs = lines.map { line in
            line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        return Dictionary(pairs.map { ($0[0], $0[1]) }) { $1 }
    }()

    /// Whether there should be such: a file that cannot be read must not pass for none.
    public static let hasExternalProperties =
        !(ProcessInfo.processInfo.environment["KAFKA_CLIENT_PROPERTIES"] ?? "").isEmpty

    /// A mock cluster of one test's own.
    public convenience init(mockBrokers: Int) throws {
        try self.init(.mock(MockCluster(brokers: mockBrokers)))
    }

    /// A broker in a process of one test's own, which it may stop and start.
    public convenience init(process: NoidaBroker) throws {
        try self.init(.noida(process))
    }

    /// A cluster that somebody else runs.
    public convenience init(at brokers: String) throws {
        try self.init(.external, at: brokers)
    }

    private init(_ kind: Kind, at brokers: String = "") throws {
        self.kind = kind
        bootstrapServers =
            switch kind {
            case .mock(let cluster): cluster.bootstrapServers
            case .noida(let broker): broker.bootstrapServers
            case .external: brokers
            }
        // The mock takes connections while it is down and leaves them without an answer, for a minute by default.
        if case .external = kind { clientProperties = Self.externalProperties } else { clientProperties = [:] }
        admin = try Admin(
            properties: ClientProperties(
                [("bootstrap.servers", bootstrapServers), ("socket.timeout.ms", "5000")]
                    + clientProperties.sorted { $0.key < $1.key }))
    }

    /// The cluster to break; nil if this is no mock.
    public var mock: MockCluster? {
        if case .mock(let cluster) = kind { cluster } else { nil }
    }

    /// The connection, then `more`.
    public func properties(_ more: [(String, String)] = []) -> ClientProperties {
        ClientProperties(
            [("bootstrap.servers", bootstrapServers)] + clientProperties.sorted { $0.key < $1.key } + more)
    }

    // MARK: Topics and groups

    /// A name that nothing else has.
    public static func randomName(_ prefix: String = "test") -> String {
        "\(prefix)-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    }

    /// Creates a topic with a random name, and deletes it afterwards.
    public func withTopic<Result>(
        partitions: Int, isolation: isolated (any Actor)? = #isolation, _ body: (_ topic: String) async throws -> Result
    ) async throws -> Result {
        let topic = Self.randomName("topic")
        try createTopic(topic, partitions: partitions)
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await body(topic)) } catch { result = .failure(error) }
        deleteTopic(topic)
        return try result.get()
    }

    /// Hands out a random name for a group, and deletes the group afterwards if there is one by then.
    public func withGroup<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: (_ group: String) async throws -> Result
    ) async throws -> Result {
        let group = Self.randomName("group")
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await body(group)) } catch { result = .failure(error) }
        // librdkafka aborts the process when it asks the mock.
        if mock == nil { try? admin.deleteGroups([group], timeout: .seconds(10)) }
        return try result.get()
    }

    /// Creates a topic, and waits until all its partitions can be written to.
    public func createTopic(_ topic: String, partitions: Int) throws {
        if let mock {
            try mock.createTopic(topic, partitions: partitions)
            return
        }
        try admin.createTopic(topic, partitions: partitions, timeout: .seconds(30))
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        // The controller has the topic before all brokers know of it.
        while (try? admin.partitionCounts(of: topic, timeout: .seconds(5)))?[topic] != partitions {
            guard ContinuousClock.now < deadline else {
                throw KafkaError(code: .timedOut, operation: "create topic", topic: topic)
            }
            usleep(20_000)
        }
    }

    /// The mock cannot delete topics; it keeps them until the process ends.
    public func deleteTopic(_ topic: String) {
        if mock == nil { try? admin.deleteTopics([topic], timeout: .seconds(10)) }
    }

    /// What the group has committed for a topic; partitions without an offset are left out.
    public func committedOffsets(ofGroup group: String, topic: String) throws -> [CommittedOffset] {
        let count = try partitionCount(of: topic)
        let partitions = (0..<Int32(count)).map { TopicPartition(topic: topic, partition: $0) }
        return try admin.committedOffsets(ofGroup: group, partitions: partitions, timeout: .seconds(30))
            .sorted { $0.partition < $1.partition }
    }

    public func partitionCount(of topic: String) throws -> Int {
        try admin.partitionCounts(of: topic, timeout: .seconds(30))[topic] ?? 0
    }

    /// Calls that this broker may not have: the mock has few.
    public func withAdmin<Result>(_ body: (Admin) throws -> Result) rethrows -> Result { try body(admin) }

    // MARK: Messages

    /// Writes messages and waits until all are acknowledged. A message without a partition goes where its key says.
    public func produce(_ messages: some Sequence<TestMessage>, to topic: String) throws {
        let producer = try Producer(properties: properties([("compression.type", "lz4"), ("linger.ms", "5")]))
        let delivery = Delivery()
        for message in messages {
            try producer.produce(
                topic: topic, partition: message.partition, key: message.key, value: message.value,
                headers: message.headers, timestamp: message.timestamp, in: delivery)
        }
        try producer.confirm(delivery, within: .seconds(60))
    }

    /// All messages of a topic, by partition and offset.
    public func readAll(_ topic: String) throws -> [TestMessage] {
        var messages: [TestMessage] = []
        let reader = try TopicReader(properties())
        for partition in 0..<Int32(try partitionCount(of: topic)) {
            messages += try reader.readAll(TopicPartition(topic: topic, partition: partition))
        }
        return messages
    }
}

/// A message as a test writes or finds it.
public struct TestMessage: Sendable, Hashable {
    public var partition: Int32?
    /// Known of a message that was read.
    public var offset: Int64?
    public var key: [UInt8]?
    public var value: [UInt8]?
    public var headers: [Header]
    /// Milliseconds since 1970.
    public var timestamp: Int64?

    public init(
        partition: Int32? = nil, key: String? = nil, value: String?, headers: [Header] = [], timestamp: Int64? = nil
    ) {
        self.init(
            partition: partition, key: key.map { Array($0.utf8) }, bytes: value.map { Array($0.utf8) },
            headers: headers,
            timestamp: timestamp)
    }

    public init(
        partition: Int32? = nil, offset: Int64? = nil, key: [UInt8]?, bytes: [UInt8]?, headers: [Header] = [],
        timestamp: Int64? = nil
    ) {
        self.partition = partition
        self.offset = offset
        self.key = key
        self.value = bytes
        self.headers = headers
        self.timestamp = timestamp
    }
}
