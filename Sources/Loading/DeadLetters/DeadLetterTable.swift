import Foundation
import Kafka
import Postgres

/// The table of dead letters, read and emptied. What is written into it goes through a batch's transaction.
public struct DeadLetterTable {
    public let name: TableName
    package let connection: Connection

    public init(_ name: TableName, on connection: Connection) {
        self.name = name
        self.connection = connection
    }

    /// The server's time, which is that of `failed_at`: a bound for what shall not be touched because it comes later.
    public func now() throws(PostgresError) -> Date {
        let time = try connection.query("SELECT \(Self.milliseconds("clock_timestamp()"))").int(0, 0) ?? 0
        return Date(timeIntervalSince1970: Double(time + 1) / 1000)
    }

    /// Letters in the order of topic, partition and offset, which is the order they would have been loaded in.
    ///
    /// - Parameters:
    ///   - last: only those behind this one.
    ///   - bytes: ends before this is exceeded, but not before the first.
    package func read(
        _ filter: DeadLetterFilter, after last: StoredDeadLetter?, limit: Int, bytes: Int
    ) throws(PostgresError) -> [StoredDeadLetter] {
        var (condition, parameters) = filter.condition()
        if let last {
            let start = parameters.count
            condition +=
                " AND (d.topic, d.partition, d.\"offset\", d.id) > ($\(start + 1), $\(start + 2), $\(start + 3), $\(start + 4))"
            let place = last.message.partition
            parameters += [
                .text(place.topic), .int32(place.partition), .int64(last.message.offset), .int64(last.id),
            ]
        }
        let result = try connection.query(
            """
            SELECT \(Self.columns), key, value,
              CASE WHEN header_names <> '{}' THEN to_json(header_names) END,
              CASE WHEN header_names <> '{}' THEN (SELECT json_agg(encode(v, 'hex') ORDER BY i)
                FROM unnest(header_values) WITH ORDINALITY AS h (v, i)) END
            FROM (
              SELECT *, sum(size) OVER (ORDER BY topic, partition, "offset", id) - size AS before FROM (
                SELECT *, coalesce(octet_length(value), 0)::bigint + coalesce(octet_length(key), 0) AS size
                FROM \(name.quoted) AS d WHERE \(condition)
                ORDER BY topic, partition, "offset", id LIMIT \(limit)) AS page) AS sized
            WHERE before < \(bytes) ORDER BY topic, partition, "offset", id
            """, parameters)
        return (0..<result.rowCount).map { Self.letter(result, $0) }
    }

    /// Takes letters for this transaction; who else wants them passes them over.
    ///
    /// - Returns: the ids of those that are still as they were read.
    func claim(_ letters: [(id: Int64, attempts: Int32)]) throws(PostgresError) -> Set<Int64> {
        let result = try connection.query(
            """
            SELECT d.id FROM \(name.quoted) AS d
            JOIN unnest($1::bigint[], $2::int[]) AS v (id, attempts) ON v.id = d.id AND v.attempts = d.attempts
            ORDER BY d.id FOR UPDATE OF d SKIP LOCKED
            """, [.array(letters.map(\.id)), .array(letters.map(\.attempts))])
        return Set((0..<result.rowCount).compactMap { result.int($0, 0) })
    }

    func remove(_ ids: [Int64]) throws(PostgresError) {
        guard !ids.isEmpty else { return }
        _ = try connection.query("DELETE FROM \(name.quoted) WHERE id = ANY ($1::bigint[])", [.array(ids)])
    }

    /// Which messages of these partitions, from the given offsets on, are dead letters.
    func places(
        group: String, from offsets: [TopicPartition: Int64]
    ) throws(PostgresError) -> [TopicPartition: Set<Place>] {
        let wanted = offsets.sorted { $0.key < $1.key }
        let result = try connection.query(
            """
            SELECT d.topic, d.partition, d."offset", d.target FROM \(name.quoted) AS d
            JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS v (topic, partition, "offset")
              ON d.topic = v.topic AND d.partition = v.partition AND d."offset" >= v."offset"
            WHERE d.consumer_group = $1
            """,
            [
                .text(group), .array(wanted.map(\.key.topic)), .array(wanted.map(\.key.partition)),
                .array(wanted.map(\.value)),
            ])
        var places: [TopicPartition: Set<Place>] = [:]
        for row in 0..<result.rowCount {
            guard let topic = result.string(row, 0), let partition = result.int(row, 1),
                let offset = result.int(row, 2), let table = result.string(row, 3)
            else { continue }
            places[TopicPartition(topic: topic, partition: Int32(partition)), default: []]
                .insert(Place(offset: offset, table: table))
        }
        return places
    }

    struct Place: Hashable {
        var offset: Int64
        var table: String
    }

    // MARK: Rows

    /// Whole minutes and what is over by themselves: before version 14 a server gives both as one float, which has not room
    /// for the milliseconds of the last years that a timestamp can have.
    package static func milliseconds(_ time: String) -> String {
        """
        (extract(epoch FROM date_trunc('minute', \(time)))::bigint * 1000 \
        + round(extract(milliseconds FROM \(time))::numeric)::bigint)
        """
    }

    package static let columns = """
        id, consumer_group, topic, partition, "offset", \(milliseconds("\"timestamp\"")), target, reason, sqlstate,
        column_name, message, attempts, \(milliseconds("failed_at"))
        """

    package static func letter(_ result: QueryResult, _ row: Int) -> StoredDeadLetter {
        let names = decode([String].self, result.string(row, 15))
        let values = decode([String?].self, result.string(row, 16))
        var letter = StoredDeadLetter(
            id: result.int(row, 0) ?? 0, group: result.string(row, 1) ?? "",
            message: KeptMessage(
                partition: TopicPartition(
                    topic: result.string(row, 2) ?? "", partition: Int32(result.int(row, 3) ?? 0)),
                offset: result.int(row, 4) ?? 0, timestamp: result.int(row, 5), key: result.bytes(row, 13),
                value: result.bytes(row, 14),
                headers: zip(names ?? [], values ?? []).map { Header(name: $0, value: $1.map(bytes(ofHex:))) }),
            table: result.string(row, 6) ?? "", reason: result.string(row, 7) ?? "", sqlState: result.string(row, 8),
            column: result.string(row, 9), explanation: result.string(row, 10) ?? "",
            attempts: Int32(result.int(row, 11) ?? 0), failedAt: result.int(row, 12) ?? 0)
        letter.message.restoreTimestamp()
        return letter
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ text: String?) -> Value? {
        text.flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
    }

    private static func bytes(ofHex text: String) -> [UInt8] {
        func digit(_ code: UInt8) -> UInt8 { code < 0x3A ? code - 0x30 : code - 0x57 }
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { digit(digits[$0]) << 4 | digit(digits[$0 + 1]) }
    }
}
