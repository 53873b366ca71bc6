import CRdKafka
import CSimulation
import Kafka

/// A consumer group at its coordinator: who is in, who has what, and what was committed. (Kafka's classic protocol.)
final class SimulatedGroup {
    struct Committed: Equatable {
        var offset: Int64
        var metadata: String
    }

    final class Member {
        let identifier: Int
        let instance: String?
        var topics: [String]
        var sessionTimeout: Int64
        /// For how long the others wait for it to join again.
        var rebalanceTimeout: Int64
        var isCooperative: Bool
        /// What it says that it has.
        var owned: Set<TopicPartition>
        var assigned: Set<TopicPartition> = []
        /// Until when it counts as alive.
        var deadline: Int64 = 0
        /// Waits for the others; called with the generation and its partitions.
        var joined: ((Int, Set<TopicPartition>) -> Void)?

        init(_ identifier: Int, _ joining: Joining) {
            self.identifier = identifier
            instance = joining.instance
            topics = joining.topics
            sessionTimeout = joining.sessionTimeout
            rebalanceTimeout = joining.rebalanceTimeout
            isCooperative = joining.isCooperative
            owned = joining.owned
        }
    }

    struct Joining {
        var identifier: Int?
        var instance: String?
        var topics: [String]
        var sessionTimeout: Int64
        var rebalanceTimeout: Int64
        var isCooperative: Bool
        var owned: Set<TopicPartition>
    }

    private enum State { case empty, preparing, stable }

    private(set) var committed: [TopicPartition: Committed] = [:]
    /// In the order in which they came.
    private(set) var members: [Member] = []
    private var generation = 0
    private var state = State.empty
    private var nextIdentifier = 1
    /// Counts what has begun, so that a timer knows whether it is still meant.
    private var rounds = 0

    // MARK: Membership

    /// - Parameter answer: the member's number, generation and partitions, or what the coordinator has against it.
    func join(_ joining: Joining, answer: @escaping (Result<(Int, Int, Set<TopicPartition>), Refusal>) -> Void) {
        let member: Member
        if let identifier = joining.identifier {
            guard let known = members.first(where: { $0.identifier == identifier }) else {
                return answer(.failure(.unknownMember))
            }
            member = known
            (member.topics, member.owned) = (joining.topics, joining.owned)
        } else {
            member = Member(nextIdentifier, joining)
            nextIdentifier += 1
            if let instance = joining.instance { members.removeAll { $0.instance == instance } }
            members.append(member)
        }
        touch(member)
        let identifier = member.identifier
        member.joined = { generation, partitions in answer(.success((identifier, generation, partitions))) }
        prepare()
    }

    struct Refusal: Error, Equatable {
        var code: rd_kafka_resp_err_t

        static let unknownMember = Refusal(code: RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
        static let illegalGeneration = Refusal(code: RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION)
        static let rebalance = Refusal(code: RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS)
        static let unauthorized = Refusal(code: RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        static let fenced = Refusal(code: RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
    }

    /// - Returns: nil if all is well.
    func heartbeat(_ identifier: Int, generation: Int, instance: String?) -> Refusal? {
        if let refusal = refusal(identifier, generation, instance) { return refusal }
        if let member = members.first(where: { $0.identifier == identifier }) { touch(member) }
        return state == .preparing ? .rebalance : nil
    }

    private func refusal(_ identifier: Int, _ generation: Int, _ instance: String?) -> Refusal? {
        guard members.contains(where: { $0.identifier == identifier }) else {
            let isReplaced = instance != nil && members.contains { $0.instance == instance }
            return isReplaced ? .fenced : .unknownMember
        }
        return generation == self.generation ? nil : .illegalGeneration
    }

    func leave(_ identifier: Int) {
        guard members.contains(where: { $0.identifier == identifier }) else { return }
        remove { $0.identifier == identifier }
    }

    private func remove(_ isGone: (Member) -> Bool) {
        members.removeAll(where: isGone)
        if members.isEmpty {
            rounds += 1
            state = .empty
            generation += 1
        } else {
            prepare()
        }
    }

    /// The member lives: until its session is over without another sign.
    private func touch(_ member: Member) {
        let deadline = sim_now() + member.sessionTimeout
        member.deadline = deadline
        Moments.after(member.sessionTimeout + 1) { [weak self, weak member] in
            guard let self, let member, member.deadline == deadline, members.contains(where: { $0 === member }) else {
                return
            }
            // Who waits for the others is heard of by its connection.
            if member.joined != nil { return touch(member) }
            remove { $0 === member }
        }
    }

    // MARK: Rebalances

    private func prepare() {
        if state != .preparing {
            let isFirst = state == .empty
            state = .preparing
            rounds += 1
            let round = rounds
            let patience = isFirst ? Draw.from(0..<3 * Moments.second) : members.map(\.rebalanceTimeout).max() ?? 0
            Moments.after(patience) { [weak self] in
                guard let self, rounds == round else { return }
                complete()
            }
            if isFirst { return }
        }
        if generation > 0, members.allSatisfy({ $0.joined != nil }) {
            let round = rounds
            Moments.after(Draw.from(0..<Moments.second / 5)) { [weak self] in
                guard let self, rounds == round, members.allSatisfy({ $0.joined != nil }) else { return }
                complete()
            }
        }
    }

    private func complete() {
        members.removeAll { $0.joined == nil }
        rounds += 1
        generation += 1
        state = members.isEmpty ? .empty : .stable
        let partitions = assign()
        for member in members {
            member.assigned = partitions[member.identifier] ?? []
            touch(member)
            let joined = member.joined
            member.joined = nil
            joined?(generation, member.assigned)
        }
    }

    private func assign() -> [Int: Set<TopicPartition>] {
        let topics = Set(members.flatMap(\.topics)).sorted()
        let all = topics.flatMap { topic in
            (SimulatedCluster.current.topics[topic] ?? []).indices
                .map { TopicPartition(topic: topic, partition: Int32($0)) }
        }
        var given: [Int: Set<TopicPartition>] = [:]
        let isCooperative = members.allSatisfy(\.isCooperative)
        for (index, place) in all.enumerated() {
            // Who has one keeps it where its share is not full, so that little moves.
            let share = (all.count + members.count - 1) / max(1, members.count)
            let owner = members.first {
                isCooperative && $0.owned.contains(place) && given[$0.identifier, default: []].count < share
            }
            let member = owner ?? members[index * members.count / all.count]
            // What another one has not given back yet is given out the next time.
            let isTaken = isCooperative && members.contains { $0 !== member && $0.owned.contains(place) }
            if !isTaken { given[member.identifier, default: []].insert(place) }
        }
        return given
    }

    // MARK: Offsets

    /// - Returns: nil if they are taken.
    func commit(
        _ offsets: [(TopicPartition, Committed)], by identifier: Int, generation: Int, instance: String?
    ) -> Refusal? {
        if let refusal = refusal(identifier, generation, instance) { return refusal }
        if let member = members.first(where: { $0.identifier == identifier }) { touch(member) }
        for (place, offset) in offsets { committed[place] = offset }
        return nil
    }

    /// As an operator does it, while nobody is in.
    func reset(_ place: TopicPartition, to offset: Committed?) { committed[place] = offset }

    func expire() { committed = [:] }

    func forget(_ topic: String) { committed = committed.filter { $0.key.topic != topic } }

    /// New partitions, or a topic that is made anew: the members' clients notice, and join again.
    func reconsider() { if !members.isEmpty { prepare() } }
}
