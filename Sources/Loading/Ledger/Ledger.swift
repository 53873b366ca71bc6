import Kafka
import Postgres

/// The table `loader.positions`: where each partition of a group stands, in the same database as its rows.
///
/// Its rows change only within a batch's transaction, or here, before the first message of a partition is taken.
package struct Ledger: Sendable {
    let group: String

    package init(group: String) {
        self.group = group
    }

    static let table = TableName(schema: "loader", name: "positions")

    /// When a row was last moved, exactly: the beginning of that transaction.
    private static let version = "(extract(epoch FROM updated_at) * 1000000)::bigint"

    /// Columns of `loader.positions` that a later migration has added.
    package static let laterColumns = ["last_message", "lost_offset"]

    /// This database's own id, which goes along with a dump or a replica and differs in any other database.
    package static func mark(on connection: Connection) throws(PostgresError) -> LedgerMark? {
        let result = try connection.query("SELECT id::text FROM loader.ledger")
        guard result.rowCount == 1, let id = result.string(0, 0) else { return nil }
        return LedgerMark(ledger: id)
    }

    /// What the ledger knows of a partition.
    package struct Position: Equatable, Sendable {
        /// The offset of the next message to load.
        package var next: Int64
        /// When it was last moved, in milliseconds since 1970.
        package var updatedAt: Int64 = 0
        /// Of its row, in microseconds since 1970: another as soon as anybody has moved it, be it to the same position.
        var version: Int64 = 0
        /// The message before it; nil where none was loaded since the position was set.
        var last: LastMessage?
        /// An earlier one, to be read again; nil where only the last is known.
        var proven: LastMessage?
        /// A loader has found it lost and stopped, and nobody has decided since where to go on.
        package var isLost = false
        /// It went back by a backfill with an end. Of one that is lost and stands behind that end: from there on messages
        /// may be loaded of the log as it is now.
        package var detour: Detour?

        package init(
            next: Int64, updatedAt: Int64 = 0, last: LastMessage? = nil, proven: LastMessage? = nil,
            isLost: Bool = false, detour: Detour? = nil
        ) {
            self.next = next
            self.updatedAt = updatedAt
            self.last = last
            self.proven = proven
            self.isLost = isLost
            self.detour = detour
        }

        /// What is to be read again of what was loaded.
        var earliest: LastMessage? { proven ?? last }

        /// It is where a batch has moved it. What another member has loaded of a topic that was there before may end there as
        /// well, and its last message is another then.
        func isBehind(_ range: Batch.PartitionRange) -> Bool {
            guard next == range.next else { return false }
            guard let last, let known = range.last else { return true }
            return last == known
        }
    }

    /// Every position that this group has of the topics.
    ///
    /// - Parameter topics: nil for all that the ledger has of the group.
    package func states(
        of topics: [String]?, on connection: Connection
    ) throws(PostgresError) -> [TopicPartition: Position] {
        let result = try connection.query(
            """
            SELECT topic, partition, next_offset, (extract(epoch FROM updated_at) * 1000)::bigint,
              lost_offset = next_offset, last_message[2], last_message[3], last_message[4], last_message[5],
              last_message[6], last_message[7], last_message[8], last_message[9], version
            FROM (
              SELECT topic, partition, next_offset, updated_at, lost_offset, \(Self.version) AS version,
                CASE WHEN last_message[1] = next_offset THEN last_message END AS last_message
              FROM loader.positions WHERE consumer_group = $1 AND ($3 OR topic = ANY ($2::text[]))
            ) AS p
            """, [.text(group), .array(topics ?? []), .bool(topics == nil)])
        var states: [TopicPartition: Position] = [:]
        for row in 0..<result.rowCount {
            guard let topic = result.string(row, 0), let partition = result.int(row, 1), let next = result.int(row, 2)
            else { continue }
            func message(_ column: Int) -> LastMessage? {
                guard let offset = result.int(row, column), let timestamp = result.int(row, column + 1),
                    let print = result.int(row, column + 2)
                else { return nil }
                return LastMessage(offset: offset, timestamp: timestamp, fingerprint: print)
            }
            var detour: Detour?
            if let until = result.int(row, 8), let resume = result.int(row, 9) {
                detour = Detour(until: until, resume: resume)
            }
            var position = Position(
                next: next, updatedAt: result.int(row, 3) ?? 0, last: message(5), proven: message(10),
                isLost: result.bool(row, 4) ?? false, detour: detour)
            position.version = result.int(row, 13) ?? 0
            states[TopicPartition(topic: topic, partition: Int32(partition))] = position
        }
        return states
    }

    /// Every position that this group has of the topics.
    package func positions(of topics: [String], on connection: Connection) throws(PostgresError) -> [TopicPartition:
        Int64]
    {
        let result = try connection.query(
            """
            SELECT topic, partition, next_offset FROM loader.positions
            WHERE consumer_group = $1 AND topic = ANY ($2::text[])
            """, [.text(group), .array(topics)])
        return Self.positions(result)
    }

    /// Every topic that the ledger has a row of for this group, what it only remembers under a topic's place included.
    package func topics(on connection: Connection) throws(PostgresError) -> [String] {
        let result = try connection.query(
            "SELECT DISTINCT topic FROM loader.positions WHERE consumer_group = $1", [.text(group)])
        return (0..<result.rowCount).compactMap { result.string($0, 0) }
    }

    /// Every topic that the group has a position of.
    package func loadedTopics(on connection: Connection) throws(PostgresError) -> [String] {
        try topics(on: connection).filter { !LedgerMemory.isMemory($0) }
    }

    /// Remembers that these positions are lost, so that the next start stops as well, whatever the topics hold by then.
    ///
    /// A way back is kept as far as it says what of the log is loaded, for which see `Position.loaded`: one that leads to the
    /// position itself tells from where on it may be, any other that what lies below is.
    func remember(lost positions: [TopicPartition: Position], on connection: Connection) throws(PostgresError) {
        guard !positions.isEmpty else { return }
        let entries = positions.sorted { $0.key < $1.key }
        _ = try connection.query(
            """
            UPDATE loader.positions AS p SET lost_offset = p.next_offset,
              last_message = CASE
                WHEN v.resume = p.next_offset THEN ARRAY[p.next_offset, NULL, NULL, NULL, v.until, v.resume]
                WHEN v.resume >= 0 OR p.last_message[6] IS NULL THEN p.last_message
                ELSE ARRAY[p.last_message[1], p.last_message[2], p.last_message[3], p.last_message[4]] END
            FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS v (topic, partition, next_offset, until, resume)
            WHERE p.consumer_group = $1 AND p.topic = v.topic AND p.partition = v.partition
              AND p.next_offset = v.next_offset
            """,
            [
                .text(group), .array(entries.map(\.key.topic)), .array(entries.map(\.key.partition)),
                .array(entries.map(\.value.next)), .array(entries.map { $0.value.detour?.until ?? -1 }),
                .array(entries.map { $0.value.detour?.resume ?? -1 }),
            ])
    }

    private static func positions(_ result: QueryResult) -> [TopicPartition: Int64] {
        var positions: [TopicPartition: Int64] = [:]
        for row in 0..<result.rowCount {
            guard let topic = result.string(row, 0), let partition = result.int(row, 1), let offset = result.int(row, 2)
            else { continue }
            positions[TopicPartition(topic: topic, partition: Int32(partition))] = offset
        }
        return positions
    }

    /// The same of some partitions, held where they are until the transaction ends: no member gets further meanwhile.
    package func lockedPositions(
        of partitions: [TopicPartition], on connection: Connection
    ) throws(PostgresError) -> [TopicPartition: Int64] {
        let result = try connection.query(
            """
            SELECT p.topic, p.partition, p.next_offset FROM loader.positions AS p
            JOIN unnest($2::text[], $3::int[]) AS v (topic, partition)
              ON p.topic = v.topic AND p.partition = v.partition
            WHERE p.consumer_group = $1 ORDER BY p.topic, p.partition FOR SHARE OF p
            """, [.text(group), .array(partitions.map(\.topic)), .array(partitions.map(\.partition))])
        return Self.positions(result)
    }

    /// Writes what `StartPosition` decided, all in one transaction.
    ///
    /// - Parameters:
    ///   - seen: what it was decided by. A position that has gone away and come back since is none of it: what was set is loaded
    ///     by then, and would be once more. What was loaded on a way back is read again behind its end, too: the topic may
    ///     have become another one on the way.
    ///   - memories: what is to be remembered along with it.
    ///   - lockTimeout: how long to wait for a member that is moving one of the positions.
    /// - Returns: false if another member has moved one of the positions in the meantime; then nothing is written.
    func write(
        _ starts: [TopicPartition: StartPosition], seen: [TopicPartition: Position] = [:], memories: [String] = [],
        lockTimeout: Duration = .seconds(10), on connection: Connection
    ) throws(PostgresError) -> Bool {
        var inserts: [(partition: TopicPartition, offset: Int64)] = memories.map {
            (TopicPartition(topic: $0, partition: 0), 0)
        }
        var updates: [Batch.PartitionRange] = []
        for (partition, start) in starts.sorted(by: { $0.key < $1.key }) {
            switch start.step {
            case .none: break
            case .insert: inserts.append((partition, start.offset))
            case .reset(let from), .skip(let from):
                updates.append(
                    Batch.PartitionRange(
                        partition: partition, expected: from, next: start.offset, detour: start.detour))
            case .resume(let from):
                updates.append(
                    Batch.PartitionRange(
                        partition: partition, expected: from, next: start.offset, proven: seen[partition]?.earliest))
            }
        }
        guard !inserts.isEmpty || !updates.isEmpty else { return true }
        try connection.beginWriting("SET LOCAL lock_timeout = '\(lockTimeout.inMilliseconds)ms'")
        do {
            if !inserts.isEmpty {
                // A position that another member wrote first stands; the caller reads them all again.
                _ = try connection.query(
                    """
                    INSERT INTO loader.positions (consumer_group, topic, partition, next_offset)
                    SELECT $1, v.* FROM unnest($2::text[], $3::int[], $4::bigint[]) AS v ON CONFLICT DO NOTHING
                    """,
                    [
                        .text(group), .array(inserts.map(\.partition.topic)),
                        .array(inserts.map(\.partition.partition)), .array(inserts.map(\.offset)),
                    ])
            }
            let known = updates.compactMap { update in seen[update.partition].map { (update.partition, $0.version) } }
            var isUnmoved = try hold(known, on: connection)
            if isUnmoved, !updates.isEmpty { isUnmoved = try advance(updates, fromAnyWay: true, on: connection) }
            guard isUnmoved else {
                try connection.execute("ROLLBACK")
                return false
            }
            try connection.execute("COMMIT")
            return true
        } catch {
            if connection.isOpen { _ = try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    /// Holds rows as they were seen until the transaction ends.
    ///
    /// - Returns: false if any is not what it was.
    private func hold(
        _ rows: [(partition: TopicPartition, version: Int64)], on connection: Connection
    ) throws(PostgresError) -> Bool {
        guard !rows.isEmpty else { return true }
        let held = try connection.query(
            """
            SELECT 1 FROM loader.positions AS p
            JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS v (topic, partition, version)
              ON p.topic = v.topic AND p.partition = v.partition
            WHERE p.consumer_group = $1 AND \(Self.version) = v.version
            ORDER BY p.topic, p.partition FOR UPDATE OF p
            """,
            [
                .text(group), .array(rows.map(\.partition.topic)), .array(rows.map(\.partition.partition)),
                .array(rows.map(\.version)),
            ])
        return held.rowCount == rows.count
    }

    /// Sets positions whatever they were, for an operator who says so while no member of the group runs. One that runs
    /// after all is fenced off by its next batch.
    package func set(
        _ positions: [(partition: TopicPartition, offset: Int64, detour: Detour?)], on connection: Connection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            INSERT INTO loader.positions AS p (consumer_group, topic, partition, next_offset, last_message)
            SELECT $1, v.topic, v.partition, v.next_offset,
              CASE WHEN v.resume >= 0 THEN ARRAY[v.next_offset, NULL, NULL, NULL, v.until, v.resume] END
            FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS v (topic, partition, next_offset, until, resume)
            ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET
              next_offset = EXCLUDED.next_offset, updated_at = now(), last_message = EXCLUDED.last_message,
              lost_offset = NULL
            """,
            [
                .text(group), .array(positions.map(\.partition.topic)), .array(positions.map(\.partition.partition)),
                .array(positions.map(\.offset)), .array(positions.map { $0.detour?.until ?? -1 }),
                .array(positions.map { $0.detour?.resume ?? -1 }),
            ])
    }

    /// The fence: moves each position from where this member believes it to be.
    ///
    /// - Parameter fromAnyWay: it leaves the way back on which the partition may be, or begins one; a batch goes on with it.
    /// - Returns: false if any was elsewhere, which means that another member has taken the partition over. The caller
    ///   must roll back.
    func advance(
        _ ranges: [Batch.PartitionRange], fromAnyWay: Bool = false, on connection: Connection
    ) throws(PostgresError) -> Bool {
        let statement = advancing(ranges, fromAnyWay: fromAnyWay)
        return try connection.query(statement.sql, statement.parameters).affectedRows == ranges.count
    }

    /// The fence as a statement of a pipeline: if it touches fewer rows than there are ranges, any was elsewhere.
    ///
    /// A way back is an operator's wish. A batch of somebody who was asleep meanwhile would end it, or begin one again that a
    /// reset has ended, where it happens to begin at the same offset.
    func advancing(_ ranges: [Batch.PartitionRange], fromAnyWay: Bool = false) -> Connection.Statement {
        // With its end: the same way may have been set anew, to another one.
        let sameWay = [(5, "until"), (6, "resume")].map { place, column in
            "CASE WHEN p.last_message[1] = p.next_offset THEN p.last_message[\(place)] END "
                + "IS NOT DISTINCT FROM nullif(v.\(column), -1)"
        }.joined(separator: " AND ")
        // A batch that was taken before the first one behind a set position was in knows of no message to be read again: then that
        // one's last is, which the row has. Else a topic that is replaced between the two would be known to nobody.
        func proven(_ column: String, _ index: Int) -> String {
            let before = "coalesce(p.last_message[\(7 + index)], p.last_message[\(2 + index)])"
            let kept = fromAnyWay ? "" : " WHEN p.last_message[1] = p.next_offset THEN \(before)"
            return "CASE WHEN v.proven_offset >= 0 THEN v.\(column)\(kept) END"
        }
        return Connection.Statement(
            """
            UPDATE loader.positions AS p SET next_offset = v.next_offset, updated_at = now(), lost_offset = NULL,
              last_message = CASE
                WHEN v.proven_offset >= 0 OR v.resume >= 0 OR v.last_offset >= 0
                THEN ARRAY[v.next_offset, nullif(v.last_offset, -1), v.last_timestamp, v.last_fingerprint,
                  nullif(v.until, -1), nullif(v.resume, -1), \(proven("proven_offset", 0)),
                  \(proven("proven_timestamp", 1)), \(proven("proven_fingerprint", 2))] END
            FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
              AS v (topic, partition, expected, next_offset, last_offset, last_timestamp, last_fingerprint, until, resume,
                proven_offset, proven_timestamp, proven_fingerprint)
            WHERE p.consumer_group = $1 AND p.topic = v.topic AND p.partition = v.partition
              AND p.next_offset = v.expected\(fromAnyWay ? "" : " AND " + sameWay)
            """,
            [
                .text(group), .array(ranges.map(\.partition.topic)), .array(ranges.map(\.partition.partition)),
                .array(ranges.map(\.expected)), .array(ranges.map(\.next)),
                .array(ranges.map { $0.last?.offset ?? -1 }), .array(ranges.map { $0.last?.timestamp ?? 0 }),
                .array(ranges.map { $0.last?.fingerprint ?? 0 }), .array(ranges.map { $0.detour?.until ?? -1 }),
                .array(ranges.map { $0.detour?.resume ?? -1 }),
                .array(ranges.map { $0.proven?.offset ?? -1 }), .array(ranges.map { $0.proven?.timestamp ?? 0 }),
                .array(ranges.map { $0.proven?.fingerprint ?? 0 }),
            ])
    }

    /// The fence as a statement that fails, with `SQLState.divisionByZero`, if any was elsewhere: in a pipeline nothing behind
    /// it is carried out then.
    func requiring(_ ranges: [Batch.PartitionRange]) -> Connection.Statement {
        let advancing = advancing(ranges)
        return Connection.Statement(
            "WITH moved AS (\(advancing.sql) RETURNING 1) "
                + "SELECT 1 / CASE WHEN count(*) = \(ranges.count) THEN 1 ELSE 0 END FROM moved", advancing.parameters)
    }

    /// What became of a batch whose COMMIT got no answer.
    enum Outcome: Equatable {
        case committed, notCommitted, takenOver

        /// - Parameter known: where the ledger stands now.
        init(of ranges: [Batch.PartitionRange], known: [TopicPartition: Position]) {
            if ranges.allSatisfy({ known[$0.partition]?.isBehind($0) ?? false }) {
                self = .committed
            } else if ranges.allSatisfy({ known[$0.partition]?.next == $0.expected }) {
                self = .notCommitted
            } else {
                self = .takenOver
            }
        }
    }

    func outcome(of ranges: [Batch.PartitionRange], on connection: Connection) throws(PostgresError) -> Outcome {
        Outcome(of: ranges, known: try states(of: Array(Set(ranges.map(\.partition.topic))), on: connection))
    }
}
