import Kafka
import Postgres

/// Where dead letters go: the table, in the batch's own transaction, and the topic, acknowledged before it commits.
struct DeadLetterSink: Sendable {
    let group: String
    let options: LoadingOptions.DeadLetters
    /// Set where `dead_letters.topic` is.
    let producer: Producer?
    static let acknowledgement: Duration = .seconds(30)
    /// What the table must have; `loader.dead_letters` has more.
    static let columns = [
        "consumer_group", "topic", "partition", "offset", "timestamp", "key", "value", "header_names", "header_values",
        "target", "reason", "sqlstate", "column_name", "message", "attempts", "failed_at",
    ]

    /// - Parameter replay: knows how often each message was tried, where they were dead letters before.
    func write(
        _ letters: [DeadLetter], of batch: Batch, targets: [Target], replay: ReplayStep? = nil,
        on connection: Connection
    ) throws(TransactionFailure) {
        guard !letters.isEmpty else { return }
        if let table = options.table {
            do throws(PostgresError) {
                for letter in letters { try insert(letter, of: batch, targets: targets, into: table, on: connection) }
            } catch {
                throw .postgres(error, commitSent: false)
            }
        }
        if let topic = options.topic, let producer {
            do throws(KafkaError) {
                for letter in letters {
                    let timestamp = batch.messages[letter.message].timestamp
                    try producer.produce(
                        topic: topic, key: batch.key(of: letter.message).map { Array($0) },
                        value: batch.value(of: letter.message).map { Array($0) },
                        headers: headers(
                            letter, of: batch, targets: targets, attempts: replay?.attempts(of: letter.message)),
                        timestamp: timestamp == .min ? nil : timestamp)
                }
                try Failpoint.deadLetter.passToBrokers()
                try producer.flush(timeout: Self.acknowledgement)
            } catch {
                throw .deadLetterTopic(error)
            }
        }
    }

    private func insert(
        _ letter: DeadLetter, of batch: Batch, targets: [Target], into table: TableName, on connection: Connection
    ) throws(PostgresError) {
        let (partition, offset) = batch.coordinates(of: letter.message)
        let timestamp = batch.messages[letter.message].timestamp
        let headers = batch.headers(of: letter.message)
        func bytes(_ buffer: UnsafeRawBufferPointer?) -> QueryParameter { buffer.map { .bytea(Array($0)) } ?? .null }
        func text(_ value: String?) -> QueryParameter { value.map { .text($0) } ?? .null }
        // A second failure of the same message, after a replay, is the same letter with another attempt.
        _ = try connection.query(
            """
            INSERT INTO \(table.quoted) AS d (consumer_group, topic, partition, "offset", "timestamp", key, value,
              header_names, header_values, target, reason, sqlstate, column_name, message)
            VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000) + $5::bigint % 1000 * interval '1 ms', $6, $7, $8, $9, $10, $11, $12, $13, $14)
            ON CONFLICT (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')))
            DO UPDATE SET
              reason = EXCLUDED.reason, sqlstate = EXCLUDED.sqlstate, column_name = EXCLUDED.column_name,
              message = EXCLUDED.message, failed_at = now(), attempts = d.attempts + 1
            """,
            [
                .text(group), .text(partition.topic), .int32(partition.partition), .int64(offset),
                timestamp == .min ? .null : .int64(timestamp), bytes(batch.key(of: letter.message)),
                bytes(batch.value(of: letter.message)), .array(headers.map { Self.headerName($0.name) }),
                .array(headers.map { $0.value.map { Array($0) } }), .text(Self.table(letter, targets)),
                .text(letter.reason.rawValue), text(letter.sqlState?.rawValue), text(letter.column),
                .text(letter.explanation.replacing("\0", with: "")),
            ])
    }

    /// Kafka Connect's names, so that existing tools read them, and our own for what Connect does not know.
    private func headers(
        _ letter: DeadLetter, of batch: Batch, targets: [Target], attempts: Int32?
    ) -> [Header] {
        let (partition, offset) = batch.coordinates(of: letter.message)
        var headers = batch.headers(of: letter.message).map {
            Header(name: Self.headerName($0.name), value: $0.value.map { Array($0) })
        }
        func add(_ name: String, _ value: String) { headers.append(Header(ConnectHeader.prefix + name, value)) }
        add(ConnectHeader.topic, partition.topic)
        add(ConnectHeader.partition, String(partition.partition))
        add(ConnectHeader.offset, String(offset))
        add(ConnectHeader.connectorName, group)
        add("task.id", "0")
        add("stage", letter.reason == .refused ? "TASK_PUT" : "VALUE_CONVERTER")
        add("class.name", "loader")
        add("exception.class.name", letter.reason.rawValue)
        add("exception.message", letter.explanation)
        add(ConnectHeader.table, Self.table(letter, targets))
        // Who replays from the topic has to know that the letter stands in a table as well.
        if let table = options.table { add(ConnectHeader.letterTable, table.description) }
        if let attempts { add(ConnectHeader.attempts, String(attempts)) }
        if let column = letter.column { add("column", column) }
        if let state = letter.sqlState { add("sqlstate", state.rawValue) }
        return headers
    }

    private static func table(_ letter: DeadLetter, _ targets: [Target]) -> String {
        letter.target == DeadLetter.noTarget ? "" : targets[letter.target].name.description
    }

    /// Kafka's header names are UTF-8 by definition; what is not is kept readable rather than refused.
    private static func headerName(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\0", with: "")
    }
}

/// Headers of a dead letter in a topic: Kafka Connect's, and those of the loader's own, all behind one prefix.
///
/// https://cwiki.apache.org/confluence/display/KAFKA/KIP-298%3A+Error+Handling+in+Connect
enum ConnectHeader {
    static let prefix = "__connect.errors."
    static let topic = "topic"
    static let partition = "partition"
    static let offset = "offset"
    static let connectorName = "connector.name"
    /// The table that the message was meant for.
    static let table = "table"
    /// The table of dead letters that holds this one as well.
    static let letterTable = "dead.letters.table"
    static let attempts = "attempts"
}
