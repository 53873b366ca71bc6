import Foundation
import Loading
import Postgres
import Records
import TestSupport
import Testing

extension Landing {
    /// What `environment` says, for a loader inside of the test's process.
    func options(_ properties: [String: String] = [:]) -> LoadingOptions {
        LoadingOptions(
            brokers: broker.bootstrapServers, group: group,
            properties: ["session.timeout.ms": "6000", "heartbeat.interval.ms": "500"].merging(properties) { $1 }
                .merging(broker.clientProperties) { own, _ in own },
            database: .init(url: schema.url, connectTimeout: .seconds(2), statementTimeout: .seconds(5)),
            routes: [
                Route(
                    topics: [.name(topic)], table: TableName(schema: nil, name: "landed"),
                    columns: [
                        .init(name: "partition", source: .partition), .init(name: "offset", source: .offset),
                        .init(name: "n", source: .field(FieldPath(["n"])), isRequired: true),
                    ])
            ],
            batch: BatchPolicy(maxRows: 500, maxDelay: .milliseconds(50)))
    }

    /// Checks that the table holds each of the topic's messages once, each partition's in order, and nothing else.
    func expectExactlyOnce(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let comparison = try compare()
        #expect(comparison.isExact, "\(comparison)", sourceLocation: sourceLocation)
    }

    /// Checks that a loader which comes now finds nothing to load, and that the group has then been told what the ledger
    /// says. (What a member commits while it leaves may be refused, if others are joining.)
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await LoaderRun.toTheEnd(options()).messages == 0, sourceLocation: sourceLocation)
        try await expectGroupFollowsLedger(sourceLocation: sourceLocation)
    }

    /// Checks that the group is told what the ledger says, with the ledger's mark.
    func expectGroupFollowsLedger(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let difference = try await groupDifference()
        #expect(difference == nil, sourceLocation: sourceLocation)
    }
}
