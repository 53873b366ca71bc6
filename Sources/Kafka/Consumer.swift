import CRdKafka

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A member of a consumer group. One thread owns it; only its `wakeup` may be touched from others.
///
/// Messages come from *lanes*, queues of our own onto which each partition is forwarded, and everything of the group
/// (rebalances, errors, answers to commits) from `serve()`. So whoever cannot take more messages of one lane simply
/// leaves them there, while the group and the other lanes are served: nothing is paused or resumed, which librdkafka
/// before 2.1 does not survive without losing messages. Messages are taken one by one, because the batch call of those
/// versions repeats and skips around a rebalance.
public final class Consumer {
    /// What the group does to this member. Called on the consumer's thread, from within `serve()` and `close()`.
    public protocol Delegate: AnyObject {
        /// Partitions that this member shall take over. Nothing is fetched until `assign(_:)` is called for them.
        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition])
        /// Partitions that go to other members when this returns: the last chance to load and commit what was taken.
        /// With `lost` they have gone already, and what was taken must be dropped.
        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool)
        /// Something that librdkafka goes on retrying by itself, or a fatal error that it does not.
        func consumer(_ consumer: Consumer, reports error: KafkaError)
        /// No broker answers any more, and the last that was heard of one; or, with nil, some broker does again.
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?)
        /// The answer to `commit(_:)`.
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?)
    }

    public let wakeup: Wakeup
    public weak var delegate: (any Delegate)?

    private let owner: KafkaClient
    private var client: OpaquePointer { owner.handle }
    private let groupQueue: OpaquePointer
    private let commitQueue: OpaquePointer
    private var lanes: [OpaquePointer] = []
    private var fetchWaker: FetchWaker?
    private var brokerProbe: BrokerProbe?
    private let endProbe: EndProbe
    private var topicProbe: TopicProbe?
    private var lastError: KafkaError?
    private var hasLostBrokers = false
    private var assigned: Set<TopicPartition> = []
    private var isClosed = false

    /// Starts a client; it joins no group before `subscribe(to:)`.
    ///
    /// - Parameters:
    ///   - properties: librdkafka's, in order; `enable.auto.commit` and `enable.auto.offset.store` are always off.
    ///   - lanes: how many queues the partitions are spread over, at least 1.
    ///   - wakeup: rung whenever a lane or the group has something.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(properties: [(String, String)], lanes: Int, wakeup: Wakeup) throws(KafkaError) {
        self.wakeup = wakeup
        var all = properties
        // Our own, last, so that nothing overrules what the promise rests on: the ledger decides where to begin.
        all += [
            ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"), ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
        ]
        let box = CallbackBox()
        let owner = try KafkaClient(RD_KAFKA_CONSUMER, all, callbacks: box) { configuration in
            rd_kafka_conf_set_rebalance_cb(configuration) { _, code, partitions, opaque in
                guard let opaque, let partitions else { return }
                Unmanaged<CallbackBox>.fromOpaque(opaque).takeUnretainedValue().consumer?.rebalance(code, partitions)
            }
            rd_kafka_conf_set_error_cb(configuration) { client, code, reason, opaque in
                guard let opaque else { return }
                Unmanaged<CallbackBox>.fromOpaque(opaque).takeUnretainedValue().consumer?
                    .report(rd_kafka_resp_err_t(rawValue: code), reason)
            }
        }
        self.owner = owner
        let client = owner.handle
        callbacks = box
        // Newer ones go on by themselves, within `fetch.queue.backoff.ms`.
        fetchWaker =
            KafkaLibrary.supports(property: "fetch.queue.backoff.ms")
            ? nil : FetchWaker(properties)
        rd_kafka_poll_set_consumer(client)
        guard let queue = rd_kafka_queue_get_consumer(client), let commitQueue = rd_kafka_queue_new(client) else {
            throw KafkaError(
                code: .systemResource, operation: "start of the Kafka client", reason: "no group.id is set")
        }
        groupQueue = queue
        self.commitQueue = commitQueue
        endProbe = EndProbe(client: owner)
        ring(for: queue)
        ring(for: commitQueue)
        for _ in 0..<max(lanes, 1) {
            guard let lane = rd_kafka_queue_new(client) else { continue }
            ring(for: lane)
            self.lanes.append(lane)
        }
        box.consumer = self
    }

    deinit { close() }

    // MARK: Taking messages

    /// Joins the group for these topics; a name that begins with `^` is a regular expression.
    public func subscribe(to topics: [String]) throws(KafkaError) {
        let list = PartitionList(capacity: topics.count)
        for topic in topics { list.add(topic, RD_KAFKA_PARTITION_UA) }
        if let error = KafkaError(rd_kafka_subscribe(client, list.pointer), operation: "subscribe") { throw error }
    }

    /// Serves the group: rebalances, errors, answers to commits. To be called at least every `max.poll.interval.ms`.
    ///
    /// - Returns: a message or partition error that came here instead of to a lane, which is rare.
    public func serve() -> Message? {
        rd_kafka_queue_poll_callback(commitQueue, 0)
        sendNextCommit()
        if let isAway = brokerProbe?.isAway, isAway != hasLostBrokers {
            hasLostBrokers = isAway
            delegate?.consumer(self, hasLostBrokers: isAway ? lastError : nil)
        }
        return rd_kafka_consumer_poll(client, 0).map { Message($0) }
    }

    /// The next message of a lane, or nil if none is there yet.
    @inline(__always)
    public func take(from lane: Int) -> Message? {
        guard let message = rd_kafka_consume_queue(lanes[lane], 0) else { return nil }
        if fetchWaker?.took(message.pointee.len + message.pointee.key_len) ?? false { owner.wakeBrokerThreads() }
        return Message(message)
    }

    /// Messages, and ends of partitions, that were fetched and not taken yet.
    public var queueLength: Int { lanes.reduce(0) { $0 + rd_kafka_queue_length($1) } }

    // MARK: Assignment

    /// Makes these positions all that is fetched, each partition on its lane.
    ///
    /// - Parameter restarting: partitions that begin anew at their offset although they may be assigned already. With
    ///   eager rebalancing all do.
    public func assign(
        _ positions: [(partition: TopicPartition, offset: Int64, lane: Int)], restarting: Set<TopicPartition>
    ) throws(KafkaError) {
        let wanted = Set(positions.map(\.partition))
        let isCooperative = isCooperative
        let ending =
            isCooperative ? assigned.intersection(restarting).union(assigned.subtracting(wanted)) : assigned
        if !ending.isEmpty {
            let error: KafkaError?
            if isCooperative {
                let list = PartitionList(ending.map { ($0, SpecialOffset.invalid) })
                error = KafkaError(taking: rd_kafka_incremental_unassign(client, list.pointer), operation: "unassign")
            } else {
                let none = PartitionList(capacity: 0)
                error = KafkaError(rd_kafka_assign(client, none.pointer), operation: "unassign")
            }
            if let error { throw error }
            assigned.subtract(ending)
        }
        waitForStops()
        let beginning = positions.filter { !assigned.contains($0.partition) }
        for position in beginning { forward(position.partition, to: position.lane) }
        let list = PartitionList(beginning.map { ($0.partition, $0.offset) })
        let error =
            isCooperative
            ? KafkaError(taking: rd_kafka_incremental_assign(client, list.pointer), operation: "assign")
            : KafkaError(rd_kafka_assign(client, list.pointer), operation: "assign")
        if let error { throw error }
        assigned = wanted
        tellProbes()
    }

    private func tellProbes() {
        endProbe.partitions = Array(assigned)
        brokerProbe?.topic = assigned.first?.topic
    }

    /// Whether the group hands over only what moves, rather than everything at each rebalance.
    public var isCooperative: Bool {
        rd_kafka_rebalance_protocol(client).map { strcmp($0, "COOPERATIVE") == 0 } ?? false
    }

    /// Waits until librdkafka has stopped what was unassigned. It takes a partition's forwarding away when it stops, which
    /// is after `assign` has returned; a forwarding that was set before is lost, and no message ever comes.
    private func waitForStops() {
        // Its main thread answers in the order of its queue: the first answer comes when the stops are in that queue,
        // the second when they are through.
        for _ in 0..<2 {
            var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
            if rd_kafka_assignment(client, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list {
                rd_kafka_topic_partition_list_destroy(list)
            }
        }
    }

    private func forward(_ partition: TopicPartition, to lane: Int) {
        guard let queue = rd_kafka_queue_get_partition(client, partition.topic, partition.partition) else { return }
        rd_kafka_queue_forward(queue, lanes[lane])
        rd_kafka_queue_destroy(queue)
    }

    private func ring(for queue: OpaquePointer) {
        var byte: UInt8 = 1
        rd_kafka_queue_io_event_enable(queue, wakeup.writeEnd, &byte, 1)
    }

    // MARK: Offsets

    /// What the group has committed, with the metadata that was committed along.
    public func committed(
        _ partitions: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: CommittedOffset] {
        let list = PartitionList(partitions.map { ($0, SpecialOffset.invalid) })
        if let error = KafkaError(
            rd_kafka_committed(client, list.pointer, timeout.milliseconds), operation: "reading the group's offsets")
        {
            throw error
        }
        var result: [TopicPartition: CommittedOffset] = [:]
        for offset in try list.offsets(operation: "reading the group's offsets") where offset.offset >= 0 {
            result[offset.partition] = offset
        }
        return result
    }

    /// The error after which this member can do no more, with its real cause; nil while there is none.
    public var fatalError: KafkaError? { owner.fatalError(operation: "membership in the group") }

    /// The first and the next offset of each partition, from their leaders, by the client's isolation level.
    ///
    /// - Throws: also where a leader has not answered for one of them.
    public func watermarks(
        _ partitions: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Watermarks] {
        let operation = "reading the watermarks"
        func ask(_ which: Int64) throws(KafkaError) -> [CommittedOffset] {
            // ListOffsets takes "earliest" and "latest" as times, so one request a leader answers for all partitions.
            let list = PartitionList(partitions.map { ($0, which) })
            if let error = KafkaError(
                rd_kafka_offsets_for_times(client, list.pointer, timeout.milliseconds), operation: operation)
            {
                throw error
            }
            return try list.offsets(operation: operation)
        }
        guard !partitions.isEmpty else { return [:] }
        return try Watermarks.all(
            of: partitions, low: try ask(SpecialOffset.beginning), high: try ask(SpecialOffset.end),
            operation: operation)
    }

    /// The high watermark that the last fetch brought; nil before the first.
    public func lastKnownHighWatermark(_ partition: TopicPartition) -> Int64? {
        var low: Int64 = 0
        var high: Int64 = 0
        guard
            rd_kafka_get_watermark_offsets(client, partition.topic, partition.partition, &low, &high)
                == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0
        else { return nil }
        return high
    }

    /// The ends of assigned partitions, as their leaders are asked for them twice a minute; nil until there are new ones.
    public func takeEnds() -> [TopicPartition: Int64]? { endProbe.takeEnds() }

    /// Topics of the subscription that the brokers have not shown, to be looked for every few seconds; rings `wakeup`
    /// when one is there.
    public func lookFor(_ topics: Set<String>) {
        if topicProbe == nil, !topics.isEmpty, !isClosed { topicProbe = TopicProbe(client: owner, wakeup: wakeup) }
        topicProbe?.missing = topics
    }

    /// The topics that were looked for and are there now.
    public func takeFoundTopics() -> Set<String> { topicProbe?.takeFound() ?? [] }

    /// The topics that the brokers know, with their partition counts; those under way of deletion are left out.
    public func topics(timeout: Duration) throws(KafkaError) -> [String: Int] {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        if let error = KafkaError(
            rd_kafka_metadata(client, 1, nil, &metadata, timeout.milliseconds), operation: "reading the topics")
        {
            throw error
        }
        guard let metadata else { return [:] }
        defer { rd_kafka_metadata_destroy(metadata) }
        var result: [String: Int] = [:]
        for index in 0..<Int(metadata.pointee.topic_cnt) {
            let topic = metadata.pointee.topics[index]
            if topic.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                result[String(cString: topic.topic)] = Int(topic.partition_cnt)
            }
        }
        return result
    }

    // librdkafka sends a commit that failed once more by itself, behind those that came after it, and the group's offset
    // would go back. So one is on its way at a time, and the next carries the newest offsets of all that waited.

    /// A commit whose answer has not come.
    private final class PendingCommit {
        /// Somebody waits for the answer, and gets it instead of the delegate.
        let isAwaited: Bool
        var error: KafkaError?

        init(isAwaited: Bool) { self.isAwaited = isAwaited }
    }

    private var pendingCommit: PendingCommit?
    private var nextCommit: [TopicPartition: CommittedOffset] = [:]

    /// Commits to the group without waiting; the answer comes to the delegate through `serve()`. Offsets that are not sent
    /// yet give way to later ones of their partition.
    public func commit(_ offsets: [CommittedOffset]) {
        for offset in offsets { nextCommit[offset.partition] = offset }
        sendNextCommit()
    }

    /// Commits to the group and waits for the answer, and for that of a commit that is on its way already.
    ///
    /// - Throws: the group's refusal, or a timeout when no coordinator answers in time.
    public func commit(_ offsets: [CommittedOffset], timeout: Duration) throws(KafkaError) {
        guard !offsets.isEmpty else { return }
        for offset in offsets { nextCommit[offset.partition] = nil }
        let deadline = ContinuousClock.now + timeout
        try awaitCommit(until: deadline)
        let commit = PendingCommit(isAwaited: true)
        try send(offsets, as: commit)
        try awaitCommit(until: deadline)
        if let error = commit.error { throw error }
    }

    private func sendNextCommit() {
        guard pendingCommit == nil, !nextCommit.isEmpty else { return }
        let offsets = nextCommit.values.sorted { $0.partition < $1.partition }
        nextCommit.removeAll()
        do throws(KafkaError) {
            try send(offsets, as: PendingCommit(isAwaited: false))
        } catch {
            delegate?.consumer(self, committed: offsets, error: error)
        }
    }

    private func send(_ offsets: [CommittedOffset], as commit: PendingCommit) throws(KafkaError) {
        let list = PartitionList(offsets)
        let code = rd_kafka_commit_queue(
            client, list.pointer, commitQueue,
            { _, code, offsets, opaque in
                guard let opaque else { return }
                Unmanaged<CallbackBox>.fromOpaque(opaque).takeUnretainedValue().consumer?.answered(code, offsets)
            }, Unmanaged.passUnretained(callbacks).toOpaque())
        if let error = KafkaError(code, operation: "commit") { throw error }
        pendingCommit = commit
    }

    /// Waits until no commit is on its way.
    private func awaitCommit(until deadline: ContinuousClock.Instant) throws(KafkaError) {
        while pendingCommit != nil {
            let left = deadline - .now
            guard left > .zero else {
                throw KafkaError(
                    code: .timedOut, operation: "commit", reason: "the group's coordinator does not answer")
            }
            rd_kafka_queue_poll_callback(commitQueue, max(left.milliseconds, 1))
        }
    }

    // MARK: The end

    /// Leaves the group, after a last `mustGive`, and frees the client. Nothing may be called after it.
    ///
    /// Brokers that do not answer can make both take longer than the deadline; then the client is left to the end of the
    /// process.
    ///
    /// - Returns: whether the group was left; if not, it notices by itself.
    @discardableResult
    public func close(until deadline: ContinuousClock.Instant = .now + .seconds(30)) -> Bool {
        guard !isClosed else { return true }
        isClosed = true
        for thread in threads { thread.stop() }
        for queue in [groupQueue, commitQueue] + lanes { rd_kafka_queue_io_event_enable(queue, -1, nil, 0) }
        // librdkafka hangs in its close while the application still holds the consumer's queue.
        rd_kafka_queue_destroy(groupQueue)
        let hasLeft = leave(until: deadline)
        for queue in [commitQueue] + lanes { rd_kafka_queue_destroy(queue) }
        guard hasLeft, threads.allSatisfy({ $0.waitForEnd(until: deadline) }) else {
            owner.abandon()
            return hasLeft
        }
        owner.destroy(flags: RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, until: deadline)
        return true
    }

    private func leave(until deadline: ContinuousClock.Instant) -> Bool {
        // Whom the group has fenced cannot leave it: its name is another member's. librdkafka would try for half a minute.
        if fatalError != nil { return true }
        guard let farewell = rd_kafka_queue_new(client) else { return false }
        defer { rd_kafka_queue_destroy(farewell) }
        if let error = rd_kafka_consumer_close_queue(client, farewell) { rd_kafka_error_destroy(error) }
        while rd_kafka_consumer_closed(client) == 0 {
            guard ContinuousClock.now < deadline else { return false }
            rd_kafka_queue_poll_callback(farewell, 20)
        }
        return true
    }

    /// The threads that use the client.
    var threads: [ClientThread] { [brokerProbe?.thread, topicProbe?.thread, endProbe.thread].compactMap(\.self) }

    // MARK: Callbacks, all on the consumer's thread

    private let callbacks: CallbackBox

    /// What librdkafka's opaque pointer leads to: it lives before the consumer is whole.
    private final class CallbackBox: @unchecked Sendable {
        // Unchecked: written before any thread may call back, and read on the consumer's thread.
        weak var consumer: Consumer?
    }

    private func rebalance(
        _ code: rd_kafka_resp_err_t, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>
    ) {
        let partitions = (0..<Int(list.pointee.cnt)).map { index in
            TopicPartition(
                topic: String(cString: list.pointee.elems[index].topic), partition: list.pointee.elems[index].partition)
        }
        let isCooperative = isCooperative
        switch code {
        case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
            // Taken over with nothing to fetch: where to begin is known only after the ledger has been read, which may
            // have to wait for the database, and a callback that waits would hold up the whole group.
            let none = PartitionList(capacity: 0)
            if isCooperative {
                _ = KafkaError(taking: rd_kafka_incremental_assign(client, none.pointer), operation: "assign")
            } else {
                assigned.removeAll()
                rd_kafka_assign(client, none.pointer)
            }
            delegate?.consumer(self, wasGiven: partitions)
        case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
            delegate?.consumer(self, mustGive: partitions, lost: rd_kafka_assignment_lost(client) != 0)
            // Sent now, they could come behind those of the member that has the partitions next.
            for partition in partitions { nextCommit[partition] = nil }
            if isCooperative {
                let going = PartitionList(assigned.intersection(partitions).map { ($0, SpecialOffset.invalid) })
                _ = KafkaError(taking: rd_kafka_incremental_unassign(client, going.pointer), operation: "unassign")
                assigned.subtract(partitions)
            } else {
                rd_kafka_assign(client, nil)
                assigned.removeAll()
            }
            tellProbes()
        default:
            rd_kafka_assign(client, nil)
            assigned.removeAll()
            if let error = KafkaError(code, operation: "rebalance") { delegate?.consumer(self, reports: error) }
        }
    }

    private func report(_ code: rd_kafka_resp_err_t, _ reason: UnsafePointer<CChar>?) {
        let operation = "connection to the brokers"
        // The code says only that it is fatal; what it was has to be asked for.
        let fatal = code == RD_KAFKA_RESP_ERR__FATAL ? owner.fatalError(operation: operation) : nil
        let error =
            fatal
            ?? KafkaError(
                code: KafkaErrorCode(code), operation: operation, reason: reason.map { String(cString: $0) })
        doubtBrokers(after: error)
        delegate?.consumer(self, reports: error)
    }

    private func doubtBrokers(after error: KafkaError) {
        // A thread that begins after `close()` has stopped them would outlive the client.
        guard !error.isFatal, !isClosed else { return }
        // That all are down says less than why.
        if error.code != .allBrokersDown || lastError == nil { lastError = error }
        if brokerProbe == nil { brokerProbe = BrokerProbe(client: owner, wakeup: wakeup) }
        brokerProbe?.topic = assigned.first?.topic
        brokerProbe?.doubt()
    }

    private func answered(
        _ code: rd_kafka_resp_err_t, _ offsets: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
    ) {
        guard let commit = pendingCommit else { return }
        pendingCommit = nil
        let error = Self.commitError(code, offsets)
        commit.error = error
        if let error, error.isRetriable { doubtBrokers(after: error) }
        guard !commit.isAwaited else { return }
        let committed = offsets.map { list in
            (0..<Int(list.pointee.cnt)).map { CommittedOffset(list.pointee.elems[$0]) }
        }
        delegate?.consumer(self, committed: committed ?? [], error: error)
    }

    /// The error of the whole commit, or of its first partition that was refused.
    private static func commitError(
        _ code: rd_kafka_resp_err_t, _ offsets: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
    ) -> KafkaError? {
        // Nothing to commit is not an error.
        if code != RD_KAFKA_RESP_ERR__NO_OFFSET, let error = KafkaError(code, operation: "commit") { return error }
        guard let offsets else { return nil }
        for index in 0..<Int(offsets.pointee.cnt) where offsets.pointee.elems[index].err != RD_KAFKA_RESP_ERR_NO_ERROR {
            let element = offsets.pointee.elems[index]
            return KafkaError(
                code: KafkaErrorCode(element.err), operation: "commit", topic: String(cString: element.topic),
                partition: element.partition, offset: element.offset)
        }
        return nil
    }
}
