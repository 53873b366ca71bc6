import Kafka
import Postgres

/// What a batch ends with that nobody can load as things stand.
extension LoadingError {
    static func tooManyDeadLetters(
        share: Double, _ batch: Batch, _ targets: [Target], _ options: LoadingOptions
    ) -> LoadingError {
        var counts: [String: Int] = [:]
        for letter in batch.deadLetters {
            let column = letter.column.map { ".\($0)" } ?? ""
            counts["\(letter.reason.rawValue) for \(targets[letter.target].name)\(column)", default: 0] += 1
        }
        let most = counts.max { $0.value < $1.value }?.key ?? "refused by the server"
        let limit = Int((options.deadLetters.maxShare * 100).rounded())
        return LoadingError(
            .tooManyDeadLetters,
            "\(Int((share * 100).rounded())) % of the last \(RejectionWindow.length) messages are bad, "
                + "more than is allowed (\(limit) %); most often: \(most)", mend: .letters(.tooMany))
    }

    static func deadLetterTable(_ error: PostgresError, _ table: TableName) -> LoadingError {
        LoadingError(
            .database, "the table \(table) refuses a dead letter: \(error)",
            mend: .letters(.table(table)))
    }

    static func deadLetterTopic(_ error: KafkaError, _ topic: String) -> LoadingError {
        LoadingError(
            .kafka, "a dead letter could not be written to the topic: \(error)",
            mend: .letters(.topic(topic, error.code)))
    }

    static func database(_ error: PostgresError, _ batch: Batch) -> LoadingError {
        let place = batch.partitions.first.map { " at \($0.partition)@\($0.expected)" } ?? ""
        return LoadingError(
            .database, "the database refuses the batch\(place): \(error)",
            mend: .database(.refusedBatch))
    }

    /// The source of a route that stops at it was emptied; nil: none was.
    static func truncated(_ batch: Batch) -> LoadingError? {
        let targets = batch.tables.targets
        guard let event = batch.truncations.first(where: { targets[$0.target].route.onTruncate == .stop }) else {
            return nil
        }
        let (partition, offset) = batch.coordinates(of: Int(event.message))
        let target = targets[event.target]
        return LoadingError(
            .truncated, "\(partition)@\(offset) says that the source of \(target.name) was emptied",
            mend: .routing(.truncation(target.name, isHistory: target.route.mode == .history)))
    }

    /// What was away has not come back for as long as an outage may last.
    static func away(_ notice: OutageNotice) -> LoadingError {
        LoadingError(
            .unavailable, "\(notice.what), for longer than an outage may last: \(notice.error)",
            mend: .database(.outageTooLong))
    }

    /// The database has answered, and taken nothing, for as long as an outage may last.
    static func busy(_ error: PostgresError) -> LoadingError {
        LoadingError(
            .unavailable, "the database could not take a batch for longer than an outage may last: \(error)",
            mend: .database(.waitedTooLong(Limit(error))))
    }
}
