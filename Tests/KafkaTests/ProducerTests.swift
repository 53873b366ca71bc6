import Kafka
import TestSupport
import Testing

@Suite("Producer")
struct ProducerTests {
    @Test("key, value, headers, partition and timestamp arrive byte for byte, with nil and empty kept apart")
    func roundTrip() async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 3) { topic in
            let written = [
                TestMessage(
                    partition: 1, key: [0, 255, 10], bytes: Array("größer 🛒".utf8),
                    headers: [
                        Header("kind", "a"), Header("kind", "b"), Header(name: "none", value: nil),
                        Header(name: "empty", value: []),
                    ], timestamp: 1_700_000_000_123),
                TestMessage(partition: 1, key: [], bytes: [], timestamp: 1),
                TestMessage(partition: 1, key: nil, bytes: nil, timestamp: 2),
            ]
            try broker.produce(written, to: topic)
            let read = try broker.readAll(topic)
            #expect(read.map(\.offset) == [0, 1, 2])
            for (wrote, found) in zip(written, read) {
                var expected = wrote
                expected.offset = found.offset
                #expect(found == expected)
            }
        }
    }

    @Test("messages of one key go to one partition, in their order")
    func keyOrder() async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 8) { topic in
            let keys = (0..<20).map { "key-\($0)" }
            try broker.produce(
                (0..<50).flatMap { round in keys.map { TestMessage(key: $0, value: "\(round)") } }, to: topic)
            let byKey = Dictionary(grouping: try broker.readAll(topic)) {
                String(decoding: $0.key ?? [], as: UTF8.self)
            }
            #expect(byKey.count == keys.count)
            for (_, messages) in byKey {
                #expect(Set(messages.map(\.partition)).count == 1)
                #expect(messages.map { String(decoding: $0.value ?? [], as: UTF8.self) } == (0..<50).map(String.init))
            }
            #expect(Set(byKey.values.map { $0[0].partition }).count > 1)
        }
    }

    private static let invalidRecord = KafkaErrorCode(rawValue: 87)

    @Test("whoever waits is told of exactly its own messages: one that a broker refused, and none of another's")
    func refused() async throws {
        let broker = try Broker(mockBrokers: 1)
        let cluster = try #require(broker.mock)
        try await broker.withTopic(partitions: 1) { topic in
            let producer = try Producer(properties: broker.properties([("enable.idempotence", "false")]))
            let (first, second) = (Delivery(), Delivery())
            cluster.fail(.produce, with: [Self.invalidRecord])
            let number = try producer.produce(topic: topic, partition: 0, key: nil, value: [1], in: first)
            let error = #expect(throws: KafkaError.self) { try producer.confirm(first, within: .seconds(30)) }
            #expect(error?.code == Self.invalidRecord)
            #expect(error?.topic == topic && error?.partition == 0)
            #expect(first.fate(of: number) == .failed(try #require(error)) && first.acknowledgedCount == 0)

            try producer.produce(topic: topic, partition: 0, key: nil, value: [2], in: second)
            try producer.confirm(second, within: .seconds(30))
            #expect(second.acknowledgedCount == 1)
            // It stays failed, whoever asks and how often.
            #expect(throws: KafkaError.self) { try producer.confirm(first, within: .seconds(30)) }
            #expect(try broker.readAll(topic).map(\.value) == [[2]])
        }
    }

    @Test("threads that share a producer whose partition loses its leader never hear that all is well before it is")
    func shared() async throws {
        let broker = try Broker(mockBrokers: 1)
        let cluster = try #require(broker.mock)
        try await broker.withTopic(partitions: 1) { topic in
            let producer = try Producer(properties: broker.properties([("retry.backoff.ms", "20")]))
            let place = TopicPartition(topic: topic, partition: 0)
            try producer.produce(topic: topic, partition: 0, key: nil, value: [0], in: Delivery())
            for round in 0..<10 {
                try cluster.setLeader(nil, of: place)
                let told = try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
                    for writer in 0..<3 {
                        group.addTask {
                            let delivery = Delivery()
                            for number in 0..<5 {
                                try producer.produce(
                                    topic: topic, partition: 0, key: nil,
                                    value: Array("\(round) \(writer) \(number)".utf8), in: delivery)
                            }
                            // One waits long enough, the others give up, which must not touch its messages.
                            let patience: Duration = writer == 0 ? .seconds(60) : .milliseconds(20)
                            if writer == 2 { try cluster.setLeader(1, of: place) }
                            let isIn = (try? producer.confirm(delivery, within: patience)) != nil
                            return (writer, isIn == (delivery.acknowledgedCount == 5) || !isIn)
                        }
                    }
                    return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
                }
                #expect(told == [0: true, 1: true, 2: true])
            }
            let everything = Delivery()
            try producer.produce(topic: topic, partition: 0, key: nil, value: [1], in: everything)
            try producer.confirm(everything, within: .seconds(60))
            // Nothing that was given up by its waiter was lost, and nothing came twice.
            #expect(try broker.readAll(topic).count == 10 * 15 + 2)
        }
    }

    @Test("idempotence rides out errors that pass: each message is there once")
    func retries() async throws {
        let broker = try Broker(mockBrokers: 1)
        let cluster = try #require(broker.mock)
        try await broker.withTopic(partitions: 1) { topic in
            let producer = try Producer(properties: broker.properties([("retry.backoff.ms", "1")]))
            cluster.fail(.produce, with: [KafkaErrorCode(rawValue: 6), .transport, KafkaErrorCode(rawValue: 19)])
            let delivery = Delivery()
            for number in 0..<100 {
                try producer.produce(
                    topic: topic, partition: 0, key: nil, value: Array("\(number)".utf8), in: delivery)
            }
            try producer.confirm(delivery, within: .seconds(60))
            #expect(delivery.acknowledgedCount == 100)
            #expect(
                try broker.readAll(topic).map { String(decoding: $0.value ?? [], as: UTF8.self) }
                    == (0..<100).map(String.init))
        }
    }

    @Test("a wait without a broker ends in time, says how many are missing, and may be taken up again")
    func timeout() async throws {
        let broker = try Broker(mockBrokers: 1)
        let cluster = try #require(broker.mock)
        try await broker.withTopic(partitions: 1) { topic in
            let producer = try Producer(properties: broker.properties())
            try cluster.setDown()
            let delivery = Delivery()
            for _ in 0..<3 { try producer.produce(topic: topic, partition: 0, key: nil, value: [1], in: delivery) }
            let error = #expect(throws: KafkaError.self) {
                try producer.confirm(delivery, within: .milliseconds(100))
            }
            #expect(error?.code == .timedOut && error?.isRetriable == true)
            #expect(error?.reason.hasPrefix("3 messages") == true)
            #expect(!producer.wait(for: delivery, until: .now + .seconds(60), isGivenUp: { true }))
            try cluster.setUp()
            try producer.confirm(delivery, within: .seconds(60))
            #expect(delivery.acknowledgedCount == 3)
        }
    }

    @Test("messages of a producer that ends are reported as given up, which may be tried again")
    func end() throws {
        let delivery = Delivery()
        do {
            let producer = try Producer(properties: [("bootstrap.servers", "127.0.0.1:1")])
            try producer.produce(topic: "t", partition: 0, key: nil, value: [1], in: delivery)
        }
        guard case .failed(let error) = delivery.fate(of: 0) else {
            Issue.record("it was not reported")
            return
        }
        #expect(error.isRetriable && error.code.name.hasPrefix("_PURGE"))
    }

    @Test("a message over the size limit is refused at once, and counts for nothing")
    func tooLarge() throws {
        let producer = try Producer(properties: [("bootstrap.servers", "127.0.0.1:1"), ("message.max.bytes", "1000")])
        let delivery = Delivery()
        let error = #expect(throws: KafkaError.self) {
            try producer.produce(topic: "t", key: nil, value: Array(repeating: 0, count: 2000), in: delivery)
        }
        #expect(error?.code == .messageTooLarge && error?.topic == "t")
        #expect(delivery.underWayCount == 0 && delivery.failure == nil)
    }
}
