import Kafka
import Postgres

/// Why a batch's transaction did not commit, as far as is known.
enum TransactionFailure: Error {
    /// No row was there to be blamed, or nobody answered any more.
    ///
    /// - Parameter commitSent: COMMIT was on its way, so only the ledger knows whether the batch is in.
    case postgres(PostgresError, commitSent: Bool)
    /// The server refused statements that carried rows. Whose fault it is remains to be seen.
    case refused(PostgresError)
    /// Another member has taken one of the partitions over.
    case fenced
    case tooManyDeadLetters(share: Double)
    /// A table's columns are not those that the rows were built for.
    case tableChanged
    /// The table of dead letters does not take one.
    case deadLetterTable(PostgresError, TableName)
    /// The dead-letter topic did not acknowledge.
    case deadLetterTopic(KafkaError)
    /// A promise of the loader's own does not hold.
    case violated(InvariantViolation)
}

extension TransactionFailure {
    init(_ refusal: Refusal) {
        self =
            refusal.error.cameWithRows && !refusal.error.isConnectionLoss
            ? .refused(refusal.error) : .postgres(refusal.error, commitSent: false)
    }
}

extension TransactionFailure {
    /// Does what carries no rows, so that none is to be blamed where it fails.
    @discardableResult
    static func ofNoRow<Result>(
        _ body: () throws(PostgresError) -> Result
    ) throws(TransactionFailure) -> Result {
        do throws(PostgresError) { return try body() } catch { throw .postgres(error, commitSent: false) }
    }
}
