import Kafka
import Postgres

/// Why a batch's transaction did not commit, as far as is known.
enum TransactionFailure: Error {
    /// - Parameter commitSent: COMMIT was on its way, so only the ledger knows whether the batch is in.
    case postgres(PostgresError, commitSent: Bool)
    /// Another member has taken one of the partitions over.
    case fenced
    case tooManyDeadLetters(share: Double)
    /// A table's columns are not those that the rows were built for.
    case tableChanged
    /// The table of dead letters refuses one for good: a trigger, a constraint, a partition that is not there.
    case deadLetterTable(PostgresError, TableName)
    /// The dead-letter topic did not acknowledge.
    case deadLetterTopic(KafkaError)
}
