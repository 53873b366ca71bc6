import Credentials
import Postgres
import Schemas

/// Everything the pipeline is told, free of where it was written.
public struct LoadingOptions: Sendable {
    public enum Delivery: String, Sendable, CaseIterable {
        case exactlyOnce = "exactly_once"
        /// Without the ledger: only the group's offsets count, and a crash loads the last batch again.
        case atLeastOnce = "at_least_once"
    }

    /// What to do when a position lies outside what the partition still holds.
    public enum OnLostOffsets: String, Sendable, CaseIterable { case stop, earliest, latest }

    /// Where a group without any position begins.
    public enum OffsetReset: String, Sendable, CaseIterable { case earliest, latest, error }

    public struct DeadLetters: Sendable, Equatable {
        /// Nil: no table.
        public var table: TableName?
        /// A Kafka topic that takes them as well; nil: none.
        public var topic: String?
        /// The share of the last 10000 messages that may be bad before the loader stops, 0…1.
        public var maxShare: Double
        /// How long a row that refers to another one, which some route will bring, waits for it before it counts as bad;
        /// zero: not at all.
        public var waitForParent: Duration
        /// How many rows of a topic may wait before no more of it is taken.
        public var mostWaiting = 100_000

        public init(
            table: TableName? = TableName(schema: "loader", name: "dead_letters"), topic: String? = nil,
            maxShare: Double = 0.5, waitForParent: Duration = .seconds(60)
        ) {
            self.table = table
            self.topic = topic
            self.maxShare = maxShare
            self.waitForParent = waitForParent
        }

        /// What to do about dead letters.
        public var mend: Mend { .letters(.look(inTable: table != nil)) }
    }

    public struct Database: Sendable {
        /// A URL or a key=value string for libpq; empty: libpq's own PG* variables.
        public var url: String
        /// What is asked before each connection, whoever makes it; nil: nothing.
        public var secrets: (any ConnectionSecrets)?
        public var connectTimeout: Duration
        public var statementTimeout: Duration
        public var lockTimeout: Duration
        /// How long beyond `statementTimeout`, at which the server itself ends a statement, it may be silent before its
        /// connection counts as lost.
        public var answerMargin: Duration = .seconds(10)
        /// After how long without an answer it is asked, over another connection, whose lock is in the way.
        public var lockSilence: Duration = .seconds(5)
        /// `synchronous_commit=off` for the loader's transactions; safe only with the ledger in the same database.
        public var synchronousCommit: Bool

        public init(
            url: String = "", connectTimeout: Duration = .seconds(10), statementTimeout: Duration = .seconds(120),
            lockTimeout: Duration = .seconds(30), synchronousCommit: Bool = true
        ) {
            self.url = url
            self.connectTimeout = connectTimeout
            self.statementTimeout = statementTimeout
            self.lockTimeout = lockTimeout
            self.synchronousCommit = synchronousCommit
        }
    }

    public var brokers: String
    public var group: String
    /// librdkafka's own properties, checked by librdkafka.
    public var properties: [String: String]
    /// Where the tokens for `sasl.mechanisms=OAUTHBEARER` come from, which all clients share; nil: none.
    public var tokens: TokenKeeper?
    /// What of the properties may change while the loader runs; nil: nothing.
    public var secrets: ClientSecrets?
    public var database: Database
    public var routes: [Route]
    /// The registry that messages' schemas are in, and what is known of it; nil: none.
    public var schemas: SchemaSource?
    public var batch: BatchPolicy
    /// Connections that load at the same time, each with its own partitions and transactions.
    public var writers: Int
    public var delivery: Delivery
    public var autoOffsetReset: OffsetReset
    public var onLostOffsets: OnLostOffsets
    public var deadLetters: DeadLetters
    public var shutdownTimeout: Duration
    /// A start waits for brokers, a database and topics that are not there yet; without it they end it.
    public var waitsAtStart = true
    /// How long an outage is waited for; nil: for ever.
    public var outageTimeout: Duration?
    /// Lets a route in mode `insert` without a key be replayed by a reset of the group.
    public var allowDuplicates: Bool
    /// Lets a group begin that is new to the ledger, although another has loaded the same into a table that only grows.
    public var isNewGroup = false
    /// How often it is looked whether the topics are still those that were loaded.
    public var topicWatchInterval = Duration.seconds(30)
    /// How often the ledger's positions are compared of partitions of which nothing comes.
    public var ledgerWatchInterval = Duration.seconds(60)
    /// How long the group may let a member wait for partitions before that is said.
    public var groupPatience = GroupWait.patience
    /// Stop when every partition has reached the end it had at the start.
    public var untilEnd: Bool
    /// Begin at the earliest messages again, once for the deployment of this name; nil: do not.
    public var resetForDeployment: String?

    public init(
        brokers: String, group: String, properties: [String: String] = [:], database: Database = Database(),
        routes: [Route], batch: BatchPolicy = BatchPolicy(), writers: Int = 1, delivery: Delivery = .exactlyOnce,
        autoOffsetReset: OffsetReset = .earliest, onLostOffsets: OnLostOffsets = .stop,
        deadLetters: DeadLetters = DeadLetters(), shutdownTimeout: Duration = .seconds(25),
        outageTimeout: Duration? = nil, allowDuplicates: Bool = false, untilEnd: Bool = false
    ) {
        self.brokers = brokers
        self.group = group
        self.properties = properties
        self.database = database
        self.routes = routes
        self.batch = batch
        self.writers = writers
        self.delivery = delivery
        self.autoOffsetReset = autoOffsetReset
        self.onLostOffsets = onLostOffsets
        self.deadLetters = deadLetters
        self.shutdownTimeout = shutdownTimeout
        self.outageTimeout = outageTimeout
        self.allowDuplicates = allowDuplicates
        self.untilEnd = untilEnd
    }
}
