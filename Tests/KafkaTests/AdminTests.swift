import Kafka
import TestSupport
import Testing

@Suite("Admin")
struct AdminTests {
    private let timeout = Duration.seconds(30)

    @Test("a topic is created with its partitions, listed, and gone after its deletion")
    func topics() async throws {
        let broker = try Broker.sharedReal()
        let topic = Broker.randomName()
        let admin = try Admin(properties: broker.properties())
        do {
            try admin.createTopic(topic, partitions: 5, timeout: timeout)
            let again = #expect(throws: KafkaError.self) {
                try admin.createTopic(topic, partitions: 5, timeout: timeout)
            }
            #expect(again?.code == .topicAlreadyExists && again?.topic == topic)
            #expect(try admin.partitionCounts(of: topic, timeout: timeout) == [topic: 5])
            #expect(try admin.partitionCounts(timeout: timeout)[topic] == 5)
            try admin.deleteTopics([topic], timeout: timeout)
            // The brokers hear of it one after another.
            try await eventually("no broker lists it") { try admin.partitionCounts(timeout: timeout)[topic] == nil }
            let gone = #expect(throws: KafkaError.self) { try admin.deleteTopics([topic], timeout: timeout) }
            #expect(gone?.code == .unknownTopicOrPartition)
        }
    }

    @Test("watermarks follow what is written and what is deleted")
    func records() async throws {
        let broker = try Broker.sharedReal()
        try await broker.withTopic(partitions: 2) { topic in
            let place = TopicPartition(topic: topic, partition: 1)
            try broker.produce((0..<10).map { TestMessage(partition: 1, value: "\($0)") }, to: topic)
            try broker.withAdmin { admin in
                #expect(try admin.watermarks(of: place, timeout: timeout) == Watermarks(low: 0, high: 10))
                let lows = try admin.deleteRecords(before: [place: 4], timeout: timeout)
                #expect(lows == [place: 4])
                #expect(try admin.watermarks(of: place, timeout: timeout) == Watermarks(low: 4, high: 10))
            }
            #expect(try broker.readAll(topic).map(\.offset) == Array(4..<10))
        }
    }

    @Test("a group's offsets keep their metadata when altered, and lose it when altered without")
    func offsets() async throws {
        let broker = try Broker.sharedReal()
        try await broker.withTopic(partitions: 3) { topic in
            try await broker.withGroup { group in
                let places = (0..<3).map { TopicPartition(topic: topic, partition: Int32($0)) }
                let offsets = [
                    CommittedOffset(partition: places[0], offset: 7, metadata: "loader/1 ünï"),
                    CommittedOffset(partition: places[2], offset: 0, metadata: ""),
                ]
                try broker.withAdmin { admin in
                    try admin.alterOffsets(ofGroup: group, to: offsets, timeout: timeout)
                    let found = try admin.committedOffsets(ofGroup: group, partitions: places, timeout: timeout)
                    #expect(found.sorted { $0.partition < $1.partition } == offsets)

                    let reset = CommittedOffset(partition: places[0], offset: 2, metadata: "")
                    try admin.alterOffsets(ofGroup: group, to: [reset], timeout: timeout)
                    #expect(
                        try admin.committedOffsets(ofGroup: group, partitions: [places[0]], timeout: timeout) == [reset]
                    )
                }
            }
        }
    }

    @Test("a group without members is described as empty, and deleted")
    func groups() async throws {
        let broker = try Broker.sharedReal()
        try await broker.withTopic(partitions: 1) { topic in
            let group = Broker.randomName("group")
            let place = TopicPartition(topic: topic, partition: 0)
            try broker.withAdmin { admin in
                try admin.alterOffsets(
                    ofGroup: group, to: [CommittedOffset(partition: place, offset: 1, metadata: "")], timeout: timeout)
                let described = try admin.group(group, timeout: timeout)
                #expect(described.state == "Empty" && described.members.isEmpty)
                try admin.deleteGroups([group], timeout: timeout)
                #expect(try admin.committedOffsets(ofGroup: group, partitions: [place], timeout: timeout).isEmpty)
            }
        }
    }

    @Test("an unknown topic is an error that names it")
    func unknownTopic() throws {
        let admin = try Admin(properties: try Broker.sharedReal().properties())
        let error = #expect(throws: KafkaError.self) {
            try admin.partitionCounts(of: "no-such-topic", timeout: timeout)
        }
        #expect(error?.topic == "no-such-topic")
    }

    @Test("without a broker a call ends at its timeout")
    func noBroker() throws {
        let admin = try Admin(properties: [("bootstrap.servers", "127.0.0.1:1")])
        let metadata = #expect(throws: KafkaError.self) {
            try admin.partitionCounts(timeout: .milliseconds(50))
        }
        #expect(metadata?.isRetriable == true)
        let create = #expect(throws: KafkaError.self) {
            try admin.createTopic("t", partitions: 1, timeout: .milliseconds(50))
        }
        #expect(create?.isRetriable == true)
    }
}
