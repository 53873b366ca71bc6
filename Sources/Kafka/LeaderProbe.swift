import CRdKafka

/// Finds out whether the brokers that this member cannot do without are where the brokers say they are: those that lead its
/// partitions, and the one that coordinates its group.
///
/// `BrokerProbe` is content with whichever broker answers first, and librdkafka waits for the others for ever, without a word:
/// behind addresses that lead nowhere from here nothing comes, as from a topic that is at its end.
final class LeaderProbe: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock.
    private let client: KafkaClient
    private let query: OffsetQuery
    private let brokers: BrokerProbe
    private let wakeup: Wakeup
    private var shared: Shared
    private let thread = ClientThread()

    private struct Shared {
        /// Counted, so that a doubt that comes while they are asked is not over with their answer.
        var doubts = 0
        var settled = 0
        /// Of the reminders, those that the coordinator has answered behind.
        var settledReminders = 0
        var silence: LeaderSilence
        var partitions: Set<TopicPartition> = []

        var isIdle: Bool { doubts == settled && !silence.isCutOff }
    }

    private static let patience = Duration.seconds(3)
    /// Between two questions, in seconds.
    private static let pause = 1.0

    /// - Parameters:
    ///   - rebalanceTime: how long a rebalance of the group may take.
    ///   - isCutOff: they are taken for silent until they answer.
    init(client: KafkaClient, brokers: BrokerProbe, wakeup: Wakeup, rebalanceTime: Duration, isCutOff: Bool) {
        shared = Shared(silence: LeaderSilence(rebalanceTime: rebalanceTime, isCutOff: isCutOff))
        self.client = client
        self.brokers = brokers
        self.wakeup = wakeup
        query = OffsetQuery(client: client, operation: "looking for the partitions' leaders", timeout: Self.patience)
        client.start(thread, named: "leader-probe") { [self] in ask() }
    }

    /// Whether somebody whom this member needs does not answer though others do; `wakeup` rings when that changes.
    var isCutOff: Bool { thread.locked { shared.silence.isCutOff } }

    /// Whether the group's coordinator has been silent for so long, though other brokers answer, that this client will not find it
    /// any more: librdkafka 2.0.2 goes on asking where the coordinator was when it heard of it first. `wakeup` rings.
    var isGroupLost: Bool { thread.locked { shared.silence.isGroupLost } }

    /// What the group has given to this member. Its leaders are asked.
    var partitions: Set<TopicPartition> {
        get { thread.locked { shared.partitions } }
        set {
            thread.locked {
                if newValue != shared.partitions { shared.doubts += 1 }
                shared.partitions = newValue
            }
        }
    }

    /// Has them asked.
    func doubt() { thread.locked { shared.doubts += 1 } }

    private func ask() {
        guard thread.sleep(while: { shared.isIdle }) else { return }
        let (doubts, partitions) = thread.locked { (shared.doubts, shared.partitions) }
        let isAnyLeaderSilent = isAnyLeaderSilent(partitions)
        let reminders = brokers.reminders
        let isCoordinatorSilent = isCoordinatorSilent(partitions.first)
        let isAnyoneThere = !brokers.isAway
        let isSilent = isAnyLeaderSilent || isCoordinatorSilent
        let hasChanged = thread.locked {
            if !isSilent { shared.settled = doubts }
            if !isCoordinatorSilent { shared.settledReminders = reminders }
            let before = shared.silence
            shared.silence.note(
                leader: isAnyLeaderSilent, coordinator: isCoordinatorSilent, isAnyoneThere: isAnyoneThere,
                wasReminded: reminders > shared.settledReminders, at: .now)
            return (before.isCutOff, before.isGroupLost) != (shared.silence.isCutOff, shared.silence.isGroupLost)
        }
        if hasChanged { wakeup.ring() }
        // They may say by now that they are elsewhere, which librdkafka asks for every five minutes.
        if isSilent, isAnyoneThere { hearAddresses(partitions.first?.topic) }
        thread.pause(Self.pause)
    }

    private func hearAddresses(_ topic: String?) {
        let query = TopicQuery(client: client, operation: "looking for the brokers", timeout: Self.patience)
        // Whoever does not answer is met by the next question.
        if let topic { _ = try? query.topic(topic) } else { _ = try? query.all() }
    }

    private func isAnyLeaderSilent(_ partitions: Set<TopicPartition>) -> Bool {
        do throws(KafkaError) {
            do throws(KafkaError) {
                return try query.ask(.end, of: partitions).isAnySilent
            } catch {
                guard error.code == .unknownPartition else { throw error }
                // So does librdkafka 2.10 and newer call one whose leader the brokers do not name, and one that is no more.
                let topics = try TopicQuery(client: client, operation: query.operation, timeout: Self.patience).all()
                let counts = Dictionary(topics.map { ($0.name, $0.partitionCount) }, uniquingKeysWith: { $1 })
                return partitions.contains { $0.partition < counts[$0.topic] ?? 0 }
            }
        } catch {
            return error.isRetriable && error.code != .unknownTopicOrPartition
        }
    }

    /// - Parameter partition: any: what is asked for is an answer.
    private func isCoordinatorSilent(_ partition: TopicPartition?) -> Bool {
        let list = PartitionList([(partition ?? TopicPartition(topic: "-", partition: 0), SpecialOffset.invalid)])
        let code = KafkaErrorCode(rd_kafka_committed(client.handle, list.pointer, Self.patience.milliseconds))
        return code.isRetriable
    }
}
