import Testing

@testable import SimulatedPostgres

/// What a comparison with a real server cannot show: what ends by the clock, and what is not known.
@Suite("The simulated server by itself")
struct SimulatedDatabaseTests {
    private final class World {
        /// Microseconds since 1970.
        var time: Int64 = 1_767_225_600_000_000
        let database: SimulatedDatabase

        init() throws {
            database = try SimulatedDatabase(ledger: "00000000-0000-0000-0000-000000000001", clock: { 0 })
            database.clock = { [unowned self] in time }
            for table in Statements.tables { try database.create(table) }
        }

        func wait(_ seconds: Int64) {
            time += seconds * 1_000_000
            database.advance()
        }
    }

    private static let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE"

    /// Two sessions, of which the second waits for the first one's row.
    private func waiting(_ world: World, _ settings: String) -> (holder: SimulatedSession, waiter: SimulatedSession) {
        let (holder, waiter) = (SimulatedSession(world.database), SimulatedSession(world.database))
        let insert = "INSERT INTO s.owners (id) VALUES (1)"
        #expect(holder.ask(.simple("\(Self.begin); \(insert)"))?.failedWith == nil)
        #expect(waiter.ask(.simple("\(Self.begin); SELECT \(settings)"))?.failedWith == nil)
        #expect(waiter.ask(.simple(insert)) == nil)
        return (holder, waiter)
    }

    @Test("a lock is waited for as long as lock_timeout says, and a statement as long as statement_timeout")
    func timeouts() throws {
        for (settings, state) in [
            ("set_config('lock_timeout', '30000ms', true), set_config('statement_timeout', '60000ms', true)", "55P03"),
            ("set_config('statement_timeout', '30000ms', true)", "57014"),
        ] {
            let world = try World()
            let (_, waiter) = waiting(world, settings)
            world.wait(29)
            #expect(waiter.answer == nil)
            world.wait(2)
            #expect(waiter.answer?.failedWith == state)
        }
    }

    @Test("a row that is given up is taken by whoever waits for it")
    func rolledBack() throws {
        let world = try World()
        let (holder, waiter) = waiting(world, "1")
        _ = holder.ask(.simple("ROLLBACK"))
        #expect(waiter.answer?.failedWith == nil)
        let another = try World()
        let (other, refused) = waiting(another, "1")
        _ = other.ask(.simple("COMMIT"))
        #expect(refused.answer?.failedWith == "23505")
    }

    @Test("a session that is silent in a transaction is ended, and its locks with it")
    func idleInTransaction() throws {
        let world = try World()
        let (holder, waiter) = waiting(world, "1")
        _ = holder.ask(.simple("SELECT set_config('idle_in_transaction_session_timeout', '30000ms', true)"))
        world.wait(31)
        #expect(holder.session.isEnded)
        #expect(waiter.answer?.failedWith == nil && waiter.answer != nil)
    }

    @Test("who vanishes in the midst of a COPY keeps its locks until somebody ends it")
    func hungWriter() throws {
        let world = try World()
        let hung = SimulatedSession(world.database)
        _ = hung.ask(.simple("\(Self.begin); SELECT set_config('statement_timeout', '30000ms', true)"))
        hung.session.send(.simple("COPY s.owners (id) FROM STDIN"))
        world.wait(60)
        #expect(!hung.session.isEnded)
        let question = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query_start < $1"
        let other = SimulatedSession(world.database)
        #expect(other.ask(.query(question, [.int(120_000)]))?.parts.first == .rows([]))
        #expect(other.ask(.query(question, [.int(30_000)]))?.parts.first == .rows([["t"]]))
        #expect(hung.session.isEnded)
    }

    @Test("a transaction that writes more than the server takes fails, and a smaller one does not")
    func limits() throws {
        let world = try World()
        world.database.mostRows = 2
        let session = SimulatedSession(world.database)
        func rows(_ count: Int) -> [UInt8] { Array((0..<count).map { "\($0)\tx\n" }.joined().utf8) }
        let copy = "COPY s.log (id, v) FROM STDIN"
        #expect(session.ask(.simple(copy, copy: rows(3)))?.failedWith == "53200")
        #expect(session.ask(.simple(copy, copy: rows(2)))?.parts == [.done(2)])
        #expect(world.database.rows(of: "s.log").count == 2)
    }

    @Test("a statement that nobody has said here what comes of it is told, and not passed over")
    func unknown() throws {
        for sql in ["VACUUM", "SELECT sin(1)", "INSERT INTO s.log TABLE s.log", "SELECT id FROM s.log FOR KEY SHARE"] {
            let world = try World()
            var told: [String] = []
            world.database.isAtItsEnd = { told.append($0) }
            _ = SimulatedSession(world.database).ask(.simple(sql))
            #expect(told.count == 1, "\(sql)")
        }
    }
}
