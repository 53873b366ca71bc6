import CRdKafka

/// Reads stretches of partitions without a consumer group: nothing is joined, committed or asked of a coordinator, so
/// whoever only looks disturbs nobody.
///
/// By librdkafka's simple consumer, because its `rd_kafka_assign` wants a group. One thread owns it.
public final class PartitionReader {
    /// The messages of a partition from an offset on.
    public struct Stretch: Sendable, Hashable {
        public var partition: TopicPartition
        public var start: Int64
        /// The offset before which it ends.
        public var end: Int64
        /// The most messages that are taken of it.
        public var limit: Int

        public init(partition: TopicPartition, start: Int64, end: Int64, limit: Int = .max) {
            self.partition = partition
            self.start = start
            self.end = end
            self.limit = limit
        }
    }

    /// For how long a reading waits for the brokers.
    public enum Patience: Sendable {
        /// For everything.
        case inAll(Duration)
        /// From one message to the next.
        case each(Duration)
    }

    private let client: KafkaClient
    private let fetchWaker: FetchWaker?
    private let patience: Patience
    private let mayBeGone: Bool
    private let isGivenUp: () -> Bool

    /// - Parameters:
    ///   - properties: librdkafka's, in order. Those of a group are left out.
    ///   - mayBeGone: what retention has deleted of a stretch is taken for its end, rather than for an error.
    ///   - isGivenUp: asked while nothing comes; once true, a reading fails as one that nothing came for.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(
        properties: ClientProperties, patience: Patience, mayBeGone: Bool,
        isGivenUp: @escaping () -> Bool = { false }
    ) throws(KafkaError) {
        self.patience = patience
        self.mayBeGone = mayBeGone
        self.isGivenUp = isGivenUp
        let own = [
            ("enable.auto.commit", "false"), ("enable.partition.eof", "true"), ("auto.offset.reset", "error"),
            // The end of a partition that holds no more is told by an empty fetch, which should not be waited for.
            ("fetch.wait.max.ms", "50"),
        ]
        client = try KafkaClient(.reader, properties + own)
        fetchWaker = FetchWaker.ifNeeded(properties)
    }

    /// Begins to read stretches, at most one of a partition.
    ///
    /// - Throws: where librdkafka does not begin.
    public func read(_ stretches: [Stretch]) throws(KafkaError) -> Reading {
        let reading = Reading(client, fetchWaker, patience, mayBeGone: mayBeGone, isGivenUp: isGivenUp)
        for stretch in stretches where stretch.start < stretch.end && stretch.limit > 0 { try reading.begin(stretch) }
        return reading
    }

    /// The first and the next offset of each partition, by the client's isolation level.
    ///
    /// - Throws: also where a leader has not answered for one of them.
    public func watermarks(
        _ partitions: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Watermarks] {
        try OffsetQuery(client: client, operation: "reading the watermarks", timeout: timeout)
            .watermarks(of: partitions)
    }

    /// Stretches under way. It ends them when it goes.
    public final class Reading {
        private let client: KafkaClient
        private let queue: KafkaQueue
        private var topics: [String: OpaquePointer] = [:]
        private var stretches: [TopicPartition: Stretch] = [:]
        private var fetchWaker: FetchWaker?
        private let patience: Patience
        private let mayBeGone: Bool
        private let isGivenUp: () -> Bool
        private var deadline: ContinuousClock.Instant

        private static let operation = "reading messages"
        /// In milliseconds; so often it is asked whether the reading is given up.
        private static let turn: Int32 = 100

        fileprivate init(
            _ client: KafkaClient, _ fetchWaker: FetchWaker?, _ patience: Patience, mayBeGone: Bool,
            isGivenUp: @escaping () -> Bool
        ) {
            self.client = client
            queue = KafkaQueue(client)
            self.fetchWaker = fetchWaker
            self.patience = patience
            self.mayBeGone = mayBeGone
            self.isGivenUp = isGivenUp
            deadline = .now + patience.duration
        }

        deinit {
            for place in stretches.keys { stop(place) }
            for topic in topics.values { rd_kafka_topic_destroy(topic) }
            queue.destroy()
        }

        fileprivate func begin(_ stretch: Stretch) throws(KafkaError) {
            let place = stretch.partition
            guard let topic = topics[place.topic] ?? rd_kafka_topic_new(client.handle, place.topic, nil) else {
                throw KafkaError(code: .invalidArgument, operation: Self.operation, topic: place.topic)
            }
            topics[place.topic] = topic
            guard rd_kafka_consume_start_queue(topic, place.partition, stretch.start, queue.pointer) == 0 else {
                throw error(KafkaErrorCode(rd_kafka_last_error()), at: place, offset: stretch.start)
            }
            stretches[place] = stretch
        }

        /// The next message, each partition's in order, the partitions mixed; nil at the stretches' ends, at their limits,
        /// or where their partitions have no more to give.
        ///
        /// - Throws: a partition's error, or a timeout.
        public func next() throws(KafkaError) -> Message? {
            while !stretches.isEmpty {
                if case .inAll = patience { try checkDeadline() }
                guard let taken = rd_kafka_consume_queue(queue.pointer, Self.turn) else {
                    try checkDeadline()
                    continue
                }
                if fetchWaker?.took(taken.pointee.len + taken.pointee.key_len) ?? false { client.wakeBrokerThreads() }
                let message = Message(taken)
                if case .each(let duration) = patience { deadline = .now + duration }
                if try isWanted(message) { return message }
            }
            return nil
        }

        /// The partitions that are not read to the end of their stretches.
        public var open: Set<TopicPartition> { Set(stretches.keys) }

        /// Ends a stretch, as of a partition whose error was thrown: the others can be read on.
        public func leave(_ partition: TopicPartition) { end(partition) }

        private func isWanted(_ message: borrowing Message) throws(KafkaError) -> Bool {
            let place = TopicPartition(topic: message.topic, partition: message.partition)
            guard var stretch = stretches[place] else { return false }
            if let code = message.errorCode {
                try settle(code, message, place)
                return false
            }
            guard message.offset < stretch.end else {
                end(place)
                return false
            }
            guard message.offset >= stretch.start else { return false }
            stretch.limit -= 1
            stretch.start = message.offset + 1
            stretches[place] = stretch
            if stretch.limit == 0 || stretch.start >= stretch.end { end(place) }
            return true
        }

        private func settle(
            _ code: KafkaErrorCode, _ message: borrowing Message, _ place: TopicPartition
        ) throws(KafkaError) {
            switch code {
            case .endOfPartition: end(place)
            case .autoOffsetReset, .offsetOutOfRange:
                guard mayBeGone else { throw error(code, message.errorReason, at: place, offset: message.offset) }
                end(place)
            // librdkafka says so after having waited for the topic.
            case .unknownTopicOrPartition: throw error(code, message.errorReason, at: place, offset: message.offset)
            default:
                // librdkafka tries the others again.
                if !code.isRetriable { throw error(code, message.errorReason, at: place, offset: message.offset) }
            }
        }

        private func end(_ place: TopicPartition) {
            if stretches.removeValue(forKey: place) != nil { stop(place) }
        }

        private func stop(_ place: TopicPartition) {
            if let topic = topics[place.topic] { rd_kafka_consume_stop(topic, place.partition) }
        }

        private func checkDeadline() throws(KafkaError) {
            guard ContinuousClock.now >= deadline || isGivenUp() else { return }
            let reason: String? =
                switch patience {
                case .inAll: nil
                case .each(let duration): "nothing came for \(duration)"
                }
            let place = stretches.keys.min()
            throw KafkaError(
                code: .timedOut, operation: Self.operation, reason: reason, topic: place?.topic,
                partition: place?.partition)
        }

        private func error(
            _ code: KafkaErrorCode, _ reason: String? = nil, at place: TopicPartition, offset: Int64
        ) -> KafkaError {
            KafkaError(
                code: code, operation: Self.operation, reason: reason, topic: place.topic, partition: place.partition,
                offset: offset)
        }
    }
}

extension PartitionReader.Patience {
    fileprivate var duration: Duration {
        switch self {
        case .inAll(let duration), .each(let duration): duration
        }
    }
}
