import Foundation
import Kafka
import Loading
import TestSupport
import Testing

@Suite("Rebalance")
struct RebalanceTests {
    @Test("loaders that join, leave by SIGTERM and are killed while messages arrive load every message once")
    func joinLeaveAndKill() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 8) { landing in
            let traffic = try Traffic(landing, rate: 2000, generator: .random(for: "rebalance traffic"))
            let first = try LoaderProcess(landing.environment)
            try await first.waitForLog(#""message":"loading""#)
            let leaver = try LoaderProcess(landing.environment)
            try await leaver.waitForLog(#""message":"loading""#)
            leaver.kill(SIGTERM)
            #expect(try await leaver.waitForExit() == 0)
            var victims = 0
            for _ in 0..<2 {
                let victim = try LoaderProcess(landing.environment)
                try await victim.waitForLog(#""message":"loading""#)
                let before = try landing.rowCount()
                try await eventually("rows go in") { try landing.rowCount() > before }
                try await victim.killAndWait()
                victims += 1
            }
            #expect(victims == 2)
            let written = try await traffic.stop()
            try await landing.waitForRows(written)
            first.kill(SIGTERM)
            #expect(try await first.waitForExit() == 0)
            try landing.expectExactlyOnce()
            try await landing.expectNothingLeft()
        }
    }

    @Test("a member that slept past its session is a zombie: it loads nothing more, and rejoins")
    func zombie() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 8) { landing in
            let traffic = try Traffic(landing, rate: 2000, generator: .random(for: "zombie traffic"))
            let zombie = try LoaderProcess(landing.environment)
            let heir = try LoaderProcess(landing.environment)
            try await zombie.waitForLog(#""message":"loading""#)
            try await heir.waitForLog(#""message":"loading""#)
            zombie.kill(SIGSTOP)
            // All partitions are the heir's once each of them has moved after the zombie has gone to sleep.
            let asleep = try landing.positions()
            try await eventually("the heir loads every partition", within: .seconds(90)) {
                let now = try landing.positions()
                return asleep.allSatisfy { now[$0.key] ?? 0 > $0.value + 200 }
            }
            zombie.kill(SIGCONT)
            try await eventually("the zombie notices") {
                zombie.output.contains("taken over") || zombie.output.contains("taken partitions away")
            }
            let written = try await traffic.stop()
            try await landing.waitForRows(written)
            for loader in [zombie, heir] {
                loader.kill(SIGTERM)
                #expect(try await loader.waitForExit() == 0)
            }
            try landing.expectExactlyOnce()
            try await landing.expectNothingLeft()
        }
    }

    @Test("after a handover the group's offsets equal the ledger, although the batch was far from full")
    func revokeFlushesAndCommits() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 8) { landing in
            var options = landing.options()
            // Only the handover can have loaded them.
            options.batch = BatchPolicy(maxRows: 1_000_000, maxDelay: .seconds(600))
            try landing.produce(0..<4000)
            let giver = try LoaderRun(options)
            try await eventually("the first member loads") { giver.statistics.snapshot.isAssigned }
            try await eventually("it has taken all") { giver.statistics.snapshot.buffers.batchMessages == 4000 }
            let taker = try LoaderRun(options)
            try await eventually("the first member has given") { giver.statistics.snapshot.rebalances >= 2 }
            try await landing.waitForRows(4000)
            try await eventually("both are assigned") {
                giver.statistics.snapshot.isAssigned && taker.statistics.snapshot.isAssigned
            }
            try await landing.expectGroupFollowsLedger()
            try await giver.finish()
            try await taker.finish()
            try landing.expectExactlyOnce()
            #expect(giver.statistics.snapshot.rows == 4000)
            #expect(taker.statistics.snapshot.rows == 0)
        }
    }

    @Test("partitions lost without a word are dropped, and loaded once after the member has joined anew")
    func lostPartitions() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 8) { landing in
            let traffic = try Traffic(landing, rate: 2000, generator: .random(for: "lost partitions traffic"))
            let run = try LoaderRun(landing.options())
            try await eventually("rows go in") { try landing.rowCount() > 0 }
            mock.fail(.heartbeat, with: [.unknownMember])
            try await eventually("the partitions are lost") {
                run.log.count(of: "the group has taken partitions away") == 1
            }
            let written = try await traffic.stop()
            try await landing.waitForRows(written)
            try await run.finish()
            try landing.expectExactlyOnce()
            try await landing.expectNothingLeft()
        }
    }

    @Test("many members that come and go in random order load every message once")
    func manyMembers() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 12) { landing in
            var generator = SeededGenerator.random(for: "members")
            let traffic = try Traffic(landing, rate: 2000, generator: generator)
            var members: [LoaderRun] = []
            var rebalances = 0
            for _ in 0..<8 {
                if members.isEmpty || (members.count < 4 && Bool.random(using: &generator)) {
                    members.append(try LoaderRun(landing.options()))
                } else {
                    let leaver = members.remove(at: Int.random(in: 0..<members.count, using: &generator))
                    try await leaver.finish()
                    rebalances += leaver.statistics.snapshot.rebalances
                }
                try await Task.sleep(for: .microseconds(Int.random(in: 0..<1_000_000, using: &generator)))
            }
            if members.isEmpty { members.append(try LoaderRun(landing.options())) }
            let written = try await traffic.stop()
            try await landing.waitForRows(written)
            for member in members {
                try await member.finish()
                rebalances += member.statistics.snapshot.rebalances
            }
            #expect(rebalances >= 2)
            try landing.expectExactlyOnce()
            try await landing.expectNothingLeft()
        }
    }
}
