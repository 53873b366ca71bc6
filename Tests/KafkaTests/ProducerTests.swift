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

    @Test("a flush fails with the coordinates when a broker refuses one message for good, and the next flush is clean")
    func refused() async throws {
        let broker = try Broker(mockBrokers: 1)
        let cluster = try #require(broker.mock)
        let invalidRecord = KafkaErrorCode(rawValue: 87)
        try await broker.withTopic(partitions: 1) { topic in
            let producer = try Producer(properties: broker.properties([("enable.idempotence", "false")]))
            cluster.fail(.produce, with: [invalidRecord])
            try producer.produce(topic: topic, partition: 0, key: nil, value: [1])
            let error = #expect(throws: KafkaError.self) { try producer.flush(timeout: .seconds(30)) }
            #expect(error?.code == invalidRecord)
            #expect(error?.topic == topic && error?.partition == 0)
            #expect(producer.acknowledgedCount == 0)

            try producer.produce(topic: topic, partition: 0, key: nil, value: [2])
            try producer.flush(timeout: .seconds(30))
            #expect(producer.acknowledgedCount == 1)
            #expect(try broker.readAll(topic).map(\.value) == [[2]])
        }
    }

    @Test("idempotence rides out errors that pass: each message is there once")
    func retries() async throws {
        let broker = try Broker(mockBrokers: 1)
        let cluster = try #require(broker.mock)
        try await broker.withTopic(partitions: 1) { topic in
            let producer = try Producer(properties: broker.properties([("retry.backoff.ms", "1")]))
            cluster.fail(.produce, with: [KafkaErrorCode(rawValue: 6), .transport, KafkaErrorCode(rawValue: 19)])
            for number in 0..<100 {
                try producer.produce(topic: topic, partition: 0, key: nil, value: Array("\(number)".utf8))
            }
            try producer.flush(timeout: .seconds(60))
            #expect(producer.acknowledgedCount == 100)
            #expect(
                try broker.readAll(topic).map { String(decoding: $0.value ?? [], as: UTF8.self) }
                    == (0..<100).map(String.init))
        }
    }

    @Test("a flush without a broker ends at its timeout, says how many are missing, and gives them up")
    func timeout() async throws {
        let broker = try Broker(mockBrokers: 1)
        let cluster = try #require(broker.mock)
        try await broker.withTopic(partitions: 1) { topic in
            let producer = try Producer(properties: broker.properties())
            try cluster.setDown()
            for _ in 0..<3 { try producer.produce(topic: topic, partition: 0, key: nil, value: [1]) }
            let error = #expect(throws: KafkaError.self) { try producer.flush(timeout: .milliseconds(100)) }
            #expect(error?.code == .timedOut)
            #expect(error?.reason.hasPrefix("3 messages") == true)
            #expect(producer.outstandingCount == 0)
        }
    }

    @Test("a message over the size limit is refused at once")
    func tooLarge() throws {
        let producer = try Producer(properties: [("bootstrap.servers", "127.0.0.1:1"), ("message.max.bytes", "1000")])
        let error = #expect(throws: KafkaError.self) {
            try producer.produce(topic: "t", key: nil, value: Array(repeating: 0, count: 2000))
        }
        #expect(error?.code == .messageTooLarge && error?.topic == "t")
    }
}
