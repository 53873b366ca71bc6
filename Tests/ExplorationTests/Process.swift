import Kafka

@testable import Loading

/// A loader as a process: what `Pipeline`, `Writer`, `BatchLoader` and the Kafka client keep.
struct Process {
    struct Lane {
        enum Phase: UInt8 {
            case idle
            /// Its transaction begins with the fence.
            case fencing
            /// The fence has let it through, its rows are in, and nothing is left but COMMIT.
            case open
            /// The connection has ended with COMMIT on its way.
            case unknown
        }

        var handoff = Handoff<World.Load, World.Ended> { .abandoned($0) }
        /// What the filling batch has taken.
        var filling: [World.Record] = []
        var phase = Phase.idle

        /// It goes in parts, of which so many are in; nil: whole.
        var parts: Int?
        /// The batch behind the one that is loaded has its rows in a transaction of its own.
        var hasNextAhead = false
        /// What is loaded has them, and its fence comes with COMMIT.
        var isAhead = false

        /// A batch was refused, and that is not heard of yet.
        var hasRefusal: Bool { handoff.outcomes.contains { if case .refused = $0 { true } else { false } } }

        /// What was copied ahead of its turn is taken back.
        mutating func forgetHeadStarts() {
            _ = handoff.holdNextBack()
            (hasNextAhead, isAhead) = (false, false)
        }

        /// Where batches change places.
        var instead: World.Load?
        var postponed: World.Load?

        /// What is being loaded.
        var loading: World.Load? { instead ?? handoff.entries.first { $0.stage == .loading }?.job }
        /// What of it is in the transaction at hand.
        var underWay: World.Load? { loading.map { load in parts.map { load.part($0) } ?? load } }
    }

    /// What is found out beside the consumer's thread, and comes to it later.
    enum Inquiry<Asked, Answer> {
        case asked(Asked)
        case answered(Answer)
    }

    /// Where partitions begin is being found out.
    struct Settling {
        enum Step: UInt8 { case ledger, group, claim, write, mark }

        var step = Step.ledger
        var wanted: Member.Wanted
        var decision: StartDecision?
        /// What was decided, and is claimed.
        var starts: [TopicPartition: StartPosition] = [:]
        var conclusion: StartDecision.Conclusion?
        /// Partitions whose row in the ledger was written since it was read: its version is another.
        var moved: Set<Int> = []
    }

    /// Nil: it does not run.
    var member: Member?
    var lanes: [Lane] = []
    /// What comes next of each partition that is fetched.
    var cursors: [Int64?] = []
    /// That there is nothing more was told.
    var isEndTold: [Bool] = []
    /// That the topic is gone was told.
    var isGoneTold: [Bool] = []
    /// Of which epoch of its topic nothing may be taken before it has been compared with what was loaded.
    var suspects: [Int64?] = []
    var settling: Settling?
    /// Whose partitions no longer come, though nobody has said so: the client has forgotten them.
    var isForgotten: [Bool] = []
    /// What stands still is asked for by another client.
    var stall: Inquiry<[StallWatch.Suspect], [StallWatch.Suspect]>?
    /// Messages that were loaded are read again.
    var proof: Inquiry<[TopicPartition: LastMessage], [TopicPartition: TopicWatch.Finding]>?
    /// The ledger is read.
    var look: Inquiry<[TopicPartition: Int64], [TopicPartition: Int64]?>?
    /// Partitions that the group waits for.
    var giving: [TopicPartition]?
    /// Another client is to take over, and can.
    var renewal = false
    /// They are gone already, and so is its membership.
    var isLeft = false
    /// A commit whose answer has not come.
    var sent: [CommittedOffset]?
    /// It was sent before the group took this member for dead: nobody it knows.
    var isSentStale = false
    var waiting = WaitingOffsets()
    /// It has stopped by itself, and why.
    var failure: LoadingError.Code?

    /// The consumer's thread waits for something.
    var isBusy: Bool { settling != nil || member?.awaited != nil }
}
