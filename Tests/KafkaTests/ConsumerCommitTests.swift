import Foundation
import Kafka
import TestSupport
import Testing

@Suite("Commits to the group")
struct ConsumerCommitTests {
    /// Commits that were answered, in the order of their answers.
    private final class Answers: Consumer.Delegate {
        var taken: [Int64] = []
        var refused: [KafkaErrorCode] = []

        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) {}
        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {}
        func consumer(_ consumer: Consumer, reports error: KafkaError) {}
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) {}
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {
            if let error { refused.append(error.code) } else { taken += offsets.map(\.offset) }
        }
    }

    private struct Setting {
        let broker: Broker
        let place: TopicPartition
        let group = Broker.randomName("group")
        let consumer: Consumer
        let answers = Answers()

        init() throws {
            broker = try Broker(mockBrokers: 1)
            place = TopicPartition(topic: Broker.randomName("topic"), partition: 0)
            try broker.createTopic(place.topic, partitions: 1)
            consumer = try Consumer(
                properties: broker.properties([("group.id", group)]), queues: 1, wakeup: Wakeup())
            consumer.delegate = answers
        }

        func offsets(_ offset: Int64) -> [CommittedOffset] {
            [CommittedOffset(partition: place, offset: offset, metadata: "mark \(offset)")]
        }

        func serve(until isDone: () -> Bool) {
            let deadline = ContinuousClock.now + .seconds(60)
            while !isDone(), ContinuousClock.now < deadline {
                _ = consumer.serve()
                consumer.wakeup.wait(for: .milliseconds(20))
            }
        }

        /// Taken, or refused as what the mock was told to refuse.
        func isAnswered(_ offset: Int64) -> Bool {
            answers.taken.contains(offset) || answers.refused == [KafkaErrorCode(rawValue: 14)]
        }

        var committed: CommittedOffset? {
            get throws { try broker.committedOffsets(ofGroup: group, topic: place.topic).first }
        }
    }

    @Test("a commit that is sent once more never comes behind a later one")
    func resentCommit() throws {
        let setting = try Setting()
        let mock = try #require(setting.broker.mock)
        // librdkafka sends this one again by itself, a tenth of a second later; newer ones tell.
        mock.fail(.offsetCommit, with: [KafkaErrorCode(rawValue: 14)])
        for offset in [Int64(10), 20, 30] { setting.consumer.commit(setting.offsets(offset)) }
        setting.serve { setting.isAnswered(10) && setting.answers.taken.contains(30) }
        #expect(setting.answers.taken.last == 30)
        #expect(try setting.committed == setting.offsets(30).first)
        setting.consumer.close()
    }

    @Test("a commit that is waited for comes behind those that are not, and takes the place of those not yet sent")
    func waitedFor() throws {
        let setting = try Setting()
        let mock = try #require(setting.broker.mock)
        mock.fail(.offsetCommit, with: [KafkaErrorCode(rawValue: 14)])
        for offset in [Int64(10), 20] { setting.consumer.commit(setting.offsets(offset)) }
        try setting.consumer.commit(setting.offsets(30), timeout: .seconds(30))
        #expect(setting.isAnswered(10))
        #expect(try setting.committed == setting.offsets(30).first)
        setting.consumer.commit(setting.offsets(40))
        setting.serve { setting.answers.taken.contains(40) }
        #expect([[10, 40], [40]].contains(setting.answers.taken))
        #expect(try setting.committed == setting.offsets(40).first)
        setting.consumer.close()
    }

    @Test("a commit that the group refuses is answered so, and the next is sent all the same")
    func refused() throws {
        let setting = try Setting()
        let mock = try #require(setting.broker.mock)
        mock.fail(.offsetCommit, with: [.unknownMember])
        for offset in [Int64(10), 20] { setting.consumer.commit(setting.offsets(offset)) }
        setting.serve { setting.answers.taken == [20] }
        #expect(setting.answers.refused == [.unknownMember])
        #expect(try setting.committed == setting.offsets(20).first)
        setting.consumer.close()
    }

    @Test("an error that is set for one broker of the mock is answered once, and counted until then")
    func errorOfOneBroker() throws {
        let setting = try Setting()
        let mock = try #require(setting.broker.mock)
        try mock.fail(.offsetCommit, of: 1, with: .topicAuthorizationFailed)
        #expect(try mock.failuresToCome(.offsetCommit, of: 1) == 1)
        let error = #expect(throws: KafkaError.self) {
            try setting.consumer.commit(setting.offsets(10), timeout: .seconds(30))
        }
        #expect(error?.code == .topicAuthorizationFailed)
        #expect(try mock.failuresToCome(.offsetCommit, of: 1) == 0)
        try setting.consumer.commit(setting.offsets(20), timeout: .seconds(30))
        #expect(try setting.committed == setting.offsets(20).first)
        #expect(throws: KafkaError.self) { try mock.fail(.offsetCommit, of: 2, with: .timedOut) }
        setting.consumer.close()
    }

    @Test("a commit that nobody answers in time is an error, and its late answer hurts nobody")
    func timeout() throws {
        let setting = try Setting()
        let mock = try #require(setting.broker.mock)
        // Long enough that the coordinator is known before it falls silent.
        try setting.consumer.commit(setting.offsets(10), timeout: .seconds(30))
        try mock.setRoundTripTime(.milliseconds(500))
        _ = #expect(throws: KafkaError.self) {
            try setting.consumer.commit(setting.offsets(20), timeout: .milliseconds(50))
        }
        setting.consumer.commit(setting.offsets(30))
        setting.serve { setting.answers.taken == [30] }
        #expect(setting.answers.taken == [30])
        #expect(try setting.committed == setting.offsets(30).first)
        setting.consumer.close()
    }
}
