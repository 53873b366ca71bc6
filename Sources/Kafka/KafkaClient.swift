import CRdKafka
import Foundation
import Synchronization

/// The owner of one of librdkafka's handles: how it is configured, where its log goes, and how it ends.
///
/// Any thread may use the handle, by librdkafka's contract; what lives on it (queues, topics) is destroyed before it.
package final class KafkaClient: Sendable {
    package nonisolated(unsafe) let handle: OpaquePointer
    /// What the callbacks are led to: it must outlive the handle.
    private let callbacks: (any AnyObject & Sendable)?
    /// For SASL's PLAIN and SCRAM; empty without.
    let credentials: (username: String, password: String)
    private let isDestroyed = Mutex(false)

    /// How long a client that nobody waits for may take to end.
    private static let patience = Duration.seconds(5)

    /// - Parameters:
    ///   - properties: librdkafka's, in order.
    ///   - callbacks: the opaque pointer of the callbacks that `configure` sets.
    /// - Throws: for a property or a combination that librdkafka refuses.
    package init(
        _ type: rd_kafka_type_t, _ properties: [(String, String)], callbacks: (any AnyObject & Sendable)? = nil,
        configure: (OpaquePointer) -> Void = { _ in }
    ) throws(KafkaError) {
        let configuration = try KafkaConfiguration(properties)
        KafkaLog.take(from: configuration.pointer, properties)
        if let callbacks {
            // Unretained: this client owns it until the handle is gone.
            rd_kafka_conf_set_opaque(configuration.pointer, Unmanaged.passUnretained(callbacks).toOpaque())
        }
        configure(configuration.pointer)
        self.callbacks = callbacks
        func value(_ name: String) -> String { properties.last { $0.0 == name }?.1 ?? "" }
        credentials = (value("sasl.username"), value("sasl.password"))
        handle = try configuration.makeClient(type)
    }

    deinit { destroy(until: .now + Self.patience) }

    /// The error after which the client can do no more; nil while there is none.
    func fatalError(operation: String) -> KafkaError? {
        var reason = ReasonBuffer()
        let code = reason.fill { rd_kafka_fatal_error(handle, $0, $1) }
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return KafkaError(code: KafkaErrorCode(code), operation: operation, reason: reason.text, isFatal: true)
    }

    /// Frees the handle, on a thread of its own: librdkafka waits in there for its threads, of which one may be looking up
    /// a name, and before 2.6.1 for ever once a topic was deleted whose messages it held (its issue 4486).
    ///
    /// - Returns: whether it has gone. If not, it is left to the end of the process, and nothing more may be done with it.
    @discardableResult
    func destroy(flags: Int32 = 0, until deadline: ContinuousClock.Instant) -> Bool {
        let isFirst = isDestroyed.withLock { isDestroyed in
            defer { isDestroyed = true }
            return !isDestroyed
        }
        guard isFirst else { return true }
        nonisolated(unsafe) let handle = handle
        let callbacks = callbacks
        let end = End()
        let thread = Thread {
            rd_kafka_destroy_flags(handle, flags)
            withExtendedLifetime(callbacks) { end.come() }
        }
        thread.name = "kafka-destroy"
        thread.stackSize = 256 << 10
        thread.start()
        return end.wait(until: deadline)
    }

    /// Leaves the handle to the end of the process: somebody may still be using it.
    func abandon() { isDestroyed.withLock { $0 = true } }

    /// Whether a thread has come to its end.
    private final class End: @unchecked Sendable {
        // Unchecked: the flag is touched only under `condition`.
        private let condition = MonotonicCondition()
        private var hasCome = false

        func come() {
            condition.withLock {
                hasCome = true
                condition.broadcast()
            }
        }

        func wait(until deadline: ContinuousClock.Instant) -> Bool {
            condition.withLock {
                while !hasCome, condition.wait(until: deadline) {}
                return hasCome
            }
        }
    }
}

extension [(String, String)] {
    /// Those of a client that is in no group.
    var withoutGroup: [(String, String)] {
        filter { !$0.0.hasPrefix("group.") && !$0.0.hasPrefix("partition.assignment") }
    }
}
