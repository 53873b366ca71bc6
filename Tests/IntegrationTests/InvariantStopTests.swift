import Foundation
import Postgres
import TestSupport
import Testing

@Suite("A fault of the loader's own")
struct InvariantStopTests {
    @Test("stops it before COMMIT, is told with a code of its own and its place, and is gone with the next start")
    func stops() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<2000)
            var environment = landing.environment
            environment["LOADER_FAILPOINTS"] = "miscount=error@3"
            let broken = try LoaderProcess(environment)
            #expect(try await broken.waitForExit() == 70)
            let told = try #require(broken.output.split(separator: "\n").first { $0.contains("invariant_violated") })
            #expect(told.contains("critical"))
            #expect(told.contains("message_count does not hold at \(landing.topic)[0]@1000"))
            #expect(told.contains("loader version"))
            #expect(try landing.rowCount() == 1000, "the two batches before it are in")
            let next = try LoaderProcess(landing.environment)
            try await landing.waitForRows(2000)
            next.kill(SIGTERM)
            #expect(try await next.waitForExit() == 0)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }
}
