import Foundation
import Kafka
import Loading
import TestSupport
import Testing

@Suite("Writers")
struct WritersTests {
    @Test("four writers load everything, keep each partition's order, and leave the positions right")
    func fourWriters() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 16) { landing in
            try landing.produce(0..<40_000)
            var options = landing.options()
            options.writers = 4
            let loaded = try await LoaderRun.toTheEnd(options)
            #expect(loaded.rows == 40_000)
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
            #expect(try landing.positions() == Dictionary(uniqueKeysWithValues: (0..<16).map { ($0, 2500) }))
            #expect(try await LoaderRun.toTheEnd(options).messages == 0)
        }
    }
}
