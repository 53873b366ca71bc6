import CRdKafka

/// Commits offsets to the group of a member, one commit at a time.
///
/// librdkafka sends a commit that failed once more by itself, behind those that came after it, and the group's offset would
/// go back. So one is on its way at a time, and the next carries the newest offsets of all that waited.
///
/// The member's thread owns it.
final class GroupCommitter {
    /// Told the answer to a commit that nobody waits for: its offsets, and what the group has against them.
    var answered: (([CommittedOffset], KafkaError?) -> Void)?
    /// Told of each refusal, also of a commit that is waited for.
    var refused: ((KafkaError) -> Void)?

    private let client: KafkaClient
    private let queue: KafkaQueue

    /// A commit whose answer has not come.
    private final class Pending {
        /// Somebody waits for the answer, and gets it instead of `answered`.
        let isAwaited: Bool
        var error: KafkaError?

        init(isAwaited: Bool) { self.isAwaited = isAwaited }
    }

    private var pending: Pending?
    private var waiting = WaitingOffsets()

    /// - Parameter wakeup: rung when an answer is there.
    init(_ client: KafkaClient, wakeup: Wakeup) {
        self.client = client
        queue = KafkaQueue(client)
        queue.ring(wakeup)
        client.callbacks.committed = { [weak self] code, offsets in self?.settle(code, offsets) }
    }

    /// Takes answers in, and sends what has waited for them.
    func serve() {
        queue.serve()
        sendNext()
    }

    /// Commits without waiting. Offsets that are not sent yet give way to later ones of their partition.
    func commit(_ offsets: [CommittedOffset]) {
        waiting.add(offsets)
        sendNext()
    }

    /// Commits and waits for the answer, and for that of a commit that is on its way already.
    ///
    /// - Throws: the group's refusal, or a timeout when no coordinator answers in time.
    func commit(_ offsets: [CommittedOffset], timeout: Duration) throws(KafkaError) {
        guard !offsets.isEmpty else { return }
        drop(offsets.map(\.partition))
        let deadline = ContinuousClock.now + timeout
        try awaitAnswer(until: deadline)
        let commit = Pending(isAwaited: true)
        try send(offsets, as: commit)
        try awaitAnswer(until: deadline)
        if let error = commit.error { throw error }
    }

    /// Forgets what is not sent yet of these partitions.
    func drop(_ partitions: [TopicPartition]) {
        waiting.drop(partitions)
    }

    func stopRinging() { queue.stopRinging() }

    /// No answer comes any more.
    func destroy() { queue.destroy() }

    private func sendNext() {
        guard let offsets = waiting.takeAll(isUnderWay: pending != nil) else { return }
        do throws(KafkaError) {
            try send(offsets, as: Pending(isAwaited: false))
        } catch {
            answered?(offsets, error)
        }
    }

    private func send(_ offsets: [CommittedOffset], as commit: Pending) throws(KafkaError) {
        try client.callbacks.commit(PartitionList(offsets), by: client, answerTo: queue)
        pending = commit
    }

    /// Waits until no commit is on its way.
    private func awaitAnswer(until deadline: ContinuousClock.Instant) throws(KafkaError) {
        while pending != nil {
            let left = deadline - .now
            guard left > .zero else {
                throw KafkaError(
                    code: .timedOut, operation: "commit", reason: "the group's coordinator does not answer")
            }
            queue.serve(waiting: max(left.milliseconds, 1))
        }
    }

    private func settle(_ code: rd_kafka_resp_err_t, _ list: UnsafePointer<rd_kafka_topic_partition_list_t>?) {
        guard let commit = pending else { return }
        pending = nil
        let answers = list.map { PartitionList.answers(of: $0) } ?? []
        commit.error = Self.error(code, answers)
        if let error = commit.error { refused?(error) }
        guard !commit.isAwaited else { return }
        answered?(answers.map(\.offset), commit.error)
    }

    /// The error of the whole commit, or of its first partition that was refused.
    private static func error(_ code: rd_kafka_resp_err_t, _ answers: [PartitionList.Answer]) -> KafkaError? {
        // Nothing to commit is not an error.
        if code != RD_KAFKA_RESP_ERR__NO_OFFSET, let error = KafkaError(code, operation: "commit") { return error }
        guard let refused = answers.first(where: { $0.code != .none }) else { return nil }
        return KafkaError(
            code: refused.code, operation: "commit", topic: refused.offset.partition.topic,
            partition: refused.offset.partition.partition, offset: refused.offset.offset)
    }
}
