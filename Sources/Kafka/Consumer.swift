import CRdKafka

/// A member of a consumer group. One thread owns it; only its `wakeup` may be touched from others.
///
/// Messages come from queues of our own, into which each partition is led, and everything of the group (rebalances,
/// errors, answers to commits) from `serve()`. So whoever cannot take more messages of one queue simply leaves them
/// there, while the group and the other queues are served: nothing is paused or resumed, which librdkafka
/// before 2.1 does not survive without losing messages; nor is its call for many messages to be used; see `MessageBundle`.
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
        /// No broker answers any more, and the last that was heard of one, once more for each reason that is heard later; or, with
        /// nil, some broker does again.
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?)
        /// Some broker answers, and not one that this member cannot do without, for a leader of its partitions or its group's
        /// coordinator, with the last that was heard of any; or, with nil, all of them do again.
        func consumer(_ consumer: Consumer, isCutOff error: KafkaError?)
        /// The answer to `commit(_:)`.
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?)
    }

    public let wakeup: Wakeup
    public weak var delegate: (any Delegate)?

    /// The certificate that a broker has shown last; nil without TLS, and where none was taken.
    public var certificate: BrokerCertificate? { client.callbacks.certificates.certificate }

    let client: KafkaClient
    private let properties: ClientProperties
    let groupQueue: KafkaQueue
    private var queues: [KafkaQueue]
    /// One for each queue, or none where they cannot be used.
    private let bundles: [MessageBundle]
    private var fetchWaker: FetchWaker?
    private var assignment: Assignment
    private let committer: GroupCommitter
    private let endProbe: EndProbe
    private(set) var brokerProbe: BrokerProbe?
    private var leaderProbe: LeaderProbe?
    /// Members that poll too seldom, and then those that have died, hold a rebalance up for so long.
    private let rebalanceTime: Duration
    private var topicProbe: TopicProbe?
    /// What the group has given, fetched or not yet.
    private var given: Set<TopicPartition> = []
    private var isCutOff = false
    private var outage = BrokerOutage()
    private var isClosed = false

    /// Starts a client; it joins no group before `subscribe(to:)`.
    ///
    /// - Parameters:
    ///   - properties: librdkafka's, in order; `enable.auto.commit` and `enable.auto.offset.store` are always off.
    ///   - queues: over how many the partitions are spread, at least 1.
    ///   - wakeup: rung whenever a queue or the group has something.
    ///   - patience: how long librdkafka may take for what it answers at once.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(
        properties: ClientProperties, queues: Int, wakeup: Wakeup, patience: Duration = .seconds(60)
    ) throws(KafkaError) {
        // Our own, last, so that nothing overrules what the promise rests on: the ledger decides where to begin.
        let own = [
            ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"), ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
        ]
        let client = try KafkaClient(.member, properties + own)
        rd_kafka_poll_set_consumer(client.handle)
        guard let groupQueue = KafkaQueue(ofGroupOf: client) else {
            throw KafkaError(
                code: .systemResource, operation: "start of the Kafka client", reason: "no group.id is set")
        }
        self.wakeup = wakeup
        self.client = client
        self.properties = properties
        self.groupQueue = groupQueue
        self.queues = (0..<max(queues, 1)).map { _ in KafkaQueue(client) }
        bundles = MessageBundle.isSound ? self.queues.map { _ in MessageBundle() } : []
        fetchWaker = FetchWaker.ifNeeded(properties)
        assignment = Assignment(client, patience: patience)
        // What is not set, librdkafka has so.
        func time(_ name: String, _ usual: Int) -> Duration {
            .milliseconds(properties[name].flatMap { Int($0) } ?? usual)
        }
        rebalanceTime = time("max.poll.interval.ms", 300_000) + time("session.timeout.ms", 45_000)
        committer = GroupCommitter(client, wakeup: wakeup)
        endProbe = EndProbe(client: client)
        for queue in [groupQueue] + self.queues { queue.ring(wakeup) }
        client.callbacks.failed = { [weak self] error in self?.report(error) }
        client.callbacks.rebalanced = { [weak self] code, partitions in self?.rebalance(code, partitions) }
        committer.answered = { [weak self] offsets, error in
            guard let self else { return }
            delegate?.consumer(self, committed: offsets, error: error)
        }
        committer.refused = { [weak self] error in if error.isRetriable { self?.doubtBrokers(after: error) } }
    }

    deinit { close() }

    // MARK: Taking messages

    /// Joins the group for these topics; a name that begins with `^` is a regular expression.
    public func subscribe(to topics: [String]) throws(KafkaError) {
        try assignment.subscribe(to: topics)
    }

    /// Serves the group: rebalances, errors, answers to commits. To be called at least every `max.poll.interval.ms`.
    ///
    /// - Returns: a message or partition error that came here instead of to a queue, which is rare.
    public func serve() -> Message? {
        committer.serve()
        switch brokerNews() {
        case .lost(let error): delegate?.consumer(self, hasLostBrokers: error)
        case .back: delegate?.consumer(self, hasLostBrokers: nil)
        case nil: break
        }
        if let isCutOff = leaderProbe?.isCutOff, isCutOff != self.isCutOff {
            self.isCutOff = isCutOff
            delegate?.consumer(
                self, isCutOff: isCutOff ? outage.reason(logged: client.callbacks.closed?.recent) : nil)
        }
        return rd_kafka_consumer_poll(client.handle, 0).map { Message($0) }
    }

    private func brokerNews() -> BrokerOutage.News? {
        guard let brokerProbe else { return nil }
        guard brokerProbe.isAway else { return outage.news(isAway: false) }
        let (logged, proven) = (client.callbacks.closed?.recent, brokerProbe.proven)
        let suspicion = outage.reason(logged: logged, proven: proven).suspicion
        brokerProbe.suspicion = suspicion.flatMap { $0.isInDoubt ? $0 : nil }
        return outage.news(isAway: true, logged: logged, proven: proven)
    }

    /// The next message of a queue, or nil if none is there yet.
    @inline(__always)
    public func take(from queue: Int) -> Message? {
        let taken =
            bundles.isEmpty
            ? rd_kafka_consume_queue(queues[queue].pointer, 0) : bundles[queue].take(from: queues[queue])
        guard let message = taken else { return nil }
        if fetchWaker?.took(message.pointee.len + message.pointee.key_len) ?? false { client.wakeBrokerThreads() }
        return Message(message)
    }

    /// Messages, and ends of partitions, that were fetched and not taken yet.
    public var queueLength: Int {
        isClosed ? 0 : queues.reduce(0) { $0 + $1.length } + bundles.reduce(0) { $0 + $1.count }
    }

    /// What has left the queues of partitions that come no more as they were, as librdkafka does with what is still in them.
    private func drop(_ partitions: Set<TopicPartition>) {
        guard !partitions.isEmpty else { return }
        for bundle in bundles { bundle.drop { partitions.contains($0) } }
    }

    // MARK: Assignment

    /// Makes these positions all that is fetched, each partition into its queue.
    ///
    /// - Parameter restarting: partitions that begin anew at their offset although they may be assigned already. With
    ///   eager rebalancing all do.
    public func assign(
        _ positions: [(partition: TopicPartition, offset: Int64, queue: Int)], restarting: Set<TopicPartition>
    ) throws(KafkaError) {
        try assignment.fetch(positions, restarting: restarting, into: queues) { drop($0) }
        tellProbes()
    }

    private func tellProbes() {
        endProbe.partitions = Array(assignment.partitions)
        brokerProbe?.topic = assignment.partitions.first?.topic
        leaderProbe?.partitions = given
    }

    /// Whether the group has given this member a name, which is its first answer to whoever wants to join. Asks librdkafka's own
    /// thread, and no broker.
    ///
    /// - Throws: if that thread answers nothing any more, after which this member can do no more.
    public func isKnownToGroup() throws(KafkaError) -> Bool { try assignment.hasName() }

    /// Whether the group hands over only what moves, rather than everything at each rebalance.
    public var isCooperative: Bool { assignment.isCooperative }

    // MARK: Offsets

    /// Commits to the group without waiting; the answer comes to the delegate through `serve()`. Offsets that are not sent
    /// yet give way to later ones of their partition.
    public func commit(_ offsets: [CommittedOffset]) { if !isClosed { committer.commit(offsets) } }

    /// Commits to the group and waits for the answer, and for that of a commit that is on its way already.
    ///
    /// - Throws: the group's refusal, or a timeout when no coordinator answers in time.
    public func commit(_ offsets: [CommittedOffset], timeout: Duration) throws(KafkaError) {
        guard !isClosed else { throw KafkaError(code: .timedOut, operation: "commit", reason: "the client is closed") }
        try committer.commit(offsets, timeout: timeout)
    }

    /// What the group has committed, with the metadata that was committed along.
    public func committed(
        _ partitions: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: CommittedOffset] {
        let operation = "reading the group's offsets"
        let list = PartitionList(partitions.map { ($0, SpecialOffset.invalid) })
        let code = rd_kafka_committed(client.handle, list.pointer, timeout.milliseconds)
        if let error = KafkaError(code, operation: operation) { throw unanswered(error) }
        let found = try PartitionList.offsets(of: list.pointer, operation: operation).filter { $0.offset >= 0 }
        return Dictionary(found.map { ($0.partition, $0) }, uniquingKeysWith: { $1 })
    }

    /// The first and the next offset of each partition, from their leaders, by the client's isolation level.
    ///
    /// - Throws: also where a leader has not answered for one of them.
    public func watermarks(
        _ partitions: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Watermarks] {
        let query = OffsetQuery(client: client, operation: "reading the watermarks", timeout: timeout)
        do throws(KafkaError) {
            return try query.watermarks(of: partitions)
        } catch {
            throw unanswered(error)
        }
    }

    /// The high watermark that the last fetch brought; nil before the first.
    public func lastKnownHighWatermark(_ partition: TopicPartition) -> Int64? {
        var low: Int64 = 0
        var high: Int64 = 0
        guard !isClosed,
            rd_kafka_get_watermark_offsets(client.handle, partition.topic, partition.partition, &low, &high)
                == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0
        else { return nil }
        return high
    }

    /// The ends of assigned partitions, as their leaders are asked for them twice a minute; nil until there are new ones.
    public func takeEnds() -> [TopicPartition: Int64]? { endProbe.takeEnds() }

    // MARK: Topics

    /// The topics that the brokers know, with their partition counts; those under way of deletion are left out.
    public func topics(timeout: Duration) throws(KafkaError) -> [String: Int] {
        let topics = try TopicQuery(client: client, operation: "reading the topics", timeout: timeout).all()
        return Dictionary(
            topics.lazy.filter { $0.code == .none }.map { ($0.name, $0.partitionCount) }, uniquingKeysWith: { $1 })
    }

    /// Topics of the subscription that the brokers have not shown, to be looked for every few seconds; rings `wakeup`
    /// when one is there.
    public func lookFor(_ topics: Set<String>) {
        if topicProbe == nil, !topics.isEmpty { topicProbe = TopicProbe(client: client, wakeup: wakeup) }
        topicProbe?.missing = topics
    }

    /// The topics that were looked for and are there now.
    public func takeFoundTopics() -> Set<String> { topicProbe?.takeFound() ?? [] }

    // MARK: Errors

    /// The error after which this member can do no more, with its real cause; nil while there is none.
    public var fatalError: KafkaError? { client.fatalError(operation: "membership in the group") }

    private func report(_ error: KafkaError) {
        doubtBrokers(after: error)
        delegate?.consumer(self, reports: error)
    }

    /// Whether the group's coordinator does not answer, and this client will not find it any more, though another may.
    public var hasLostGroup: Bool { leaderProbe?.isGroupLost ?? false }

    /// Takes the brokers that this member needs for silent until they answer, as they were to the client before.
    public func begin(cutOffBy error: KafkaError) {
        isCutOff = true
        doubtBrokers(after: error)
    }

    private func doubtBrokers(after error: KafkaError) {
        guard !error.isFatal else { return }
        outage.hear(error)
        askBrokers()
    }

    /// A question that nobody has answered: where no connection breaks, nothing else tells of a partition that has no leader.
    private func unanswered(_ error: KafkaError) -> KafkaError {
        if error.isRetriable, !isClosed {
            outage.hear(unanswered: error)
            askBrokers()
        }
        return error
    }

    private func askBrokers() {
        let probe = brokerProbe ?? BrokerProbe(client: client, properties: properties, wakeup: wakeup)
        brokerProbe = probe
        probe.topic = assignment.partitions.first?.topic
        probe.doubt()
        let leaders =
            leaderProbe
            ?? LeaderProbe(
                client: client, brokers: probe, wakeup: wakeup, rebalanceTime: rebalanceTime, isCutOff: isCutOff)
        leaderProbe = leaders
        leaders.partitions = given
        leaders.doubt()
    }

    // MARK: Rebalances, on the consumer's thread, from within `serve()` and `close()`

    private func rebalance(
        _ code: rd_kafka_resp_err_t, _ list: UnsafePointer<rd_kafka_topic_partition_list_t>
    ) {
        let partitions = PartitionList.answers(of: list).map(\.offset.partition)
        let before = assignment.partitions
        defer { drop(before.subtracting(assignment.partitions)) }
        do throws(KafkaError) {
            switch code {
            case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
                try assignment.accept()
                given = isCooperative ? given.union(partitions) : Set(partitions)
                leaderProbe?.partitions = given
                delegate?.consumer(self, wasGiven: partitions)
            case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
                delegate?.consumer(self, mustGive: partitions, lost: assignment.isLost)
                // Sent now, they could come behind those of the member that has the partitions next.
                committer.drop(partitions)
                given.subtract(partitions)
                try assignment.giveUp(partitions)
                tellProbes()
            default:
                given.removeAll()
                try assignment.giveUpAll()
                if let error = KafkaError(code, operation: "rebalance") { delegate?.consumer(self, reports: error) }
            }
        } catch {
            // Who closes it sees to that himself.
            if !isClosed { delegate?.consumer(self, reports: error) }
        }
    }

    // MARK: The end

    /// Leaves the group, after a last `mustGive`, and frees the client. Nothing may be called after it.
    ///
    /// Brokers that do not answer can make both take longer than the deadline; then the client is left to the end of the
    /// process.
    ///
    /// - Parameter patience: ends the client without a farewell where the group cannot be left, within so long; nil: never.
    /// - Returns: whether the group was left, or the client is gone, which the group notices by itself. If not, the client may still
    ///   be a member.
    @discardableResult
    public func close(
        until deadline: ContinuousClock.Instant = .now + .seconds(30), orDestroyWithin patience: Duration? = nil
    ) -> Bool {
        guard !isClosed else { return true }
        isClosed = true
        client.stopThreads()
        for queue in [groupQueue] + queues { queue.stopRinging() }
        committer.stopRinging()
        // librdkafka hangs in its close while the application still holds the consumer's queue.
        groupQueue.destroy()
        // Nor does it end its threads beside messages of theirs.
        for bundle in bundles { bundle.drop { _ in true } }
        assignment.end(until: deadline)
        let hasLeft = leave(until: deadline)
        committer.destroy()
        for queue in queues { queue.destroy() }
        guard hasLeft else {
            if let patience, client.destroy(flags: RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, until: .now + patience) {
                return true
            }
            client.abandon()
            return false
        }
        client.destroy(flags: RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, until: deadline)
        return true
    }

    private func leave(until deadline: ContinuousClock.Instant) -> Bool {
        // Whom the group has fenced cannot leave it: its name is another member's. librdkafka would try for half a minute.
        if fatalError != nil { return true }
        let farewell = KafkaQueue(client)
        defer { farewell.destroy() }
        if let error = rd_kafka_consumer_close_queue(client.handle, farewell.pointer) { rd_kafka_error_destroy(error) }
        while rd_kafka_consumer_closed(client.handle) == 0 {
            guard ContinuousClock.now < deadline else { return false }
            farewell.serve(waiting: 20)
        }
        return !assignment.isStuck
    }
}

extension Consumer.Delegate {
    public func consumer(_ consumer: Consumer, isCutOff error: KafkaError?) {}
}
