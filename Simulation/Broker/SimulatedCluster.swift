import CRdKafka
import CSimulation
import Kafka

/// Brokers, as their clients see them: topics of partitions, groups, and a network that now and then does not carry.
final class SimulatedCluster {
    // Under the baton; one for each world.
    nonisolated(unsafe) static var current = SimulatedCluster()

    struct Record {
        enum Kind { case data, aborted, marker }

        var offset: Int64
        var key: [UInt8]?
        var value: [UInt8]?
        var headers: [Header] = []
        /// Milliseconds since 1970.
        var timestamp: Int64
        var kind = Kind.data
    }

    final class Partition {
        /// Ascending; what retention and compaction have removed is missing.
        fileprivate(set) var records: [Record] = []
        fileprivate(set) var low: Int64 = 0
        fileprivate(set) var high: Int64 = 0
        /// Until when it has no leader.
        var leaderless: Int64 = 0
    }

    /// How often something goes wrong, each 0…1.
    struct Faults {
        /// A request, or its answer, vanishes.
        var loss = 0.0
        /// An answer takes a tenth of a second up to two.
        var slowness = 0.0
    }

    var faults = Faults()
    private(set) var topics: [String: [Partition]] = [:]
    private(set) var groups: [String: SimulatedGroup] = [:]
    private(set) var clients: [SimulatedClient] = []
    /// Until when no broker answers.
    var away: Int64 = 0

    var isAway: Bool { sim_now() < away }

    /// What brokers refuse their clients for a time.
    enum Refused: CaseIterable {
        /// To read of its topics.
        case topic
        /// To be in its group.
        case group
        /// To commit in it.
        case commits
        /// What a broker sends of one partition cannot be read.
        case batch
    }
    private var refusals: [Refused: Int64] = [:]

    func refuse(_ what: Refused, until end: Int64) { refusals[what] = end }

    func refuses(_ what: Refused) -> Bool { sim_now() < refusals[what] ?? 0 }

    // MARK: Topics

    func create(_ topic: String, partitions: Int) {
        topics[topic] = (0..<partitions).map { _ in Partition() }
    }

    /// Deletes a topic, and what the groups have committed of it.
    func delete(_ topic: String) {
        topics[topic] = nil
        for group in groups.values { group.forget(topic) }
    }

    func add(partitions: Int, to topic: String) {
        topics[topic, default: []] += (0..<partitions).map { _ in Partition() }
    }

    func partition(_ place: TopicPartition) -> Partition? {
        guard let partitions = topics[place.topic], partitions.indices.contains(Int(place.partition)) else {
            return nil
        }
        return partitions[Int(place.partition)]
    }

    /// - Returns: the record's offset.
    @discardableResult
    func append(
        _ place: TopicPartition, key: [UInt8]?, value: [UInt8]?, headers: [Header] = [], timestamp: Int64? = nil,
        kind: Record.Kind = .data
    ) -> Int64 {
        guard let partition = partition(place) else { return -1 }
        let offset = partition.high
        partition.records.append(
            Record(
                offset: offset, key: key, value: value, headers: headers, timestamp: timestamp ?? Self.now, kind: kind))
        partition.high += 1
        return offset
    }

    /// Retention: what is before an offset goes.
    func trim(_ place: TopicPartition, to offset: Int64) {
        guard let partition = partition(place) else { return }
        partition.low = max(partition.low, min(offset, partition.high))
        partition.records.removeAll { $0.offset < partition.low }
    }

    /// Milliseconds since 1970.
    static var now: Int64 { 1_767_225_600_000 + sim_now() / Moments.millisecond }

    // MARK: Groups

    func group(_ name: String) -> SimulatedGroup {
        if let group = groups[name] { return group }
        let group = SimulatedGroup()
        groups[name] = group
        return group
    }

    // MARK: Clients

    func add(_ client: SimulatedClient) { clients.append(client) }

    func remove(_ client: SimulatedClient) { clients.removeAll { $0 === client } }

    /// A process has been killed: its connections are closed, which tells the brokers nothing of its memberships.
    func lose(process: Int) { clients.removeAll { $0.process == process } }

    // MARK: The network

    /// How long a way takes, in nanoseconds.
    func delay() -> Int64 {
        if Draw.chance(faults.slowness) { return Draw.from(100 * Moments.millisecond..<2 * Moments.second) }
        return Draw.from(50_000..<3 * Moments.millisecond)
    }

    var isLost: Bool { isAway || Draw.chance(faults.loss) }
}
