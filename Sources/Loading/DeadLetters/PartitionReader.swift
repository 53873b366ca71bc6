import Foundation
import Kafka

/// Reads stretches of partitions without being a member of a group.
package final class PartitionReader {
    package let consumer: Consumer
    private let wakeup: Wakeup
    private let isGivenUp: () -> Bool
    /// Without anything new for so long, the brokers count as away.
    private static let patience: Duration = .seconds(60)
    package static let timeout: Duration = .seconds(15)

    /// - Parameters:
    ///   - group: whose offsets `consumer` reads and commits.
    ///   - isGivenUp: asked while it waits; a reading then ends as one that nothing came for.
    package init(
        _ options: LoadingOptions, group: String, isGivenUp: @escaping () -> Bool = { false }
    ) throws(KafkaError) {
        self.isGivenUp = isGivenUp
        var options = options
        options.group = group
        // A static member's id would meet the running loader's own.
        options.properties["group.instance.id"] = nil
        wakeup = try Wakeup()
        consumer = try Consumer(properties: options.consumerProperties, lanes: 1, wakeup: wakeup)
    }

    package func close() { _ = consumer.close(until: .now + .seconds(5)) }

    /// Reads from the first offset of each range up to the last, gaps and control records left out.
    package func read(
        _ ranges: [TopicPartition: Range<Int64>], _ body: (borrowing Message) throws -> Void
    ) throws {
        let ranges = ranges.filter { !$0.value.isEmpty }
        var open = Set(ranges.keys)
        guard !open.isEmpty else { return }
        try consumer.assign(
            ranges.map { ($0.key, $0.value.lowerBound, 0) }, restarting: Set(ranges.keys))
        defer { try? consumer.assign([], restarting: []) }
        var deadline = ContinuousClock.now + Self.patience
        while !open.isEmpty {
            if let stray = consumer.serve() { try accept(stray, ranges, &open, body) }
            guard let message = consumer.take(from: 0) else {
                guard ContinuousClock.now < deadline, !isGivenUp() else {
                    throw KafkaError(
                        code: .timedOut, operation: "reading", reason: "nothing came for \(Self.patience)",
                        topic: open.first?.topic, partition: open.first?.partition)
                }
                wakeup.wait(for: .milliseconds(200))
                continue
            }
            try accept(message, ranges, &open, body)
            deadline = .now + Self.patience
        }
    }

    private func accept(
        _ message: borrowing Message, _ ranges: [TopicPartition: Range<Int64>], _ open: inout Set<TopicPartition>,
        _ body: (borrowing Message) throws -> Void
    ) throws {
        let place = TopicPartition(topic: message.topic, partition: message.partition)
        guard let range = ranges[place], open.contains(place) else { return }
        if let code = message.errorCode {
            switch code {
            case .endOfPartition: open.remove(place)
            case .autoOffsetReset, .offsetOutOfRange, .unknownTopic, .unknownTopicOrPartition,
                .topicAuthorizationFailed:
                throw KafkaError(
                    code: code, operation: "reading", reason: message.errorReason, topic: place.topic,
                    partition: place.partition)
            default: break  // librdkafka tries it again
            }
            return
        }
        guard range.contains(message.offset) else {
            if message.offset >= range.upperBound { open.remove(place) }
            return
        }
        try body(message)
        if message.offset + 1 >= range.upperBound { open.remove(place) }
    }
}
