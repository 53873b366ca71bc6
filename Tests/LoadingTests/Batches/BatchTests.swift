import Kafka
import LoadingFixtures
import Postgres
import Testing

@testable import Loading

@Suite("What a batch is on its way between threads")
struct BatchTests {
    /// - Parameter taken: so many messages are said to be in it; nil: as many as are.
    private static func batch(_ offsets: [Int64], _ expected: Int64, _ next: Int64, taken: Int? = nil) -> Batch {
        let batch = Batch()
        for offset in offsets {
            _ = batch.append(
                Batch.MessageRecord(
                    partition: 0, offset: offset, timestamp: 0, start: 0, valueCount: -1, keyCount: -1, headersCount: 0)
            )
        }
        var range = Batch.PartitionRange(
            partition: TopicPartition(topic: "t", partition: 0), expected: expected, next: next)
        range.taken = taken ?? offsets.count
        batch.seal([range])
        return batch
    }

    @Test("offsets ascend between where the batch begins and where it goes; gaps are nothing")
    func counts() {
        let sound = Self.batch([5, 6, 9], 5, 12)
        #expect(sound.checkedCounts() == [3])
        #expect(sound.violation == nil)
        for batch in [
            Self.batch([5, 5], 5, 6), Self.batch([6, 5], 5, 7), Self.batch([4], 5, 7), Self.batch([7], 5, 7),
        ] {
            _ = batch.checkedCounts()
            #expect(batch.violation?.invariant == .offsetOrder)
            #expect(batch.violation?.place.hasPrefix("t[0]@") ?? false)
        }
    }

    @Test("a batch holds as many messages of a partition as were taken")
    func taken() {
        for (offsets, taken) in [([Int64](), 1), ([5, 6], 3), ([5, 6], 1)] {
            let batch = Self.batch(offsets, 5, 8, taken: taken)
            _ = batch.checkedCounts()
            #expect(batch.violation?.invariant == .messageCount)
        }
    }

    @Test("a batch is handed over once")
    func sealed() {
        let batch = Self.batch([1], 0, 2)
        batch.seal([])
        #expect(batch.violation?.invariant == .handover)
        batch.removeAll(keepingAtMost: 0)
        #expect(batch.violation == nil)
    }

    @Test("a part of a batch moves the positions of its own messages, and no further")
    func part() {
        let sound = Self.batch([5, 6, 9], 5, 12)
        while !sound.isLoaded {
            let part = sound.part(upTo: 1)
            sound.check(part)
            sound.loaded(part)
        }
        #expect(sound.violation == nil)
        for change in [
            { (part: inout Batch.Part) in part.partitions[0].next += 1 }, { $0.partitions[0].next -= 1 },
            { $0.partitions[0].expected += 1 }, { $0.partitions = [] }, { $0.messages = 0..<1 },
        ] {
            let batch = Self.batch([5, 6, 9], 5, 12)
            var part = batch.part(upTo: 2)
            change(&part)
            batch.check(part)
            #expect(batch.violation?.invariant == .partRange)
        }
        let last = Self.batch([5, 6, 9], 5, 12)
        last.loaded(last.part(upTo: 2))
        var part = last.part(upTo: 2)
        part.partitions[0].next = 10
        last.check(part)
        #expect(last.violation?.invariant == .partRange, "what is behind the last message is left out")
    }

    @Test(
        "every message is accounted for, once for each route: as a row, a deletion, a letter or a tombstone that is skipped"
    )
    func accounted() throws {
        let table = Table.made([.made("id", .int4), .made("name")], key: ["id"])
        let targets = try [
            Target.compile(.made(mode: .upsert), index: 0, table: table).get(),
            Target.compile(.made(mode: .ignore, onTombstone: .skip), index: 1, table: table).get(),
        ]
        let messages: [(key: String?, value: String?)] = [
            ("1", #"{"id":1,"name":"a"}"#), ("2", nil), (nil, "bad"), ("4", #"{"name":"no key"}"#),
        ]
        let batch = Batch.filled(messages, for: targets)
        #expect(batch.settled == 8)
        // Whoever builds it again accounts for it again.
        var builders = RowBuilders(targets)
        builders.build(batch)
        #expect(batch.settled == 8)
        #expect(batch.violation == nil)
    }

    @Test(
        "a message that has become nothing is noticed, and one that has become two things is",
        arguments: ["settled", "row", "deletion", "letter", "skipped", "twice"])
    func lost(what: String) throws {
        let table = Table.made([.made("id", .int4), .made("name")], key: ["id"])
        let targets = try [
            Target.compile(.made(mode: .upsert), index: 0, table: table).get(),
            Target.compile(.made(mode: .ignore, onTombstone: .skip), index: 1, table: table).get(),
        ]
        let batch = Batch.filled([("1", #"{"id":1}"#), ("2", nil), (nil, "bad")], for: targets)
        var builders = RowBuilders(targets)
        let all = builders.builders(ofRoutes: [0, 1])
        builders.account(for: batch, [all], [3])
        #expect(batch.violation == nil)
        switch what {
        case "settled": batch.settle()
        case "row": batch.section(0, .rows).rows.removeLast()
        case "deletion": batch.section(0, .tombstones).rows.removeLast()
        case "letter": batch.deadLetters.removeLast()
        case "skipped": batch.note(.skipped, target: 1)
        default: batch.section(1, .rows).rows += batch.section(1, .rows).rows
        }
        builders.account(for: batch, [all], [3])
        #expect(batch.violation?.invariant == .accountedFor)
        #expect(batch.violation?.place.hasPrefix("orders[0]@0") ?? false)
    }
}
