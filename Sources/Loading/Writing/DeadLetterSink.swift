import Kafka
import Postgres

/// Where dead letters go: the table, in the batch's own transaction, and the topic, acknowledged before it commits.
package struct DeadLetterSink {
    let group: String
    let options: LoadingOptions.DeadLetters
    /// Set where `dead_letters.topic` is.
    var topic: TopicLetters?
    /// What a row may hold: half of PostgreSQL's gigabyte, because it is read again as text, which doubles it.
    var rowLimit = 500_000_000
    /// What goes with one INSERT. libpq and the server hold it as a whole, more than once.
    private static let lotBytes = 4 << 20
    private static let lotLength = 5000
    /// What the table must have; `loader.dead_letters` has more.
    package static let columns = [
        "consumer_group", "topic", "partition", "offset", "timestamp", "key", "value", "header_names", "header_values",
        "target", "reason", "sqlstate", "column_name", "message", "attempts", "failed_at",
    ]

    init(group: String, options: LoadingOptions.DeadLetters, topic: TopicLetters? = nil) {
        self.group = group
        self.options = options
        self.topic = topic
    }

    /// - Parameter replay: knows how often each message was tried, where they were dead letters before.
    func write(
        _ letters: [DeadLetter], of batch: Batch, targets: [Target], replay: ReplayStep? = nil,
        on connection: Connection
    ) throws(TransactionFailure) {
        guard !letters.isEmpty else { return }
        if let table = options.table {
            do throws(PostgresError) {
                try insert(letters, of: batch, targets: targets, into: table, on: connection)
            } catch {
                // Not to be taken for a row of the route's: it is the letter's.
                throw error.isConnectionLoss
                    ? .postgres(error, commitSent: false) : .deadLetterTable(error.withRows, table)
            }
        }
        if let topic {
            do throws(KafkaError) {
                try topic.write(letters, mayMiss: options.table != nil) { letter, omissions in
                    message(letter, of: batch, targets, replay?.attempts(of: letter.message), omissions)
                }
            } catch {
                throw .deadLetterTopic(error)
            }
        }
    }

    // MARK: The table

    /// A letter as a row. What cannot stand in it goes without, and a header says so.
    private struct Row {
        var partition: TopicPartition
        var offset: Int64
        var timestamp: Int64?
        var key: [UInt8]?
        var value: [UInt8]?
        var headers: [(name: String, value: [UInt8]?)]
        var target: String
        var reason: String
        var sqlState: String?
        var column: String?
        var explanation: String
        var attempts: Int32 = 1

        var byteCount: Int {
            (key?.count ?? 0) + (value?.count ?? 0) + explanation.utf8.count
                + headers.reduce(64) { $0 + $1.name.utf8.count + 2 * ($1.value?.count ?? 0) }
        }

        /// What makes it the same letter as another: a message that two routes bring to one table is one.
        var identity: Identity {
            Identity(partition: partition, offset: offset, timestamp: timestamp, target: target)
        }

        struct Identity: Hashable {
            var partition: TopicPartition
            var offset: Int64
            var timestamp: Int64?
            var target: String
        }
    }

    private func insert(
        _ letters: [DeadLetter], of batch: Batch, targets: [Target], into table: TableName, on connection: Connection
    ) throws(PostgresError) {
        var lot: [Row] = []
        var places: [Row.Identity: Int] = [:]
        var bytes = 0
        for letter in letters {
            var row = row(letter, of: batch, targets)
            // One statement changes no row twice; the last reason counts, as if they had come one after the other.
            if let place = places[row.identity] {
                row.attempts += lot[place].attempts
                lot[place] = row
                continue
            }
            let size = row.byteCount
            if !lot.isEmpty, bytes + size > Self.lotBytes || lot.count == Self.lotLength {
                try insert(lot, of: batch, into: table, on: connection)
                lot.removeAll(keepingCapacity: true)
                places.removeAll(keepingCapacity: true)
                bytes = 0
            }
            places[row.identity] = lot.count
            lot.append(row)
            bytes += size
        }
        try insert(lot, of: batch, into: table, on: connection)
    }

    private func row(_ letter: DeadLetter, of batch: Batch, _ targets: [Target]) -> Row {
        let (partition, offset) = batch.coordinates(of: letter.message)
        var row = Row(
            partition: partition, offset: offset, timestamp: nil, key: batch.key(of: letter.message).map { Array($0) },
            value: batch.value(of: letter.message).map { Array($0) },
            headers: batch.headers(of: letter.message).map { (Self.headerName($0.name), $0.value.map { Array($0) }) },
            target: Self.table(letter, targets), reason: letter.reason.rawValue, sqlState: letter.sqlState?.rawValue,
            column: letter.column, explanation: letter.words.replacing("\0", with: ""))
        func mark(_ name: String, _ number: some BinaryInteger) {
            row.headers.append((ConnectHeader.prefix + name, Array(String(number).utf8)))
        }
        let timestamp = batch.messages[letter.message].timestamp
        if timestamp != .min {
            row.timestamp = min(max(timestamp, Self.timestamps.lowerBound), Self.timestamps.upperBound)
            if row.timestamp != timestamp { mark(ConnectHeader.timestamp, timestamp) }
        }
        if row.byteCount > rowLimit, let value = row.value {
            row.value = nil
            mark(ConnectHeader.omittedBytes, value.count)
        }
        if row.byteCount > rowLimit {
            row.key = nil
            row.headers.removeAll { !$0.name.hasPrefix(ConnectHeader.prefix) }
        }
        return row
    }

    /// PostgreSQL's `timestamptz`, in milliseconds since 1970: from 4714-11-24 BC to the end of 294276.
    private static let timestamps: ClosedRange<Int64> = -210_866_803_200_000...9_224_318_015_999_999

    private func insert(
        _ lot: [Row], of batch: Batch, into table: TableName, on connection: Connection
    ) throws(PostgresError) {
        guard let first = lot.first else { return }
        // A second failure of the same message, after a replay, is the same letter with another attempt. One that waits for
        // the row it refers to goes on waiting, from the time when it began.
        let waits =
            "d.reason = '\(DeadLetter.Reason.waiting.rawValue)' AND EXCLUDED.sqlstate = '\(SQLState.foreignKeyViolation)'"
        let taken = try connection.query(
            """
            INSERT INTO \(table.quoted) AS d (consumer_group, topic, partition, "offset", "timestamp", key, value,
              header_names, header_values, target, reason, sqlstate, column_name, message, attempts)
            SELECT $1, v.topic, v.partition, v."offset",
              to_timestamp(v.at / 1000) + v.at % 1000 * interval '1 ms', v.key, v.value,
              v.names::text[], v.contents::bytea[], v.target, v.reason, v.sqlstate, v.column_name, v.message, v.attempts
            FROM (
              SELECT topic, partition, "offset", nullif(at, '\(Int64.min)'::bigint) AS at, key, value, names, contents, target,
                reason, sqlstate, column_name, message, attempts
              FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::text[],
                $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::int[])
                AS u (topic, partition, "offset", at, key, value, names, contents, target, reason, sqlstate,
                  column_name, message, attempts)) AS v
            ON CONFLICT (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')))
            DO UPDATE SET
              reason = CASE WHEN \(waits) THEN d.reason ELSE EXCLUDED.reason END, sqlstate = EXCLUDED.sqlstate,
              column_name = EXCLUDED.column_name, message = EXCLUDED.message,
              failed_at = CASE WHEN \(waits) THEN d.failed_at ELSE now() END,
              attempts = d.attempts + EXCLUDED.attempts
            """,
            [
                .text(group), .array(lot.map(\.partition.topic)), .array(lot.map(\.partition.partition)),
                .array(lot.map(\.offset)), .array(lot.map { $0.timestamp ?? .min }), .array(lot.map(\.key)),
                .array(lot.map(\.value)), .array(lot.map { Self.names($0.headers) }),
                .array(lot.map { Self.contents($0.headers) }), .array(lot.map(\.target)), .array(lot.map(\.reason)),
                .array(lot.map(\.sqlState)), .array(lot.map(\.column)), .array(lot.map(\.explanation)),
                .array(lot.map(\.attempts)),
            ]
        ).affectedRows
        guard taken != lot.count, try !Self.hasTriggers(table, on: connection) else { return }
        batch.note(
            InvariantViolation(
                .letterCount, at: "\(first.partition)@\(first.offset) in \(table)", expected: "\(lot.count) letters",
                found: taken))
    }

    /// Whether somebody may keep letters elsewhere, or twice.
    private static func hasTriggers(_ table: TableName, on connection: Connection) throws(PostgresError) -> Bool {
        try connection.query(
            """
            SELECT EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (
              SELECT $1::regclass UNION ALL SELECT relid FROM pg_partition_tree($1::regclass)))
            """, [.text(table.quoted)]
        ).bool(0, 0) ?? true
    }

    /// `text[]` as PostgreSQL reads it: arrays of arrays would have to be of one length.
    private static func names(_ headers: [(name: String, value: [UInt8]?)]) -> String {
        let quoted = headers.map { header in
            "\"" + header.name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        return "{" + quoted.joined(separator: ",") + "}"
    }

    /// `bytea[]` as PostgreSQL reads it.
    private static func contents(_ headers: [(name: String, value: [UInt8]?)]) -> String {
        var text = Array("{".utf8)
        for (index, header) in headers.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            guard let value = header.value else {
                text += "NULL".utf8
                continue
            }
            text += #""\\x"#.utf8
            for byte in value { text += [hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 15)]] }
            text.append(UInt8(ascii: "\""))
        }
        text.append(UInt8(ascii: "}"))
        return String(decoding: text, as: UTF8.self)
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    // MARK: The topic

    private func message(
        _ letter: DeadLetter, of batch: Batch, _ targets: [Target], _ attempts: Int32?, _ omissions: LetterOmissions
    ) -> LetterMessage {
        let timestamp = batch.messages[letter.message].timestamp
        let value = batch.value(of: letter.message)
        var headers = headers(
            letter, of: batch, targets: targets, attempts: attempts,
            own: !omissions.contains(.keyAndHeaders))
        func mark(_ name: String, _ number: some BinaryInteger) {
            headers.append(Header(ConnectHeader.prefix + name, String(number)))
        }
        if omissions.contains(.timestamp), timestamp != .min { mark(ConnectHeader.timestamp, timestamp) }
        if omissions.contains(.value), let value { mark(ConnectHeader.omittedBytes, value.count) }
        return LetterMessage(
            key: omissions.contains(.keyAndHeaders) ? nil : batch.key(of: letter.message).map { Array($0) },
            value: omissions.contains(.value) ? nil : value.map { Array($0) }, headers: headers,
            timestamp: timestamp == .min || omissions.contains(.timestamp) ? nil : timestamp)
    }

    /// Kafka Connect's names, so that existing tools read them, and our own for what Connect does not know.
    private func headers(
        _ letter: DeadLetter, of batch: Batch, targets: [Target], attempts: Int32?, own: Bool
    ) -> [Header] {
        let (partition, offset) = batch.coordinates(of: letter.message)
        var headers: [Header] = []
        if own {
            headers = batch.headers(of: letter.message).map {
                Header(name: Self.headerName($0.name), value: $0.value.map { Array($0) })
            }
        }
        func add(_ name: String, _ value: String) { headers.append(Header(ConnectHeader.prefix + name, value)) }
        add(ConnectHeader.topic, partition.topic)
        add(ConnectHeader.partition, String(partition.partition))
        add(ConnectHeader.offset, String(offset))
        add(ConnectHeader.connectorName, group)
        add("task.id", "0")
        add("stage", [.refused, .waiting].contains(letter.reason) ? "TASK_PUT" : "VALUE_CONVERTER")
        add("class.name", "loader")
        add("exception.class.name", letter.reason.rawValue)
        add("exception.message", letter.words)
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
package enum ConnectHeader {
    package static let prefix = "__connect.errors."
    package static let topic = "topic"
    package static let partition = "partition"
    package static let offset = "offset"
    package static let connectorName = "connector.name"
    /// The table that the message was meant for.
    package static let table = "table"
    /// The table of dead letters that holds this one as well.
    package static let letterTable = "dead.letters.table"
    package static let attempts = "attempts"
    /// The message's own timestamp, in milliseconds since 1970, where the letter cannot have it.
    static let timestamp = "timestamp"
    /// How many bytes the message's value has, where the letter had to go without it.
    package static let omittedBytes = "value.bytes"
}
