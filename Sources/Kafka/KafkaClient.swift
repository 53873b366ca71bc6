import CRdKafka
import Foundation
import Synchronization

/// The owner of one of librdkafka's handles: what it is made of, where its log and its callbacks lead, which threads ask
/// on it, and how it ends. Consumer, producer, admin and reader each stand on one.
///
/// Any thread may use the handle, by librdkafka's contract; what lives on it (queues, topics) is destroyed before it.
package final class KafkaClient: Sendable {
    /// What a handle is for, which decides what librdkafka is asked to tell.
    package enum Role: Sendable {
        /// Consumes as a member of a group: errors and rebalances, on whichever thread serves the group.
        case member
        /// Asks and orders, in no group: errors, on whichever thread polls.
        case admin
        /// Reads and asks, in no group. Nobody serves it, so nothing is told: what waited to be would only pile up.
        case reader
        /// Writes: what became of each message, to the message's own `Ticket`, on whichever thread polls.
        case producer
        /// Is asked whether it might write: statistics, on whichever thread polls.
        case writeProbe

        // An admin is a consumer, too: a producer's requests for metadata allow the brokers to create the topics that they
        // name, and a topic that was deleted would be there again because somebody has looked whether it is.
        fileprivate var type: rd_kafka_type_t {
            [.producer, .writeProbe].contains(self) ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER
        }
    }

    package nonisolated(unsafe) let handle: OpaquePointer
    /// What librdkafka's opaque pointer leads to: it must outlive the handle.
    let callbacks: KafkaCallbacks
    /// The handle's own hold on them.
    private let ofHandle: Unmanaged<KafkaCallbacks>
    /// For SASL's PLAIN and SCRAM; empty without.
    let credentials: (username: String, password: String)
    /// Where it begins to look for brokers.
    private let bootstrapServers: String

    private struct State {
        var threads: [ClientThread] = []
        /// No thread begins any more.
        var isEnding = false
        var isDestroyed = false
    }

    private let state = Mutex(State())

    /// How long a client that nobody waits for may take to end.
    private static let patience = Duration.seconds(5)

    /// Makes the handle, once all that must be in its configuration is there: librdkafka takes no callback later.
    ///
    /// Where tokens come from somebody, librdkafka's own thread asks for them. On the handle's queue that would wait for whoever
    /// polls: a reader has nobody who does, and a member none while it waits for a database.
    ///
    /// - Parameter properties: librdkafka's, in order. Those of a group are left out for whoever is in none.
    /// - Throws: for a property or a combination that librdkafka refuses.
    package init(_ role: Role, _ properties: ClientProperties) throws(KafkaError) {
        var properties = properties
        if role != .member { properties.list.removeAll { Self.isOfGroup($0.name) } }
        let configuration = try KafkaConfiguration(properties.list)
        KafkaLog.receive(from: configuration.pointer, properties)
        callbacks = KafkaCallbacks(
            tokens: properties.tokens.map { TokenSink($0) },
            closed: role == .admin || role == .member ? ClosedConnections() : nil)
        callbacks.register(in: configuration.pointer, for: role)
        credentials = (properties["sasl.username"] ?? "", properties["sasl.password"] ?? "")
        bootstrapServers = properties["bootstrap.servers"] ?? ""
        handle = try configuration.makeClient(role.type)
        // A handle that does not go in time goes on logging after this client is gone.
        ofHandle = Unmanaged.passRetained(callbacks)
        // It says so where the mechanism is none with tokens: then there is nothing to call back for.
        if properties.tokens != nil, let error = rd_kafka_sasl_background_callbacks_enable(handle) {
            rd_kafka_error_destroy(error)
        }
    }

    private static func isOfGroup(_ property: String) -> Bool {
        property.hasPrefix("group.") || property.hasPrefix("partition.assignment")
    }

    deinit { destroy(until: .now + Self.patience) }

    /// Has librdkafka try again the brokers that it was given; see `BrokerReminder`. Any thread may, while the handle lives. Before
    /// 2.10 it never lets go of them.
    ///
    /// - Returns: whether it was told.
    @discardableResult
    func remindOfBrokers() -> Bool {
        guard KafkaLibrary.version >= 0x020a_00ff, !bootstrapServers.isEmpty else { return false }
        rd_kafka_brokers_add(handle, bootstrapServers)
        return true
    }

    // MARK: Errors

    /// The error after which the client can do no more, with its real cause; nil while there is none.
    func fatalError(operation: String) -> KafkaError? { Self.fatalError(of: handle, operation: operation) }

    static func fatalError(of handle: OpaquePointer?, operation: String) -> KafkaError? {
        var reason = ReasonBuffer()
        let code = reason.fill { rd_kafka_fatal_error(handle, $0, $1) }
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return KafkaError(code: KafkaErrorCode(code), operation: operation, reason: reason.text, isFatal: true)
    }

    // MARK: Threads

    /// Starts a thread that asks on this handle, unless the client is about to end.
    func start(_ thread: ClientThread, named name: String, turn: @escaping @Sendable () -> Void) {
        let mayStart = state.withLock { state in
            if !state.isEnding { state.threads.append(thread) }
            return !state.isEnding
        }
        if mayStart { thread.start(name, turn: turn) }
    }

    /// Has the threads stop, and none begin any more. They may still be asking when this returns.
    func stopThreads() {
        let threads = state.withLock { state in
            state.isEnding = true
            return state.threads
        }
        for thread in threads { thread.stop() }
    }

    /// Whether all threads have ended after `stopThreads()`, by a moment.
    func waitForThreads(until deadline: ContinuousClock.Instant) -> Bool {
        state.withLock { $0.threads }.allSatisfy { $0.waitForEnd(until: deadline) }
    }

    // MARK: The end

    /// Stops the threads and frees the handle, on a thread of its own: librdkafka waits in there for its threads, of which
    /// one may be looking up a name, and before 2.6.1 for ever once a topic was deleted whose messages it held (its issue
    /// 4486).
    ///
    /// - Returns: whether it has gone. If not, it is left to the end of the process, and nothing more may be done with it.
    @discardableResult
    func destroy(flags: Int32 = 0, until deadline: ContinuousClock.Instant) -> Bool {
        guard markDestroyed() else { return true }
        stopThreads()
        callbacks.tokens?.close()
        guard waitForThreads(until: deadline) else { return false }
        let ofHandle = ofHandle
        let destruction: Void? = call("kafka-destroy", within: max(.zero, deadline - .now)) { handle in
            rd_kafka_destroy_flags(handle, flags)
            ofHandle.release()
        }
        return destruction != nil
    }

    /// Makes a call that librdkafka gives no deadline, on a thread of its own.
    ///
    /// - Parameter patience: how long it is waited for. A process that is put to sleep meanwhile has not waited.
    /// - Returns: nil if it has not come back in time. Then the thread is left to the end of the process, and so must the
    ///   handle be.
    func call<Answer: Sendable>(
        _ name: String, within patience: Duration, _ body: @escaping @Sendable (OpaquePointer) -> Answer
    ) -> Answer? {
        nonisolated(unsafe) let handle = handle
        let end = End<Answer>()
        let thread = Thread { end.come(with: body(handle)) }
        thread.name = name
        thread.stackSize = 256 << 10
        thread.start()
        return end.wait(patience)
    }

    /// Leaves the handle to the end of the process: somebody may still be using it.
    func abandon() { _ = markDestroyed() }

    /// - Returns: whether this call did it.
    private func markDestroyed() -> Bool {
        state.withLock { state in
            defer { state.isDestroyed = true }
            return !state.isDestroyed
        }
    }

    /// What a thread has come back with.
    private final class End<Answer: Sendable>: @unchecked Sendable {
        // Unchecked: the answer is touched only under `condition`.
        private let condition = MonotonicCondition()
        private var answer: Answer?

        func come(with answer: Answer) {
            condition.withLock {
                self.answer = answer
                condition.broadcast()
            }
        }

        /// A second at a time: clocks go on while a process sleeps.
        func wait(_ patience: Duration) -> Answer? {
            var left = patience
            return condition.withLock {
                repeat {
                    let slice = min(left, .seconds(1))
                    let end = ContinuousClock.now + slice
                    while answer == nil, condition.wait(until: end) {}
                    left -= slice
                } while answer == nil && left > .zero
                return answer
            }
        }
    }
}
