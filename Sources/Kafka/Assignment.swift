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
    /// Whether the group hands over only what moves, rather than everything at each rebalance; as of the last answer.
    private(set) var isCooperative = false
    /// How long it waits for an answer of librdkafka's main thread, which is there within moments unless something holds that up.
    private var patience: Duration
    /// An answer has not come by then, and none ever will: nothing more is asked.
    private(set) var isStuck = false

    /// - Parameter patience: longer than anything that passes, for whoever is told that it is stuck ends.
    init(_ client: KafkaClient, patience: Duration) {
        self.client = client
        self.patience = patience
    }

    private static func isCooperative(_ handle: OpaquePointer) -> Bool {
        rd_kafka_rebalance_protocol(handle).map { strcmp($0, "COOPERATIVE") == 0 } ?? false
    }

    /// Whether what the group takes has gone to others already.
    var isLost: Bool { rd_kafka_assignment_lost(client.handle) != 0 }

    /// Joins the group for these topics.
    mutating func subscribe(to topics: [String]) throws(KafkaError) {
        let error = try ask("subscribe") { handle in
            let list = PartitionList(capacity: topics.count)
            for topic in topics { list.add(topic, RD_KAFKA_PARTITION_UA) }
            return KafkaError(rd_kafka_subscribe(handle, list.pointer), operation: "subscribe")
        }
        if let error { throw error }
    }

    /// Whether the group has given this member a name.
    mutating func hasName() throws(KafkaError) -> Bool {
        try ask("memberid") { handle in
            guard let name = rd_kafka_memberid(handle) else { return false }
            defer { rd_kafka_mem_free(handle, name) }
            return name.pointee != 0
        }
    }

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
        isCooperative = try ask("assign") { Self.isCooperative($0) }
        let (isCooperative, ending) = (isCooperative, endings(wanted, restarting))
        let refusal = try ask("unassign") { handle in
            defer { Self.waitForStops(handle) }
            guard !ending.isEmpty else { return nil as KafkaError? }
            return Self.stop(ending, isCooperative, handle)
        }
        if let refusal { throw refusal }
        if !ending.isEmpty {
            partitions.subtract(ending)
            ended(ending)
        }
        let beginning = positions.filter { !partitions.contains($0.partition) }
        for position in beginning { queues[position.queue].receive(position.partition, of: client) }
        let places = beginning.map { ($0.partition, $0.offset) }
        let error = try ask("assign") { handle in
            let list = PartitionList(places)
            return isCooperative
                ? KafkaError(taking: rd_kafka_incremental_assign(handle, list.pointer), operation: "assign")
                : KafkaError(rd_kafka_assign(handle, list.pointer), operation: "assign")
        }
        if let error { throw error }
        partitions = wanted
    }

    /// What is fetched and has to stop first.
    private func endings(_ wanted: Set<TopicPartition>, _ restarting: Set<TopicPartition>) -> Set<TopicPartition> {
        isCooperative ? partitions.intersection(restarting).union(partitions.subtracting(wanted)) : partitions
    }

    private static func stop(
        _ ending: Set<TopicPartition>, _ isCooperative: Bool, _ handle: OpaquePointer
    ) -> KafkaError? {
        guard isCooperative else {
            let none = PartitionList(capacity: 0)
            return KafkaError(rd_kafka_assign(handle, none.pointer), operation: "unassign")
        }
        let list = PartitionList(ending.map { ($0, SpecialOffset.invalid) })
        return KafkaError(taking: rd_kafka_incremental_unassign(handle, list.pointer), operation: "unassign")
    }

    /// Waits until librdkafka has stopped what was unassigned. It takes a partition's forwarding away when it stops, which
    /// is after `assign` has returned; a forwarding that was set before is lost, and no message ever comes.
    private static func waitForStops(_ handle: OpaquePointer) {
        // Its main thread answers in the order of its queue: the first answer comes when the stops are in that queue,
        // the second when they are through.
        for _ in 0..<2 {
            var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
            if rd_kafka_assignment(handle, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list {
                rd_kafka_topic_partition_list_destroy(list)
            }
        }
    }

    // MARK: Answers to the group, from within its callback

    /// Takes over what the group gives, with nothing to fetch: where to begin is known only after the ledger has been read,
    /// which may have to wait for the database, and a callback that waits would hold up the whole group.
    mutating func accept() throws(KafkaError) {
        isCooperative = try ask("assign") { handle in
            let none = PartitionList(capacity: 0)
            guard Self.isCooperative(handle) else {
                rd_kafka_assign(handle, none.pointer)
                return false
            }
            _ = KafkaError(taking: rd_kafka_incremental_assign(handle, none.pointer), operation: "assign")
            return true
        }
        if !isCooperative { partitions.removeAll() }
    }

    /// Gives up what the group takes.
    mutating func giveUp(_ going: [TopicPartition]) throws(KafkaError) {
        let ours = partitions.intersection(going)
        // Whether there is an answer or not, nothing of them is taken any more.
        partitions.subtract(going)
        isCooperative = try ask("unassign") { handle in
            guard Self.isCooperative(handle) else {
                rd_kafka_assign(handle, nil)
                return false
            }
            let list = PartitionList(ours.map { ($0, SpecialOffset.invalid) })
            _ = KafkaError(taking: rd_kafka_incremental_unassign(handle, list.pointer), operation: "unassign")
            return true
        }
        if !isCooperative { partitions.removeAll() }
    }

    mutating func giveUpAll() throws(KafkaError) {
        partitions.removeAll()
        try ask("unassign") { handle in _ = rd_kafka_assign(handle, nil) }
    }

    /// The member is to end: its group may be gone before it has heard an answer, and librdkafka throws away unanswered what
    /// it is asked at that moment, so that the caller would wait for ever.
    mutating func end(until deadline: ContinuousClock.Instant) { patience = max(.zero, deadline - .now) }

    /// - Parameter request: calls that wait for librdkafka's main thread, for which it has no deadline.
    private mutating func ask<Answer: Sendable>(
        _ operation: String, _ request: @escaping @Sendable (OpaquePointer) -> Answer
    ) throws(KafkaError) -> Answer {
        if !isStuck, let answer = client.call("kafka-answer", within: patience, request) { return answer }
        isStuck = true
        throw KafkaError(
            code: .timedOut, operation: operation,
            reason: "librdkafka's main thread has not answered within \(patience.components.seconds) s", isFatal: true)
    }
}
