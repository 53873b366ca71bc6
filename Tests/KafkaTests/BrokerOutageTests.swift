import KafkaMock
import TestSupport
import Testing

@testable import Kafka

@Suite("Outage of the brokers")
struct BrokerOutageTests {
    private final class Ear: Consumer.Delegate {
        /// What was told, in order: true when no broker answered.
        var told: [Bool] = []
        /// The same of those that this member needs, where others answer.
        var cutOff: [KafkaError?] = []
        var isAssigned = false
        /// How many errors were reported.
        var errors = 0

        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) { isAssigned = true }
        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {}
        func consumer(_ consumer: Consumer, reports error: KafkaError) { errors += 1 }
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) { told.append(error != nil) }
        func consumer(_ consumer: Consumer, isCutOff error: KafkaError?) { cutOff.append(error) }
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {}
    }

    /// A member of a group at two brokers, the first of which leads its partition and the second coordinates it: it is
    /// connected to both.
    private final class Member {
        let broker: Broker
        let mock: MockCluster
        let consumer: Consumer
        let ear = Ear()

        init(_ properties: [(String, String)] = []) async throws {
            broker = try Broker(mockBrokers: 2)
            mock = try #require(broker.mock)
            let topic = Broker.randomName("topic")
            let group = Broker.randomName("group")
            try broker.createTopic(topic, partitions: 1)
            try mock.setLeader(1, of: TopicPartition(topic: topic, partition: 0))
            try mock.setCoordinator(2, ofGroup: group)
            consumer = try Consumer(
                properties: broker.properties([("group.id", group)] + properties), queues: 1, wakeup: Wakeup())
            consumer.delegate = ear
            try consumer.subscribe(to: [topic])
            try await serve { ear.isAssigned }
            let place = TopicPartition(topic: topic, partition: 0)
            try consumer.assign([(place, 0, 0)], restarting: [place])
            // Its end comes from the leader.
            try await serve { consumer.take(from: 0)?.errorCode == .endOfPartition }
        }

        deinit { consumer.close(until: .now + .seconds(1)) }

        /// Without keeping one of the few threads that Swift runs tasks on.
        func serve(until isDone: () -> Bool) async throws {
            try await eventually("the member has heard of it", within: .seconds(90)) {
                _ = consumer.serve()
                return isDone()
            }
        }
    }

    @Test("is told once, whichever broker goes first, and so is its end", arguments: [[Int32(2), 1], [1, 2], []])
    func allAway(order: [Int32]) async throws {
        let member = try await Member()
        for broker in order {
            let before = member.ear.errors
            try member.mock.setDown(broker)
            try await member.serve { member.ear.errors > before }
        }
        if order.isEmpty { try member.mock.setDown() }
        try await member.serve { !member.ear.told.isEmpty }
        #expect(member.ear.told == [true])
        try member.mock.setUp()
        try await member.serve { member.ear.told.count > 1 }
        #expect(member.ear.told == [true, false])
    }

    @Test(
        "is one for this member where only the leader of its partitions, or only its group's coordinator, is away",
        arguments: [Int32(1), 2])
    func neededAway(broker: Int32) async throws {
        let member = try await Member([("session.timeout.ms", "6000"), ("max.poll.interval.ms", "6000")])
        try member.mock.setDown(broker)
        try await member.serve { !member.ear.cutOff.isEmpty }
        #expect(member.ear.cutOff.count == 1 && member.ear.cutOff[0] != nil)
        #expect(member.ear.told.isEmpty, "another broker answers")
        try member.mock.setUp(broker)
        try await member.serve { member.ear.cutOff.count > 1 }
        #expect(member.ear.cutOff.count == 2 && member.ear.cutOff[1] == nil)
    }

    @Test("is one as well where connections stay open and nobody answers")
    func silence() async throws {
        let member = try await Member([("socket.timeout.ms", "1000")])
        try member.mock.setRoundTripTime(.seconds(600))
        try await member.serve { !member.ear.told.isEmpty }
        #expect(member.ear.told == [true])
        try member.mock.setRoundTripTime(.zero)
        try await member.serve { member.ear.told.count > 1 }
        #expect(member.ear.told == [true, false])
    }

    @Test("is none while one of them answers")
    func oneAway() async throws {
        let member = try await Member()
        try member.mock.setDown(2)
        // Whatever is heard of it is doubted, and the other broker's answer settles that.
        try await member.serve { member.ear.errors > 0 && member.consumer.brokerProbe?.isDoubtful == false }
        #expect(member.ear.told.isEmpty)
        #expect(member.consumer.brokerProbe?.isAway == false)
    }

    /// Such a thread would go on using a client that is no more.
    @Test("leaves no thread behind when it is first heard of while the client closes")
    func whileClosing() async throws {
        let member = try await Member()
        try member.mock.setDown()
        try await eventually("errors wait in the group's queue, since nobody serves it") {
            member.consumer.groupQueue.length > 0
        }
        #expect(member.consumer.brokerProbe == nil)
        #expect(member.consumer.close(until: .now + .seconds(30)))
        #expect(member.consumer.brokerProbe != nil)
        #expect(member.consumer.client.waitForThreads(until: .now))
    }
}
