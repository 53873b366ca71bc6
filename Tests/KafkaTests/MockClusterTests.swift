import Foundation
import Kafka
import KafkaMock
import TestSupport
import Testing

@Suite("Mock cluster")
struct MockClusterTests {
    @Test("it has the brokers and topics asked for, and refuses a topic twice")
    func topics() throws {
        let cluster = try MockCluster(brokers: 3)
        #expect(cluster.bootstrapServers.split(separator: ",").count == 3)
        try cluster.createTopic("orders", partitions: 7)
        #expect(throws: KafkaError.self) { try cluster.createTopic("orders", partitions: 7) }
        let admin = try Admin(properties: [("bootstrap.servers", cluster.bootstrapServers)])
        #expect(try admin.partitionCounts(of: "orders", timeout: .seconds(30)) == ["orders": 7])
    }

    @Test("a cluster without brokers is refused")
    func noBrokers() {
        #expect(throws: KafkaError.self) { try MockCluster(brokers: 0) }
    }

    @Test("brokers that are down answer again when they are up")
    func downAndUp() throws {
        let cluster = try MockCluster(brokers: 1)
        let admin = try Admin(properties: [
            ("bootstrap.servers", cluster.bootstrapServers), ("reconnect.backoff.ms", "1"),
            ("reconnect.backoff.max.ms", "10"),
        ])
        try cluster.setDown()
        #expect(throws: KafkaError.self) { try admin.partitionCounts(timeout: .milliseconds(100)) }
        try cluster.setUp()
        _ = try admin.partitionCounts(timeout: .seconds(30))
    }

    @Test("kafka-mock says where it listens, obeys its commands, explains a wrong one, and ends with its input")
    func program() throws {
        let mock = try MockProgram(["--brokers", "2", "--topic", "orders:3"])
        let admin = try Admin(properties: [("bootstrap.servers", try mock.bootstrapServers())])
        #expect(try admin.partitionCounts(timeout: .seconds(30)) == ["orders": 3])
        #expect(try mock.answer(to: "topic payments 2") == "ok")
        #expect(try admin.partitionCounts(timeout: .seconds(30)) == ["orders": 3, "payments": 2])
        #expect(try mock.answer(to: "error OffsetCommit NOT_COORDINATOR,_TRANSPORT,16") == "ok")
        #expect(try mock.answer(to: "error Nothing 16").hasPrefix("error no request Nothing"))
        #expect(try mock.answer(to: "error Fetch NO_SUCH_CODE").hasPrefix("error no error code NO_SUCH_CODE"))
        #expect(try mock.answer(to: "leader orders 0") == "error usage: leader TOPIC PARTITION BROKER|none")
        #expect(try mock.answer(to: "topic orders 3").contains("TOPIC_ALREADY_EXISTS"))
        for command in [
            "down 1", "up all", "rtt 2 1", "rtt all 0", "leader orders 0 2", "leader orders 1 none",
            "clear OffsetCommit",
            "coordinator group g 2", "watermarks orders 0 1 5 10", "topic-error payments LEADER_NOT_AVAILABLE",
        ] {
            #expect(try mock.answer(to: command) == "ok", "\(command)")
        }
        #expect(try mock.endInput() == 0)
    }

    @Test("the loader does not contain the mock")
    func product() throws {
        let symbol = Data("rd_kafka_mock_cluster_new".utf8)
        #expect(try Data(contentsOf: builtProgram("kafka-mock"), options: .mappedIfSafe).range(of: symbol) != nil)
        #expect(try Data(contentsOf: builtProgram("loader"), options: .mappedIfSafe).range(of: symbol) == nil)
    }

    @Test("kafka-mock ends with status 0 on SIGTERM, also as a daemon without input", arguments: [SIGTERM, SIGINT])
    func signals(signal: Int32) throws {
        let mock = try MockProgram(["--daemon"])
        _ = try mock.bootstrapServers()
        #expect(mock.end(with: signal) == 0)
    }
}

/// A running `kafka-mock`.
private final class MockProgram {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init(_ arguments: [String]) throws {
        process.executableURL = try builtProgram("kafka-mock")
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        try process.runWithoutBlockedSignals()
    }

    deinit { process.terminate() }

    private func readLine() throws -> String {
        var bytes: [UInt8] = []
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func bootstrapServers() throws -> String {
        let words = try readLine().split(separator: " ")
        try #require(words.count == 2 && words[0] == "BOOTSTRAP")
        return String(words[1])
    }

    func answer(to command: String) throws -> String {
        try input.fileHandleForWriting.write(contentsOf: Data((command + "\n").utf8))
        return try readLine()
    }

    func endInput() throws -> Int32 {
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -1
    }

    func end(with signal: Int32) -> Int32 {
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -1
    }
}
