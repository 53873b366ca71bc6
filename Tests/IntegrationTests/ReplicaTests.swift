import Foundation
import Kafka
import TestSupport
import Testing

/// A table that changes at random, and what a loader makes of the events of its changes: the same table.
@Suite("A replica is its source")
struct ReplicaTests {
    @Test("whatever the modes of the connector and the encoding of its events", arguments: 0..<12)
    func everyMode(run: Int) async throws {
        var generator = SeededGenerator(seed: UInt64(run))
        let modes = ReplicaScope.modes(run, &generator)
        let server = try TestDatabase.shared().connect()
        let types = ReplicaScope.types.filter { server.makes("\($0)") }
        let table =
            run < 3 ? SourceTable(ofEach: types) : SourceTable(width: 5...14, of: types, using: &generator)
        try await Landing.with(
            broker: .sharedMock(), server: TestDatabase.shared(), partitions: modes.hasTruncates ? 1 : 3
        ) { landing in
            try await Replica.with(landing, table, modes) { replica in
                var producer = try ChangeProducer(replica, ChangeStream(table, modes, generator: generator))
                try producer.write(changes: 600)
                let run = try await Command.run(["run", "--until-end"], replica.environment)
                #expect(run.status == 0, "\(modes): \(run.errors.suffix(2000))")
                let comparison = try replica.compare(producer.stream.rows.values, excused: producer.excused)
                #expect(comparison.rows > 0)
                #expect(comparison.differences == [], "\(modes); \(table)")
            }
        }
    }
}
