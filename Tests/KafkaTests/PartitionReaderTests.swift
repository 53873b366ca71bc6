import Kafka
import TestSupport
import Testing

@Suite("Reading without a group")
struct PartitionReaderTests {
    private func read(
        _ reader: PartitionReader, _ stretches: [PartitionReader.Stretch]
    ) throws(KafkaError) -> [Int32: [Int64]] {
        let reading = try reader.read(stretches)
        var offsets: [Int32: [Int64]] = [:]
        while let message = try reading.next() { offsets[message.partition, default: []].append(message.offset) }
        return offsets
    }

    @Test("each stretch is read from its start to its end, its limit or that of its partition, and nothing besides")
    func stretches() async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 3) { topic in
            let places = (0..<3).map { TopicPartition(topic: topic, partition: Int32($0)) }
            try broker.produce(
                places.flatMap { place in
                    (0..<10).map { TestMessage(partition: place.partition, value: "\($0)") }
                }, to: topic)
            let reader = try PartitionReader(
                properties: broker.properties(), patience: .inAll(.seconds(60)), mayBeGone: false)
            #expect(
                try read(
                    reader,
                    [
                        .init(partition: places[0], start: 2, end: 7),
                        .init(partition: places[1], start: 0, end: 10, limit: 3),
                        .init(partition: places[2], start: 5, end: 5),
                    ]) == [0: Array(2..<7), 1: [0, 1, 2]])
            // The same partitions once more, by the same reader.
            #expect(
                try read(
                    reader,
                    [
                        .init(partition: places[1], start: 1, end: 3),
                        .init(partition: places[2], start: 8, end: 100),
                    ]) == [1: [1, 2], 2: [8, 9]])
            #expect(
                try reader.watermarks(places, timeout: .seconds(30))
                    == Dictionary(uniqueKeysWithValues: places.map { ($0, Watermarks(low: 0, high: 10)) }))
        }
    }

    @Test("what retention has deleted is an error that names its place, or where it may be gone the stretch's end")
    func gone() async throws {
        let broker = try Broker.sharedReal()
        try await broker.withTopic(partitions: 2) { topic in
            let places = (0..<2).map { TopicPartition(topic: topic, partition: Int32($0)) }
            try broker.produce(
                places.flatMap { place in
                    (0..<10).map { TestMessage(partition: place.partition, value: "\($0)") }
                }, to: topic)
            try broker.withAdmin { _ = try $0.deleteRecords(before: [places[0]: 6], timeout: .seconds(30)) }
            let stretches = places.map { PartitionReader.Stretch(partition: $0, start: 3, end: 9) }
            let lenient = try PartitionReader(
                properties: broker.properties(), patience: .each(.seconds(60)), mayBeGone: true)
            #expect(try read(lenient, stretches) == [1: Array(3..<9)])
            let strict = try PartitionReader(
                properties: broker.properties(), patience: .each(.seconds(60)), mayBeGone: false)
            let error = #expect(throws: KafkaError.self) { try read(strict, stretches) }
            #expect(error?.topic == topic && error?.partition == 0 && error?.isRetriable == false)
        }
    }

    @Test("without a broker a reading ends when it is given up, or when its patience is over, and says where")
    func nothingComes() throws {
        let properties: ClientProperties = [("bootstrap.servers", "127.0.0.1:1")]
        let stretch = PartitionReader.Stretch(partition: TopicPartition(topic: "t", partition: 7), start: 0, end: 1)
        for reader in [
            try PartitionReader(properties: properties, patience: .inAll(.milliseconds(50)), mayBeGone: true),
            try PartitionReader(properties: properties, patience: .each(.milliseconds(50)), mayBeGone: true),
            try PartitionReader(
                properties: properties, patience: .each(.seconds(3600)), mayBeGone: true, isGivenUp: { true }),
        ] {
            let error = #expect(throws: KafkaError.self) { try read(reader, [stretch]) }
            #expect(error?.code == .timedOut && error?.topic == "t" && error?.partition == 7)
        }
    }
}
