import Foundation
import Kafka
import TestSupport
import Testing

/// The right to write dead letters, which nobody needs before there is one.
@Suite(
    "The right to write dead letters",
    .enabled(if: Broker.externalProperties.isEmpty, "they put their own gate before a plain broker"))
struct WriteRightTests {
    // Kafka's AclOperation.
    private static let (read, write, describe) = (3, 4, 8)

    /// Starts a loader whose topic of dead letters is one to which it may do this.
    private func start(
        _ rights: [Int], _ more: [String: String] = [:],
        _ body: (_ topic: String, _ run: Command, _ check: Command) throws -> Void
    ) async throws {
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            let letters = landing.topic + "-dead"
            try landing.broker.createTopic(letters, partitions: 1)
            defer { landing.broker.deleteTopic(letters) }
            let gate = try KafkaGate(to: .sharedReal(), .init(rights: [letters: rights]))
            var settings = landing.environment(gate, [:]).merging(more) { $1 }
            settings["LOADER_DEAD_LETTERS_TOPIC"] = letters
            try landing.produce(0..<10)
            let check = try await Command.run(["check"], settings)
            try body(letters, try await Command.run(["run", "--until-end"], settings), check)
        }
    }

    @Test("a topic of dead letters that the brokers hide from this user stops the start, and check says so")
    func hidden() async throws {
        try await start([]) { topic, run, check in
            #expect(run.status == 78, "\(run.errors)")
            #expect(run.errors.contains("do not let this user write to the topic \(topic)"), "\(run.errors)")
            #expect(check.status == 78 && check.output.contains("give this user WRITE on \(topic)"), "\(check.output)")
        }
    }

    @Test(
        "one that it may see and not write to does, too, where librdkafka asks for rights, and one that it may write to does not",
        .enabled(if: newLibrary != nil, "no librdkafka of 2.3 or newer is here"))
    func shown() async throws {
        let library = try #require(Self.newLibrary)
        try await start([Self.describe, Self.read], library) { topic, run, check in
            #expect(run.status == 78, "\(run.errors)")
            #expect(run.errors.contains("do not let this user write to the topic \(topic)"), "\(run.errors)")
            #expect(check.status == 78 && check.output.contains("give this user WRITE on \(topic)"), "\(check.output)")
        }
        try await start([Self.describe, Self.read, Self.write], library) { _, run, check in
            #expect(run.status == 0, "\(run.errors)")
            #expect(check.status == 0, "\(check.output)")
        }
    }

    @Test("who may write to no topic at all is stopped at the start with every librdkafka, and who may is not")
    func nothing() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            let letters = landing.topic + "-dead"
            try broker.createTopic(letters, partitions: 1)
            try landing.produce(0..<10)
            let settings = landing.environment.merging([
                "LOADER_DEAD_LETTERS_TOPIC": letters, "LOADER_WAIT_AT_START": "false",
            ]) { $1 }
            let good = try await Command.run(["check"], settings)
            #expect(good.status == 0, "\(good)")
            // As Apache Kafka answers a user without any WRITE.
            mock.fail(.initProducerID, with: Array(repeating: .clusterAuthorizationFailed, count: 20))
            for command in [["check"], ["run", "--until-end"]] {
                let ended = try await Command.run(command, settings)
                let said = (ended.output + ended.errors).split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(ended.status == 78, "\(ended)")
                #expect(said.contains("do not let this user write to the topic \(letters)"), "\(said)")
                #expect(said.contains("give this user WRITE on \(letters)"), "\(said)")
            }
            mock.stopFailing(.initProducerID)
            let run = try await Command.run(["run", "--until-end"], settings)
            #expect(run.status == 0, "\(run.errors)")
        }
    }

    /// What has a process use a librdkafka that knows of rights; nil: there is none.
    static let newLibrary: [String: String]? = {
        if KafkaLibrary.version >= 0x0203_00ff { return [:] }
        let root = URL(filePath: #filePath).appending(path: "../../../../.local/venv/lib").standardized
        let files = FileManager.default
        for python in (try? files.contentsOfDirectory(atPath: root.path())) ?? [] {
            let wheel = root.appending(path: "\(python)/site-packages/confluent_kafka.libs")
            let names = (try? files.contentsOfDirectory(atPath: wheel.path())) ?? []
            guard let name = names.first(where: { $0.hasPrefix("librdkafka") }) else { continue }
            let named = files.temporaryDirectory.appending(path: "librdkafka-\(getpid())")
            try? files.createDirectory(at: named, withIntermediateDirectories: true)
            try? files.createSymbolicLink(
                at: named.appending(path: "librdkafka.so.1"), withDestinationURL: wheel.appending(path: name))
            return ["LD_LIBRARY_PATH": "\(named.path()):\(wheel.path())"]
        }
        return nil
    }()
}
