import Kafka
import Synchronization

/// What librdkafka says of one client. Its log is the process's, and several tests want to hear it at once.
enum ClientLog {
    private static let ears = Mutex<[String: @Sendable (KafkaLog.Line) -> Void]>([:])

    /// - Parameter name: the client's `client.id`.
    static func hear(_ name: String, _ take: @escaping @Sendable (KafkaLog.Line) -> Void) {
        ears.withLock { ears in
            ears[name] = take
            KafkaLog.send { line in
                // Not under the lock: whoever hears may hold the client up.
                let ear = Self.ears.withLock { $0.first { line.client.hasPrefix($0.key) } }
                ear?.value(line)
            }
        }
    }

    static func stopHearing(_ name: String) {
        ears.withLock { ears in
            ears[name] = nil
            if ears.isEmpty { KafkaLog.send(to: nil) }
        }
    }
}
