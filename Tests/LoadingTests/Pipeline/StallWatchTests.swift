import Kafka
import Testing

@testable import Loading

@Suite("Watch for stalls")
struct StallWatchTests {
    private let place = TopicPartition(topic: "orders", partition: 0)
    private let start = ContinuousClock.now

    private func partitions(next: Int64, end: Int64, target: Int64? = nil) -> Assignment {
        var partitions = Assignment()
        partitions.set(
            AssignedPartition(
                partition: place, lane: 0,
                next: next, loaded: next,
                reported: nil, end: end, target: target, range: nil))
        return partitions
    }

    /// Looks every ten seconds, from one second to another.
    private func look(
        _ watch: inout StallWatch, _ partitions: Assignment, _ seconds: ClosedRange<Int>, canTake: Bool = true
    ) -> [StallWatch.Suspect] {
        var found: [StallWatch.Suspect] = []
        for second in stride(from: seconds.lowerBound, through: seconds.upperBound, by: 10) {
            found += watch.suspects(in: partitions, at: start + .seconds(second)) { _ in canTake }
        }
        return found
    }

    @Test("a partition that has more and does not move is a suspect, once its patience is over")
    func standing() {
        var watch = StallWatch()
        #expect(look(&watch, partitions(next: 5, end: 9), 0...20).isEmpty)
        #expect(
            look(&watch, partitions(next: 5, end: 9), 30...30) == [.init(partition: place, next: 5, end: 9)])
    }

    @Test("neither one that moves, nor one at its end, nor one that a bounded run is done with")
    func well() {
        var watch = StallWatch()
        for second in stride(from: 0, through: 200, by: 10) {
            #expect(look(&watch, partitions(next: Int64(second), end: 999), second...second).isEmpty)
        }
        #expect(look(&watch, partitions(next: 9, end: 9), 300...600).isEmpty)
        #expect(look(&watch, partitions(next: 5, end: 9, target: 5), 700...900).isEmpty)
    }

    @Test("nor one whose messages would not be taken: the time counts from when they would")
    func waitingForTheDatabase() {
        var watch = StallWatch()
        let standing = partitions(next: 5, end: 9)
        #expect(look(&watch, standing, 0...100, canTake: false).isEmpty)
        #expect(look(&watch, standing, 110...120).isEmpty)
        #expect(look(&watch, standing, 130...130).count == 1)
    }

    @Test("nor one that waits for its turn behind others; it is one when they have all had two")
    func slowNetwork() {
        var watch = StallWatch()
        let other = TopicPartition(topic: "orders", partition: 1)
        func look(_ second: Int, other next: Int64) -> [StallWatch.Suspect] {
            var both = partitions(next: 5, end: 9)
            both.set(
                AssignedPartition(
                    partition: other, lane: 0,
                    next: next,
                    loaded: next, reported: nil, end: 1000, target: nil, range: nil))
            return watch.suspects(in: both, at: start + .seconds(second)) { _ in true }
        }
        #expect(look(0, other: 0).isEmpty)
        #expect(look(20, other: 100).isEmpty)
        #expect(look(40, other: 100).isEmpty)
        #expect(look(60, other: 200).map(\.partition) == [place])
    }

    @Test("one that had nothing to take is looked at less and less often, until it moves")
    func cleared() {
        var watch = StallWatch()
        let standing = partitions(next: 5, end: 9)
        let suspects = look(&watch, standing, 0...30)
        watch.clear(suspects, at: start + .seconds(30))
        #expect(look(&watch, standing, 40...80).isEmpty)
        #expect(look(&watch, standing, 90...90).count == 1)
        watch.clear(suspects, at: start + .seconds(90))
        #expect(look(&watch, standing, 100...200).isEmpty)
        #expect(look(&watch, partitions(next: 6, end: 9), 210...230).isEmpty)
        #expect(look(&watch, partitions(next: 6, end: 9), 240...240).count == 1)
    }
}
