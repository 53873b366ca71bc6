import Foundation
import Kafka
import Loading

/// Reads stretches of topics and builds what the routes make of their messages, batch by batch.
struct LogReading {
    let reader: PartitionReader
    var builders: RowBuilders

    /// Messages of a batch, and bytes of them, at most.
    let mostMessages: Int
    private static let mostBytes = 32 << 20

    /// - Parameter body: gets each batch with its rows.
    /// - Returns: how many messages there were.
    mutating func read(
        _ stretches: [PartitionReader.Stretch], _ body: (Batch) throws -> Void
    ) throws -> Int {
        var count = 0
        let reading = try reader.read(stretches)
        let batch = Batch()
        var ranges: [TopicPartition: Int32] = [:]
        func finish() throws {
            guard !batch.messages.isEmpty else { return }
            builders.build(batch)
            if let outage = batch.unbuilt { throw VerificationRefusal(outage) }
            count += batch.messages.count
            try body(batch)
            if let violation = batch.violation { throw LoadingError.violated(violation) }
            batch.removeAll(keepingAtMost: Self.mostBytes)
            ranges.removeAll()
        }
        while let message = try reading.next() {
            if batch.messages.isEmpty { batch.began = Int64(Date().timeIntervalSince1970 * 1_000_000) }
            let place = TopicPartition(topic: message.topic, partition: message.partition)
            let range = ranges[place] ?? batch.addRange(of: place, expected: message.offset)
            ranges[place] = range
            batch.advance(range, past: message.offset)
            batch.append(message, range: range)
            if batch.messages.count >= mostMessages || batch.byteCount >= Self.mostBytes { try finish() }
        }
        try finish()
        return count
    }
}
