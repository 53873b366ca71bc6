import Kafka
import Testing

@testable import Loading

@Suite("Offsets for the group")
struct GroupOffsetsTests {
    private let places = (0..<3).map { TopicPartition(topic: "orders", partition: $0) }

    /// Three partitions, loaded up to 10, of which the group knows nothing yet.
    private func assignment() -> Assignment {
        var partitions = Assignment()
        for place in places {
            partitions.set(
                AssignedPartition(
                    partition: place, lane: 0, next: 10, loaded: 10, reported: nil, end: 20,
                    target: nil, range: nil))
        }
        return partitions
    }

    @Test("a position is committed once, with the ledger's mark, and again only when it has moved")
    func once() {
        var partitions = assignment()
        var offsets = GroupOffsets(metadata: "mark")
        let first = offsets.report(places, of: &partitions)
        #expect(first == places.map { CommittedOffset(partition: $0, offset: 10, metadata: "mark") })
        #expect(offsets.report(places, of: &partitions).isEmpty)
        partitions[1].loaded = 15
        #expect(offsets.report(places, of: &partitions).map(\.offset) == [15])
        #expect(offsets.report(places, of: &partitions, all: true).map(\.offset) == [10, 15, 10])
    }

    @Test("what the group refused is committed again by itself, where it stands by then")
    func refused() throws {
        var partitions = assignment()
        var offsets = GroupOffsets(metadata: "")
        let first = offsets.report(places, of: &partitions)
        #expect(offsets.due == nil)
        offsets.refused(Array(first.prefix(2)), of: &partitions, at: .now)
        let due = try #require(offsets.due)
        partitions[0].loaded = 12
        #expect(offsets.reportDue(of: &partitions, at: due - .milliseconds(1)).isEmpty)
        #expect(offsets.reportDue(of: &partitions, at: due).map(\.offset) == [12, 10])
        #expect(offsets.due == nil)
        #expect(offsets.reportDue(of: &partitions, at: due).isEmpty)
    }

    @Test("partitions that have gone are neither committed nor missed")
    func gone() {
        var partitions = assignment()
        var offsets = GroupOffsets(metadata: "")
        let first = offsets.report(places, of: &partitions)
        partitions.remove([places[0]])
        offsets.refused(first, of: &partitions, at: .now)
        #expect(offsets.report(places, of: &partitions).map(\.partition) == Array(places.dropFirst()))
    }
}
