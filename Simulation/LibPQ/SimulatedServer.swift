import CSimulation
import Glibc
import SimulatedPostgres

/// The server that libpq's functions reach in a simulation. One at a time: `install()` makes it the one.
///
/// All of it runs with the kernel's baton held. The world makes it after `sim_begin`, creates its tables, chooses its faults, and
/// asks it at the end what its tables hold.
final class SimulatedServer {
    /// Unchecked: whoever has the baton is alone.
    nonisolated(unsafe) static private(set) var current: SimulatedServer?

    /// Of all stories of this process, and of those that it is forked for.
    nonisolated(unsafe) private static let parsed = ParsedStatements()

    let database: SimulatedDatabase
    var faults = ServerFaults()
    /// Told of a statement that nobody has said here what comes of it. By default it ends the program.
    var isAtItsEnd: (String) -> Void = { what in
        let words = Array("the simulated PostgreSQL knows nothing of: \(what)\n".utf8)
        _ = write(STDERR_FILENO, words, words.count)
        exit(3)
    }
    /// What became of a fault, for counting: its name, each time that one is met.
    var met: (String) -> Void = { _ in }
    private var events: [Int: () -> Void] = [:]
    private var nextEvent = 1
    private var connections: [ServerConnection] = []
    private var downUntil: Int64 = 0
    private var standbyUntil: Int64 = 0
    private var timer: Int64?

    /// - Parameter ledger: a UUID.
    init(ledger: String) throws {
        database = try SimulatedDatabase(
            ledger: ledger, parsed: Self.parsed, clock: { Self.epoch + sim_now() / 1000 })
        database.isAtItsEnd = { [unowned self] what in isAtItsEnd(what) }
    }

    /// 2026-01-01, in microseconds since 1970: what the kernel's clock on the wall shows at 0.
    private static let epoch: Int64 = 1_767_225_600_000_000

    func install() { Self.current = self }

    // MARK: What the world does

    /// All sessions end, and what they have not committed is gone.
    ///
    /// - Parameter length: how long nobody is let in, in nanoseconds.
    func restart(_ length: Int64) {
        downUntil = max(downUntil, sim_now() + length)
        // One that crashes says nothing.
        let isCrash = sim_random() % 2 == 0
        for session in database.sessions {
            if isCrash {
                session.end()
            } else {
                session.fail(SQLFailure("57P01", "terminating connection due to administrator command").fatal)
            }
        }
        database.settle()
        look()
    }

    /// As a failover has it for a while.
    ///
    /// - Parameter length: in nanoseconds.
    func becomeStandby(_ length: Int64) {
        standbyUntil = max(standbyUntil, sim_now() + length)
        // A server that becomes a standby ends its sessions, and refuses transactions that want to write.
        restart(0)
        database.isStandby = true
        at(standbyUntil) { [unowned self] in
            if sim_now() >= standbyUntil { database.isStandby = false }
        }
    }

    /// A loader's process is gone: so are its connections.
    func cut(process: Int32) {
        for connection in connections where connection.process == process { connection.cut() }
    }

    /// Everything that is committed, by table.
    struct Dump {
        fileprivate var rows: [(table: String, rows: [[SQLValue]])]
    }

    func dump() -> Dump {
        Dump(rows: database.tableNames.map { ($0, database.rows(of: $0)) })
    }

    /// Puts an older state in the place of this one, as from a backup.
    func restore(_ dump: Dump, downFor length: Int64) {
        restart(length)
        for table in dump.rows { database.replace(rowsOf: table.table, with: table.rows) }
    }

    /// Another database under the same address.
    func becomeAnother(ledger: String) {
        let rows = database.rows(of: "loader.ledger").map { row in
            var row = row
            row[1] = .text(ledger)
            return row
        }
        database.replace(rowsOf: "loader.ledger", with: rows)
    }

    // MARK: Chance and time

    func draw(_ chance: Double, _ name: StaticString) -> Bool {
        guard chance > 0, Double(sim_random() >> 11) / Double(1 << 53) < chance else { return false }
        met("\(name)")
        return true
    }

    func drawn(_ range: ClosedRange<Int64>) -> Int64 {
        guard range.upperBound > range.lowerBound else { return range.lowerBound }
        return range.lowerBound + Int64(sim_random() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    var latency: Int64 { drawn(faults.latency) }

    func at(_ moment: Int64, _ event: @escaping () -> Void) {
        let number = nextEvent
        nextEvent += 1
        events[number] = event
        sim_at(
            moment,
            { argument in
                guard let server = SimulatedServer.current else { return }
                server.events.removeValue(forKey: Int(bitPattern: argument))?()
                server.look()
            }, UnsafeMutableRawPointer(bitPattern: number))
    }

    /// Sees to it that what ends by the clock does.
    func look() {
        guard let next = database.nextTimer else { return }
        let moment = max(sim_now(), (TimeText.toUnix(next) - Self.epoch + 1) * 1000)
        guard timer.map({ $0 > moment || $0 < sim_now() }) ?? true else { return }
        timer = moment
        at(moment) { [unowned self] in
            timer = nil
            database.advance()
        }
    }

    // MARK: Connecting

    /// What somebody who connects is told; nil: welcome.
    var greeting: SQLFailure? {
        if sim_now() < downUntil { return SQLFailure("57P03", "the database system is starting up").fatal }
        return nil
    }

    func add(_ connection: ServerConnection) { connections.append(connection) }

    func remove(_ connection: ServerConnection) { connections.removeAll { $0 === connection } }
}
