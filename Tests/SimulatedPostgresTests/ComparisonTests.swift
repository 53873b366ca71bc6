import Postgres
import TestSupport
import Testing

@Suite("The simulated server beside a real one")
struct ComparisonTests {
    @Test("whatever two sessions of a loader ask, the simulated server answers as a real one does")
    func sameAnswers() throws {
        try PostgresServer.shared().withDatabase { url in
            let watcher = try Connection(ConnectionOptions(url: url, applicationName: "loader tests"))
            try Comparison.prepare(watcher)
            try Fuzzing.rounds(40, of: "simulated server") { generator in
                try Comparison.empty(watcher)
                return try Comparison(url: url, seed: generator.seed).run(watcher, count: 60)
            }
        }
    }
}
