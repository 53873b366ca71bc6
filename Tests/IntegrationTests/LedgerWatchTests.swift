import Loading
import TestSupport
import Testing

@Suite("A ledger that changes under a loader that has nothing to load")
struct LedgerWatchTests {
    @Test("what a restored backup lacks loads again though no message comes")
    func restored() async throws {
        try await LedgerScenario.with(try Broker.sharedMock(), partitions: 2) { scenario in
            try scenario.produce(10)
            try scenario.produce(5, to: 1)
            scenario.options.ledgerWatchInterval = .milliseconds(200)
            let loader = try scenario.start()
            try await eventually("all is loaded") { try scenario.ids().count == 15 }
            // What a backup of the time after four messages holds: rows and position go back together.
            try scenario.connection.execute("BEGIN; DELETE FROM events WHERE part = 0 AND id >= 4")
            try scenario.setPosition(4)
            try scenario.connection.execute("COMMIT")
            try await eventually("what is lacking is loaded again") { try scenario.ids() == Array(0..<15) }
            try await loader.finish()
            #expect(try scenario.position() == 10)
            #expect(loader.statistics.snapshot.fences == 0)
        }
    }

    @Test("a position that goes away stops the loader though no message comes")
    func positionDeleted() async throws {
        try await LedgerScenario.with(try Broker.sharedMock()) { scenario in
            try scenario.produce(5)
            scenario.options.ledgerWatchInterval = .milliseconds(200)
            let loader = try scenario.start()
            try await eventually("all is loaded, and the group told") {
                try scenario.ids().count == 5 && scenario.group() == scenario.marked(5)
            }
            try scenario.setPosition(nil)
            let failure = await #expect(throws: LoadingError.self) { try await loader.waitForEnd() }
            #expect(failure?.code == .lostPosition)
        }
    }
}
