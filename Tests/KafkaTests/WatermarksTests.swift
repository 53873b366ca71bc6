import TestSupport
import Testing

@testable import Kafka

@Suite("Watermarks")
struct WatermarksTests {
    private let places = (0..<2).map { TopicPartition(topic: "t", partition: $0) }

    private func offsets(_ values: Int64...) -> OffsetQuery.Answers {
        let answers = zip(places, values).map { place, value in
            PartitionList.Answer(
                offset: CommittedOffset(partition: place, offset: value, metadata: ""), code: .none)
        }
        return OffsetQuery.Answers(answers, operation: "asking")
    }

    @Test("a partition whose leader has not answered is an error that passes, not a position")
    func unanswered() throws {
        #expect(
            try Watermarks.all(of: places, low: offsets(3, 0), high: offsets(5, 0), operation: "asking")
                == [places[0]: Watermarks(low: 3, high: 5), places[1]: Watermarks(low: 0, high: 0)])
        for (low, high) in [
            (offsets(3, -2), offsets(5, 9)), (offsets(3, 4), offsets(5, -1)), (offsets(3), offsets(5, 9)),
            (offsets(3, 4), offsets(5)),
        ] {
            let error = #expect(throws: KafkaError.self) {
                try Watermarks.all(of: places, low: low, high: high, operation: "asking")
            }
            #expect(error?.partition == 1)
            #expect(error?.isRetriable == true)
        }
    }

    @Test("a partition that its leader refuses is left out of what is known, and is an error where all must be")
    func refused() throws {
        let answers = OffsetQuery.Answers(
            [
                PartitionList.Answer(
                    offset: CommittedOffset(partition: places[0], offset: 7, metadata: ""), code: .none),
                PartitionList.Answer(
                    offset: CommittedOffset(partition: places[1], offset: 9, metadata: ""),
                    code: .topicAuthorizationFailed),
            ], operation: "asking")
        #expect(answers.offsets == [places[0]: 7])
        #expect(answers.refusal?.code == .topicAuthorizationFailed && answers.refusal?.partition == 1)
        let error = #expect(throws: KafkaError.self) {
            try Watermarks.all(of: places, low: offsets(0, 0), high: answers, operation: "asking")
        }
        #expect(error == answers.refusal)
    }

    @Test("an open transaction hides what follows it from consumers, but the log ends where it ends")
    func openTransaction() async throws {
        let broker = try Broker.sharedReal()
        try await broker.withTopic(partitions: 1) { topic in
            let place = TopicPartition(topic: topic, partition: 0)
            try broker.produce((0..<5).map { TestMessage(partition: 0, value: "\($0)") }, to: topic)
            let producer = try TransactionalProducer(broker, id: Broker.randomName("transaction"))
            try producer.begin()
            try producer.produce((5..<8).map(String.init), to: place)
            let consumer = try Consumer(
                properties: broker.properties([
                    ("group.id", Broker.randomName("group")), ("isolation.level", "read_committed"),
                ]), queues: 1, wakeup: Wakeup())
            defer { consumer.close() }
            var marks = try consumer.watermarks([place], timeout: .seconds(30))
            #expect(marks[place]?.high == 5)
            #expect(marks.isBeyondEnd(6, of: place) && !marks.isBeyondEnd(5, of: place))
            try marks.findLogEnds(of: [place], properties: broker.properties(), timeout: .seconds(30))
            #expect(marks[place] == Watermarks(low: 0, high: 5, logEnd: 8))
            try producer.abort()
        }
    }
}
