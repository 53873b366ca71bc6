import Kafka
import Testing

@testable import Loading
@testable import Operating

@Suite("Sample plan")
struct SamplePlanTests {
    private let place = TopicPartition(topic: "t", partition: 0)

    private func plan(_ start: Int64, _ low: Int64, _ high: Int64, _ count: Int) -> [[Int64]] {
        let plan = SamplePlan(place, start: start, watermarks: Watermarks(low: low, high: high), count: count)
        return [plan.oldest, plan.newest].map { $0.map { [$0.start, $0.end, Int64($0.limit)] } ?? [] }
    }

    @Test("of a backlog the first that would be loaded and the newest, without a message twice")
    func backlog() {
        #expect(plan(10, 0, 1000, 100) == [[10, 950, 50], [950, 1000, 50]])
        #expect(plan(10, 0, 1000, 5) == [[10, 998, 3], [998, 1000, 2]])
        #expect(plan(0, 0, 1000, 1) == [[0, 1000, 1], []])
    }

    @Test("of a partition that is nearly read, the last messages, read or not")
    func caughtUp() {
        #expect(plan(1000, 0, 1000, 100) == [[], [900, 1000, 100]])
        #expect(plan(990, 0, 1000, 100) == [[], [900, 1000, 100]])
        #expect(plan(1000, 970, 1000, 100) == [[], [970, 1000, 100]])
    }

    @Test("nothing of an empty partition, and nothing outside of what a partition holds")
    func bounds() {
        #expect(plan(5, 5, 5, 100) == [[], []])
        #expect(plan(0, 500, 1000, 100) == [[500, 950, 50], [950, 1000, 50]])
        #expect(plan(5000, 0, 10, 4) == [[], [6, 10, 4]])
        #expect(plan(0, 0, 10, 0) == [[], []])
    }
}
