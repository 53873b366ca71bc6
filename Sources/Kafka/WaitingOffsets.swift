/// Offsets that the group is to be told once it has answered the commit before. No I/O.
package struct WaitingOffsets: Hashable, Sendable {
    private var offsets: [TopicPartition: CommittedOffset] = [:]

    package init() {}

    package var isEmpty: Bool { offsets.isEmpty }

    /// Offsets give way to later ones of their partition.
    package mutating func add(_ more: [CommittedOffset]) {
        for offset in more { offsets[offset.partition] = offset }
    }

    package mutating func drop(_ partitions: [TopicPartition]) {
        for partition in partitions { offsets[partition] = nil }
    }

    /// What the next commit carries: the newest offsets of all that waited; nil where it is not to be sent.
    ///
    /// - Parameter isUnderWay: the answer to one has not come.
    package mutating func takeAll(isUnderWay: Bool) -> [CommittedOffset]? {
        guard !isUnderWay, !offsets.isEmpty else { return nil }
        defer { offsets.removeAll() }
        return offsets.values.sorted { $0.partition < $1.partition }
    }
}
