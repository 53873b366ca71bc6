import Foundation
import Kafka
import Synchronization

/// Reads messages that were loaded once more, with a client of its own, and tells which of them are others now.
final class TopicProof: Sendable {
    private let found = Mutex<[TopicPartition: TopicWatch.Finding]?>(nil)

    private static let timeout = Duration.seconds(20)
    /// It takes one message a partition, so it asks for no more than that, by the measure of brokers: a record batch at least.
    private static let properties = [
        ("queued.min.messages", "1"), ("max.partition.fetch.bytes", "16384"),
        // What was loaded was committed. In its place may stand what is not.
        ("isolation.level", "read_uncommitted"),
    ]

    /// Begins to read, on a thread of its own, which ends along with the client.
    ///
    /// - Parameter wakeup: rung when the answer is there.
    init(_ messages: [TopicPartition: LastMessage], properties: ClientProperties, wakeup: Wakeup) {
        let thread = Thread { [self] in
            let findings = Self.read(messages, properties + Self.properties)
            found.withLock { $0 = findings }
            wakeup.ring()
        }
        thread.name = "topic-proof"
        thread.start()
    }

    /// What was found, without those that could not be read; nil while that is not known.
    var answer: [TopicPartition: TopicWatch.Finding]? { found.withLock { $0 } }

    private static func read(
        _ messages: [TopicPartition: LastMessage], _ properties: ClientProperties
    ) -> [TopicPartition: TopicWatch.Finding] {
        var findings: [TopicPartition: TopicWatch.Finding] = [:]
        do throws(KafkaError) {
            let reader = try PartitionReader(properties: properties, patience: .inAll(timeout), mayBeGone: true)
            let reading = try reader.read(
                messages.map { .init(partition: $0, start: $1.offset, end: .max, limit: 1) })
            var unread: Set<TopicPartition> = []
            while !reading.open.isEmpty {
                do throws(KafkaError) {
                    while let message = try reading.next() {
                        let partition = TopicPartition(topic: message.topic, partition: message.partition)
                        guard let known = messages[partition] else { continue }
                        findings[partition] =
                            message.offset > known.offset ? .gone : LastMessage(message) == known ? .same : .other
                    }
                } catch {
                    // What cannot be read now is asked for again the next time, and keeps nobody from the others.
                    guard error.code != .timedOut, let topic = error.topic, let number = error.partition else { break }
                    unread.insert(TopicPartition(topic: topic, partition: number))
                    reading.leave(TopicPartition(topic: topic, partition: number))
                }
            }
            unread.formUnion(reading.open)
            for partition in messages.keys where findings[partition] == nil && !unread.contains(partition) {
                findings[partition] = .gone
            }
        } catch {
            // Without an answer nothing is proven.
        }
        return findings
    }
}
