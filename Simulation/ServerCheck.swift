import ArgumentParser
import CSimulation
import Foundation
import Postgres
import SimulatedPostgres

/// Holds the simulated server's face to what the loader's connection expects of libpq: answers, COPY, pipelines, waits with an
/// end, and the same story for the same seed.
struct ServerCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "server", abstract: "Checks the simulated PostgreSQL through the loader's own connections.")

    @Option(help: "How many seeds.")
    var seeds = 50

    func run() throws {
        _ = Self.story(.max)
        var met: [String: Int] = [:]
        for seed in 0..<UInt64(seeds) {
            let (one, other) = (try Self.apart(seed), try Self.apart(seed))
            guard one == other else { throw ValidationError("seed \(seed) is not the same twice") }
            guard one.complaint.isEmpty else { throw ValidationError("seed \(seed): \(one.complaint)") }
            for (fault, count) in one.met { met[fault, default: 0] += count }
        }
        let faults = met.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        print("\(seeds) seeds, each the same twice; \(faults)")
    }

    private struct Story: Equatable, Codable {
        var trace: UInt64
        var met: [String: Int]
        /// Empty where all is as it should be.
        var complaint: String
    }

    private static func apart(_ seed: UInt64) throws -> Story {
        let answer = try SeedProcess { Array((try? JSONEncoder().encode(story(seed))) ?? Data()) }.answer()
        return try JSONDecoder().decode(Story.self, from: Data(answer))
    }

    /// What the loaders of a story share. Unchecked: touched only under the baton, of which there is one.
    private final class Shared: @unchecked Sendable {
        /// Sums that COMMIT has confirmed, by process.
        var confirmed: [Int32: Int] = [:]
        var met: [String: Int] = [:]
        var done = 0
        /// Of answers that are none of a server's.
        var complaint = ""
    }

    private static func story(_ seed: UInt64) -> Story {
        let shared = Shared()
        sim_begin(seed)
        defer { sim_end() }
        do {
            let server = try SimulatedServer(ledger: "00000000-0000-0000-0000-000000000001")
            try server.database.add(
                TableDefinition("s", "sums", [.init("id", .int8), .init("sum", .int8, notNull: true)], key: ["id"]))
            server.faults = faults
            server.met = { name in shared.met[name, default: 0] += 1 }
            server.install()
            for process: Int32 in 1...3 {
                sim_spawn(
                    process,
                    { opaque in
                        guard let opaque else { return }
                        ServerCheck.work(Unmanaged<Shared>.fromOpaque(opaque).takeUnretainedValue(), sim_process())
                    }, Unmanaged.passRetained(shared).toOpaque())
            }
            sim_run(sim_now() + 4 * 3_600_000_000_000)
            return Story(trace: sim_trace(), met: shared.met, complaint: complaint(server, shared))
        } catch {
            return Story(trace: 0, met: [:], complaint: "\(error)")
        }
    }

    private static var faults: ServerFaults {
        var faults = ServerFaults()
        (faults.connectRefused, faults.connectHangs) = (0.05, 0.02)
        (faults.cutBeforeArrival, faults.cutBeforeAnswer) = (0.01, 0.01)
        (faults.cutBeforeCommit, faults.cutAfterCommit) = (0.03, 0.03)
        (faults.silence, faults.slow, faults.restart) = (0.002, 0.02, 0.003)
        faults.standby = 0.005
        faults.failures = ServerFaults.states.map { ($0, 0.003) }
        faults.terminated = 0.003
        return faults
    }

    /// Each row of `sums` is a process's; what it has confirmed can be at most one ahead of what is known.
    private static func complaint(_ server: SimulatedServer, _ shared: Shared) -> String {
        guard shared.complaint.isEmpty else { return shared.complaint }
        guard shared.done == 3 else { return "\(3 - shared.done) processes never came to their end" }
        var sums: [Int32: Int] = [:]
        for row in server.database.rows(of: "s.sums") {
            if let id = row[0].asInt, let sum = row[1].asInt { sums[Int32(id)] = Int(sum) }
        }
        for process: Int32 in 1...3 where sums[process] != turns {
            return "process \(process) has \(sums[process] ?? 0) of \(turns)"
        }
        return ""
    }

    private static let turns = 20

    // MARK: A process

    /// Adds one to its own row again and again, each time by way of a stage, and asks how far it is whenever it does not know.
    private static func work(_ shared: Shared, _ process: Int32) {
        var sum = 0
        var connection: Connection?
        while sum < turns {
            do {
                let open = try connection ?? connect()
                connection = open
                sum = try known(open, process)
                guard sum < turns else { break }
                try add(open, process, sum + 1, requirement: try requirement(open))
            } catch {
                if !(error is PostgresError) {
                    shared.complaint = "\(error)"
                    break
                }
                connection?.close()
                connection = nil
                usleep(200_000)
            }
        }
        connection?.close()
        shared.done += 1
    }

    private static func connect() throws -> Connection {
        try Connection(
            ConnectionOptions(
                url: "postgresql://sim", applicationName: "loader \(sim_process())", answerTimeout: .seconds(40)))
    }

    private static func known(_ connection: Connection, _ process: Int32) throws -> Int {
        let found = try connection.query("SELECT sum FROM s.sums WHERE id = $1", [.int64(Int64(process))])
        return found.rowCount == 0 ? 0 : Int(found.int(0, 0) ?? 0)
    }

    /// What the catalog says of the table, and that it still says so.
    private static func requirement(_ connection: Connection) throws -> Connection.Statement {
        let name = TableName(schema: "s", name: "sums")
        let versions = try Catalog.versions(of: [name], on: connection)
        let table = try Catalog.table(name, on: connection)
        guard table?.columns.map(\.name) == ["id", "sum"], table?.uniqueIndexes.map(\.columns) == [["id"]] else {
            throw ValidationError("the catalog says \(String(describing: table))")
        }
        return Catalog.requirement(versions.map { (name, $0) })
    }

    private static func add(
        _ connection: Connection, _ process: Int32, _ sum: Int, requirement: Connection.Statement
    ) throws {
        _ = try connection.pipeline([
            .init(Connection.begin), .init("SELECT set_config('lock_timeout', '9000ms', true)"),
            .init("SELECT set_config('statement_timeout', '20000ms', true)"),
        ])
        try connection.execute(
            "CREATE TEMP TABLE \"loader_stage_0\" ON COMMIT DROP AS SELECT \"id\", \"sum\" FROM \"s\".\"sums\" WITH NO DATA"
        )
        let rows = try connection.copyIn("COPY pg_temp.\"loader_stage_0\" (\"id\", \"sum\") FROM STDIN") {
            (stream: borrowing CopyInStream) throws(PostgresError) in
            let text = Array("\(process)\t\(sum)\n100\t\(sum)\n".utf8)
            try text.withUnsafeBufferPointer { bytes throws(PostgresError) in
                try stream.send(UnsafeRawBufferPointer(bytes))
            }
        }
        guard rows == 2 else { throw ValidationError("\(rows) rows") }
        let changed = try connection.execute(
            "INSERT INTO \"s\".\"sums\" AS t (\"id\", \"sum\") SELECT s.\"id\", s.\"sum\" FROM pg_temp.\"loader_stage_0\" AS s "
                + "ON CONFLICT (\"id\") DO UPDATE SET \"sum\" = EXCLUDED.\"sum\"")
        guard changed == 2 else { throw ValidationError("\(changed) rows changed") }
        let answer = try connection.pipeline([requirement, .init("COMMIT")])
        if let failure = answer.failure { throw failure }
    }
}
