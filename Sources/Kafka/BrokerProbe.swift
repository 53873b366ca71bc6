/// Finds out whether any broker answers, when something has made that doubtful.
///
/// librdkafka tells that all brokers are down by comparing two counts, and its handle of the group's coordinator is now
/// and then in one of them only: such an outage is never told, and none is told to be over. So this thread asks for the
/// brokers' metadata, which whichever broker answers first has, and goes on asking while none does. It sleeps without a
/// timer when all is well.
final class BrokerProbe: @unchecked Sendable {
    // Unchecked: everything mutable is touched only under the thread's lock.
    private let client: KafkaClient
    private let query: TopicQuery
    private let wakeup: Wakeup
    private var shared = Shared()
    /// Questions in a row that a connected broker has not answered.
    private var silences = 0
    private var reminder = BrokerReminder()
    private let proof: RefusalProof
    /// When it was asked for what is suspected.
    private var asked: ContinuousClock.Instant?
    private let thread = ClientThread()

    private struct Shared {
        /// Counted, so that a doubt that comes while the brokers are asked is not over with their answer.
        var doubts = 0
        var settled = 0
        var isAway = false
        var reminders = 0
        var topic: String?
        var suspicion: BrokerRefusal?
        var proven: BrokerRefusal?

        var isDoubtful: Bool { doubts > settled }
    }

    /// For how long no broker answers before that is an outage: one that restarts at once is none.
    private static let patience = Duration.seconds(3)
    private static let silencesOfAnOutage = 3
    /// For a proof, and before the next one.
    private static let patienceForProof = Duration.seconds(5)
    private static let pauseBeforeProof = Duration.seconds(10)

    /// - Parameter properties: the client's.
    init(client: KafkaClient, properties: ClientProperties, wakeup: Wakeup) {
        self.client = client
        proof = RefusalProof(properties) { [thread] in thread.isStopping }
        query = TopicQuery(client: client, operation: "looking for a broker", timeout: Self.patience)
        self.wakeup = wakeup
        client.start(thread, named: "broker-probe") { [self] in ask() }
    }

    /// Whether no broker answered when last asked; `wakeup` rings when that changes.
    var isAway: Bool { thread.locked { shared.isAway } }

    /// How often the client was sent back to where it began; see `BrokerReminder`.
    var reminders: Int { thread.locked { shared.reminders } }

    /// Why no broker answers, by words that leave it in doubt: to be asked for while none does.
    var suspicion: BrokerRefusal? {
        get { thread.locked { shared.suspicion } }
        set { thread.locked { shared.suspicion = newValue } }
    }

    /// What was suspected in this outage, and is so; `wakeup` rings when that is known.
    var proven: BrokerRefusal? { thread.locked { shared.proven } }

    /// A topic that is assigned, to be asked about.
    var topic: String? {
        get { thread.locked { shared.topic } }
        set { thread.locked { shared.topic = newValue } }
    }

    /// Has the brokers asked.
    func doubt() { thread.locked { shared.doubts += 1 } }

    /// Whether something has been doubted that no broker's answer has settled yet.
    var isDoubtful: Bool { thread.locked { shared.isDoubtful } }

    private func ask() {
        guard thread.sleep(while: { !shared.isDoubtful && !shared.isAway }) else { return }
        let (doubts, topic) = thread.locked { (shared.doubts, shared.topic) }
        let isAway: Bool
        var isSettled = true
        do throws(KafkaError) {
            if let topic { _ = try query.topic(topic) } else { _ = try query.all() }
            silences = 0
            isAway = false
        } catch  where [.timedOut, .brokerReplaced].contains(error.code) {
            // A host that has vanished counts as connected for a minute; the next question may go to another one.
            silences += 1
            isAway = silences >= Self.silencesOfAnOutage || thread.locked { shared.isAway }
            isSettled = isAway
        } catch {
            silences = 0
            isAway = true
        }
        let hasChanged = thread.locked {
            defer {
                shared.isAway = isAway
                if isSettled { shared.settled = doubts }
            }
            return isAway != shared.isAway
        }
        if hasChanged { wakeup.ring() }
        guard isAway else {
            reminder.rest()
            forget()
            return
        }
        if reminder.isDue(at: .now), client.remindOfBrokers() { thread.locked { shared.reminders += 1 } }
        prove()
        // What is refused at once must not be asked in a loop.
        thread.pause(0.5)
    }

    /// What was suspected and proven is of one outage.
    private func forget() {
        asked = nil
        thread.locked { (shared.suspicion, shared.proven) = (nil, nil) }
    }

    private func prove() {
        let suspicion = thread.locked { shared.suspicion == shared.proven ? nil : shared.suspicion }
        guard let suspicion, asked.map({ .now - $0 >= Self.pauseBeforeProof }) ?? true else { return }
        let isProven = proof.holds(suspicion, timeout: Self.patienceForProof)
        asked = .now
        guard isProven else { return }
        thread.locked { shared.proven = suspicion }
        wakeup.ring()
    }
}
