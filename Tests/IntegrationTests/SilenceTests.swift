import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// A connection that something in between has forgotten: it stays open, and nothing comes any more.
@Suite("Silence of the database")
struct SilenceTests {
    private func options(_ landing: Landing, _ proxy: TCPProxy) -> LoadingOptions {
        var options = landing.options()
        options.database.url = proxy.url(options.database.url)
        options.database.statementTimeout = .seconds(1)
        options.database.lockTimeout = .milliseconds(500)
        options.database.answerMargin = .seconds(1)
        options.batch.maxRows = 250
        return options
    }

    @Test(
        "at any moment of a batch it is noticed, told by its name, and survived: each row is in once",
        arguments: TCPProxy.Direction.allCases)
    func anyMoment(direction: TCPProxy.Direction) async throws {
        let server = try PrivateDatabase.shared()
        let proxy = try TCPProxy(to: server)
        try await Landing.with(broker: .sharedMock(), server: server, partitions: 4) { landing in
            let run = try LoaderRun(options(landing, proxy))
            var count = 0
            // A batch is five or six pieces to the server: each of them is the one that is swallowed once.
            for pieces in 0..<7 {
                proxy.forgetConnection(direction, after: pieces)
                let before = proxy.forgottenCount
                while proxy.forgottenCount == before {
                    try landing.produce(count..<count + 100)
                    count += 100
                    try await eventually("the next batch") {
                        try proxy.forgottenCount > before || landing.rowCount() >= count
                    }
                }
                try await landing.waitForRows(count)
            }
            try await eventually("the outage is over") { run.statistics.snapshot.outages.isEmpty }
            let told = run.log.lines.filter { $0.message.hasPrefix("the database does not answer") }
            #expect(!told.isEmpty && told.allSatisfy { $0.metadata["code"] == "noAnswer" })
            try await run.finish()
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }

    @Test("where the ledger is read, it is noticed and told, and the rest of the loader goes on")
    func atTheLedger() async throws {
        let server = try PrivateDatabase.shared()
        let proxy = try TCPProxy(to: server)
        try await Landing.with(broker: .sharedMock(), server: server, partitions: 4) { landing in
            try landing.produce(0..<100)
            var options = options(landing, proxy)
            options.writers = 2
            let first = try LoaderRun(options)
            try await landing.waitForRows(100)
            // A second member has partitions moved, so that positions are read.
            proxy.isStalled = true
            let second = try LoaderRun(options)
            try await eventually("the second says that nothing answers") {
                second.log.lines.contains { $0.message.hasPrefix("the database is away") }
            }
            proxy.isStalled = false
            try landing.produce(100..<1000)
            try await landing.waitForRows(1000)
            try await first.finish()
            try await second.finish()
            try landing.expectExactlyOnce()
            try await landing.expectNothingLeft()
        }
    }

    @Test("a stop meanwhile ends within shutdown_timeout, whatever the loader was at")
    func stop() async throws {
        let server = try PrivateDatabase.shared()
        let proxy = try TCPProxy(to: server)
        try await Landing.with(broker: .sharedMock(), server: server, partitions: 4) { landing in
            try landing.produce(0..<1000)
            var options = options(landing, proxy)
            // So that nothing but the stop ends the wait.
            options.database.statementTimeout = .seconds(3600)
            options.shutdownTimeout = .seconds(5)
            proxy.forgetConnection(.toClient, after: 15)
            let run = try LoaderRun(options)
            try await eventually("a connection is forgotten") { proxy.forgottenCount == 1 }
            try await run.finish(within: .seconds(30))
            try await landing.expectNothingLost()
        }
    }
}

extension Landing {
    /// Checks that a loader which comes now loads what is left, and that all is there once.
    fileprivate func expectNothingLost() async throws {
        try await LoaderRun.toTheEnd(options())
        try expectExactlyOnce()
    }
}
