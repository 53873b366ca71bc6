import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct CancellerTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    /// Runs a statement that would take an hour on a thread of its own, and `interfere` once the server executes it.
    private func outcome(_ interfere: (Canceller) throws -> Void) throws -> (error: PostgresError?, isOpen: Bool) {
        let mark = "sleeper \(UInt64.random(in: 0 ... .max))"
        let canceller = Mutex<Canceller?>(nil)
        let outcome = Mutex<(PostgresError?, Bool)?>(nil)
        let server = server
        let box = Shared(canceller: canceller, outcome: outcome)
        Thread.detachNewThread {
            do {
                let connection = try server.connect(applicationName: mark)
                box.canceller.withLock { $0 = connection.makeCanceller() }
                do throws(PostgresError) {
                    try connection.execute("SELECT pg_sleep(3600)")
                    box.outcome.withLock { $0 = (nil, connection.isOpen) }
                } catch {
                    box.outcome.withLock { $0 = (error, connection.isOpen) }
                }
            } catch {
                box.outcome.withLock { $0 = (error as? PostgresError, false) }
            }
        }
        let observer = try server.connect()
        try poll {
            try observer.query(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'PgSleep'",
                [.text(mark)]
            ).int(0, 0) == 1
        }
        try interfere(try #require(box.canceller.withLock { $0 }))
        try poll { box.outcome.withLock { $0 != nil } }
        _ = try observer.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", [.text(mark)])
        return try #require(box.outcome.withLock { $0 })
    }

    private final class Shared: Sendable {
        let canceller: Mutex<Canceller?>
        let outcome: Mutex<(PostgresError?, Bool)?>

        init(canceller: consuming sending Mutex<Canceller?>, outcome: consuming sending Mutex<(PostgresError?, Bool)?>)
        {
            self.canceller = canceller
            self.outcome = outcome
        }
    }

    private func poll(_ condition: () throws -> Bool) throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        while try !condition() {
            try #require(ContinuousClock.now < deadline, "the condition did not come true")
            usleep(5_000)
        }
    }

    @Test("breakConnection frees a thread whose server does not answer")
    func breakConnection() throws {
        let (error, isOpen) = try outcome { $0.breakConnection() }
        #expect(error?.isConnectionLoss == true)
        #expect(!isOpen)
    }

    @Test("a canceller outlives its connection harmlessly")
    func outlives() throws {
        let canceller = try server.connect().makeCanceller()
        canceller.breakConnection()
    }
}
