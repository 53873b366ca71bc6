import Foundation
import Kafka
import Postgres
import TestSupport
import Testing

/// Somebody who types what the loader says, as it stands: a database of its own, a topic, a directory.
final class Walk {
    let broker: Broker
    let topic: String
    let group: String
    /// As the owner of everything.
    let owner: Connection
    let url: String
    let directory: URL
    /// The loader's; its table is `events (id int, v text)`.
    var environment: [String: String]

    /// - Parameters:
    ///   - tables: made by the owner; nil: `events`.
    ///   - isMigrated: whether the loader's own schema is there.
    static func with(
        tables: String = "CREATE TABLE events (id int, v text)", isMigrated: Bool = true,
        isolation: isolated (any Actor)? = #isolation, _ body: (Walk) async throws -> Void
    ) async throws {
        let broker = try Broker.sharedReal()
        try await PostgresServer.shared().withDatabase { url in
            if isMigrated { try TestDatabase.migrate(url) }
            let owner = try Connection(ConnectionOptions(url: url, applicationName: "loader tests"))
            try owner.execute(tables)
            try await broker.withTopic(partitions: 1) { topic in
                try await broker.withGroup { group in
                    let walk = try Walk(broker, topic: topic, group: group, owner, url)
                    defer { try? FileManager.default.removeItem(at: walk.directory) }
                    try await body(walk)
                    owner.close()
                }
            }
        }
    }

    private init(_ broker: Broker, topic: String, group: String, _ owner: Connection, _ url: String) throws {
        (self.broker, self.topic, self.group, self.owner, self.url) = (broker, topic, group, owner, url)
        directory = FileManager.default.temporaryDirectory.appending(path: "loader-walk-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        environment = [
            "KAFKA_BROKERS": broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": group, "KAFKA_TOPIC": topic,
            "DATABASE_URL": url, "LOADER_TABLE": "events", "LOADER_HTTP_LISTEN": "off",
        ]
    }

    var place: TopicPartition { TopicPartition(topic: topic, partition: 0) }

    func produce(_ ids: Range<Int>) throws {
        try broker.produce(
            ids.map { TestMessage(partition: 0, key: "\($0)", value: #"{"id": \#($0), "v": "v\#($0)"}"#) }, to: topic)
    }

    func ids() throws -> [Int64] {
        let found = try owner.query("SELECT id FROM events ORDER BY id")
        return (0..<found.rowCount).compactMap { found.int($0, 0) }
    }

    /// Lets the loader work as a role of its own, without any right.
    func withRole(
        isolation: isolated (any Actor)? = #isolation, _ body: (_ role: String) async throws -> Void
    ) async throws {
        let role = "walker_" + String(UInt64.random(in: 0 ... .max), radix: 36)
        try owner.execute("CREATE ROLE \(role) LOGIN")
        environment["DATABASE_URL"] = url + (url.contains("?") ? "&" : "?") + "user=" + role
        let result: Result<Void, any Error>
        do { result = .success(try await body(role)) } catch { result = .failure(error) }
        try owner.execute("DROP OWNED BY \(role); DROP ROLE \(role)")
        try result.get()
    }

    // MARK: Typing

    /// Runs a command as it stands, but that it says yes and that a run has an end.
    @discardableResult
    func type(_ command: String, as url: String? = nil) async throws -> Command {
        var words = command.split(separator: " ").map(String.init)
        #expect(words.removeFirst() == "loader")
        if words.first == "backfill" || words.contains("purge") { words.append("--yes") }
        if words.first == "run", !words.contains("--until-end") { words.append("--until-end") }
        var environment = environment
        if let url { environment["DATABASE_URL"] = url }
        return try await Command.run(words, environment, in: directory)
    }

    /// Expects that a command ends in a mistake, which it says, and gives back all that it said.
    func stumble(_ command: String = "loader run", saying text: String) async throws -> String {
        let ended = try await type(command)
        let said = (ended.output + ended.errors).replacing("\\\"", with: "\"")
        #expect(ended.status == 78, "\(said)")
        #expect(said.contains(text), "\(said)")
        return said
    }

    /// Expects that nothing is wrong any more.
    func go(_ command: String = "loader run", as url: String? = nil) async throws {
        let ended = try await type(command, as: url)
        #expect(ended.status == 0, "\(command): \(ended.output + ended.errors)")
    }

    /// The loader's commands in what was said, each once, in their order.
    static func commands(in said: String) -> [String] {
        unique(said.matches(of: /`(loader [^`]+)`/).map { String($0.1) })
    }

    /// The SQL in what was said, likewise.
    static func statements(in said: String) -> [String] {
        unique(
            said.matches(of: /(?:GRANT|CREATE UNIQUE INDEX|INSERT INTO loader|ALTER TABLE|ALTER ROLE)[^;]*;/).map {
                String($0.0)
            })
    }

    private static func unique(_ found: [String]) -> [String] {
        found.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// The one command of the loader that begins so.
    func command(_ beginning: String, in said: String) throws -> String {
        let found = Self.commands(in: said).first { $0.hasPrefix("loader " + beginning) }
        return try #require(found, "no such command in: \(said)")
    }
}
