@testable import Loading

/// What there is, and what may happen to it.
struct Scenario: Sendable {
    /// What goes wrong, or what an operator does; a run has so many of them as its budget allows.
    enum Fault: String, Sendable, CaseIterable {
        /// A member's process is killed, between any two steps.
        case crash
        /// The group takes a member for dead that is not, and gives its partitions away. It finds out later, or much later.
        case expiry
        /// A loader is asked to stop, as in a rolling restart.
        case stop
        /// The connection ends with COMMIT on its way: it is carried out then, later, or never.
        case lostCommit
        case databaseAway
        /// The group's coordinator does not answer; commits are lost, or their answers.
        case brokersAway
        /// librdkafka hands messages out once more.
        case repetition
        /// The group's offsets expire.
        case groupGone
        /// An operator resets the group by Kafka's tools, while no member is in it.
        case reset
        /// A loader of another database commits to the group.
        case otherLedger
        /// The database is restored from a dump that was taken some time before.
        case restore
        /// Retention deletes the first message of a partition.
        case retention
        case newPartition
        /// A writer does not come back in time with what it is at.
        case slowWriter
        /// The database refuses a batch for good, and the loader stops for it.
        case refusal
        /// A batch is too much for one transaction, and goes in parts.
        case tooMuch
        /// While no member is in the group, an operator has messages loaded again, and then goes on where it stood.
        case backfill
        /// While no loader runs, the topic is deleted and created anew, with messages of its own.
        case topicAnew
        /// The topic is deleted, and some time later created anew with messages of its own, whatever runs.
        case topicReplaced
        /// The client's secrets change, and another client takes over.
        case renewal
        /// The client no longer fetches a partition, and tells nobody.
        case forgetting
    }

    var name: String
    var members = 2
    var partitions = 1
    /// Messages in each partition.
    var messages: Int64 = 3
    /// Those of them that are in when it begins, and the group knows.
    var loaded: Int64 = 0
    /// Messages that fill a batch.
    var batch = 2
    var faults: Set<Fault>
    /// How many of them happen at most.
    var budget = 2
    /// All partitions of a member go at each rebalance, and come together.
    var isEager = false
    /// False: `delivery: at_least_once`.
    var hasLedger = true
    var offsetReset = LoadingOptions.OffsetReset.earliest
    var onLostOffsets = LoadingOptions.OnLostOffsets.stop
    /// The route only appends, and nobody has allowed duplicates.
    var replayDoubles = false
    var lanes = 1
    /// One member runs when it begins, and has compared what was loaded.
    var isRunning = false
    /// What was loaded is read again now and then.
    var watchesTopics = false
    /// Where nothing comes the ledger is looked at.
    var watchesLedger = false
    /// Rows may be copied while the batch before is committed.
    var hasHeadStarts = false
    /// How often the topic is made anew at most.
    var replacements: Int64 = 1

    var hasTopicsAnew: Bool { !faults.isDisjoint(with: [.topicAnew, .topicReplaced]) }

    // MARK: Those that are tried

    static let members = Scenario(
        name: "members come, go and die", partitions: 2, messages: 2, faults: [.crash, .expiry, .stop])
    static let oneByOne = Scenario(
        name: "one by one through an outage", messages: 3, batch: 1,
        faults: [.crash, .expiry, .lostCommit, .databaseAway, .slowWriter])
    static let commits = Scenario(
        name: "commits to the group get lost", messages: 2, batch: 1,
        faults: [.crash, .brokersAway, .expiry, .groupGone])
    static let resets = Scenario(
        name: "an operator resets, and restores", messages: 2, batch: 1,
        faults: [.crash, .expiry, .reset, .restore, .groupGone], budget: 3)
    static let operators = Scenario(
        name: "another database has the group", members: 1, messages: 2,
        faults: [.crash, .otherLedger, .reset, .retention, .groupGone], budget: 3)
    static let restored = Scenario(
        name: "a dump is restored", members: 1, messages: 3, batch: 1, faults: [.crash, .restore, .lostCommit],
        budget: 3)
    static let appending = Scenario(
        name: "an append-only route", members: 1, partitions: 2, messages: 2,
        faults: [.crash, .reset, .repetition, .retention, .lostCommit], replayDoubles: true)
    static let repeated = Scenario(
        name: "messages come again", members: 1, messages: 3, faults: [.crash, .repetition, .databaseAway])
    static let retention = Scenario(
        name: "lost offsets, and on from the earliest", messages: 2, batch: 1, faults: [.crash, .retention, .expiry],
        budget: 3, onLostOffsets: .earliest)
    static let newPartition = Scenario(
        name: "a partition is added", messages: 2, faults: [.crash, .newPartition, .expiry], offsetReset: .latest)
    static let eager = Scenario(
        name: "everything moves at each rebalance", members: 3, partitions: 2, messages: 2,
        faults: [.crash, .expiry, .lostCommit], isEager: true)
    static let withoutLedger = Scenario(
        name: "without a ledger", messages: 3, batch: 1, faults: [.crash, .expiry, .lostCommit, .brokersAway],
        hasLedger: false)

    static let zombies = Scenario(
        name: "a reset between a zombie's two looks", messages: 2, loaded: 1, batch: 1, faults: [.expiry, .reset])

    static let twoLanes = Scenario(
        name: "two lanes", members: 2, partitions: 2, messages: 2, batch: 1,
        faults: [.crash, .expiry, .lostCommit, .slowWriter], lanes: 2)
    static let parts = Scenario(
        name: "batches in parts", messages: 3, batch: 3, faults: [.crash, .expiry, .lostCommit, .tooMuch])
    static let headStarts = Scenario(
        name: "head starts", messages: 3, batch: 1, faults: [.crash, .expiry, .lostCommit, .refusal],
        hasHeadStarts: true)
    static let refusals = Scenario(
        name: "a batch that is refused for good, without a ledger", members: 1, messages: 3, batch: 1,
        faults: [.crash, .refusal, .lostCommit], hasLedger: false)
    static let backfills = Scenario(
        name: "a backfill with an end", messages: 3, loaded: 3, batch: 1,
        faults: [.crash, .expiry, .backfill, .reset], budget: 3)
    /// What a mutant is found in sooner than among other faults.
    static let oneBackfill = Scenario(
        name: "a backfill with an end, and nothing else", members: 1, messages: 2, loaded: 2, batch: 1,
        faults: [.backfill], budget: 1)
    static let topicAnew = Scenario(
        name: "a topic is made anew", members: 1, messages: 3, loaded: 2, batch: 1,
        faults: [.crash, .topicAnew, .reset, .groupGone], budget: 3)
    static let topicAnewGoesOn = Scenario(
        name: "a topic is made anew, and on from the earliest", messages: 2, loaded: 1, batch: 1,
        faults: [.crash, .topicAnew, .expiry], budget: 3, onLostOffsets: .earliest)
    static let topicReplaced = Scenario(
        name: "a topic is made anew under a running loader", members: 1, messages: 3, loaded: 1, batch: 1,
        faults: [.crash, .topicReplaced], isRunning: true, watchesTopics: true)
    static let topicReplacedAppending = Scenario(
        name: "a topic is made anew under a loader that only appends", members: 1, messages: 3, loaded: 1, batch: 1,
        faults: [.crash, .topicReplaced], replayDoubles: true, isRunning: true, watchesTopics: true)
    static let topicReplacedGoesOn = Scenario(
        name: "a topic is made anew under two running loaders, and on from the earliest", messages: 2, loaded: 1,
        batch: 1, faults: [.topicReplaced, .expiry], onLostOffsets: .earliest, isRunning: true, watchesTopics: true)
    static let topicReplacedWhole = Scenario(
        name: "a topic of two partitions is made anew under a running loader", members: 1, partitions: 2, messages: 2,
        loaded: 1, batch: 1, faults: [.topicReplaced], budget: 1, isRunning: true, watchesTopics: true)
    /// What mutants are found in sooner than among other faults.
    static let oneTopicReplaced = Scenario(
        name: "a topic is made anew under a loader that only appends, and nothing else", members: 1, messages: 2,
        loaded: 1, batch: 1, faults: [.topicReplaced], budget: 1, replayDoubles: true, isRunning: true,
        watchesTopics: true)
    static let oneRestoredIdle = Scenario(
        name: "a dump is restored under a loader that has nothing to do, and nothing else", members: 1, messages: 2,
        loaded: 1, batch: 1, faults: [.restore], budget: 1, isRunning: true, watchesLedger: true)
    static let restoredIdle = Scenario(
        name: "a dump is restored under loaders that have nothing to do", messages: 2, loaded: 1, batch: 1,
        faults: [.crash, .restore, .expiry], isRunning: true, watchesLedger: true)
    static let renewals = Scenario(
        name: "another client takes over", partitions: 2, messages: 2, batch: 1,
        faults: [.crash, .expiry, .renewal, .slowWriter])

    static let topicReplacedTwice = Scenario(
        name: "a topic is made anew twice under a running loader", members: 1, messages: 2, loaded: 1, batch: 1,
        faults: [.crash, .topicReplaced], budget: 3, isRunning: true, watchesTopics: true, replacements: 2)
    static let topicReplacedTwiceAppending = Scenario(
        name: "a topic is made anew twice under a loader that only appends", members: 1, messages: 2, loaded: 1,
        batch: 1, faults: [.topicReplaced], replayDoubles: true, isRunning: true, watchesTopics: true, replacements: 2)
    static let topicReplacedUnanswered = Scenario(
        name: "a topic is made anew, and COMMIT gets no answer", messages: 2, loaded: 1, batch: 1,
        faults: [.topicReplaced, .expiry, .lostCommit], budget: 3, onLostOffsets: .earliest, isRunning: true,
        watchesTopics: true)
    static let forgotten = Scenario(
        name: "a client forgets a partition", partitions: 2, messages: 2, batch: 1,
        faults: [.crash, .expiry, .forgetting])
    /// What a mutant is found in sooner than among other faults.
    static let oneForgotten = Scenario(
        name: "a client forgets a partition, and nothing else", members: 1, messages: 2, batch: 1,
        faults: [.forgetting], budget: 1)

    static let all = [
        members, oneByOne, commits, resets, zombies, operators, restored, appending, repeated, retention, newPartition,
        eager, withoutLedger, twoLanes, parts, headStarts, refusals, backfills, topicAnew, topicAnewGoesOn, renewals,
        topicReplaced, topicReplacedAppending, topicReplacedGoesOn, topicReplacedWhole, restoredIdle, oneTopicReplaced,
        oneRestoredIdle, topicReplacedTwice, topicReplacedTwiceAppending, topicReplacedUnanswered, forgotten,
        oneForgotten,
    ]
}
