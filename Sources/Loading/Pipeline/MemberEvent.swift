import Kafka

extension Member {
    /// What a member hears of.
    enum Event {
        /// The group has given partitions; all that are left, unless it is cooperative.
        case given([TopicPartition], isCooperative: Bool)
        /// Partitions go to other members; with `lost` they have gone.
        case mustGive([TopicPartition], lost: Bool)
        /// The answer to `findPositions`.
        case found(Places)
        case notFound(Obstacle)
        /// The answers to `fetch`.
        case fetching(Fetch.Purpose)
        case notFetching(Fetch.Purpose, Obstacle)
        /// A partition has no more for now.
        case end(TopicPartition, offset: Int64)
        /// The answer to `Verdict.compare`.
        case compared(TopicPartition, with: LastMessage, isSame: Bool)
        /// In place of a message, or from the client itself.
        case error(ClientError)
        /// What became of the oldest batch that a lane has handed over.
        case outcome(lane: Int, Outcome)
        /// The outcome that was awaited has not come; see `Member.awaited`.
        case silence(lane: Int)
        /// The group's answer to a commit.
        case committed([CommittedOffset], KafkaError?)
        /// No broker answers any more, and the last that was heard of one; or, with nil, some broker does again.
        case brokers(away: KafkaError?)
        /// Topics so many of whose rows wait for others that no more of them is to be taken.
        case fullTopics(Set<String>)
        /// Topics that were looked for and are there now.
        case foundTopics(Set<String>)
        /// The answer to `prove`: of those that were asked about, those that have messages.
        case stalled(asked: [StallWatch.Suspect], [StallWatch.Suspect])
        /// The answer to `readAgain`; what is left out could not be read.
        case readAgain([TopicPartition: TopicWatch.Finding])
        /// The answer to `lookAtLedger`; nil: it could not be asked.
        case ledgerStands([TopicPartition: Int64]?)
        /// The answer to `lookAtGroup`.
        case groupKnows(Bool)
        /// The group has not taken what was committed last; see `commitAndWait`.
        case lastOffsetsRefused([CommittedOffset])
        /// Files that the client was made with have changed.
        case secretsChanged
        /// The client will not find its group's coordinator any more.
        case groupLost
        /// The answer to `replaceClient`; without another, the client that was goes on.
        case replaced(LoadingError?, hasBegun: Bool)
        /// Time has passed.
        case tick
        /// It is to end.
        case stop
    }

    /// Where partitions begin.
    struct Places {
        struct Place {
            var partition: TopicPartition
            var start: Int64
            /// The high watermark.
            var end: Int64
            /// What the message before must be.
            var last: LastMessage?
            /// What an earlier one must be.
            var proven: LastMessage?
            var detour: Detour?
        }

        var places: [Place]
        /// Nil: as it was.
        var mark: String?
    }

    /// Why it could not be found out, or done, where partitions begin.
    enum Obstacle {
        /// A stop is requested; nothing begins any more.
        case stopped
        /// It will not change by itself.
        case failure(LoadingError)
        /// To be tried again.
        case passing(PassingObstacle)
    }

    struct PassingObstacle: Equatable {
        var code: String?
        var error: String
        var mend: Mend
        /// It is the database that is away.
        var isDatabaseAway = false
        /// Somebody's lock is in the way, and that has been said.
        var isToldLock = false
    }

    /// Something that came in place of a message.
    struct ClientError {
        enum Place: Equatable {
            case partition(TopicPartition)
            case topic(String)
            case group
        }

        var code: KafkaErrorCode
        var reason: String
        var place: Place
        /// What the client says of its end, where it is at one.
        var fatal: KafkaError?
    }

    /// What became of a batch.
    enum Outcome {
        /// - Parameters:
        ///   - rowBytesPerByte: what its rows weighed for each byte of its messages.
        ///   - rowsPerMessage: how many rows of one table came of a message.
        case loaded([Batch.PartitionRange], rowBytesPerByte: Double, rowsPerMessage: Double = 1)
        /// Another member has taken a partition over.
        case fenced([Batch.PartitionRange], messages: Int)
        case abandoned
        case failed(LoadingError)
    }
}
