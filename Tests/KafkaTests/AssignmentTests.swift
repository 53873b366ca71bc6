import Foundation
import Kafka
import TestSupport
import Testing

@Suite("Assignments")
struct AssignmentTests {
    /// Notes what the group gives.
    private final class Given: Consumer.Delegate {
        var partitions: [TopicPartition] = []

        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) { self.partitions += partitions }
        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {}
        func consumer(_ consumer: Consumer, reports error: KafkaError) {}
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) {}
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {}
    }

    private static let count = 300

    /// A member that has joined the group of a topic of two partitions with so many messages each, and has taken some.
    private func withMember(
        _ properties: [(String, String)], _ body: (Consumer, [TopicPartition]) async throws -> Void
    ) async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 2) { topic in
            let places = (0..<Int32(2)).map { TopicPartition(topic: topic, partition: $0) }
            for place in places {
                try broker.produce(
                    (0..<Self.count).map { TestMessage(partition: place.partition, value: "\($0)") }, to: topic)
            }
            let consumer = try Consumer(
                properties: broker.properties([("group.id", Broker.randomName("group"))] + properties), queues: 1,
                wakeup: Wakeup())
            defer { consumer.close() }
            let given = Given()
            consumer.delegate = given
            try consumer.subscribe(to: [topic])
            try await eventually("the group has given both") {
                _ = consumer.serve()
                return given.partitions.count == 2
            }
            try consumer.assign(places.map { ($0, 0, 0) }, restarting: [])
            var taken = 0
            try await eventually("some are taken") {
                _ = consumer.serve()
                while taken < 10, let message = consumer.take(from: 0) {
                    if message.errorCode == nil { taken += 1 }
                }
                return taken == 10
            }
            try await body(consumer, places)
            withExtendedLifetime(given) {}
        }
    }

    /// The offsets of a partition that come, until its last; of others none may.
    private func rest(of place: TopicPartition, _ consumer: Consumer) async throws -> [Int64] {
        var offsets: [Int64] = []
        var strangers = 0
        try await eventually("the last one is taken") {
            _ = consumer.serve()
            while let message = consumer.take(from: 0) {
                guard message.errorCode == nil else { continue }
                if message.partition == place.partition { offsets.append(message.offset) } else { strangers += 1 }
            }
            return offsets.last == Int64(Self.count - 1)
        }
        #expect(strangers == 0)
        return offsets
    }

    @Test("a member is known to its group once that has answered it, and not before it has asked")
    func known() async throws {
        try await withMember([]) { consumer, _ in try #expect(consumer.isKnownToGroup()) }
        let stranger = try Consumer(
            properties: Broker.sharedMock().properties([("group.id", Broker.randomName("group"))]), queues: 1,
            wakeup: Wakeup())
        defer { stranger.close() }
        try #expect(!stranger.isKnownToGroup())
    }

    @Test("a partition that begins anew does so at its offset, and another that has gone brings nothing more")
    func anew() async throws {
        try await withMember([]) { consumer, places in
            for place in places {
                try consumer.assign([(place, 5, 0)], restarting: [place])
                #expect(try await rest(of: place, consumer) == Array(5..<Int64(Self.count)))
            }
        }
    }

    @Test(
        "a partition that stays with a member goes on where it is while another goes",
        .enabled(if: KafkaLibrary.version >= 0x0206_01ff), arguments: [0, 1])
    func stays(index: Int) async throws {
        try await withMember([("partition.assignment.strategy", "cooperative-sticky")]) { consumer, places in
            var next: [Int32: Int64] = [:]
            // As many as lie ready together, of both.
            for _ in 0..<100 {
                guard let message = consumer.take(from: 0), message.errorCode == nil else { continue }
                next[message.partition] = message.offset + 1
            }
            let place = places[index]
            try consumer.assign([(place, 0, 0)], restarting: [])
            let offsets = try await rest(of: place, consumer)
            let first = try #require(offsets.first)
            #expect(next[place.partition].map { $0 == first } ?? (first <= 10))
            #expect(offsets == Array(first..<Int64(Self.count)))
        }
    }
}
