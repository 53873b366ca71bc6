import Kafka

@testable import Loading

/// What the group's coordinator does.
extension World {
    /// A member commits.
    ///
    /// - Parameter isStale: it was sent by who it was before the group took it for dead.
    /// - Returns: what the coordinator has against it.
    mutating func accept(_ offsets: [CommittedOffset], from member: Int, isStale: Bool = false) -> KafkaError? {
        guard !areBrokersAway else { return KafkaError(code: .transport, operation: "commit") }
        guard group.isMember[member], !isStale else { return KafkaError(code: .unknownMember, operation: "commit") }
        if offsets.contains(where: { logs[Int($0.partition.partition)].isGone }) {
            return KafkaError(code: .unknownTopicOrPartition, operation: "commit")
        }
        for offset in offsets {
            let number = Int(offset.partition.partition)
            let before = group.offsets[number]
            let metadata = mutant == .markNotWritten ? "" : offset.metadata
            if let before, before.isOrdered, !before.isFollowed || before.offset != offset.offset {
                breaks(
                    .resets,
                    "the group was reset to \(offset.partition)@\(before.offset), and @\(offset.offset) takes its place unheeded"
                )
            }
            if let before, before.metadata == metadata, offset.offset < before.offset, scenario.hasLedger,
                offset.offset < database.positions[number]?.next ?? 0, !database.isBehind[number]
            {
                breaks(.group, "the group goes back from \(offset.partition)@\(before.offset) to @\(offset.offset)")
            }
            group.offsets[number] = Group.Offset(offset: offset.offset, metadata: metadata)
            group.orders[number] = nil
            tell("  the group is told \(offset.partition)@\(offset.offset)")
            checkGroup(number)
        }
        return nil
    }

    /// A member's process is no longer there, or the group believes so.
    mutating func leave(_ member: Int) {
        group.isMember[member] = false
        processes[member].isSentStale = processes[member].sent != nil
        for number in group.owners.indices where group.owners[number] == member { group.owners[number] = nil }
    }

    /// Numbers of partitions that nobody has.
    var free: [Int] { group.owners.indices.filter { group.owners[$0] == nil } }

    func owned(by member: Int) -> [Int] { group.owners.indices.filter { group.owners[$0] == member } }
}
