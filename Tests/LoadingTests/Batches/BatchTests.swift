import Kafka
import LoadingFixtures
import Postgres
import Testing

@testable import Loading

@Suite("What a batch is on its way between threads")
struct BatchTests {
    private static func batch(_ offsets: [Int64], _ expected: Int64, _ next: Int64) -> Batch {
        let batch = Batch()
        for offset in offsets {
            _ = batch.append(
                Batch.MessageRecord(
                    partition: 0, offset: offset, timestamp: 0, start: 0, valueCount: -1, keyCount: -1, headersCount: 0)
            )
        }
        batch.seal([
            Batch.PartitionRange(partition: TopicPartition(topic: "t", partition: 0), expected: expected, next: next)
        ])
        return batch
    }

    @Test("offsets ascend between where the batch begins and where it goes; gaps are nothing")
    func counts() async {
        #expect(Self.batch([5, 6, 9], 5, 12).checkedCounts() == [3])
        await #expect(processExitsWith: .failure) { _ = Self.batch([5, 5], 5, 6).checkedCounts() }
        await #expect(processExitsWith: .failure) { _ = Self.batch([6, 5], 5, 7).checkedCounts() }
        await #expect(processExitsWith: .failure) { _ = Self.batch([4], 5, 7).checkedCounts() }
        await #expect(processExitsWith: .failure) { _ = Self.batch([7], 5, 7).checkedCounts() }
    }

    @Test("a batch is handed over once")
    func sealed() async {
        await #expect(processExitsWith: .failure) { Self.batch([1], 0, 2).seal([]) }
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
    }
}
