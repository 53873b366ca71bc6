import Foundation
import Testing

@testable import Loading

@Suite struct HistoryTests {
    private let start = Date(timeIntervalSince1970: 1000)

    /// A look twice a second for so long.
    private func history(seconds: Int) -> History {
        var history = History()
        for half in 0..<seconds * 2 {
            history.add(.init(time: start + Double(half) / 2, messages: half, lag: 0))
        }
        return history
    }

    @Test("a young loader has a sample of each second")
    func young() {
        let samples = history(seconds: 60).samples
        #expect(samples.map(\.time) == (0..<60).map { start + Double($0) })
    }

    @Test("an old one has an hour, no longer and no denser than a curve needs", arguments: [3600, 40_000])
    func old(seconds: Int) throws {
        let samples = history(seconds: seconds).samples
        #expect(samples.count > History.capacity / 2 && samples.count <= History.capacity)
        let first = try #require(samples.first)
        let last = try #require(samples.last)
        #expect((start + Double(seconds)).timeIntervalSince(last.time) <= 16)
        #expect(last.time.timeIntervalSince(first.time) >= 1800)
        #expect(last.time.timeIntervalSince(first.time) <= 4000)
        let steps = zip(samples, samples.dropFirst()).map { $1.time.timeIntervalSince($0.time) }
        #expect(steps.allSatisfy { $0 > 0 && $0 <= 32 })
    }

    @Test("a clock that is set back does not stop the curve")
    func clockSetBack() {
        var history = history(seconds: 100)
        history.add(.init(time: start + 49.95, messages: 1000, lag: 0))
        history.add(.init(time: start + 51, messages: 1001, lag: 0))
        #expect(history.samples.suffix(2).map(\.messages) == [1000, 1001])
        #expect(history.samples.map(\.time) == history.samples.map(\.time).sorted())
    }
}
