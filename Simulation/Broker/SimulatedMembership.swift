import CRdKafka
import CSimulation
import Kafka

/// A client's side of its group, as librdkafka keeps it: it joins, hears by its heartbeats of rebalances, and has the application answer
/// each before it goes on.
final class SimulatedMembership {
    private enum State {
        case out, joining
        /// The application has been told of partitions, and has not taken or given them yet.
        case giving, taking
        case steady
        case leaving, left
    }

    private unowned let client: SimulatedClient
    private var state = State.out
    private var topics: [String] = []
    private(set) var identifier: Int?
    private(set) var generation = -1
    private(set) var assigned: Set<TopicPartition> = []
    /// What it has goes to others whatever it does.
    private(set) var isLost = false
    private var isRejoinWanted = false
    private var heard: Int64 = 0
    private var polled: Int64 = 0
    private var hasFallenSilent = false
    /// Where the application is told of rebalances; another queue once it closes.
    private var farewell: SimulatedQueue?
    private var beats = 0
    /// Those of its topics that there were when it joined.
    private var toldTopics: [String] = []

    init(_ client: SimulatedClient) { self.client = client }

    private var group: String { client.configuration.properties["group.id"] ?? "" }
    private var instance: String? { client.configuration.properties["group.instance.id"] }
    var isCooperative: Bool {
        client.configuration.properties["partition.assignment.strategy"]?.hasPrefix("cooperative") ?? false
    }
    private var sessionTimeout: Int64 {
        client.configuration.number("session.timeout.ms", 45_000) * Moments.millisecond
    }
    private var pollInterval: Int64 {
        client.configuration.number("max.poll.interval.ms", 300_000) * Moments.millisecond
    }
    var hasLeft: Bool { state == .left }

    // MARK: Joining

    func subscribe(_ topics: [String]) {
        self.topics = topics
        polled = sim_now()
        join()
        watchPolls()
    }

    private func join() {
        guard state != .leaving, state != .left else { return }
        state = .joining
        isRejoinWanted = false
        beats += 1
        let joining = SimulatedGroup.Joining(
            identifier: identifier, instance: instance, topics: matching, sessionTimeout: sessionTimeout,
            rebalanceTimeout: pollInterval, isCooperative: isCooperative, owned: isCooperative ? assigned : [])
        toldTopics = joining.topics
        let (name, cluster, client) = (group, SimulatedCluster.current, client)
        let round = beats
        guard !client.isCutOff else {
            return client.after(Draw.from(200 * Moments.millisecond..<Moments.second)) { [self] in
                if round == beats { join() }
            }
        }
        Moments.after(cluster.delay()) {
            guard !cluster.isAway else {
                return client.after(Moments.second) { [self] in if round == beats { join() } }
            }
            guard !cluster.refuses(.group) else {
                client.after(cluster.delay()) { [self] in isRefused(round) }
                return
            }
            cluster.group(name).join(joining) { result in
                client.after(cluster.delay()) { [self] in if round == beats { joined(result) } }
            }
        }
        // The answer may have been lost.
        client.after(pollInterval + sessionTimeout) { [self] in if round == beats, state == .joining { join() } }
    }

    /// It is told, and asks again.
    private func isRefused(_ round: Int) {
        guard round == beats, state == .joining else { return }
        let record = SimulatedCluster.Record(offset: -1, key: nil, value: nil, timestamp: -1)
        client.queue.push(
            .message(
                SimulatedMessage(
                    record, error: RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, topic: nil, partition: -1,
                    fetcher: nil)))
        client.after(Moments.second) { [self] in if round == beats, state == .joining { join() } }
    }

    private var matching: [String] {
        SimulatedCluster.current.topics.keys.sorted().filter { topics.contains($0) }
    }

    /// What it asks the brokers for now and then: whether the topics are still those that it joined with.
    private func lookAtTopics() {
        guard state == .steady, !SimulatedCluster.current.isAway, matching != toldTopics else { return }
        rebalance()
    }

    private func joined(_ result: Result<(Int, Int, Set<TopicPartition>), SimulatedGroup.Refusal>) {
        guard state == .joining else { return }
        switch result {
        case .success((let identifier, let generation, let partitions)):
            (self.identifier, self.generation) = (identifier, generation)
            heard = sim_now()
            beat()
            accept(partitions)
        case .failure(let refusal): refused(refusal)
        }
    }

    private func accept(_ partitions: Set<TopicPartition>) {
        guard isCooperative else {
            assigned = partitions
            return tell(RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, partitions, .taking)
        }
        let going = assigned.subtracting(partitions)
        if !going.isEmpty {
            // The others of them are given the next time.
            tell(RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, going, .giving)
        } else {
            tell(RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, partitions.subtracting(assigned), .taking)
        }
    }

    private func tell(_ code: rd_kafka_resp_err_t, _ partitions: Set<TopicPartition>, _ next: State) {
        state = next
        pendingPartitions = partitions
        if Mutant.is(.revocationsUntold), next == .giving {
            client.unassignSilently(Array(partitions))
            return hasGiven()
        }
        guard let callback = client.configuration.rebalanced else { return }
        let (client, list) = (client, partitions.sorted())
        (farewell ?? client.queue).push(
            .call {
                let pointer = SimulatedList.make(list.map { ($0, -1001) })
                callback(client.opaque, code, pointer, client.configuration.opaque)
                rd_kafka_topic_partition_list_destroy(pointer)
            })
    }
    private var pendingPartitions: Set<TopicPartition> = []

    // MARK: What the application answers

    /// It fetches something now, or nothing yet.
    func hasTaken() {
        guard state == .taking else { return }
        if isCooperative { assigned.formUnion(pendingPartitions) }
        state = .steady
        if isRejoinWanted { rebalance() }
    }

    func hasGiven() {
        guard state == .giving || state == .leaving else { return }
        if isCooperative, !isLost { assigned.subtract(pendingPartitions) } else { assigned = [] }
        isLost = false
        if state == .leaving { return leave() }
        join()
    }

    // MARK: Heartbeats

    private func beat() {
        let round = beats
        let interval = client.configuration.number("heartbeat.interval.ms", 3000) * Moments.millisecond
        client.after(interval) { [self] in
            guard round == beats else { return }
            if sim_now() - heard > sessionTimeout { return lose() }
            ask()
            beat()
            lookAtTopics()
        }
    }

    private func ask() {
        guard let identifier else { return }
        let (name, generation, instance, cluster) = (group, generation, instance, SimulatedCluster.current)
        guard !client.isCutOff else { return }
        let (client, round) = (client, beats)
        Moments.after(cluster.delay()) {
            guard !cluster.isAway else { return }
            let refusal = cluster.group(name).heartbeat(identifier, generation: generation, instance: instance)
            guard !client.isCutOff else { return }
            client.after(cluster.delay()) { [self] in if round == beats { answered(refusal) } }
        }
    }

    private func answered(_ refusal: SimulatedGroup.Refusal?) {
        guard let refusal else {
            heard = sim_now()
            return
        }
        refused(refusal)
    }

    /// Also by the answer to a commit.
    func refused(_ refusal: SimulatedGroup.Refusal) {
        switch refusal.code {
        case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
            heard = sim_now()
            if state == .steady { rebalance() } else { isRejoinWanted = true }
        case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
            client.fatal = refusal.code
            client.report(RD_KAFKA_RESP_ERR__FATAL, "this instance was fenced")
            lose()
        default:
            if refusal.code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID { identifier = nil }
            if state == .joining { join() } else { lose() }
        }
    }

    private func rebalance() {
        if isCooperative || assigned.isEmpty { return join() }
        tell(RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, assigned, .giving)
    }

    /// The group goes on without it.
    private func lose() {
        guard state == .steady || state == .taking || state == .joining else { return }
        identifier = nil
        beats += 1
        guard !assigned.isEmpty else { return join() }
        isLost = true
        tell(RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, assigned, .giving)
    }

    // MARK: Polls

    func hasPolled() {
        polled = sim_now()
        guard hasFallenSilent else { return }
        hasFallenSilent = false
        if state == .out { join() }
    }

    private func watchPolls() {
        client.after(pollInterval / 4) { [self] in
            defer { watchPolls() }
            guard sim_now() - polled > pollInterval, state != .left, state != .leaving, !hasFallenSilent else { return }
            hasFallenSilent = true
            if let identifier { tellLeaving(identifier) }
            lose()
        }
    }

    private func tellLeaving(_ identifier: Int) {
        let (name, cluster) = (group, SimulatedCluster.current)
        guard !client.isCutOff else { return }
        Moments.after(cluster.delay()) { if !cluster.isAway { cluster.group(name).leave(identifier) } }
    }

    // MARK: The end

    func close(telling queue: SimulatedQueue) {
        farewell = queue
        beats += 1
        guard !assigned.isEmpty else { return leave() }
        tell(RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, assigned, .leaving)
    }

    private func leave() {
        state = .leaving
        if let identifier, instance == nil { tellLeaving(identifier) }
        client.after(SimulatedCluster.current.delay() * 2) { [self] in state = .left }
    }

    // MARK: Offsets

    /// - Parameter answered: nil if the group has taken them.
    func commit(
        _ offsets: [(TopicPartition, SimulatedGroup.Committed)], answered: @escaping (rd_kafka_resp_err_t?) -> Void
    ) {
        guard let identifier else { return answered(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID) }
        let (name, generation, instance) = (group, generation, instance)
        client.request { cluster -> SimulatedGroup.Refusal?? in
            if cluster.refuses(.commits) { return .some(.unauthorized) }
            return .some(
                cluster.group(name).commit(offsets, by: identifier, generation: generation, instance: instance))
        } answered: { [weak self] refusal in
            if let refusal, refusal != .unauthorized { self?.refused(refusal) }
            answered(refusal?.code)
        }
    }
}
