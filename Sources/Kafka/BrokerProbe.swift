import CRdKafka

/// Finds out whether any broker answers, when something has made that doubtful.
///
/// librdkafka tells that all brokers are down by comparing two counts, and its handle of the group's coordinator is now
/// and then in one of them only: such an outage is never told, and none is told to be over. So this thread asks for the
/// brokers' metadata, which whichever broker answers first has, and goes on asking while none does. It sleeps without a
/// timer when all is well.
final class BrokerProbe: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock.
    private let client: KafkaClient
    private let wakeup: Wakeup
    private var shared: (isDoubtful: Bool, isAway: Bool, topic: String?) = (false, false, nil)
    /// Questions in a row that a connected broker has not answered.
    private var silences = 0
    let thread = ClientThread()

    /// For how long no broker answers before that is an outage, in milliseconds: one that restarts at once is none.
    private static let patience: Int32 = 3000
    private static let silencesOfAnOutage = 3

    init(client: KafkaClient, wakeup: Wakeup) {
        self.client = client
        self.wakeup = wakeup
        thread.start("broker-probe") { [self] in ask() }
    }

    /// Whether no broker answered when last asked; `wakeup` rings when that changes.
    var isAway: Bool { thread.locked { shared.isAway } }

    /// A topic that is assigned, to be asked about.
    var topic: String? {
        get { thread.locked { shared.topic } }
        set { thread.locked { shared.topic = newValue } }
    }

    /// Has the brokers asked.
    func doubt() { thread.locked { shared.isDoubtful = true } }

    private func ask() {
        guard thread.sleep(while: { !shared.isDoubtful && !shared.isAway }) else { return }
        thread.locked { shared.isDoubtful = false }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        // Of one topic, by its name: asked for all that it knows, librdkafka allows the brokers to create what has been
        // deleted.
        let topic = topic.flatMap { rd_kafka_topic_new(client.handle, $0, nil) }
        let code = rd_kafka_metadata(client.handle, topic == nil ? 1 : 0, topic, &metadata, Self.patience)
        if let topic { rd_kafka_topic_destroy(topic) }
        if let metadata { rd_kafka_metadata_destroy(metadata) }
        let isAway: Bool
        if code == RD_KAFKA_RESP_ERR__TIMED_OUT {
            // A host that has vanished counts as connected for a minute; the next question may go to another one.
            silences += 1
            isAway = silences >= Self.silencesOfAnOutage || thread.locked { shared.isAway }
            if !isAway { thread.locked { shared.isDoubtful = true } }
        } else {
            silences = 0
            isAway = code != RD_KAFKA_RESP_ERR_NO_ERROR
        }
        let hasChanged = thread.locked {
            defer { shared.isAway = isAway }
            return isAway != shared.isAway
        }
        if hasChanged { wakeup.ring() }
        // What is refused at once must not be asked in a loop.
        if isAway { thread.pause(0.5) }
    }
}
