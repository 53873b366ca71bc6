import Kafka

/// What the group has given and what PostgreSQL has answered, kept beside the member that decides by it: what that decides is held
/// against this before it is carried out.
///
/// Pure, and asked by batch and by rebalance.
struct Witness {
    /// What the group has given and not taken back.
    private var given: Set<TopicPartition> = []
    /// Where each partition stands, by the ledger's answer or by a COMMIT's; of what was given back, until it is found again.
    private var positions: [TopicPartition: Int64] = [:]

    // MARK: What happens

    mutating func given(_ partitions: [TopicPartition], isCooperative: Bool) {
        if !isCooperative { given.removeAll() }
        given.formUnion(partitions)
    }

    mutating func found(_ places: [Member.Places.Place]) {
        for place in places { positions[place.partition] = place.start }
    }

    /// - Returns: what shows that a batch went in which did not follow the one before. Then none of it counts.
    mutating func loaded(_ ranges: [Batch.PartitionRange]) -> InvariantViolation? {
        for range in ranges {
            guard let position = positions[range.partition], position != range.expected else { continue }
            return InvariantViolation(
                .positionChain, at: "\(range.partition)@\(range.expected)", expected: "a batch from \(position) on",
                found: range.expected)
        }
        for range in ranges { positions[range.partition] = range.next }
        return nil
    }

    /// - Parameter member: as it is behind giving them back.
    /// - Returns: what shows that it has kept something of them.
    mutating func gaveBack(_ partitions: [TopicPartition], by member: Member) -> InvariantViolation? {
        given.subtract(partitions)
        // Who stops drops what it has not handed over, with itself.
        guard !member.isStopping else { return nil }
        let kept = partitions.first { partition in
            member.partitions.place(of: partition) != nil || member.lanes.contains { $0.fills(partition) }
        }
        return kept.map {
            InvariantViolation(.ownership, at: "\($0)", expected: "nothing left of it", found: "messages or a position")
        }
    }

    // MARK: What is about to be done

    /// - Returns: what shows that the group would be told what is not in.
    func refuses(_ offsets: [CommittedOffset]) -> InvariantViolation? {
        let wrong = offsets.first { positions[$0.partition] != $0.offset }
        return wrong.map {
            InvariantViolation(
                .groupOffset, at: "\($0.partition)@\($0.offset)",
                expected: positions[$0.partition].map { "\($0)" } ?? "no offset", found: $0.offset)
        }
    }

    /// - Returns: what shows that something would be fetched that is another member's.
    func refuses(_ fetch: Member.Fetch) -> InvariantViolation? {
        fetch.positions.first { !given.contains($0.partition) }.map {
            InvariantViolation(
                .ownership, at: "\($0.partition)@\($0.offset)", expected: "a partition that the group has given",
                found: "one that it has not")
        }
    }
}
