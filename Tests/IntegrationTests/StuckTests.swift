import Foundation
import Postgres
import TestSupport
import Testing

@Suite("A call that does not come back")
struct StuckTests {
    @Test("is told, ends the process once the group has given its partitions to others, and costs no row")
    func ends() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<2000)
            var environment = landing.environment
            environment["LOADER_FAILPOINTS"] = "before-group-commit=hang"
            environment["LOADER_SHUTDOWN_TIMEOUT"] = "2s"
            environment["LOADER_POSTGRES_LOCK_TIMEOUT"] = "1s"
            environment["LOADER_KAFKA_PROPERTIES_MAX_POLL_INTERVAL_MS"] = String(Int(6000 * testTimeScale))
            let stuck = try LoaderProcess(environment)
            #expect(try await stuck.waitForExit(within: .seconds(150)) == 70)
            let told = stuck.output.split(separator: "\n").filter { $0.contains("\"code\":\"stuck\"") }
            #expect(told.count == 2, "\(stuck.output)")
            #expect(told.first?.contains("gdb -p \(stuck.id) -batch") == true)
            let next = try LoaderProcess(landing.environment)
            try await landing.waitForRows(2000)
            next.kill(SIGTERM)
            #expect(try await next.waitForExit() == 0)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }
}
