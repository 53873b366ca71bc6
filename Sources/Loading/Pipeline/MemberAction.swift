import Kafka

extension Member {
    /// What is to be done.
    enum Action {
        /// Find out where partitions begin, and write down what has to be. Answered by `found` or `notFound`.
        case findPositions(Wanted)
        /// Make these all that is fetched. Answered by `fetching` or `notFetching`.
        case fetch(Fetch)
        /// Give a lane's filling batch to its writer, with these partitions.
        case submit(lane: Int, [Batch.PartitionRange])
        /// Forget what a lane's filling batch has taken.
        case clear(lane: Int)
        /// Tell a lane's writer to give up what it is at. Its outcomes follow.
        case abandon(lane: Int)
        /// Tell the group; answered by `committed`.
        case commit([CommittedOffset])
        /// Tell the group and wait for the answer, so long at most.
        case commitAndWait([CommittedOffset], Duration)
        /// Look for topics that the brokers have not shown.
        case lookFor(Set<String>)
        /// Look for rows of these partitions that wait for others.
        case lookForOrphans([TopicPartition])
        /// Ask whether these have messages; answered by `stalled`.
        case prove([StallWatch.Suspect])
        /// Read messages once more, to see whether they are still what was loaded; answered by `readAgain`.
        case readAgain([TopicPartition: LastMessage])
        /// Read where the ledger has these, which are believed to be there; answered by `ledgerStands`.
        case lookAtLedger([TopicPartition: Int64])
        /// See whether the group knows this member; answered by `groupKnows`.
        case lookAtGroup
        /// End the client, and begin with another; answered by `replaced`.
        case replaceClient(Flush.Replacement)
        case tell(Notice)
        /// What others see has changed.
        case publish
    }

    struct Wanted {
        /// None where a group that has been given nothing only has to begin with its subscriptions.
        var partitions: [TopicPartition]
        /// The group begins with its subscriptions now.
        var isBeginning: Bool
        var strangers: [TopicPartition: StartSettling.Stranger]
        var reached: [TopicPartition: Int64]
    }

    struct Fetch {
        enum Purpose: Equatable {
            /// Partitions begin where they were found to.
            case begin([TopicPartition])
            /// Partitions that stood still are tried again.
            case again([TopicPartition])
            /// Topics are left out, or taken in again.
            case hold
        }

        struct Position {
            var partition: TopicPartition
            var offset: Int64
            var lane: Int
        }

        var positions: [Position]
        /// Those that begin anew, although they may be fetched already.
        var restarting: Set<TopicPartition>
        var purpose: Purpose
    }

    /// What somebody should know.
    enum Notice: Equatable {
        case given(Int)
        case asked(Int)
        case givenBack
        case lost(Int)
        case takenIn
        /// For so long it has given nothing: it waits for others of its members.
        case groupWaits(Duration)
        /// It has given after so long.
        case groupGives(Duration)
        case commitsTaken
        case loading(partitions: Int, lag: Int64)
        case fenced([Batch.PartitionRange], messages: Int)
        case dropped(messages: Int)
        /// The ledger has other positions of these, although nobody has loaded anything of them.
        case ledgerElsewhere([TopicPartition])
        case questioned(KafkaErrorCode, TopicPartition, Int64)
        case slow(KafkaErrorCode, String)
        case passing(KafkaErrorCode, String)
        case standstill(Standstill, KafkaErrorCode, String, TopicPartition?)
        case loadedAgain(TopicPartition)
        case topicsFound([String])
        case topicFull(String)
        case topicTaken(String)
        case stillSuspects(Int)
        case stalled(Int, StallWatch.Suspect)
        case searchFails(PassingObstacle)
        case searchBack(Duration)
        case databaseAway
        case brokersAway(KafkaError)
        case brokersBack(Duration)
        /// Some broker answers, and not one that this member cannot do without.
        case cutOff(KafkaError)
        case cutOffNoMore
        /// Another client has begun, for the one before asked for the group where it no longer was.
        case lookingForGroup
        /// Another client has begun with what the files say now.
        case secretsTaken
        /// No client begins with it.
        case secretsUnfit(KafkaError)
        case commitRefused(KafkaErrorCode, String)
    }
}
