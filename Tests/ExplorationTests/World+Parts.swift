import Kafka

@testable import Loading

/// A batch in parts, cut by what cuts the loader's own.
extension World.Load {
    private var batch: Batch {
        let batch = Batch()
        for record in records {
            let place = ranges.firstIndex { $0.partition == World.partition(record.partition) } ?? 0
            _ = batch.append(
                Batch.MessageRecord(
                    partition: Int32(place), offset: record.offset, timestamp: 0, start: 0, valueCount: -1,
                    keyCount: -1,
                    headersCount: 0))
        }
        batch.seal(ranges)
        return batch
    }

    /// One message at a time.
    func part(_ number: Int) -> World.Load {
        let batch = batch
        for _ in 0..<number { batch.loaded(batch.part(upTo: 1)) }
        let part = batch.part(upTo: 1)
        return World.Load(ranges: part.partitions, records: Array(records[part.messages]))
    }

    var isInParts: Bool { records.count > 1 }
}
