import Synchronization
import TestSupport
import Testing

@testable import Kafka

@Suite("Clients")
struct KafkaClientTests {
    private static let gate = MonotonicCondition()
    private static let isOpen = Atomic(false)

    @Test("a client that cannot end is given up at the deadline")
    func destroy() throws {
        let name = Broker.randomName("client")
        // It says what it does while it ends, and waits until that is said.
        ClientLog.hear(name) { line in
            guard line.text.contains("erminating") else { return }
            Self.gate.withLock { while !Self.isOpen.load(ordering: .acquiring) { Self.gate.wait() } }
        }
        defer { ClientLog.stopHearing(name) }
        let client = try KafkaClient(.producer, [("debug", "generic"), ("client.id", name)])
        #expect(!client.destroy(until: .now + .milliseconds(200)))
        Self.gate.withLock {
            Self.isOpen.store(true, ordering: .releasing)
            Self.gate.broadcast()
        }
        let other = try KafkaClient(.producer, [])
        #expect(other.destroy(until: .now + .seconds(30) * testTimeScale))
    }

    @Test("what a handle calls back lives as long as the handle, and no longer")
    func callbacks() throws {
        func end(_ body: (KafkaClient) -> Void) throws -> KafkaCallbacks? {
            weak var callbacks: KafkaCallbacks?
            do {
                let client = try KafkaClient(.admin, [("bootstrap.servers", "127.0.0.1:1")])
                callbacks = client.callbacks
                body(client)
            }
            return callbacks
        }
        let left = try end { $0.abandon() }
        #expect(left != nil, "it goes on logging")
        let gone = try end { #expect($0.destroy(until: .now + .seconds(30) * testTimeScale)) }
        #expect(gone == nil)
    }

    @Test("a member whose client answers nothing any more is told so at its deadline, and ends")
    func deafClient() async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 1) { topic in
            let gate = MonotonicCondition()
            let isDeaf = Atomic(false)
            let isOpen = Atomic(false)
            let name = Broker.randomName("client")
            // Its main thread says something with each heartbeat, and waits until that is said.
            ClientLog.hear(name) { line in
                guard isDeaf.load(ordering: .acquiring), line.text.contains("eartbeat") else { return }
                gate.withLock { while !isOpen.load(ordering: .acquiring) { gate.wait() } }
            }
            defer { ClientLog.stopHearing(name) }
            let consumer = try Consumer(
                properties: broker.properties([
                    ("group.id", Broker.randomName("group")), ("client.id", name), ("debug", "cgrp"),
                    ("heartbeat.interval.ms", "100"),
                ]), queues: 1, wakeup: Wakeup(), patience: .seconds(2) * testTimeScale)
            let place = TopicPartition(topic: topic, partition: 0)
            try consumer.subscribe(to: [topic])
            try consumer.assign([(place, 0, 0)], restarting: [place])
            isDeaf.store(true, ordering: .releasing)
            var failure: KafkaError?
            try await eventually("it answers nothing any more") {
                do throws(KafkaError) {
                    try consumer.assign([(place, 0, 0)], restarting: [place])
                } catch {
                    failure = error
                }
                return failure != nil
            }
            #expect(failure?.code == .timedOut && failure?.isFatal == true)
            // And not by another wait.
            #expect(throws: KafkaError.self) { try consumer.subscribe(to: [topic]) }
            #expect(throws: KafkaError.self) { try consumer.isKnownToGroup() }
            #expect(!consumer.close(until: .now + .seconds(2)))
            gate.withLock {
                isOpen.store(true, ordering: .releasing)
                gate.broadcast()
            }
        }
    }

    @Test("a member whose group does not answer any more when it gives up its partitions still ends at the deadline")
    func deafGroup() async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 1) { topic in
            let gate = MonotonicCondition()
            let isOpen = Atomic(false)
            let name = Broker.randomName("client")
            // It says so once it has asked for the partitions, and answers nothing until that is said.
            ClientLog.hear(name) { line in
                guard line.text.contains("before terminating") else { return }
                gate.withLock { while !isOpen.load(ordering: .acquiring) { gate.wait() } }
            }
            defer { ClientLog.stopHearing(name) }
            let consumer = try Consumer(
                properties: broker.properties([
                    ("group.id", Broker.randomName("group")), ("client.id", name), ("debug", "cgrp"),
                ]), queues: 1, wakeup: Wakeup())
            let member = GivingMember()
            consumer.delegate = member
            try consumer.subscribe(to: [topic])
            try await eventually("it has the partition") {
                _ = consumer.serve()
                return member.hasPartitions
            }
            #expect(!consumer.close(until: .now + .seconds(2)))
            #expect(member.hasGiven)
            gate.withLock {
                isOpen.store(true, ordering: .releasing)
                gate.broadcast()
            }
        }
    }

    private final class GivingMember: Consumer.Delegate {
        var hasPartitions = false
        var hasGiven = false

        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) { hasPartitions = true }
        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) { hasGiven = true }
        func consumer(_ consumer: Consumer, reports error: KafkaError) {}
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) {}
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {}
    }

    @Test("a thread that asks ends before its client, and none begins once the client ends")
    func threads() throws {
        let client = try KafkaClient(.reader, [])
        let (early, late) = (ClientThread(), ClientThread())
        client.start(early, named: "early") { early.pause(3600) }
        let hasBegun = Mutex(false)
        client.stopThreads()
        client.start(late, named: "late") { hasBegun.withLock { $0 = true } }
        #expect(client.destroy(until: .now + .seconds(30) * testTimeScale))
        #expect(early.waitForEnd(until: .now))
        #expect(!late.waitForEnd(until: .now))
        #expect(!hasBegun.withLock { $0 })
    }

    @Test("a client that a thread is still asking on is not freed under it")
    func busyThread() throws {
        let client = try KafkaClient(.reader, [])
        let thread = ClientThread()
        let gate = MonotonicCondition()
        let isIn = Atomic(false)
        let mayGo = Atomic(false)
        client.start(thread, named: "busy") {
            gate.withLock {
                isIn.store(true, ordering: .releasing)
                gate.broadcast()
                while !mayGo.load(ordering: .acquiring) { gate.wait() }
            }
            // The handle is there as long as somebody asks.
            client.wakeBrokerThreads()
        }
        gate.withLock { while !isIn.load(ordering: .acquiring) { gate.wait() } }
        #expect(!client.destroy(until: .now))
        gate.withLock {
            mayGo.store(true, ordering: .releasing)
            gate.broadcast()
        }
        #expect(client.waitForThreads(until: .now + .seconds(30) * testTimeScale))
    }

    /// What librdkafka says of one client.
    private final class Ear: Sendable {
        let lines = Mutex<[KafkaLog.Line]>([])
        func text() -> String { lines.withLock { $0.map(\.text).joined(separator: "\n") } }
    }

    @Test("what librdkafka logs is handed over when asked for, without secrets")
    func log() async throws {
        let broker = try Broker.sharedMock()
        let ear = Ear()
        let name = Broker.randomName("client")
        ClientLog.hear(name) { line in
            ear.lines.withLock { $0.append(line) }
        }
        defer { ClientLog.stopHearing(name) }
        let secret = Broker.randomName("secret")
        // The group has the secret in its name, which many lines have.
        let client = try KafkaClient(
            .member,
            broker.properties([
                ("debug", "broker,cgrp"), ("client.id", name), ("sasl.password", secret), ("group.id", secret),
            ]))
        try await eventually("it has lines of the brokers, and of the group") {
            ear.text().contains(broker.bootstrapServers.prefix { $0 != "," }) && ear.text().contains("***")
        }
        #expect(!ear.text().contains(secret))
        #expect(ear.lines.withLock { $0.allSatisfy { $0.level != .debug } })
        #expect(client.destroy(until: .now + .seconds(30) * testTimeScale))
    }

    @Test(
        "taking messages wakes librdkafka's threads, however few are left",
        .enabled(if: !KafkaLibrary.supports(property: "fetch.queue.backoff.ms")))
    func fewLeft() async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 1) { topic in
            let value = String(repeating: "x", count: 10_000)
            try broker.produce((0..<300).map { _ in TestMessage(partition: 0, value: value) }, to: topic)
            let wakes = Mutex(0)
            let name = Broker.randomName("client")
            ClientLog.hear(name) { line in
                if line.text.contains("Wake-up sent") { wakes.withLock { $0 += 1 } }
            }
            defer { ClientLog.stopHearing(name) }
            let consumer = try Consumer(
                properties: broker.properties([
                    ("group.id", Broker.randomName("group")), ("client.id", name), ("debug", "queue"),
                    ("queued.max.messages.kbytes", "1024"),
                ]), queues: 1, wakeup: Wakeup())
            defer { consumer.close() }
            let place = TopicPartition(topic: topic, partition: 0)
            try consumer.assign([(place, 0, 0)], restarting: [place])
            var count = 0
            try await eventually("all are taken") {
                _ = consumer.serve()
                while let message = consumer.take(from: 0) {
                    if message.errorCode == nil { count += 1 }
                }
                return count == 300
            }
            // 3 MB by steps of 128 KiB, in messages of 10 kB.
            #expect(wakes.withLock { $0 } >= 15)
        }
    }

    @Test("a broker that is away is no louder than debug, and nothing is louder than a notice")
    func levels() {
        for severity in Int32(3)...7 {
            #expect(KafkaLog.level(severity, "FAIL", isVerbose: false) == .debug)
            #expect(KafkaLog.level(severity, "CONNECT", isVerbose: true) == .info)
        }
        #expect(KafkaLog.level(0, "FATAL", isVerbose: false) == .notice)
        #expect(KafkaLog.level(4, "CONFWARN", isVerbose: false) == .info)
        #expect(KafkaLog.level(7, "METADATA", isVerbose: false) == .debug)
    }

    @Test("looking at a topic that is not there does not create it")
    func createsNothing() throws {
        // The mock creates whatever it is asked for.
        let broker = try Broker.sharedReal()
        let admin = try Admin(properties: broker.properties())
        let topic = Broker.randomName("absent")
        let error = #expect(throws: KafkaError.self) {
            try admin.partitionCounts(of: topic, timeout: .seconds(30))
        }
        #expect(error?.code == .unknownTopicOrPartition)
        _ = try? admin.watermarks(of: TopicPartition(topic: topic, partition: 0), timeout: .seconds(1))
        _ = try? admin.watermarks(of: [TopicPartition(topic: topic, partition: 0)], timeout: .seconds(1))
        #expect(try admin.partitionCounts(timeout: .seconds(30))[topic] == nil)
    }
}
