import Foundation
import Kafka
import Synchronization

/// Asks, with a client of its own, whether the partitions that stand still have a message to take.
final class StallProof: Sendable {
    let suspects: [StallWatch.Suspect]
    private let found = Mutex<Set<TopicPartition>?>(nil)

    private static let timeout = Duration.seconds(20)

    /// Begins to ask, on a thread of its own.
    ///
    /// - Parameter wakeup: rung when the answer is there.
    init(_ suspects: [StallWatch.Suspect], properties: ClientProperties, wakeup: Wakeup) {
        self.suspects = suspects
        let thread = Thread { [self] in
            let messages = Self.ask(suspects, properties)
            found.withLock { $0 = messages }
            wakeup.ring()
        }
        thread.name = "stall-proof"
        thread.start()
    }

    /// The suspects that have a message; nil while that is not known.
    var answer: [StallWatch.Suspect]? {
        found.withLock { $0 }.map { found in suspects.filter { found.contains($0.partition) } }
    }

    private static func ask(
        _ suspects: [StallWatch.Suspect], _ properties: ClientProperties
    ) -> Set<TopicPartition> {
        var found: Set<TopicPartition> = []
        do throws(KafkaError) {
            let reader = try PartitionReader(properties: properties, patience: .inAll(timeout), mayBeGone: true)
            let reading = try reader.read(
                suspects.map { .init(partition: $0.partition, start: $0.next, end: $0.end, limit: 1) })
            while let message = try reading.next() {
                found.insert(TopicPartition(topic: message.topic, partition: message.partition))
            }
        } catch {
            // Without an answer nothing is proven.
        }
        return found
    }
}
