import CRdKafka
import Foundation
import Kafka
import Synchronization

/// Reads a landing's topic along while it is written, for runs so long that neither the topic nor the table can be kept.
///
/// Like `TopicReader` it shares no code with the loader's own consumer.
public final class TopicFollower: Sendable {
    private struct State {
        var isStopped = false
        var hasEnded = false
        /// By partition, those that nobody has taken yet.
        var entries: [[TableComparison.Entry]]
        /// By partition, the offset behind the last message that was read.
        var ends: [Int64]
    }

    private let state: Mutex<State>

    /// Begins to read, from the first message there is.
    public init(_ landing: Landing) throws {
        let count = try landing.broker.partitionCount(of: landing.topic)
        state = Mutex(
            State(entries: Array(repeating: [], count: count), ends: Array(repeating: 0, count: count)))
        let configuration = rd_kafka_conf_new()
        let own = [("group.id", "follower-without-group"), ("enable.auto.commit", "false")]
        for (name, value) in landing.broker.properties(own).list {
            rd_kafka_conf_set(configuration, name, value, nil, 0)
        }
        rd_kafka_conf_set_log_cb(configuration) { _, _, _, _ in }
        guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, nil, 0) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(code: .invalidArgument, operation: "follow topic")
        }
        rd_kafka_poll_set_consumer(client)
        let list = rd_kafka_topic_partition_list_new(Int32(count))
        for partition in 0..<Int32(count) {
            // -2 is the beginning of the partition.
            rd_kafka_topic_partition_list_add(list, landing.topic, partition).pointee.offset = -2
        }
        rd_kafka_assign(client, list)
        rd_kafka_topic_partition_list_destroy(list)
        // The thread alone has the client from here on.
        nonisolated(unsafe) let owned = client
        let thread = Thread { [self] in
            while !state.withLock({ $0.isStopped }) { readOne(owned) }
            rd_kafka_consumer_close(owned)
            rd_kafka_destroy(owned)
            state.withLock { $0.hasEnded = true }
        }
        thread.name = "follower"
        thread.start()
    }

    private func readOne(_ client: OpaquePointer) {
        guard let message = rd_kafka_consumer_poll(client, 100) else { return }
        defer { rd_kafka_message_destroy(message) }
        guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        let content = message.pointee
        let number = content.payload.flatMap {
            Landing.number(UnsafeRawBufferPointer(start: $0, count: content.len))
        }
        let partition = Int(content.partition)
        state.withLock { state in
            // librdkafka may hand a message out twice after a leader's move.
            guard content.offset >= state.ends[partition] else { return }
            state.entries[partition].append(.init(offset: content.offset, number: number))
            state.ends[partition] = content.offset + 1
        }
    }

    /// By partition, the offset behind the last message that was read.
    public var ends: [Int64] { state.withLock { $0.ends } }

    /// Hands out each partition's messages before an offset, and forgets them.
    public func take(before offsets: [Int64]) -> [[TableComparison.Entry]] {
        state.withLock { state in
            state.entries.indices.map { partition in
                let entries = state.entries[partition]
                let cut = entries.firstIndex { $0.offset >= offsets[partition] } ?? entries.count
                state.entries[partition].removeFirst(cut)
                return Array(entries[..<cut])
            }
        }
    }

    /// Ends the reading.
    public func stop() async throws {
        state.withLock { $0.isStopped = true }
        try await eventually("the follower has ended") { self.state.withLock { $0.hasEnded } }
    }
}
