import Credentials
import Kafka
import Logging
import Postgres
import Schemas

/// What can be done about something: which of the ways there are, and the values that it takes.
///
/// It holds no words. Whoever has a reader says it as that reader would type it: as keys of a configuration, commands, calls.
public enum Mend: Sendable, Hashable {
    /// In words already, by whoever has the reader. Nothing here says it.
    case said(String)
    /// Each of the problems has its own.
    case each
    /// These hold a lock that is waited for.
    case endLock([LockWait.Holder])
    case position(Position)
    case database(Database)
    case group(Group)
    case letters(Letters)
    case routing(Routing)
    case drift(Drift)
    /// A certificate has to be renewed before it ends.
    case certificate(ShownCertificate.Role)
    /// A thread of this process does not come back from a call.
    case stuck(pid: Int32)
    /// It is a fault of the loader itself.
    case fault
}

extension Mend {
    /// As a log's metadata has it: whoever writes the log says it.
    public struct ForLog: Sendable, CustomStringConvertible {
        public let mend: Mend
        public var description: String { String(describing: mend) }
    }

    package var forLog: Logger.MetadataValue { .stringConvertible(ForLog(mend: self)) }
}

extension Mend {
    /// Where a partition goes on, which no loader may decide.
    public enum Position: Sendable, Hashable {
        /// The group's offsets are another ledger's: a group of its own, or this one taken over.
        ///
        /// - isKnown: this ledger has a position of the partition.
        case takeOver(topic: String, isKnown: Bool)
        /// The ledger has lost the position; the group's offset is left.
        case restore(TopicPartition, group: Int64)
        /// What was to be loaded again is gone, or some of it.
        ///
        /// - hasRest: some of it is there.
        case goOnBehind(TopicPartition, Detour, hasRest: Bool)
        /// Choose among what the partition holds.
        case choose(TopicPartition)
        /// All that the partition holds may be loaded.
        case stay(TopicPartition, at: Int64)
        /// What lies before the offset is not loaded for sure, and loading what lies behind may double rows.
        case loadBefore(TopicPartition, Int64)
        /// The same, where the group was set there.
        case loadBeforeReset(TopicPartition, Int64)
        /// All before the offset is loaded.
        ///
        /// - mayDouble: so may be what lies behind it, and its rows would double.
        case goOnAt(TopicPartition, Int64, mayDouble: Bool)
        /// Rows would double behind a reset.
        case takeBack(TopicPartition, to: Int64, Detour?)
        /// The ledger has no identity.
        ///
        /// - topics: those that the group has positions of.
        case identify(topics: [String])
        /// Nobody says where to begin.
        case sayWhereToBegin
    }

    /// The database refuses, is away, or cannot take so much.
    public enum Database: Sendable, Hashable {
        /// It passes, and what waits for it goes on by itself.
        case outage(Outage)
        /// It was waited for as long as it may be.
        case outageTooLong
        /// Neither database nor brokers have told in time where to begin.
        case beginningTooLong
        /// A batch goes in smaller transactions.
        case less(Limit)
        /// A batch that cannot be made smaller waits.
        case waits(Limit)
        /// It has waited as long as it may.
        case waitedTooLong(Limit)
        /// The ledger can be neither read nor written.
        case ledger(SQLState?)
        /// The catalog is read again, which may be all that it takes.
        case rereads
        case refusedBatch
    }

    /// What passes by itself, and what helps meanwhile.
    public enum Outage: Sendable, Hashable {
        /// The connection stands, and nothing comes.
        case silent
        /// Somebody has to mend something before there is a connection.
        ///
        /// - hint: what to do, in the words of whoever was asked for a secret.
        case refused(ConnectionRefusal, String?)
        case readOnly
        case locked
        case cancelled
        case starting
        case noConnection
        case diskFull
        case shortOfResource
        case away
        /// With what they refuse; nil where none is there.
        case brokers(BrokerRefusal?)
        /// Some broker answers, and not those that hold what is loaded.
        case leaders(BrokerRefusal?)
        /// By its name, what the brokers refuse of it, and whose they are.
        case letterTopic(String, BrokerRefusal?, BrokerService)
        /// By why the registry told nothing, and whose it is.
        case registry(RegistryFailure.Code, RegistryKind)
        /// Whoever gives tokens says himself what helps.
        case tokens(CredentialFailure)
    }

    /// The client, and its membership in the group.
    public enum Group: Sendable, Hashable {
        /// The client cannot begin with its properties.
        case properties
        /// Nor with what their files say since they changed.
        case secrets
        case subscription(KafkaErrorCode)
        /// What was met is over with the process.
        case startAgain
        /// Two members of one identity.
        case instance
        /// The loop did not turn in time.
        case slow
        /// The group has taken partitions away.
        case lost
        /// The group of this name waits for others of its members.
        case waits(String)
        /// Another member has taken over what was being loaded.
        case fenced
        /// Others load what was dropped.
        case dropped
        /// The database has older positions, or another's.
        case ledgerElsewhere
        /// A position is questioned, and compared.
        case compares
        /// The client no longer fetched, and is replaced.
        case replaced
        /// The brokers have not said where to begin.
        case positions(KafkaErrorCode?)
        /// - partition: nil for a topic, or the group.
        case standstill(Standstill.Reason, KafkaErrorCode, TopicPartition?)
    }

    /// Dead letters, and rows that wait for others.
    public enum Letters: Sendable, Hashable {
        /// - inTable: they are in a table, and not in a topic alone.
        case look(inTable: Bool)
        /// What one of them says, and whether its value is what some producers write for a deletion.
        case dead(LetterKind, Route.TombstoneForm?, inTable: Bool)
        case tooMany
        /// The table refuses one.
        case table(TableName)
        /// The topic refuses one.
        case topic(String, KafkaErrorCode)
        /// The topic takes some only without their values.
        case shortened(topic: String)
        /// Values became NULL that their columns cannot hold.
        case nulled
        /// Rows wait for those that they refer to.
        case wait
        /// So many wait that no more of their topic is taken.
        case topicFull
        /// What they refer to has not come.
        case givenUp
        /// They cannot be tried now.
        case untried
        /// A table changes while they are loaded.
        case changing
    }
}

extension LockWait {
    package var mend: Mend { .endLock(roots.isEmpty ? holders : roots) }
}
