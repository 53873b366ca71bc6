import CRdKafka

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The partitions that a member fetches, kept in step with librdkafka's own list, whichever way the group rebalances.
///
/// The member's thread owns it.
struct Assignment {
    private let client: KafkaClient
    private(set) var partitions: Set<TopicPartition> = []
    /// Until when the group's callbacks wait for librdkafka's answers, once the member is to end; nil before.
    private var patience: ContinuousClock.Instant?
    /// An answer has not come by then, and none ever will.
    private(set) var isStuck = false

    init(_ client: KafkaClient) { self.client = client }

    /// Whether the group hands over only what moves, rather than everything at each rebalance.
    var isCooperative: Bool { Self.isCooperative(client.handle) }

    private static func isCooperative(_ handle: OpaquePointer) -> Bool {
        rd_kafka_rebalance_protocol(handle).map { strcmp($0, "COOPERATIVE") == 0 } ?? false
    }

    /// Whether what the group takes has gone to others already.
    var isLost: Bool { rd_kafka_assignment_lost(client.handle) != 0 }

    /// Makes these positions all that is fetched, each partition into its queue.
    ///
    /// - Parameters:
    ///   - restarting: partitions that begin anew at their offset although they may be assigned already. With eager
    ///     rebalancing all do.
    ///   - ended: told which of them come no more as they were, once librdkafka holds none of their messages.
    mutating func fetch(
        _ positions: [(partition: TopicPartition, offset: Int64, queue: Int)], restarting: Set<TopicPartition>,
        into queues: [KafkaQueue], ended: (Set<TopicPartition>) -> Void
    ) throws(KafkaError) {
        let wanted = Set(positions.map(\.partition))
        let isCooperative = isCooperative
        let ending =
            isCooperative ? partitions.intersection(restarting).union(partitions.subtracting(wanted)) : partitions
        if !ending.isEmpty {
            let error: KafkaError?
            if isCooperative {
                let list = PartitionList(ending.map { ($0, SpecialOffset.invalid) })
                error = KafkaError(
                    taking: rd_kafka_incremental_unassign(client.handle, list.pointer), operation: "unassign")
            } else {
                let none = PartitionList(capacity: 0)
                error = KafkaError(rd_kafka_assign(client.handle, none.pointer), operation: "unassign")
            }
            if let error { throw error }
            partitions.subtract(ending)
            ended(ending)
        }
        waitForStops()
        let beginning = positions.filter { !partitions.contains($0.partition) }
        for position in beginning { queues[position.queue].receive(position.partition, of: client) }
        let list = PartitionList(beginning.map { ($0.partition, $0.offset) })
        let error =
            isCooperative
            ? KafkaError(taking: rd_kafka_incremental_assign(client.handle, list.pointer), operation: "assign")
            : KafkaError(rd_kafka_assign(client.handle, list.pointer), operation: "assign")
        if let error { throw error }
        partitions = wanted
    }

    /// Waits until librdkafka has stopped what was unassigned. It takes a partition's forwarding away when it stops, which
    /// is after `assign` has returned; a forwarding that was set before is lost, and no message ever comes.
    private func waitForStops() {
        // Its main thread answers in the order of its queue: the first answer comes when the stops are in that queue,
        // the second when they are through.
        for _ in 0..<2 {
            var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
            if rd_kafka_assignment(client.handle, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list {
                rd_kafka_topic_partition_list_destroy(list)
            }
        }
    }

    // MARK: Answers to the group, from within its callback

    /// Takes over what the group gives, with nothing to fetch: where to begin is known only after the ledger has been read,
    /// which may have to wait for the database, and a callback that waits would hold up the whole group.
    mutating func accept() {
        let cooperatively = tell { handle in
            let none = PartitionList(capacity: 0)
            guard Self.isCooperative(handle) else {
                rd_kafka_assign(handle, none.pointer)
                return false
            }
            _ = KafkaError(taking: rd_kafka_incremental_assign(handle, none.pointer), operation: "assign")
            return true
        }
        if !cooperatively { partitions.removeAll() }
    }

    /// Gives up what the group takes.
    mutating func giveUp(_ going: [TopicPartition]) {
        let ours = partitions.intersection(going)
        let cooperatively = tell { handle in
            guard Self.isCooperative(handle) else {
                rd_kafka_assign(handle, nil)
                return false
            }
            let list = PartitionList(ours.map { ($0, SpecialOffset.invalid) })
            _ = KafkaError(taking: rd_kafka_incremental_unassign(handle, list.pointer), operation: "unassign")
            return true
        }
        if cooperatively { partitions.subtract(going) } else { partitions.removeAll() }
    }

    mutating func giveUpAll() {
        _ = tell { handle in
            rd_kafka_assign(handle, nil)
            return false
        }
        partitions.removeAll()
    }

    /// The member is to end: its group may be gone before it has heard an answer, and librdkafka throws away unanswered what
    /// it is asked at that moment, so that the caller would wait for ever.
    mutating func end(until deadline: ContinuousClock.Instant) { patience = deadline }

    /// - Parameter request: calls that wait for librdkafka's main thread; returns whether the group is cooperative.
    private mutating func tell(_ request: @escaping @Sendable (OpaquePointer) -> Bool) -> Bool {
        guard let patience else { return request(client.handle) }
        guard !isStuck else { return false }
        let answer = client.call("kafka-answer", until: patience, request)
        isStuck = answer == nil
        return answer ?? false
    }
}
