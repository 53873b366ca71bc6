import Foundation
import Postgres
import TestSupport
import Testing

/// The demo's shop and its replica, by the demo's own configuration.
@Suite("The demo's replica")
struct DemoReplicaTests {
    private static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test("the replica is the shop, which has changed and gone on from there, and a difference is told")
    func replica() async throws {
        let broker = try Broker(mockBrokers: 1)
        for topic in ["demo.shop.customers", "demo.shop.orders"] { try broker.createTopic(topic, partitions: 3) }
        try await PostgresServer.shared().withDatabase { url in
            let configuration = ["--config", Self.package.appending(path: "deploy/demo/loader-cdc.yaml").path()]
            let migrations = Self.package.appending(path: "deploy/demo/migrations-cdc").path()
            func run(_ arguments: [String]) async throws -> Command {
                try await Command.run(arguments, ["KAFKA_BROKERS": broker.bootstrapServers, "DATABASE_URL": url])
            }
            let changes = ["1", "2"].map { ["demo", "changes", "--count", "3000", "--seed", $0] }
            let steps =
                [["migrate", "up", "--dir", migrations] + configuration] + changes + [
                    ["run", "--until-end"] + configuration, ["demo", "replica", "--seconds", "2"] + configuration,
                ]
            for step in steps {
                let done = try await run(step)
                try #require(done.status == 0, "\(step): \(done.errors) \(done.output)")
                guard step[1] == "replica" else { continue }
                #expect(done.output.contains("row for row and value for value"), "\(done.output)")
                // A row that is there and one that is deleted, both once without a value.
                let lives = done.output.components(separatedBy: " in the topic:\n").dropFirst()
                #expect(lives.count == 2 && lives.allSatisfy { $0.contains("  not sent\n") }, "\(done.output)")
                #expect(lives.first?.contains("and in the replica: customer") == true, "\(done.output)")
                #expect(lives.last?.contains("tombstone\n  and in the replica: no row") == true, "\(done.output)")
            }
            try Connection(ConnectionOptions(url: url)).execute(
                "UPDATE replica.customers SET credit = credit + 1 WHERE id = (SELECT min(id) FROM replica.customers)")
            let different = try await run(["demo", "replica"] + configuration)
            #expect(different.status == 1)
            #expect(different.output.contains("The replica is not the shop."), "\(different.output)")
            try #require(try await run(["demo", "changes", "--count", "100", "--seed", "3"]).status == 0)
            let early = try await run(["demo", "replica"] + configuration)
            #expect(early.output.contains("The replica is not the shop yet: a loader has 1"), "\(early.output)")
        }
    }
}
