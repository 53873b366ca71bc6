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

    /// What has a process use a librdkafka that knows of rights; nil: there is none.
    private static let newLibrary: [String: String]? = {
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
