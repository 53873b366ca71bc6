import Kafka

/// A promise of the loader's own that does not hold: a fault of the loader, not of a message, a server or a setup.
///
/// It is looked for where something passes from one room to another, by batch and not by message. What is seen before COMMIT is
/// noted on the batch (`Batch.note`) and stops it there (`BatchTransaction.run`); what the consumer's thread sees ends the run. It
/// says where and what, and holds no value of a message.
package struct InvariantViolation: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which promise; docs/invariants.md has each.
    package enum Invariant: String, Sendable, CaseIterable {
        /// Offsets ascend within each partition of a batch, between where it begins and where it ends.
        case offsetOrder = "offset_order"
        /// A batch holds as many messages of each partition as were taken for it.
        case messageCount = "message_count"
        /// Each message has become something, once for each route.
        case accountedFor = "accounted_for"
        /// What goes in are the rows that were built: none left out, none twice.
        case rowCount = "row_count"
        /// COPY has taken the rows that were sent.
        case copyCount = "copy_count"
        /// A table of dead letters has taken those that it was given.
        case letterCount = "letter_count"
        /// Part of a batch moves the positions of its own messages.
        case partRange = "part_range"
        /// Rows go into a transaction of their own.
        case transaction
        /// Rows that came before their turn are those that the batch has.
        case headStart = "head_start"
        /// A table is emptied before the rows that follow, and a history never.
        case truncation
        /// What is in begins where the position was.
        case positionChain = "position_chain"
        /// The group is told what is in, and nothing else.
        case groupOffset = "group_offset"
        /// Nothing is fetched or kept that the group has not given.
        case ownership
        /// A writer has two batches at most, each in one pair of hands.
        case handover
    }

    package let invariant: Invariant
    /// `topic[partition]@offset`, or a table.
    package let place: String
    package let expected: String
    package let found: String

    package init(
        _ invariant: Invariant, at place: String, expected: some CustomStringConvertible,
        found: some CustomStringConvertible
    ) {
        self.invariant = invariant
        self.place = place
        self.expected = "\(expected)"
        self.found = "\(found)"
    }

    package var description: String {
        "\(invariant.rawValue) does not hold at \(place): expected \(expected), found \(found)"
    }
}

extension LoadingError {
    package static func violated(_ violation: InvariantViolation) -> LoadingError {
        LoadingError(.invariantViolated, "a fault of the loader's own was seen in time: \(violation)", mend: .fault)
    }
}

extension Batch {
    /// Where a batch is: its first partition, and where that begins.
    var whereabouts: String { partitions.first.map { "\($0.partition)@\($0.expected)" } ?? "a batch of nothing" }

    /// Where one of its messages is.
    func whereabouts(of message: Int) -> String {
        let record = messages[message]
        guard partitions.indices.contains(Int(record.partition)) else { return "@\(record.offset)" }
        return "\(partitions[Int(record.partition)].partition)@\(record.offset)"
    }
}
