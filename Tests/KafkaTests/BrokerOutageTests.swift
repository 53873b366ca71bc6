import KafkaMock
import TestSupport
import Testing

@testable import Kafka

@Suite("Outage of the brokers")
struct BrokerOutageTests {
    private final class Ear: Consumer.Delegate {
        /// What was told, in order: true when no broker answered.
        var told: [Bool] = []
        var isAssigned = false

        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) { isAssigned = true }
        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {}
        func consumer(_ consumer: Consumer, reports error: KafkaError) {}
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) { told.append(error != nil) }
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {}
    }

    /// A member of a group at two brokers, the second of which coordinates it.
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
            try mock.setCoordinator(2, ofGroup: group)
            consumer = try Consumer(
                properties: broker.properties([("group.id", group)] + properties), lanes: 1, wakeup: Wakeup())
            consumer.delegate = ear
            try consumer.subscribe(to: [topic])
            try await serve(for: .seconds(60)) { ear.isAssigned }
            #expect(ear.isAssigned)
        }

        deinit { consumer.close(until: .now + .seconds(1)) }

        /// Without keeping one of the few threads that Swift runs tasks on.
        func serve(for time: Duration, until isDone: () -> Bool) async throws {
            let deadline = ContinuousClock.now + time
            while !isDone(), ContinuousClock.now < deadline {
                _ = consumer.serve()
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    @Test("is told once, whichever broker goes first, and so is its end", arguments: [[Int32(2), 1], [1, 2], []])
    func allAway(order: [Int32]) async throws {
        let member = try await Member()
        for broker in order {
            try member.mock.setDown(broker)
            try await member.serve(for: .milliseconds(300)) { false }
        }
        if order.isEmpty { try member.mock.setDown() }
        try await member.serve(for: .seconds(60)) { member.ear.told == [true] }
        #expect(member.ear.told == [true])
        try member.mock.setUp()
        try await member.serve(for: .seconds(60)) { member.ear.told == [true, false] }
        #expect(member.ear.told == [true, false])
    }

    @Test("is one as well where connections stay open and nobody answers")
    func silence() async throws {
        let member = try await Member([("socket.timeout.ms", "1000")])
        try member.mock.setRoundTripTime(.seconds(600))
        try await member.serve(for: .seconds(90)) { member.ear.told == [true] }
        #expect(member.ear.told == [true])
        try member.mock.setRoundTripTime(.zero)
        try await member.serve(for: .seconds(90)) { member.ear.told == [true, false] }
        #expect(member.ear.told == [true, false])
    }

    @Test("is none while one of them answers")
    func oneAway() async throws {
        let member = try await Member()
        try member.mock.setDown(2)
        try await member.serve(for: .seconds(8)) { !member.ear.told.isEmpty }
        #expect(member.ear.told.isEmpty)
    }

    /// Such a thread would go on using a client that is no more.
    @Test("leaves no thread behind when it is first heard of while the client closes")
    func whileClosing() async throws {
        let member = try await Member()
        try member.mock.setDown()
        // Errors wait in the group's queue, since nobody serves it.
        try await Task.sleep(for: .milliseconds(500))
        #expect(member.consumer.close(until: .now + .seconds(30)))
        #expect(member.consumer.threads.allSatisfy { $0.waitForEnd(until: .now) })
    }
}
