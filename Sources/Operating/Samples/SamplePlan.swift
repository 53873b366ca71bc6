import Kafka
import Loading

/// Which messages of a partition are looked at before any is loaded.
///
/// Where more are unread than are wanted, half of them are those a loader would take first and half the newest: a route
/// has to fit both what has piled up and what is written today. Else the last ones, read or not, so that there is
/// something to look at in a topic that is loaded to its end.
public struct SamplePlan: Sendable, Equatable {
    public var oldest: PartitionReader.Stretch?
    public var newest: PartitionReader.Stretch?

    /// - Parameters:
    ///   - start: where a loader would begin.
    ///   - count: the most messages, of both together.
    public init(_ partition: TopicPartition, start: Int64, watermarks: Watermarks, count: Int) {
        let (low, high) = (watermarks.low, max(watermarks.low, watermarks.high))
        let start = min(max(start, low), high)
        let count = Int64(max(count, 0))
        func stretch(_ range: Range<Int64>, _ limit: Int64) -> PartitionReader.Stretch? {
            guard !range.isEmpty, limit > 0 else { return nil }
            return PartitionReader.Stretch(
                partition: partition, start: range.lowerBound, end: range.upperBound, limit: Int(limit))
        }
        if high - start > count {
            let newer = count / 2
            oldest = stretch(start..<(high - newer), count - newer)
            newest = stretch((high - newer)..<high, newer)
        } else {
            newest = stretch(max(low, high - count)..<high, count)
        }
    }
}

/// Reads a sample of topics for a look at them: without a group, and without a trace.
public struct Sampler {
    private let reader: PartitionReader
    private static let timeout: Duration = .seconds(30)
    /// Bytes after which a sample is enough.
    private static let mostBytes = 64 << 20

    /// - Throws: for properties that librdkafka refuses.
    public init(_ options: LoadingOptions) throws(KafkaError) {
        reader = try PartitionReader(
            properties: options.consumerProperties, patience: .inAll(Self.timeout), mayBeGone: true)
    }

    /// - Parameter take: gets the messages, each partition's in order.
    /// - Throws: what kept it from reading all; what was taken until then is good.
    public func read(_ plans: [SamplePlan], _ take: (borrowing Message) -> Void) throws(KafkaError) {
        var bytes = 0
        for stretches in [plans.compactMap(\.oldest), plans.compactMap(\.newest)] {
            let reading = try reader.read(stretches)
            while let message = try reading.next() {
                bytes += (message.value?.count ?? 0) + (message.key?.count ?? 0)
                take(message)
                if bytes >= Self.mostBytes { return }
            }
        }
    }
}
