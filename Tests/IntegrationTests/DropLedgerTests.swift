import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// `loader migrate drop-ledger` beside a loader that runs.
@Suite("Dropping the ledger")
struct DropLedgerTests {
    @Test("a group with a member is refused although no session of it is in the database, and dropped once it is empty")
    func running() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.produce(1)
            let loader = try scenario.start()
            try await eventually("the first message is loaded") { try scenario.position() == 1 }
            // Of a database of its own, so that nobody else's ledger is at stake; the group's member loads another.
            try await PostgresServer.shared().withDatabase { url in
                try TestDatabase.migrate(url)
                let connection = try Connection(ConnectionOptions(url: url, applicationName: "test"))
                _ = try connection.query(
                    "INSERT INTO loader.positions VALUES ($1, 't', 0, 5)", [.text(scenario.options.group)])
                let drop = ["migrate", "drop-ledger", "--yes"]
                let ended = try await Command.run(
                    drop, ["DATABASE_URL": url, "KAFKA_BROKERS": scenario.options.brokers])
                #expect(ended.status == 78 && ended.errors.contains("in the group \(scenario.options.group)"))
                #expect(try connection.query("SELECT count(*) FROM loader.positions").int(0, 0) == 1)

                try await loader.finish()
                let again = try await Command.run(
                    drop, ["DATABASE_URL": url, "KAFKA_BROKERS": scenario.options.brokers])
                #expect(again.status == 0, "\(again.errors)")
                #expect(try connection.query("SELECT to_regnamespace('loader')").isNull(0, 0))
            }
        }
    }
}
