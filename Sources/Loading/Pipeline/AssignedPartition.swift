import Kafka

/// What the consumer's thread knows of a partition that it has.
struct AssignedPartition {
    let partition: TopicPartition
    /// Which writer loads it: order is kept within a partition, so it stays with one.
    let lane: Int
    /// The next offset to take. Whatever is below comes a second time and is dropped.
    var next: Int64
    /// The position that is committed in PostgreSQL.
    var loaded: Int64
    /// The position that the group has been told, or is being told.
    var reported: Int64?
    /// The high watermark, as last heard.
    var end: Int64
    /// Where a bounded run stops; nil for an endless one.
    var target: Int64?
    /// What the message before the position must be, until it has come: then the topic is the one that it was.
    var last: LastMessage?
    /// The partition's place in the filling batch; nil before its first message there.
    var range: Int32?
    /// What is taken ends before the partition's end: then it goes on where it stood before.
    var detour: Detour?

    /// Whether an error has come in place of its next message.
    var hold = Hold.none

    enum Hold {
        case none
        /// Nothing is taken until it has been fetched again from `next` on: librdkafka goes on behind what it could not
        /// read, and its messages would be left out.
        case held
        /// What comes next tells that all is well again.
        case doubted
        /// Its topic was gone. What comes next may be another topic's of its name, so it begins again from the ledger.
        case missing
        /// Nothing is fetched, because so many of its topic's rows wait for what they refer to.
        case full
    }

    /// A bounded run has taken all that it should of this partition.
    var isFinished: Bool { last == nil && target.map { next >= $0 } ?? false }

    /// Messages that have not been taken yet, by its high watermark.
    var lag: Int64 { max(0, end - next - loadedAhead(of: next)) }

    /// Messages ahead of a position of it that are loaded already.
    func loadedAhead(of position: Int64) -> Int64 {
        detour.map { Int64($0.loaded(aheadOf: position).count) } ?? 0
    }

    /// Where fetching begins: with the message that shows whether the topic is still the one that it was.
    var fetchOffset: Int64 { last?.offset ?? next }
}
