import Foundation
import Postgres
import TestSupport

@testable import SimulatedPostgres

/// Two sessions ask a real and a simulated server the same, in the same order, and get the same answers.
struct Comparison {
    let url: String
    let seed: UInt64

    struct Difference: Error, CustomStringConvertible {
        let description: String
    }

    private final class Clock {
        /// Microseconds since 1970.
        var time: Int64 = 1_767_225_600_000_000
    }

    private final class Pair {
        let simulated: SimulatedSession
        let real: RealSession
        var status = Session.Status.idle
        /// What both wait with.
        var waitsWith: Request?

        init(_ database: SimulatedDatabase, _ url: String) throws {
            (simulated, real) = (SimulatedSession(database), try RealSession(url))
        }
    }

    static func prepare(_ connection: Connection) throws {
        try connection.execute("CREATE SCHEMA s; CREATE SCHEMA loader")
        for table in TableDefinition.loaders + Statements.tables { try connection.execute(table.statement) }
        try connection.execute(
            """
            CREATE UNIQUE INDEX dead_letters_message ON loader.dead_letters
              (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')))
            """)
    }

    static func empty(_ connection: Connection) throws {
        try connection.execute(
            "TRUNCATE s.owners, s.t, s.late, s.log, s.history, loader.positions, loader.dead_letters RESTART IDENTITY")
    }

    /// - Returns: how many requests were compared.
    func run(_ watcher: Connection, count: Int) throws -> Int {
        let clock = Clock()
        let database = try SimulatedDatabase(ledger: "00000000-0000-0000-0000-000000000001", clock: { clock.time })
        for table in Statements.tables { try database.create(table) }
        let pairs = try (0..<2).map { _ in try Pair(database, url) }
        var statements = Statements(seed)
        for done in 0..<count {
            clock.time += 1000
            guard let pair = pairs.filter({ $0.waitsWith == nil }).randomElement(using: &statements.generator) else {
                try settleDeadlock(pairs, database, clock)
                return done
            }
            let request = statements.next(pair.status)
            try pair.real.ask(request)
            pair.waitsWith = request
            if let answer = pair.simulated.ask(request) {
                try compare(pair, answer, pairs, done)
            } else {
                guard pair.simulated.session.isBlocked else { throw Difference(description: "no answer to \(request)") }
                try waits(pair, watcher, pairs)
            }
            // Whoever has waited for this one goes on.
            for other in pairs where other !== pair && other.waitsWith != nil {
                if let answer = other.simulated.answer { try compare(other, answer, pairs, done) }
            }
        }
        return count
    }

    private func compare(_ pair: Pair, _ answer: Answer, _ pairs: [Pair], _ done: Int) throws {
        guard let request = pair.waitsWith else { return }
        let real = try eventuallyValue("seed \(seed), request \(done): an answer; simulated: \(answer) to \(request)") {
            pair.real.answer()
        }
        guard real == answer else {
            throw Difference(
                description: "seed \(seed), request \(done): \(request)\n real      \(real)\n simulated \(answer)")
        }
        (pair.status, pair.waitsWith) = (answer.status, nil)
    }

    private func waits(_ pair: Pair, _ watcher: Connection, _ pairs: [Pair]) throws {
        _ = try eventuallyValue("that a session waits with \(String(describing: pair.waitsWith))") { () -> Bool? in
            if let answer = pair.real.answer() {
                throw Difference(
                    description: "seed \(seed): \(String(describing: pair.waitsWith)) does not wait: \(answer)")
            }
            let found = try watcher.query("SELECT cardinality(pg_blocking_pids($1::int))", [.int32(pair.real.pid)])
            return found.int(0, 0) ?? 0 > 0 ? true : nil
        }
    }

    /// Which of the two is ended hangs on who has waited longer, by each server's own clock.
    private func settleDeadlock(_ pairs: [Pair], _ database: SimulatedDatabase, _ clock: Clock) throws {
        clock.time += 2_000_000
        database.advance()
        let victims = pairs.filter { $0.simulated.answer?.failedWith == "40P01" }
        guard victims.count == 1 else { throw Difference(description: "seed \(seed): \(victims.count) deadlocks") }
        _ = try eventuallyValue("a deadlock") { () -> Bool? in
            pairs.contains { $0.real.answer()?.failedWith == "40P01" } ? true : nil
        }
    }
}

/// What comes about before long.
func eventuallyValue<Value>(_ what: String, _ look: () throws -> Value?) throws -> Value {
    let end = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < end {
        if let value = try look() { return value }
        usleep(500)
    }
    throw Comparison.Difference(description: "never came: \(what)")
}
