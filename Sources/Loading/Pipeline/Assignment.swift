import Kafka

/// The partitions that this member has been given and knows where to begin. Each message looks its own up, so by what
/// the message carries rather than by name.
struct Assignment: RandomAccessCollection, MutableCollection {
    private var partitions: [AssignedPartition] = []
    private var places: [TopicPartition: Int] = [:]
    private var origins: [Origin: Int] = [:]
    /// Messages come in runs of one partition.
    private var lastOrigin: Origin?
    private var lastPlace = 0

    private struct Origin: Hashable {
        var topic: UInt
        var partition: Int32
    }

    var startIndex: Int { partitions.startIndex }
    var endIndex: Int { partitions.endIndex }

    subscript(place: Int) -> AssignedPartition {
        // In place: a message changes a number of it, and must not pay for a copy.
        _read { yield partitions[place] }
        _modify { yield &partitions[place] }
    }

    /// Messages that have not been taken yet.
    var lag: Int64 { reduce(0) { $0 + $1.lag } }

    func place(of partition: TopicPartition) -> Int? { places[partition] }

    @inline(__always)
    mutating func place(of message: borrowing Message) -> Int? {
        let origin = Origin(topic: message.topicIdentity, partition: message.partition)
        if origin == lastOrigin { return lastPlace }
        guard
            let place = origins[origin] ?? places[TopicPartition(topic: message.topic, partition: message.partition)]
        else { return nil }
        origins[origin] = place
        lastOrigin = origin
        lastPlace = place
        return place
    }

    /// Adds a partition, or begins it anew.
    mutating func set(_ partition: AssignedPartition) {
        if let place = places[partition.partition] {
            partitions[place] = partition
        } else {
            places[partition.partition] = partitions.count
            partitions.append(partition)
        }
        forgetOrigins()
    }

    mutating func remove(_ gone: Set<TopicPartition>) {
        partitions.removeAll { gone.contains($0.partition) }
        places = Dictionary(uniqueKeysWithValues: partitions.enumerated().map { ($1.partition, $0) })
        forgetOrigins()
    }

    mutating func removeAll() {
        partitions.removeAll()
        places.removeAll()
        forgetOrigins()
    }

    /// A topic's identity is good only as long as it is assigned.
    private mutating func forgetOrigins() {
        origins.removeAll(keepingCapacity: true)
        lastOrigin = nil
    }
}
