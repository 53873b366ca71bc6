import Foundation
import Kafka
import Loading
import TestSupport
import Testing

@Suite("Crash")
struct CrashTests {
    /// `LOADER_TEST_CRASHES` asks for more than the dozen.
    private static let count =
        ProcessInfo.processInfo.environment["LOADER_TEST_CRASHES"].flatMap { Int($0) } ?? 12

    @Test("a loader that is killed at random moments loads every message once")
    func killedAtRandomMoments() async throws {
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 4) { landing in
            var generator = SeededGenerator.random(for: "crashes")
            var environment = landing.environment
            // With its own id a member that comes again takes the place of the one that was killed, at once.
            environment["LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID"] = landing.group + "-member"
            environment["LOADER_BATCH_MAX_ROWS"] = "100"
            var written = 0
            var midway = 0
            for _ in 0..<Self.count {
                try landing.produce(written..<written + 4000)
                written += 4000
                let loader = try LoaderProcess(environment)
                try await loader.waitForLog(#""message":"loading""#)
                try await Task.sleep(for: .microseconds(Int.random(in: 0..<400_000, using: &generator)))
                try await loader.killAndWait()
                if try landing.rowCount() < written { midway += 1 }
            }
            print("\(midway) of \(Self.count) crashes met rows still to load")
            #expect(midway > 0)
            let last = try LoaderProcess(environment, arguments: ["--until-end"])
            #expect(try await last.waitForExit() == 0)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }
}
